package loadtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// The tables of the profile [Transfers], as the example city has them: a trigger moves the
// money of a transfer, and no balance goes below nothing.
const (
	accounts  = "account"  // owner, balance
	transfers = "transfer" // id, payer, payee, amount, note

	bank    = "bank" // whose money the load's accounts are opened with
	opening = 100    // what each gets

	mostMoved = 40 // in one transfer
)

var transferColumns = []string{"id", "payer", "payee", "amount", "note"}

// A teller moves money from one device's account to those of others.
type teller struct {
	run    *run
	number int   // of the device, from 0
	first  int64 // the id of its first transfer
	rng    *rand.Rand
	client *session.Device // set by employ
	writer *writer         // set by employ

	mu    sync.Mutex // guards the following
	moves []move     // by their place in the script
}

// A move is a transfer of a teller's.
type move struct {
	payee, amount int64
	state         moveState
}

type moveState uint8

const (
	unknown   moveState = iota // it has no outcome
	committed                  // it must be there
	refused                    // it must not be there
)

// employ makes a writer one that moves money.
func (l *ledger) employ(a *actor) {
	t := l.tellers[a.script.(*meshScript).number]
	t.client, t.writer = a.device.conn.(*lasting).client, a.writer
	a.writer.compose, a.writer.told = t.compose, t.told
}

func accountOf(device int64) string { return fmt.Sprintf("load %d", device+1) }

// compose returns a transfer from the device's account to another. A third of them expect
// the balance that the device sees, a third that nobody has changed the account since the version
// that it sees, and a third leave it to the database whether there is enough.
func (t *teller) compose(i int) *session.Tx {
	payer, payee := accountOf(int64(t.number)), t.rng.Int64N(int64(t.run.opts.Devices-1))
	if payee >= int64(t.number) {
		payee++
	}
	amount := 1 + t.rng.Int64N(mostMoved)
	balance, version := t.look(payer)
	tx := new(session.Tx)
	switch i % 3 {
	case 0:
		amount = min(amount, max(1, balance))
		tx.Expect(accounts, []string{"owner", "balance"}, session.Values(payer, balance))
	case 1:
		amount = min(amount, max(1, balance))
		tx.Expect(accounts, []string{"owner"}, session.Values(payer)).Base(version)
	}
	t.mu.Lock()
	t.moves = append(t.moves, move{payee: payee, amount: amount})
	t.mu.Unlock()
	note := strconv.FormatInt(t.writer.stamp(i), 10)
	return tx.Insert(transfers, transferColumns, session.Values(t.first+int64(i), payer, accountOf(payee), amount, note))
}

// look returns what an account has, and the version at which the device sees it.
func (t *teller) look(owner string) (balance int64, version uint64) {
	t.client.View(func(c *session.Copy) {
		version = completeTo(c)
		table := c.Table(accounts)
		if row, ok := table.Get(wire.TextValue(owner)); ok {
			balance = row.Values[table.Column("balance")].Int64()
		}
	})
	return balance, version
}

// told takes in what became of a transfer.
func (t *teller) told(i int, refusal *wire.Refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moves[i].state = committed
	if refusal != nil {
		t.moves[i].state = refused
	}
}

var errNoAnswer = errors.New("the hub does not answer")

// openAccounts lets a session of the role server open an account for each device that has
// none, and pay into it from the bank's. It returns what all accounts then have.
func (r *run) openAccounts(ctx context.Context) (*ledger, error) {
	ctx, end := context.WithTimeoutCause(ctx, r.opts.Patience, errNoAnswer)
	defer end()
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	live, down := make(chan struct{}), make(chan error, 3) // a refusal, a loss, and the end
	d, err := session.NewDevice(session.DeviceOptions{
		URL:    r.opts.URL,
		Client: session.ClientOptions{Token: r.opts.Token, Hello: wire.DeviceHello{Role: "server", Client: "framehub loadtest"}},
		Subs:   []wire.Sub{{Name: accounts}}, Strict: true,
		OnLive:    func() { close(live) },
		OnRefused: func(why *wire.Refusal) { down <- why },
		OnDown:    func(err error, _ time.Duration) { down <- err; cancel(err) },
	})
	if err != nil {
		return nil, err
	}
	running.Go(func() {
		if err := d.Run(ctx); err != nil {
			down <- err
		}
	})
	select {
	case <-live:
	case err := <-down:
		return nil, fmt.Errorf("a session of the role server: %w", err)
	case <-ctx.Done():
		return nil, fmt.Errorf("a session of the role server: %w", context.Cause(ctx))
	}
	l := &ledger{run: r, first: time.Now().Unix() << 30} // no other run's
	return l, l.open(ctx, d)
}

// open opens the accounts that are missing, and hires a teller for each.
func (l *ledger) open(ctx context.Context, d *session.Device) error {
	there, err := balancesOf(d)
	if err != nil {
		return err
	}
	var missing []string
	for n := range l.run.opts.Devices {
		if _, ok := there[accountOf(int64(n))]; !ok {
			missing = append(missing, accountOf(int64(n)))
		}
	}
	if err := l.fund(ctx, d, missing); err != nil {
		if ctx.Err() != nil { // which is why
			err = context.Cause(ctx)
		}
		return fmt.Errorf("open accounts: %w", err)
	}
	if l.opening, err = balancesOf(d); err != nil {
		return err
	}
	for _, b := range l.opening {
		l.sum += b
	}
	for n, s := range meshScripts(&l.run.opts) {
		l.tellers = append(l.tellers, &teller{run: l.run, number: n, first: l.first, rng: rand.New(rand.NewPCG(uint64(n), 0))})
		l.first += int64(s.count())
	}
	return nil
}

// fund makes accounts and pays into them, and waits until the device sees it.
func (l *ledger) fund(ctx context.Context, d *session.Device, owners []string) error {
	const together = 100
	for part := range slices.Chunk(owners, together) {
		tx := new(session.Tx)
		for _, owner := range part {
			tx.Insert(accounts, []string{"owner"}, session.Values(owner))
		}
		for _, owner := range part {
			tx.Insert(transfers, transferColumns, session.Values(l.first, bank, owner, opening, "opening"))
			l.first++
		}
		o, err := d.Do(ctx, tx)
		if err = errors.Join(err, o.Err); err != nil {
			return err
		}
		for version := uint64(0); version < o.Version; {
			d.View(func(c *session.Copy) { version = completeTo(c) })
			if err := pause(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// balancesOf returns what a device sees of all accounts.
func balancesOf(d *session.Device) (balances map[string]int64, err error) {
	d.View(func(c *session.Copy) {
		table := c.Table(accounts)
		if table == nil || table.Column("balance") < 0 || c.Table(transfers) == nil {
			err = fmt.Errorf("the profile %s needs the tables %s and %s as the example city has them, and the hub does not have them", Transfers, accounts, transfers)
			return
		}
		balances = map[string]int64{}
		for row := range table.Rows() {
			balances[row.Values[0].Bytes()] = row.Values[table.Column("balance")].Int64()
		}
	})
	return balances, err
}
