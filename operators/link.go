package operators

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"time"
)

// LinkLife is how long a one-time link is good.
const LinkLife = time.Hour

// A link lets who has its secret make one account. The file has no more of it than
// its hash.
type link struct {
	Hash    []byte    `json:"sha256"` // of the secret, which is random and long
	Role    Role      `json:"role"`   // of the account
	Expires time.Time `json:"expires"`
}

// NewLink returns the secret of a new one-time link, with which somebody makes an
// account of a role. Links from before are worth nothing any more.
func (a *Accounts) NewLink(role Role) (secret string, expires time.Time, err error) {
	secret = rand.Text()
	hash := sha256.Sum256([]byte(secret))
	l := &link{Hash: hash[:], Role: role, Expires: time.Now().UTC().Add(LinkLife).Truncate(time.Second)}
	err = a.change(func(c *contents) error { c.Link = l; return nil })
	return secret, l.Expires, err
}

// FirstLink is NewLink for an operator, if there is no account. secret is "" if
// there is one.
func (a *Accounts) FirstLink() (secret string, expires time.Time, err error) {
	c, err := a.now()
	if err != nil || len(c.Accounts) > 0 {
		return "", time.Time{}, err
	}
	return a.NewLink(Operator)
}

// LinkRole returns the role of the account that a link's secret makes.
func (a *Accounts) LinkRole(secret string) (Role, error) {
	c, err := a.now()
	if err != nil {
		return "", err
	}
	if !c.Link.is(secret) {
		return "", ErrLink
	}
	return c.Link.Role, nil
}

// redeem makes an account with a link, which is used up.
func (a *Accounts) redeem(secret, name, password string) (made record, err error) {
	role, err := a.LinkRole(secret)
	if err != nil {
		return made, err
	}
	if made, err = newRecord(name, role, password); err != nil {
		return made, err
	}
	return made, a.change(func(c *contents) error {
		if !c.Link.is(secret) { // somebody was faster
			return ErrLink
		}
		c.Link = nil
		return c.add(made)
	})
}

// is says whether a secret is the link's, and still good.
func (l *link) is(secret string) bool {
	hash := sha256.Sum256([]byte(secret))
	return l != nil && subtle.ConstantTimeCompare(hash[:], l.Hash) == 1 && time.Now().Before(l.Expires)
}
