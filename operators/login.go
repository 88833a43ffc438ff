package operators

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
)

// Timeouts end logins.
type Timeouts struct {
	Idle time.Duration // without a request; default an hour
	Life time.Duration // since the password was typed; default 12 hours
}

// Logins are who has logged in. They are in memory: when the hub starts anew, all
// log in again. Its methods may be called from any goroutine.
type Logins struct {
	*Accounts

	limits           *limits
	strangers, known *lane // browsers that have not logged in before, and those that have

	mu       sync.Mutex // guards the sessions: one that ends meanwhile must not be put off
	sessions *scs.SessionManager
}

// NewLogins returns logins of accounts.
func NewLogins(a *Accounts, t Timeouts) *Logins {
	if t.Idle == 0 {
		t.Idle = time.Hour
	}
	if t.Life == 0 {
		t.Life = 12 * time.Hour
	}
	// Not by scs.New, which starts a goroutine that nobody could wait for.
	sessions := &scs.SessionManager{Store: &memory{}, Codec: scs.GobCodec{}, IdleTimeout: t.Idle, Lifetime: t.Life, HashTokenInStore: true}
	return &Logins{Accounts: a, sessions: sessions, limits: newLimits(), strangers: newLane(), known: newLane()}
}

// An Attempt is somebody who wants to log in.
type Attempt struct {
	Name, Password string
	Address        string // the peer's, with its port
	Known          string // what the browser has kept of an earlier login, or ""
}

// A Login is one that has just begun.
type Login struct {
	Account

	Token string // proves it: for [Logins.Who]
	Known string // for the browser to keep
}

// Enter logs somebody in. The error is ErrWrong, a [LimitedError] or ErrBusy where
// that is who asks's affair.
func (l *Logins) Enter(ctx context.Context, a Attempt) (Login, error) {
	r, err := l.verify(ctx, a)
	if err != nil {
		return Login{}, err
	}
	return l.begin(ctx, r)
}

// verify returns the account whose password was given.
func (l *Logins) verify(ctx context.Context, a Attempt) (record, error) {
	c, err := l.now()
	if err != nil {
		return record{}, err
	}
	way := l.known
	if !remembered(c.Secret, a.Name, a.Known) {
		way, a.Known = l.strangers, ""
	}
	if len(a.Password) > maxPassword || len(a.Name) > maxName {
		return record{}, ErrWrong
	}
	if err := l.limits.take(a.Name, a.Address, a.Known); err != nil {
		return record{}, err
	}
	r := c.find(a.Name)
	err = way.run(ctx, func() error {
		if ok, err := matches(r, a.Password); err != nil || !ok {
			return errors.Join(err, ErrWrong)
		}
		return nil
	})
	if err != nil {
		return record{}, err
	}
	return *r, nil
}

// begin makes a login of an account.
func (l *Logins) begin(ctx context.Context, r record) (Login, error) {
	c, err := l.now()
	if err != nil {
		return Login{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, err = l.sessions.Load(ctx, "")
	if err != nil {
		return Login{}, err
	}
	l.sessions.Put(ctx, "name", r.Name)
	l.sessions.Put(ctx, "stamp", r.Stamp)
	token, _, err := l.sessions.Commit(ctx)
	return Login{Account: r.Account, Token: token, Known: remember(c.Secret, r.Name)}, err
}

// Who says whose a login is, as the account is now, and puts off the end of its idle
// time. The error is ErrEnded where it is none any more.
func (l *Logins) Who(ctx context.Context, token string) (Account, error) {
	if token == "" {
		return Account{}, ErrEnded
	}
	c, err := l.now()
	if err != nil {
		return Account{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, err = l.sessions.Load(ctx, token)
	if err != nil {
		return Account{}, err
	}
	r := c.find(l.sessions.GetString(ctx, "name"))
	if r == nil || r.Stamp != l.sessions.GetString(ctx, "stamp") {
		return Account{}, errors.Join(ErrEnded, l.sessions.Destroy(ctx))
	}
	_, _, err = l.sessions.Commit(ctx)
	return r.Account, err
}

// Leave ends a login.
func (l *Logins) Leave(ctx context.Context, token string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, err := l.sessions.Load(ctx, token)
	if err != nil {
		return err
	}
	return l.sessions.Destroy(ctx)
}

// ChangePassword changes the password of who knows the one before. All logins of
// the account end; the one that is returned is new.
func (l *Logins) ChangePassword(ctx context.Context, a Attempt, password string) (Login, error) {
	if err := checkPassword(a.Name, password); err != nil {
		return Login{}, err
	}
	if _, err := l.verify(ctx, a); err != nil {
		return Login{}, err
	}
	if _, err := l.SetPassword(a.Name, password); err != nil {
		return Login{}, err
	}
	return l.again(ctx, a.Name)
}

// again logs in who has just proved who he is.
func (l *Logins) again(ctx context.Context, name string) (Login, error) {
	c, err := l.now()
	if err != nil {
		return Login{}, err
	}
	r := c.find(name)
	if r == nil {
		return Login{}, ErrEnded
	}
	return l.begin(ctx, *r)
}

// Redeem makes an account with the secret of a link, and logs it in.
func (l *Logins) Redeem(ctx context.Context, secret string, a Attempt) (Login, error) {
	if err := l.limits.addresses.take(network(a.Address)); err != nil {
		return Login{}, err
	}
	if _, err := l.redeem(secret, a.Name, a.Password); err != nil {
		return Login{}, err
	}
	return l.again(ctx, a.Name)
}
