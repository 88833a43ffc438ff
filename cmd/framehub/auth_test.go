package main_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"framehub/auth"
	"framehub/session"
	"framehub/session/wire"
)

// A guarded program is a hub that asks who connects.
type guarded struct {
	*testing.T
	*program
	url, admin string
	dir        string
	operator   string   // a token that opens the operators' listener
	tokens     []string // that were minted
}

func startGuarded(t *testing.T, more ...string) *guarded {
	t.Helper()
	g := &guarded{T: t, dir: t.TempDir()}
	tables := write(t, filepath.Join(g.dir, "schema.sql"), schema)
	args := append([]string{"--log-level", "debug"}, serveArgs(g.dir, "--schema", tables, "--admin-auth", "login")...)
	g.program = start(t, append(args, more...)...)
	g.url = g.out.await(t, `(ws://\S+)`)
	g.admin = g.out.await(t, `operators  (http://\S+)`)
	return g
}

// mint runs framehub token.
func (g *guarded) mint(more ...string) string {
	g.Helper()
	code, out, err := run(g.T, append([]string{"token", "--db", filepath.Join(g.dir, "world.db")}, more...)...)
	token, newline := strings.CutSuffix(out, "\n")
	if code != 0 || !newline || strings.ContainsAny(token, " \n") || strings.Count(token, ".") != 2 {
		g.Fatalf("exit code %d, printed %q, said %q", code, out, err)
	}
	g.tokens = append(g.tokens, token)
	return token
}

// expiring mints a token that expires, by its own words, at a time that may be past.
func (g *guarded) expiring(at time.Time) string {
	g.Helper()
	key, err := auth.LoadKey(filepath.Join(g.dir, "world.key"), "")
	if err != nil {
		g.Fatal(err)
	}
	token, err := key.Mint(&auth.Identity{User: "alice", Roles: []string{"device"}, Expires: at})
	if err != nil {
		g.Fatal(err)
	}
	g.tokens = append(g.tokens, token)
	return token
}

func (g *guarded) dial(header string, hello wire.DeviceHello) (*session.Client, error) {
	g.Helper()
	hello.SubsSet = true
	c, err := session.Dial(g.Context(), g.url, session.ClientOptions{Token: header, Hello: hello})
	if err == nil {
		g.Cleanup(c.Close)
	}
	return c, err
}

func (g *guarded) mustDial(header string, hello wire.DeviceHello) *session.Client {
	g.Helper()
	c, err := g.dial(header, hello)
	if err != nil {
		g.Fatal(err)
	}
	return c
}

// wantGoodbye reads a session to its end, which must come with 4001 and words.
func (g *guarded) wantGoodbye(c *session.Client, words string) {
	g.Helper()
	ctx, cancel := context.WithTimeout(g.Context(), 30*time.Second)
	defer cancel()
	for {
		switch m, err := c.Next(ctx); m := m.(type) {
		case *wire.Goodbye:
			if m.Code != wire.CloseUnauthorized || !strings.Contains(m.Text, words) {
				g.Errorf("the goodbye is %+v, want 4001 with %q", m, words)
			}
			c.Close()
			return
		default:
			if err != nil {
				g.Fatalf("no goodbye with %q: %v", words, err)
			}
		}
	}
}

// wantNoToken looks for tokens in what the program has said, after its end.
func (g *guarded) wantNoToken() {
	g.Helper()
	if code := g.end(); code != 0 {
		g.Errorf("exit code %d:\n%s", code, g.err)
	}
	said := g.out.String() + g.err.String()
	for _, token := range g.tokens {
		for part := range strings.SplitSeq(token, ".") {
			if strings.Contains(said, part) && !strings.HasPrefix(part, "eyJhbGciOi") {
				g.Errorf("it has said a part of a token, %q:\n%s", part, said)
			}
		}
	}
}

