package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"framehub/operators"
	"framehub/web"
)

const (
	annsPassword = "correct horse battery"
	vicsPassword = "paper tiger staple"
)

// newOperators returns accounts: ann is an operator, vic a viewer.
func newOperators(tb testing.TB) *operators.Logins {
	tb.Helper()
	a, err := operators.Open(filepath.Join(tb.TempDir(), "world.operators.json"))
	if err != nil {
		tb.Fatal(err)
	}
	_, err = a.Add("ann", operators.Operator, annsPassword)
	_, also := a.Add("vic", operators.Viewer, vicsPassword)
	if err := errors.Join(err, also); err != nil {
		tb.Fatal(err)
	}
	return operators.NewLogins(a, operators.Timeouts{})
}

func with(l *operators.Logins) func(*web.Options) { return func(o *web.Options) { o.Operators = l } }

// A browserless is who keeps cookies, and is no browser.
type browserless struct {
	*world

	cookies map[string]string
}

// post sends JSON, and keeps the cookies of the answer.
func (b *browserless) post(path, body string) answer {
	b.tb.Helper()
	a := b.world.post(path, body, b.send)
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.Domain != "" {
			b.tb.Errorf("a cookie is %+v", c)
		}
		b.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return a
}

func (b *browserless) look(path string) answer { b.tb.Helper(); return b.get(b.Admin, path, b.send) }

func (b *browserless) send(r *http.Request) {
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
}

// login logs in by a new browserless.
func (w *world) login(name, password string) *browserless {
	w.tb.Helper()
	b := &browserless{w, map[string]string{}}
	if a := b.post("/api/login", jsonOf(web.Credentials{Name: name, Password: password})); a.code != 200 {
		w.tb.Fatalf("%s can't log in: %d: %s", name, a.code, a.body)
	}
	return b
}

func jsonOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestRoles walks the table of routes: each says who may, and the listener does as it
// says. What only tells needs a viewer, what changes something an operator.
func TestRoles(t *testing.T) {
	w := newWorld(t, with(newOperators(t)), func(o *web.Options) {
		o.AdminAuth = func(_ context.Context, token string) (string, operators.Role, error) {
			if role := operators.Role(token); role == operators.Viewer || role == operators.Operator {
				return "robot", role, nil
			}
			return "", "", errors.New("it is not one of ours")
		}
	})
	open := []string{"GET /{$}", "GET /healthz", "GET /readyz", "GET /api/me", "GET /api/openapi.yaml", "POST /api/login", "POST /api/accounts"}
	ofAccounts := []string{"POST /api/logout", "POST /api/password"} // change what is one's own
	token := func(role operators.Role) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+string(role)) }
	}
	callers := map[string]struct {
		role operators.Role
		as   func(*http.Request)
	}{
		"nobody": {operators.Anyone, func(*http.Request) {}}, "a forged token": {operators.Anyone, token("root")},
		"a viewer": {operators.Viewer, w.login("vic", vicsPassword).send}, "a viewer's token": {operators.Viewer, token(operators.Viewer)},
		"an operator": {operators.Operator, w.login("ann", annsPassword).send}, "an operator's token": {operators.Operator, token(operators.Operator)},
	}
	for pattern, needs := range web.AdminRoutes() {
		method, path, _ := strings.Cut(pattern, " ")
		want := operators.Viewer
		switch {
		case slices.Contains(open, pattern), strings.HasPrefix(path, "/assets/"):
			want = operators.Anyone
		case slices.Contains(ofAccounts, pattern):
		case method != http.MethodGet, strings.HasPrefix(path, "/debug/"), strings.HasSuffix(path, "/archive"): // all of the game's data
			want = operators.Operator
		}
		if needs != want {
			t.Errorf("%s needs %q, not %q", pattern, needs, want)
		}
		path = pathOf(pattern)
		for name, c := range callers {
			refusal := 0
			switch {
			case c.role == operators.Anyone && needs != operators.Anyone:
				refusal = 401
			case !c.role.May(needs):
				refusal = 403
			}
			if !w.refuses(c.as, method, path, refusal) {
				t.Errorf("%s by %s: not %d", pattern, name, refusal)
			}
		}
	}
}

