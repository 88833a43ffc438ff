package auth_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"framehub/auth"
)

// FuzzVerify reads tokens of any kind: none is good but those that were signed,
// and every other is denied in words that don't quote it.
func FuzzVerify(f *testing.F) {
	public, err := auth.ReadPublicKey(seedFile(f, "key.pem", publicPEM(edKey.Public())))
	if err != nil {
		f.Fatal(err)
	}
	foreign := must(auth.NewForeign(auth.ForeignOptions{Issuer: issuer, Audience: audience, Keys: public}))
	whole := must(jwt.NewWithClaims(jwt.SigningMethodEdDSA, good()).SignedString(edKey))
	for _, seed := range []string{
		"", ".", "..", "...", whole, whole + ".", strings.ToLower(whole), unsigned(`{"alg":"none"}`, good(), ""),
		unsigned(`{"alg":"EdDSA","kid":{}}`, good(), "x"), unsigned(`{"alg":"EdDSA","crit":[]}`, nil, "x"), strings.Repeat("e30.", 2000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		id, err := foreign.Verify(t.Context(), token)
		if err == nil {
			if token != whole {
				t.Fatalf("believes %q: %+v", token, id)
			}
			return
		}
		if _, ok := errors.AsType[*auth.DeniedError](err); !ok {
			t.Fatalf("%T: %v", err, err)
		}
		for part := range strings.SplitSeq(token, ".") {
			if len(part) > 20 && strings.Contains(err.Error(), part) {
				t.Fatalf("%v quotes %q", err, token)
			}
		}
	})
}

// FuzzClaims reads claims of any kind under a good signature: whom it believes has
// a name, a role that there is, and a time to go.
func FuzzClaims(f *testing.F) {
	foreign := must(auth.NewForeign(auth.ForeignOptions{
		Issuer: issuer, Audience: audience, Keys: must(auth.ReadPublicKey(seedFile(f, "key.pem", publicPEM(edKey.Public())))),
	}))
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"iss":"https://issuer.test","aud":"game.test","sub":"a","role":"device","exp":99999999999}`,
		`{"iss":"https://issuer.test","aud":["game.test"],"sub":"a","role":["admin",1],"exp":99999999999.5,"scopes":{"t":[1,"a",1e400]}}`,
		`{"iss":"https://issuer.test","aud":"game.test","sub":"a","sub":"b","role":{},"exp":1e300,"nbf":-1e300}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, claims string) {
		id, err := foreign.Verify(t.Context(), signText(claims))
		if err != nil {
			return
		}
		if id.User == "" || strings.ContainsAny(id.User, "\n\r\x00") || len(id.Roles) == 0 || id.Expires.Before(time.Now().Add(-auth.Leeway-time.Second)) {
			t.Fatalf("believes %q: %+v", claims, id)
		}
		if role, err := id.Allow(""); err != nil || role == "" {
			t.Fatalf("%q, %v", role, err)
		}
	})
}

// FuzzRevoked reads lists of any kind.
func FuzzRevoked(f *testing.F) {
	for _, seed := range []string{"", "one\n", "# all\none\r\ntwo", "user 2026-01-31T18:00:00Z alice\n", "user", "user  \n", "\xff\n", "user 2026-01-31T18:00:00Z \u202e\n"} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "revoked")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := auth.LoadRevoked(path)
		if err == nil && r.Has(&auth.Identity{User: "nobody", Issued: time.Now()}) && !strings.Contains(text, "nobody") {
			t.Fatalf("%q has nobody", text)
		}
	})
}

func seedFile(f *testing.F, name string, text []byte) string {
	f.Helper()
	path := filepath.Join(f.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		f.Fatal(err)
	}
	return path
}