func TestAuthToken(t *testing.T) {
	revoked := write(t, filepath.Join(t.TempDir(), "revoked"), "")
	g := startGuarded(t, "--auth", "token", "--revoked", revoked)
	if info, err := os.Stat(filepath.Join(g.dir, "world.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the key: %v, %v", info, err)
	}
	alice, bob := g.mint("--user", "alice"), g.mint("--user", "bob", "--role", "editor,device", "--ttl", "90m", "--scope", "thing=7")
	g.operator = g.mint("--user", "root", "--role", "admin")
	for token, want := range map[string]int{"": 401, alice: 401, bob: 401, "x": 401, g.operator: 200} {
		g.wantStatus(token, want)
	}
	a := g.mustDial(alice, wire.DeviceHello{})
	g.mustDial("", wire.DeviceHello{Token: bob, Role: "editor"})
	for name, c := range map[string]struct {
		header string
		hello  wire.DeviceHello
		url    string
		code   wire.CloseCode
		words  string
	}{
		"no token":           {"", wire.DeviceHello{}, "", wire.CloseUnauthorized, "no token was given"},
		"no JWT":             {"s3cret-of-nobody", wire.DeviceHello{}, "", wire.CloseUnauthorized, "not valid"},
		"two tokens":         {alice, wire.DeviceHello{Token: bob}, "", wire.CloseProtocol, "different tokens"},
		"in the URL":         {"", wire.DeviceHello{}, "?access_token=" + alice, wire.CloseProtocol, "may not stand in the URL"},
		"an expired one":     {g.expiring(time.Now().Add(-time.Minute)), wire.DeviceHello{}, "", wire.CloseUnauthorized, "has expired"},
		"of another hub":     {foreignToken(t, g.dir), wire.DeviceHello{}, "", wire.CloseUnauthorized, "not valid"},
		"another role":       {alice, wire.DeviceHello{Role: "server"}, "", wire.CloseForbidden, `does not allow the role "server"`},
		"a stolen device id": {bob, wire.DeviceHello{Device: a.Hello.Device}, "", wire.CloseForbidden, "belongs to another user"},
		"larger than 8 KiB":  {"", wire.DeviceHello{Token: strings.Repeat("a", 9000)}, "", wire.CloseUnauthorized, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			c.hello.SubsSet = true
			_, err := session.Dial(t.Context(), g.url+c.url, session.ClientOptions{Token: c.header, Hello: c.hello})
			e, ok := errors.AsType[*session.ClosedError](err)
			if !ok || e.Code != c.code || !strings.Contains(e.Text, c.words) {
				t.Fatalf("%v, want %d with %q", err, c.code, c.words)
			}
		})
	}
	g.wantGoodbye(g.mustDial(g.expiring(time.Now().Add(4*time.Second-auth.Leeway)), wire.DeviceHello{}), "has expired: connect with a new one")
	g.wantUsers("alice device", "bob editor")
	write(t, revoked, "user "+time.Now().Add(time.Minute).Format(time.RFC3339)+" alice\n")
	g.wantGoodbye(a, "has been revoked")
	g.tokens = append(g.tokens, "s3cret-of-nobody")
	g.wantNoToken()
}

