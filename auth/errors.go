package auth

import (
	"errors"
	"fmt"
)

// What the owner of a token is told. All but the first two and ErrInvalid are said
// of tokens with a good signature only, so that they teach nobody to forge one.
var (
	ErrNoToken  = errors.New("no token was given: send one in the Authorization header or in hello")
	ErrTooLarge = fmt.Errorf("the token is larger than %d bytes", MaxToken)
	ErrInvalid  = errors.New("the token is not valid")
	ErrExpired  = errors.New("the token has expired: connect with a new one")
	ErrNotYet   = errors.New("the token is not valid yet: a clock is wrong, or it is meant for later")
	ErrAudience = errors.New("the token is for another audience")
	ErrNoRole   = errors.New("the token names no role that this hub knows")
	ErrRevoked  = errors.New("the token has been revoked: connect with a new one")
)

// A DeniedError is a token that is not good, a denial: what its owner is told,
// which is one of the errors above, and why, which is for the operator's log alone.
type DeniedError struct {
	Reason error
	Detail string // "": the reason says it all
}

// Error returns both.
func (d *DeniedError) Error() string {
	if d.Detail == "" {
		return d.Reason.Error()
	}
	return fmt.Sprintf("%v (%s)", d.Reason, d.Detail)
}

// Unwrap returns the reason.
func (d *DeniedError) Unwrap() error { return d.Reason }

func deny(reason error, detail string) error { return &DeniedError{reason, detail} }
