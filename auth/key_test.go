package auth_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"framehub/auth"
)

func openKey(t *testing.T, path, audience string) *auth.Key {
	t.Helper()
	k, _, err := auth.OpenKey(path, audience)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mint(t *testing.T, k *auth.Key, id auth.Identity) string {
	t.Helper()
	token, err := k.Mint(&id)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func alice() auth.Identity {
	return auth.Identity{User: "alice", Roles: []string{"device"}, Expires: time.Now().Add(time.Hour)}
}

func TestMint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.key")
	k := openKey(t, path, "")
	want := alice()
	want.Roles = []string{"server", "editor"}
	want.Scopes = map[string][]any{"entity": {int64(7), "lobby", 0.5}}
	token, err := k.Mint(&want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := openKey(t, path, "").Verify(t.Context(), token) // as another process would
	if err != nil {
		t.Fatal(err)
	}
	want.Issued, want.Expires = want.Issued.Truncate(time.Second), want.Expires.Truncate(time.Second)
	if len(want.TokenID) != 36 || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v\nwant %+v", got, want)
	}
}

func TestMintRefuses(t *testing.T) {
	k := openKey(t, filepath.Join(t.TempDir(), "world.key"), "")
	for name, c := range map[string]struct {
		change func(*auth.Identity)
		want   string
	}{
		"no user":          {func(id *auth.Identity) { id.User = "" }, "no name of a user"},
		"a user with \\n":  {func(id *auth.Identity) { id.User = "a\nb" }, "no name of a user"},
		"no role":          {func(id *auth.Identity) { id.Roles = nil }, "must allow a role"},
		"an unknown role":  {func(id *auth.Identity) { id.Roles = []string{"root"} }, `no role "root"`},
		"more than a year": {func(id *auth.Identity) { id.Expires = time.Now().Add(366 * 24 * time.Hour) }, "at most"},
		"too many scopes":  {func(id *auth.Identity) { id.Scopes = map[string][]any{"t": {strings.Repeat("a", 9000)}} }, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			id := alice()
			c.change(&id)
			if token, err := k.Mint(&id); token != "" || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v", err)
			}
		})
	}
}

// What another hub's key signed, or this one's for another audience, or with
// another method, is not good here.
func TestKeyRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "world.key")
	k := openKey(t, path, "")
	block, _ := pem.Decode(must(os.ReadFile(path)))
	private := must(x509.ParsePKCS8PrivateKey(block.Bytes))
	own := with(jwt.MapClaims{"iss": auth.Issuer, "aud": auth.DefaultAudience})
	expired := alice()
	expired.Expires = time.Now().Add(-time.Minute)
	if _, err := k.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, private, nil, own)); err != nil {
		t.Fatalf("the sound one: %v", err)
	}
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"another hub's":              {mint(t, openKey(t, filepath.Join(dir, "other.key"), ""), alice()), auth.ErrInvalid},
		"for another audience":       {mint(t, openKey(t, path, "elsewhere"), alice()), auth.ErrAudience},
		"expired":                    {mint(t, k, expired), auth.ErrExpired},
		"HMAC with the public key":   {sign(t, jwt.SigningMethodHS256, []byte(edPublic(private)), nil, own), auth.ErrInvalid},
		"alg none":                   {unsigned(`{"alg":"none"}`, own, ""), auth.ErrInvalid},
		"RS256":                      {sign(t, jwt.SigningMethodRS256, rsaKey, nil, own), auth.ErrInvalid},
		"another issuer's, same key": {sign(t, jwt.SigningMethodEdDSA, private, nil, with(jwt.MapClaims{"aud": auth.DefaultAudience})), auth.ErrInvalid},
		"without an id":              {sign(t, jwt.SigningMethodEdDSA, private, nil, without(own, "jti")), auth.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := k.Verify(t.Context(), c.token); !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := filepath.Join(dir, "good.key")
	openKey(t, good, "")
	text := string(must(os.ReadFile(good)))
	rsaPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(rsaKey))}))
	for name, c := range map[string]struct{ path, want string }{
		"missing":          {filepath.Join(dir, "none.key"), "no such file"},
		"a folder":         {dir, "no ordinary file"},
		"the group reads":  {file("group.key", text, 0o640), "chmod 600"},
		"all read":         {file("all.key", text, 0o604), "chmod 600"},
		"the group writes": {file("write.key", text, 0o620), "chmod 600"},
		"empty":            {file("empty.key", "", 0o600), "no private key in PEM"},
		"a public key":     {file("public.key", string(publicPEM(edKey.Public())), 0o600), "no private key in PEM"},
		"broken":           {file("broken.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600), "broken.key"},
		"RSA":              {file("rsa.key", rsaPEM, 0o600), "not an Ed25519 key"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := auth.LoadKey(c.path, ""); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
		})
	}
	info := must(os.Stat(good))
	if info.Mode().Perm() != 0o600 {
		t.Errorf("a new key has the mode %v", info.Mode())
	}
}

// Hubs and tools that start together agree on one key, and leave nothing behind.
func TestKeyIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "world.key")
	tokens := make([]string, 8)
	var all sync.WaitGroup
	for i := range tokens {
		all.Go(func() {
			k, _, err := auth.OpenKey(path, "")
			if err != nil {
				t.Error(err)
				return
			}
			id := alice()
			if tokens[i], err = k.Mint(&id); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	k := openKey(t, path, "")
	for _, token := range tokens {
		if _, err := k.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	}
	if files := must(os.ReadDir(dir)); len(files) != 1 {
		t.Errorf("the folder has %v", files)
	}
}