// foreignToken is what another hub's key has signed.
func foreignToken(t *testing.T, dir string) string {
	t.Helper()
	key, _, err := auth.OpenKey(filepath.Join(dir, "other.key"), "")
	if err != nil {
		t.Fatal(err)
	}
	token, err := key.Mint(&auth.Identity{User: "alice", Roles: []string{"admin"}, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// wantUsers asks who has a session until it is these, oldest first: one that has
// been told to go may take a moment.
func (g *guarded) wantUsers(want ...string) {
	g.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		switch got := g.users(); {
		case slices.Equal(got, want):
			return
		case time.Now().After(end):
			g.Fatalf("the status has %q, want %q", got, want)
		}
	}
}

// wantStatus asks the operators' listener with a token.
func (g *guarded) wantStatus(token string, want int) {
	g.Helper()
	if code, body, _ := get(g.T, http.DefaultClient, g.admin+"api/status", "Authorization", "Bearer "+token); code != want {
		g.Errorf("the status of a request with that token is %d, want %d: %s", code, want, body)
	}
}

// users lists who has a session, by the operators' listener.
func (g *guarded) users() (users []string) {
	g.Helper()
	r, err := http.NewRequestWithContext(g.Context(), http.MethodGet, g.admin+"api/sessions", nil)
	if err != nil {
		g.Fatal(err)
	}
	r.Close = true
	r.Header.Set("Authorization", "Bearer "+g.operator)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		g.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var sessions []struct{ User, Role string }
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, json.Unmarshal(text, &sessions)); err != nil {
		g.Fatal(err)
	}
	for _, s := range sessions {
		users = append(users, s.User+" "+s.Role)
	}
	return users
}

// With tokens a hub may listen to other machines.
func TestAuthListensEverywhere(t *testing.T) {
	g := startGuarded(t, "--listen", "0.0.0.0:0", "--auth", "token")
	_, port, _ := strings.Cut(strings.TrimPrefix(g.url, "ws://[::]"), ":")
	g.url = "ws://127.0.0.1:" + port
	g.mustDial(g.mint("--user", "alice"), wire.DeviceHello{})
	if _, err := g.dial("", wire.DeviceHello{}); err == nil {
		t.Error("it lets in who has no token")
	}
}

// A load test shows its token, which a file has.
func TestAuthLoadtest(t *testing.T) {
	g := startGuarded(t, "--auth", "token", "--schema", "../../examples/city/schema.sql")
	token := write(t, filepath.Join(g.dir, "token"), g.mint("--user", "load")+"\n")
	args := []string{"loadtest", "--url", g.url, "--db", filepath.Join(g.dir, "world.db"), "--devices", "2", "--duration", "500ms"}
	if code, _, err := run(t, args...); code != 1 || !strings.Contains(err, "no token was given") {
		t.Errorf("without a token: exit code %d, said:\n%s", code, err)
	}
	if code, out, err := run(t, append(args, "--token", "@"+token)...); code != 0 {
		t.Errorf("exit code %d, printed:\n%s%s", code, out, err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	g.wantNoToken()
}

// A device that is not let in, or no longer, does not knock again.
func TestAuthDeviceGivesUp(t *testing.T) {
	g := startGuarded(t, "--auth", "token")
	for name, c := range map[string]struct {
		token, role string
		code        wire.CloseCode
	}{
		"no token":     {"", "", wire.CloseUnauthorized},
		"its last":     {g.expiring(time.Now().Add(time.Second - auth.Leeway)), "", wire.CloseUnauthorized},
		"another role": {g.mint("--user", "alice"), "admin", wire.CloseForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := session.NewDevice(session.DeviceOptions{
				URL: g.url, Client: session.ClientOptions{Token: c.token, Hello: wire.DeviceHello{Role: c.role}},
				OnDown: func(err error, _ time.Duration) { t.Errorf("it means to come back after %v", err) },
			})
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := errors.AsType[*session.ClosedError](d.Run(t.Context())); !ok || e.Code != c.code {
				t.Fatalf("Run returns %v", e)
			}
		})
	}
}

func TestAuthJWT(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key := write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	set := write(t, filepath.Join(dir, "jwks.json"), `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"`+base64.RawURLEncoding.EncodeToString(public)+`"}]}`)
	sign := func(claims jwt.MapClaims) string {
		token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
		token.Header["kid"] = "k1"
		text, err := token.SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	claims := jwt.MapClaims{"iss": "https://login.test", "aud": "game", "sub": "carol", "groups": []string{"staff", "admin"}, "exp": time.Now().Add(time.Hour).Unix()}
	for name, keys := range map[string][]string{"public key": {"--public-key", key}, "JWK set": {"--jwks", set}} {
		t.Run(name, func(t *testing.T) {
			g := startGuarded(t, append(keys, "--auth", "jwt", "--issuer", "https://login.test", "--audience", "game", "--role-claim", "groups")...)
			good := sign(claims)
			g.tokens = append(g.tokens, good)
			g.operator = good
			g.mustDial(good, wire.DeviceHello{})
			g.wantUsers("carol admin")
			if _, err := g.dial(foreignToken(t, g.dir), wire.DeviceHello{}); err == nil {
				t.Error("it believes a token of another issuer")
			}
			g.wantNoToken()
		})
	}
}

func TestAuthMistakesAreTold(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string { return write(t, filepath.Join(dir, name), text) }
	tables := file("schema.sql", schema)
	open := file("open.key", "")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	serve := func(more ...string) []string { return serveArgs("", append([]string{"--schema", tables}, more...)...) }
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown way":              {serve("--auth", "password"), 2, "--auth"},
		"JWT flags, no --auth":     {serve("--jwks", "x", "--issuer", "x"), 1, "--jwks says nothing with --auth none"},
		"a list for nobody":        {serve("--revoked", "x"), 1, "--revoked says nothing with --auth none"},
		"JWT flags with token":     {serve("--auth", "token", "--public-key", "x"), 1, "--public-key says nothing with --auth token"},
		"the demo":                 {serve("--auth", "token", "--demo"), 1, "--demo has no token"},
		"no keys":                  {serve("--auth", "jwt", "--issuer", "x", "--audience", "x"), 1, "either --jwks or --public-key"},
		"both keys":                {serve("--auth", "jwt", "--jwks", "x", "--public-key", "x"), 1, "either --jwks or --public-key"},
		"keys that are missing":    {serve("--auth", "jwt", "--jwks", "nowhere.json", "--issuer", "x", "--audience", "x"), 1, "nowhere.json"},
		"keys without TLS":         {serve("--auth", "jwt", "--jwks", "http://192.0.2.1/", "--issuer", "x", "--audience", "x"), 1, "use https"},
		"a key that others read":   {serve("--auth", "token", "--key-file", open), 1, "chmod 600"},
		"a list that is missing":   {serve("--auth", "token", "--revoked", "nowhere.txt"), 1, "nowhere.txt"},
		"a list with a mistake":    {serve("--auth", "token", "--revoked", file("list", "user x\n")), 1, "line 1"},
		"token without a user":     {[]string{"token"}, 2, "--user"},
		"token of an empty user":   {[]string{"token", "--user", ""}, 2, "--user"},
		"token of no role":         {[]string{"token", "--user", "a", "--role", "root"}, 2, "device, server, editor, observer, admin"},
		"token for over a year":    {[]string{"token", "--user", "a", "--ttl", "8761h"}, 2, "--ttl"},
		"token for no time":        {[]string{"token", "--user", "a", "--ttl", "0s"}, 2, "--ttl"},
		"token without a key":      {[]string{"token", "--user", "a"}, 1, "start the hub with --auth token"},
		"token with an open key":   {[]string{"token", "--user", "a", "--key-file", open}, 1, "chmod 600"},
		"token with half a scope":  {[]string{"token", "--user", "a", "--scope", "thing", "--key-file", madeKey(t, dir)}, 1, "TABLE=VALUE"},
		"load with a missing file": {[]string{"loadtest", "--token", "@nowhere.txt"}, 1, "nowhere.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			code, out, err := run(t, c.args...)
			if code != c.code || !strings.Contains(err, c.want) || c.args[0] == "token" && out != "" && code != 2 {
				t.Fatalf("exit code %d, want %d; printed %q, said:\n%s", code, c.code, out, err)
			}
		})
	}
}

func madeKey(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "made.key")
	if _, _, err := auth.OpenKey(path, ""); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTokenSays(t *testing.T) {
	key := madeKey(t, t.TempDir())
	code, out, err := run(t, "token", "--user", "al ice", "--role", "server,editor", "--ttl", "1h", "--key-file", key,
		"--scope", "thing=7", "--scope", "thing=0.5", "--scope", "thing=lobby", "--scope", `thing="7"`, "--scope", "thing=null", "--scope", "other=a=b")
	if code != 0 {
		t.Fatalf("exit code %d, said %s", code, err)
	}
	k, e := auth.LoadKey(key, "")
	if e != nil {
		t.Fatal(e)
	}
	id, e := k.Verify(t.Context(), strings.TrimSpace(out))
	if e != nil {
		t.Fatal(e)
	}
	if left := time.Until(id.Expires); id.User != "al ice" || !slices.Equal(id.Roles, []string{"server", "editor"}) || left > time.Hour || left < 55*time.Minute {
		t.Errorf("%+v", id)
	}
	if !slices.Equal(id.Scopes["thing"], []any{int64(7), 0.5, "lobby", "7", "null"}) || !slices.Equal(id.Scopes["other"], []any{"a=b"}) {
		t.Errorf("%#v", id.Scopes)
	}
	if !strings.Contains(err, "token id "+id.TokenID) {
		t.Errorf("said %q", err)
	}
}

// TestOperatorTokens: a token for the operators' listener is none of a session, and may
// what its role may.
func TestOperatorTokens(t *testing.T) {
	g := startGuarded(t, "--auth", "token")
	for role, codes := range map[string][2]int{"viewer": {200, 403}, "operator": {200, 200}, "admin": {200, 200}, "observer": {401, 401}} {
		token := g.mint("--user", "robot-"+role, "--role", role)
		g.wantStatus(token, codes[0])
		if code, body := post(t, g.admin+"api/reload", token); code != codes[1] {
			t.Errorf("%s: %d: %s", role, code, body)
		}
		file := write(t, filepath.Join(t.TempDir(), "token"), token)
		if code, _, err := run(t, "sessions", "list", "--admin-url", g.admin, "--token", "@"+file); (code == 0) != (codes[0] == 200) {
			t.Errorf("%s: sessions list: exit code %d: %s", role, code, err)
		}
		if role != "viewer" && role != "operator" {
			continue
		}
		for _, asked := range []string{"", "device", "observer", role} {
			_, err := g.dial("", wire.DeviceHello{Token: token, Role: asked})
			if e, ok := errors.AsType[*session.ClosedError](err); !ok || e.Code != wire.CloseForbidden || !strings.Contains(e.Text, "it allows "+role) {
				t.Errorf("a session of a %s's token as %q: %v", role, asked, err)
			}
		}
	}
	g.wantNoToken()
}
