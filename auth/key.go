package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	// Issuer is whom tokens that a hub's own key signed are from.
	Issuer = "framehub"

	// DefaultAudience is whom they are for, where nobody says.
	DefaultAudience = "framehub"

	// MaxLife is how long a token may be good that the hub's own key signs.
	MaxLife = 365 * 24 * time.Hour

	maxKeyFile = 64 << 10
)

// A Key is the hub's own: it mints tokens, and verifies those that it has minted
// for its audience. Its methods may be called from any goroutine.
type Key struct {
	private ed25519.PrivateKey
	rules   rules
}

// LoadKey reads a key from its file, PKCS #8 in PEM. A file that others than its
// owner can read is refused. audience is whom the tokens are for; "": the default.
func LoadKey(path, audience string) (*Key, error) {
	private, err := readKey(path)
	if err != nil {
		return nil, err
	}
	if audience == "" {
		audience = DefaultAudience
	}
	return &Key{private, rules{
		methods: []string{jwt.SigningMethodEdDSA.Alg()}, issuer: Issuer, audience: audience, role: "role", needID: true,
	}}, nil
}

// OpenKey is LoadKey that makes a new key where there is no file.
func OpenKey(path, audience string) (k *Key, made bool, err error) {
	k, err = LoadKey(path, audience)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, false, err
	}
	if err := makeKey(path); err != nil && !errors.Is(err, fs.ErrExist) { // else somebody was faster
		return nil, false, fmt.Errorf("make a key: %w", err)
	}
	k, err = LoadKey(path, audience)
	return k, true, err
}

func readKey(path string) (ed25519.PrivateKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the key: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("the key file %s is no ordinary file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("others can read or change the key file %s (%v), and make tokens with it: chmod 600 it, and remove it for a new key if somebody may have", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("the key file %s has no private key in PEM (PKCS #8)", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the key file %s: %w", path, err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key in %s is not an Ed25519 key", path)
	}
	return private, nil
}

// makeKey writes a new key to a file, which is then there whole or not at all. A
// file that is there stays as it is: the error is fs.ErrExist.
func makeKey(path string) (err error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

// Verify implements [Verifier].
func (k *Key) Verify(_ context.Context, token string) (Identity, error) {
	return k.rules.verify(token, func(*jwt.Token) (any, error) { return k.private.Public(), nil })
}

// Mint signs a token of an identity, which must have a user, roles that there are
// and a time to expire, at most MaxLife away. Its TokenID and Issued are set.
func (k *Key) Mint(id *Identity) (string, error) {
	now := time.Now()
	switch {
	case !isName(id.User):
		return "", fmt.Errorf("%q is no name of a user: it must have 1 to %d bytes, nothing that can't be seen, and no space around it", id.User, maxUser)
	case len(id.Roles) == 0:
		return "", errors.New("a token must allow a role")
	case id.Expires.Sub(now) > MaxLife:
		return "", fmt.Errorf("a token may be good for %v at most: mint a new one in time", MaxLife)
	}
	for _, role := range id.Roles {
		if !slices.Contains(TokenRoles(), role) {
			return "", fmt.Errorf("there is no role %q", role)
		}
	}
	fresh, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("give out a token id: %w", err)
	}
	id.TokenID, id.Issued = fresh.String(), now
	claims := jwt.MapClaims{
		"iss": k.rules.issuer, "aud": k.rules.audience, "sub": id.User, "jti": id.TokenID, k.rules.role: id.Roles,
		"iat": jwt.NewNumericDate(now), "exp": jwt.NewNumericDate(id.Expires),
	}
	if id.Scopes != nil {
		claims["scopes"] = id.Scopes
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(k.private)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	if len(token) > MaxToken {
		return "", ErrTooLarge
	}
	return token, nil
}