// pathOf returns a path of a route.
func pathOf(pattern string) string {
	_, path, _ := strings.Cut(pattern, " ")
	if strings.Contains(path, "/debug/pprof/") {
		path += "?seconds=1"
	}
	return strings.NewReplacer("{$}", "", "{id}", "none", "{history}", "none", "{version}", "1", "{table}", "entity").Replace(path)
}

// refuses says whether a request is refused with a code; 0: it is not refused by a role.
func (w *world) refuses(as func(*http.Request), method, path string, code int) bool {
	a := w.post(path, "not JSON", as, func(r *http.Request) {
		r.Method = method
		if method == http.MethodGet {
			r.Body, r.ContentLength = nil, 0
		}
	})
	if code != 0 {
		return a.code == code
	}
	return a.code != 401 && !strings.Contains(a.body, "this needs the role")
}

func TestLogin(t *testing.T) {
	var logged output
	w := newWorld(t, logged.set, with(newOperators(t)))
	if a := w.get(w.Admin, "/api/me"); a.code != 200 || a.body != `{"role":"anyone","logins":true,"login":false,"first":false}`+"\n" {
		t.Errorf("%d: %s", a.code, a.body)
	}
	for name, c := range map[string]struct {
		body string
		code int
	}{
		"a wrong password": {`{"name": "ann", "password": "wrong"}`, 403},
		"another's":        {`{"name": "ann", "password": "` + vicsPassword + `"}`, 403},
		"nobody":           {`{"name": "eve", "password": "wrong"}`, 403},
		"nothing":          {``, 403},
		"a long one":       {`{"name": "ann", "password": "` + strings.Repeat("a", 300) + `"}`, 403},
		"no JSON":          {`name=ann`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			b := &browserless{w, map[string]string{}}
			if a := b.post("/api/login", c.body); a.code != c.code || len(b.cookies) != 0 {
				t.Errorf("%d, %v: %s", a.code, b.cookies, a.body)
			}
		})
	}
	ann := w.login("ann", annsPassword)
	if a := ann.look("/api/me"); a.body != `{"name":"ann","role":"operator","logins":true,"login":true,"first":false}`+"\n" {
		t.Errorf("%s", a.body)
	}
	if a := ann.look("/api/status"); a.code != 200 {
		t.Errorf("%d: %s", a.code, a.body)
	}
	if a := w.get(w.Admin, "/api/status", ann.send, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }); a.code != 403 {
		t.Errorf("for another port's page: %d", a.code)
	}
	if a := w.post("/api/reload", "", ann.send, func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }); a.code != 403 {
		t.Errorf("of another port's page: %d", a.code)
	}
	other := w.login("ann", annsPassword)
	stolen := &browserless{w, ann.cookies}
	if a := ann.post("/api/logout", ""); a.code != 200 || ann.look("/api/status").code != 401 || stolen.look("/api/status").code != 401 {
		t.Errorf("%d: %s", a.code, a.body)
	}
	if a := other.look("/api/status"); a.code != 200 {
		t.Errorf("the other login: %d", a.code)
	}
	third := w.login("ann", annsPassword)
	if a := other.post("/api/logout", `{"everywhere": true}`); a.code != 200 || third.look("/api/status").code != 401 {
		t.Errorf("%d: %s", a.code, a.body)
	}
	contains(t, logged.String(), "event=operator_login user=ann", "event=operator_refused user=eve", "event=operator_logout user=ann", "event=admin_refused")
	for _, secret := range []string{annsPassword, vicsPassword, third.cookies["framehub-login"], "horse"} {
		if secret != "" && strings.Contains(logged.String(), secret) {
			t.Errorf("%q is logged", secret)
		}
	}
}

