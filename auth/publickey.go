package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// publicKey is the one key of an issuer.
type publicKey struct {
	public any
	signs  []string
}

// ReadPublicKey reads an issuer's public key from a file, PKIX in PEM.
func ReadPublicKey(path string) (KeySource, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return nil, fmt.Errorf("%s has no public key in PEM", path)
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, fmt.Errorf("%s has a private key: the hub needs the public one, and nobody but the issuer should have this", path)
	case block.Type != "PUBLIC KEY":
		return nil, fmt.Errorf("%s has a %q, not a \"PUBLIC KEY\"", path, block.Type)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the public key in %s: %w", path, err)
	}
	signs, err := methodsOf(key)
	if err != nil {
		return nil, fmt.Errorf("the public key in %s: %w", path, err)
	}
	return &publicKey{key, signs}, nil
}

// methodsOf returns the methods of signing that a public key is for.
func methodsOf(key any) ([]string, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return methodsRSA, nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return methodsECDSA, nil
		}
	case ed25519.PublicKey:
		return methodsEd25519, nil
	}
	return nil, unusable(key)
}

func (p *publicKey) methods() []string { return p.signs }

func (p *publicKey) key(context.Context, *jwt.Token) (any, error) { return p.public, nil }
