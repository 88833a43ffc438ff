package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"framehub/auth"
)

func edPublic(private any) ed25519.PublicKey {
	return private.(ed25519.PrivateKey).Public().(ed25519.PublicKey)
}

func without(claims jwt.MapClaims, name string) jwt.MapClaims {
	claims = maps.Clone(claims)
	delete(claims, name)
	return claims
}

// A key that the set has not is looked for again, by one of those who ask for it,
// and not more often than every 30 s.
func TestKeySetRefreshes(t *testing.T) {
	path := write(t, "jwks.json", jwks(t, "old", edKey.Public()))
	synctest.Test(t, func(t *testing.T) {
		keys := must(auth.OpenKeySet(t.Context(), path))
		f := must(auth.NewForeign(auth.ForeignOptions{Issuer: issuer, Audience: audience, Keys: keys}))
		turned := func(text []byte) {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		verify := func(kid string, key ed25519.PrivateKey) error {
			_, err := f.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, key, map[string]any{"kid": kid}, good()))
			return err
		}
		turned(jwks(t, "new", strangers.Public()))
		if err := verify("new", strangers); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("fetched again at once: %v", err)
		}
		pass(30 * time.Second)
		if err := verify("new", strangers); err != nil {
			t.Errorf("after 30 s: %v", err)
		}
		if err := verify("old", edKey); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("a key that the issuer has withdrawn: %v", err)
		}
		turned([]byte("broken"))
		pass(30 * time.Second)
		if err := verify("newer", edKey); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("a broken set: %v", err)
		}
		if err := verify("new", strangers); err != nil {
			t.Errorf("after a broken set the last one stays: %v", err)
		}
	})
}

// pass lets time pass on the bubble's clock.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // in a bubble, where it takes none

func TestKeySetByTheHour(t *testing.T) {
	path := write(t, "jwks.json", jwks(t, "old", edKey.Public()))
	synctest.Test(t, func(t *testing.T) {
		keys := must(auth.OpenKeySet(t.Context(), path))
		f := must(auth.NewForeign(auth.ForeignOptions{Issuer: issuer, Audience: audience, Keys: keys}))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { keys.Run(ctx, discard) })
		if err := os.WriteFile(path, jwks(t, "other", strangers.Public()), 0o600); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour + time.Second)
		synctest.Wait()
		if _, err := f.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, edKey, nil, good())); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("a key that was withdrawn an hour ago: %v", err)
		}
		cancel()
		running.Wait()
	})
}

func TestKeySetFromURL(t *testing.T) {
	var fetches atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches.Add(1)
		switch r.URL.Path {
		case "/jwks":
			_, _ = w.Write(jwks(t, "ed", edKey.Public()))
		case "/away":
			http.Redirect(w, r, "http://192.0.2.1/jwks", http.StatusFound)
		case "/huge":
			_, _ = w.Write([]byte(`{"keys":[]` + strings.Repeat(" ", 1<<20) + `}`))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	keys, err := auth.OpenKeySet(t.Context(), server.URL+"/jwks")
	if err != nil {
		t.Fatal(err)
	}
	f := must(auth.NewForeign(auth.ForeignOptions{Issuer: issuer, Audience: audience, Keys: keys}))
	if _, err := f.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, edKey, map[string]any{"kid": "ed"}, good())); err != nil {
		t.Error(err)
	}
	for range 100 { // a flood of tokens with made-up keys
		_, _ = f.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, strangers, map[string]any{"kid": rand.Text()}, good()))
	}
	if n := fetches.Load(); n != 1 {
		t.Errorf("the set was fetched %d times", n)
	}
	for name, c := range map[string]struct{ url, want string }{
		"not there":             {server.URL + "/nowhere", "404"},
		"without TLS":           {"http://192.0.2.1/jwks", "use https"},
		"sent on without TLS":   {server.URL + "/away", "use https"},
		"too large":             {server.URL + "/huge", "larger than"},
		"of another scheme":     {"ftp://issuer.test/jwks", "use https"},
		"with a password in it": {"http://me:secret@192.0.2.1/", "use https"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := auth.OpenKeySet(t.Context(), c.url)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Fatalf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestKeySetMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"no JSON":           {[]byte("<html>"), "invalid character"},
		"no keys":           {[]byte("{}"), "no key for RS256"},
		"a shared secret":   {jwks(t, "a", map[string]any{"kty": "oct", "k": "c2VjcmV0"}), "no key for RS256"},
		"for encryption":    {jwks(t, "a", map[string]any{"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}), "no key for RS256"},
		"of no known kind":  {jwks(t, "a", map[string]any{"kty": "quantum"}), "no key for RS256"},
		"of a broken point": {jwks(t, "a", map[string]any{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}), "no key for RS256"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := auth.OpenKeySet(t.Context(), write(t, "jwks.json", c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestPublicKey(t *testing.T) {
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	privatePEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"RSA":           {publicPEM(rsaKey.Public()), ""},
		"EC":            {publicPEM(ecKey.Public()), ""},
		"Ed25519":       {publicPEM(edKey.Public()), ""},
		"P-384":         {publicPEM(p384.Public()), "no key for RS256"},
		"a private key": {privatePEM, "nobody but the issuer"},
		"no PEM":        {[]byte("hello"), "no public key in PEM"},
		"a certificate": {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"}), `"CERTIFICATE"`},
		"broken":        {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), "the public key in"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := auth.ReadPublicKey(write(t, "key.pem", c.text))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
		})
	}
}

// One key alone: what another method signs is not tried on it.
func TestPublicKeyPinsItsMethod(t *testing.T) {
	keys := must(auth.ReadPublicKey(write(t, "key.pem", publicPEM(rsaKey.Public()))))
	f := must(auth.NewForeign(auth.ForeignOptions{Issuer: issuer, Audience: audience, Keys: keys}))
	if _, err := f.Verify(t.Context(), sign(t, jwt.SigningMethodRS256, rsaKey, map[string]any{"kid": "any"}, good())); err != nil {
		t.Error(err)
	}
	for name, token := range map[string]string{
		"HMAC with its PEM": sign(t, jwt.SigningMethodHS256, publicPEM(rsaKey.Public()), nil, good()),
		"EdDSA":             sign(t, jwt.SigningMethodEdDSA, edKey, nil, good()),
		"PS256":             sign(t, jwt.SigningMethodPS256, rsaKey, nil, good()),
	} {
		if _, err := f.Verify(t.Context(), token); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForeignNeeds(t *testing.T) {
	keys := must(auth.ReadPublicKey(write(t, "key.pem", publicPEM(edKey.Public()))))
	for want, o := range map[string]auth.ForeignOptions{
		"issuer of the tokens":   {Audience: audience, Keys: keys},
		"audience of the tokens": {Issuer: issuer, Keys: keys},
		"issuer's keys":          {Issuer: issuer, Audience: audience},
	} {
		if _, err := auth.NewForeign(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