func TestPassword(t *testing.T) {
	w := newWorld(t, with(newOperators(t)))
	vic, elsewhere := w.login("vic", vicsPassword), w.login("vic", vicsPassword)
	const fresh = "a new set of words"
	for name, c := range map[string]struct {
		n     web.NewPassword
		code  int
		words string
	}{
		"too short":     {web.NewPassword{Old: vicsPassword, New: "short"}, 422, "at least 12 characters"},
		"of few":        {web.NewPassword{Old: vicsPassword, New: "ababababababab"}, 422, "repeats"},
		"the wrong one": {web.NewPassword{Old: annsPassword, New: fresh}, 422, "not the password up to now"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := vic.post("/api/password", jsonOf(c.n)); a.code != c.code || !strings.Contains(a.body, c.words) {
				t.Errorf("%d: %s", a.code, a.body)
			}
		})
	}
	if a := elsewhere.look("/api/status"); a.code != 200 {
		t.Errorf("%d", a.code)
	}
	if a := vic.post("/api/password", jsonOf(web.NewPassword{Old: vicsPassword, New: fresh})); a.code != 200 {
		t.Fatalf("%d: %s", a.code, a.body)
	}
	if here, there := vic.look("/api/status").code, elsewhere.look("/api/status").code; here != 200 || there != 401 {
		t.Errorf("here %d, elsewhere %d", here, there)
	}
	w.login("vic", fresh)
}

func TestFirstAccount(t *testing.T) {
	var logged output
	accounts, err := operators.Open(filepath.Join(t.TempDir(), "operators.json"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, logged.set, with(operators.NewLogins(accounts, operators.Timeouts{})))
	b := &browserless{w, map[string]string{}}
	contains(t, b.look("/api/me").body, `"first":true`)
	secret, _, err := accounts.FirstLink()
	if err != nil {
		t.Fatal(err)
	}
	account := web.NewAccount{Link: secret, Name: "ann", Password: "short"}
	if a := b.post("/api/accounts", jsonOf(account)); a.code != 422 {
		t.Errorf("a short password: %d: %s", a.code, a.body)
	}
	account.Password = annsPassword
	guess := account
	guess.Link = "AAAAAAAAAAAAAAAAAAAAAAAAAA"
	if a := b.post("/api/accounts", jsonOf(guess)); a.code != 403 {
		t.Errorf("another link: %d: %s", a.code, a.body)
	}
	if a := b.post("/api/accounts", jsonOf(account)); a.code != 200 || b.look("/api/status").code != 200 {
		t.Fatalf("%d: %s", a.code, a.body)
	}
	account.Name = "eve"
	if a := b.post("/api/accounts", jsonOf(account)); a.code != 403 {
		t.Errorf("the link again: %d: %s", a.code, a.body)
	}
	contains(t, logged.String(), "event=account user=ann", "code=made", "as operator")
	if strings.Contains(logged.String(), secret) {
		t.Error("the link is logged")
	}
}

// TestLiveEnds: a stream ends with the login, the account or the token that opened it.
func TestLiveEnds(t *testing.T) {
	var revoked atomic.Bool
	l := newOperators(t)
	w := newWorld(t, with(l), func(o *web.Options) {
		o.AdminAuth = func(context.Context, string) (string, operators.Role, error) {
			if revoked.Load() {
				return "", "", errors.New("it has been revoked")
			}
			return "root", operators.Operator, nil
		}
	})
	ann, vic := w.login("ann", annsPassword), w.login("vic", vicsPassword)
	for name, c := range map[string]struct {
		as    func(*http.Request)
		end   func()
		words string
	}{
		"logged out":      {ann.send, func() { ann.post("/api/logout", "") }, "the login has ended"},
		"account removed": {vic.send, func() { _, _ = l.Remove("vic") }, "the login has ended"},
		"token revoked":   {func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, func() { revoked.Store(true) }, "it has been revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			next := w.stream(t.Context(), "topic=status", c.as)
			if topic, _ := next(); topic != "status" {
				t.Fatal(topic)
			}
			c.end()
			for {
				topic, data := next()
				if topic == "end" {
					contains(t, data, c.words)
					return
				}
			}
		})
	}
}

// TestCookiesOverTLS: elsewhere than on this machine they are for TLS alone.
func TestCookiesOverTLS(t *testing.T) {
	w := newWorld(t, with(newOperators(t)), func(o *web.Options) { o.AdminRemote = true })
	a := w.post("/api/login", jsonOf(web.Credentials{Name: "ann", Password: annsPassword}), func(r *http.Request) { r.Host = "hub.example" })
	cookies := (&http.Response{Header: a.header}).Cookies()
	if len(cookies) != 2 {
		t.Fatalf("%d: %v", a.code, cookies)
	}
	for _, c := range cookies {
		if !c.Secure || !strings.HasPrefix(c.Name, "__Host-framehub-") {
			t.Errorf("%+v", c)
		}
	}
}
