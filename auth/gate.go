package auth

import (
	"context"
	"time"
)

// A Gate lets in whom its verifier knows and nobody has revoked. Its methods may
// be called from any goroutine.
type Gate struct {
	verifier Verifier
	revoked  *Revoked
}

// NewGate returns a gate. revoked may be nil: nothing is.
func NewGate(v Verifier, revoked *Revoked) *Gate { return &Gate{v, revoked} }

// Enter makes an identity of a token. The error is a denial where the token is
// not good.
func (g *Gate) Enter(ctx context.Context, token string) (Identity, error) {
	id, err := g.verifier.Verify(ctx, token)
	if err == nil {
		err = g.Stay(&id, time.Now())
	}
	if err != nil {
		return Identity{}, err
	}
	return id, nil
}

// Stay returns nil while a session of an identity that was let in may go on, and
// the denial after. It does not wait.
func (g *Gate) Stay(id *Identity, now time.Time) error {
	switch {
	case !id.Expires.IsZero() && !now.Before(id.Expires.Add(Leeway)):
		return deny(ErrExpired, "")
	case g.revoked.Has(id):
		return deny(ErrRevoked, "")
	default:
		return nil
	}
}
