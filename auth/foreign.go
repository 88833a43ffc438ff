package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// ForeignOptions say whose tokens are believed.
type ForeignOptions struct {
	Issuer   string // its iss; required
	Audience string // the aud that tokens for this hub have; required
	Role     string // the claim that has the roles; default "role"
	Keys     KeySource
}

// Foreign believes the tokens of another issuer, signed with RS256, ES256 or
// EdDSA. Verify may wait for keys to be fetched, when a token names one that is
// not known.
type Foreign struct {
	rules rules
	keys  KeySource
}

// NewForeign returns a verifier of another issuer's tokens.
func NewForeign(o ForeignOptions) (*Foreign, error) {
	switch {
	case o.Issuer == "":
		return nil, errors.New("the issuer of the tokens must be said, as their claim iss names it")
	case o.Audience == "":
		return nil, errors.New("the audience of the tokens must be said, as their claim aud names it: else a token for another service would be good here")
	case o.Keys == nil:
		return nil, errors.New("the issuer's keys must be said")
	}
	if o.Role == "" {
		o.Role = "role"
	}
	return &Foreign{rules{methods: o.Keys.methods(), issuer: o.Issuer, audience: o.Audience, role: o.Role}, o.Keys}, nil
}

// Verify implements [Verifier].
func (f *Foreign) Verify(ctx context.Context, token string) (Identity, error) {
	return f.rules.verify(token, func(t *jwt.Token) (any, error) { return f.keys.key(ctx, t) })
}

// errUnknownKey means that no key has the id that a token names.
var errUnknownKey = errors.New("unknown key")

// A KeySource has an issuer's public keys: [ReadPublicKey], [OpenKeySet].
type KeySource interface {
	// methods are those of signing that the keys can be meant for.
	methods() []string

	// key returns a key, or a set of them to try.
	key(ctx context.Context, t *jwt.Token) (any, error)
}

// the methods of signing that are believed: those with a public key alone, so
// that nobody can sign with what everybody may know.
var (
	methodsRSA     = []string{jwt.SigningMethodRS256.Alg()}
	methodsECDSA   = []string{jwt.SigningMethodES256.Alg()}
	methodsEd25519 = []string{jwt.SigningMethodEdDSA.Alg()}
)

func unusable(key any) error {
	return fmt.Errorf("a %T is no key for RS256, ES256 or EdDSA", key)
}
