package web_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"framehub/audit/audittest"
	"framehub/operators"
	"framehub/session"
	"framehub/session/wire"
	"framehub/web"
)

// output is what is logged.
type output struct{ audittest.Output }

func (o *output) set(opts *web.Options) { opts.Log = slog.New(slog.NewTextHandler(o, nil)) }

// raw sends the head of a request as it stands, and returns the answer's code.
func raw(t *testing.T, addr, head string) int {
	t.Helper()
	c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, head+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(head, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}

func TestAnswersUnderOwnNamesOnly(t *testing.T) {
	w := newWorld(t)
	_, port, _ := strings.Cut(w.Admin, ":")
	for host, code := range map[string]int{
		"127.0.0.1:" + port: 200, "127.0.0.1": 200, "127.1.2.3": 200, "127.0.0.1.": 200,
		"localhost:" + port: 200, "localhost": 200, "LOCALHOST:" + port: 200, "localhost.:" + port: 200, "LocalHost.": 200,
		"[::1]:" + port: 200, "[::1]": 200, "[::ffff:127.0.0.1]": 200,
		"evil.example": 421, "evil.example:" + port: 421, "evil.example.": 421, "127.0.0.1.evil.example": 421,
		"localhost.evil.example": 421, "a.localhost": 421, "localhost..": 421, "evil-localhost": 421,
		"192.0.2.1:" + port: 421, "[2001:db8::1]:" + port: 421, "[::ffff:192.0.2.1]": 421, "0.0.0.0": 421, "[::]": 421,
		"2130706433": 421, "0x7f000001": 421, "127.1": 421, "": 421,
	} {
		t.Run(host, func(t *testing.T) {
			for name, addr := range map[string]string{"admin": w.Admin, "device": w.Device} {
				if got := raw(t, addr, "GET / HTTP/1.1\r\nHost: "+host); got != code {
					t.Errorf("%s: the code is %d, not %d", name, got, code)
				}
			}
		})
	}
	for name, c := range map[string]struct {
		head string
		code int
	}{
		"absolute":              {"GET http://localhost/ HTTP/1.1\r\nHost: localhost", 200},
		"absolute, elsewhere":   {"GET http://evil.example/ HTTP/1.1\r\nHost: localhost", 421},
		"absolute, wins":        {"GET http://localhost/ HTTP/1.1\r\nHost: evil.example", 200}, // RFC 9112, 3.2.2
		"without a Host":        {"GET / HTTP/1.0", 421},
		"two of them":           {"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", 400},
		"a proxy's name for it": {"GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost", 421},
		"upgrade, elsewhere":    {"GET /v1/sync HTTP/1.1\r\nHost: evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket", 421},
		"health, elsewhere":     {"GET /healthz HTTP/1.1\r\nHost: evil.example", 421},
	} {
		t.Run(name, func(t *testing.T) {
			for _, addr := range []string{w.Admin, w.Device} {
				if got := raw(t, addr, c.head); got != c.code {
					t.Errorf("the code is %d, not %d", got, c.code)
				}
			}
		})
	}
}

// upgrade asks for a WebSocket, as a page of an origin if that is not empty.
func (w *world) upgrade(addr, origin string, set ...func(*http.Request)) answer {
	w.tb.Helper()
	return w.get(addr, session.Path, append(set, func(r *http.Request) {
		for k, v := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": wire.Subprotocol, "Origin": origin,
		} {
			if v != "" {
				r.Header.Set(k, v)
			}
		}
	})...)
}

// TestOrigins: a browser says which page a WebSocket is asked for by.
func TestOrigins(t *testing.T) {
	w := newWorld(t, func(o *web.Options) {
		o.Session.Origins = []string{"game.example", "*.games.example", "https://safe.example:8443"}
	})
	for name, c := range map[string]struct {
		origin string
		code   int
	}{
		"no browser":                {"", 101},
		"the hub's own page":        {"http://" + w.Device, 101},
		"allowed":                   {"https://game.example", 101},
		"allowed, in capitals":      {"https://GAME.example", 101},
		"allowed by a pattern":      {"http://chess.games.example", 101},
		"allowed with a scheme":     {"https://safe.example:8443", 101},
		"with another scheme":       {"http://safe.example:8443", 403},
		"above the pattern":         {"https://games.example", 403},
		"on another port":           {"https://game.example:8443", 403},
		"another page":              {"http://evil.example", 403},
		"one that ends so":          {"http://evilgame.example", 403},
		"one that begins so":        {"http://game.example.evil.example", 403},
		"allowed as a user's name":  {"http://game.example@evil.example", 403},
		"a page on another port":    {"http://127.0.0.1:1", 403},
		"a page that is a file":     {"null", 403},
		"no origin at all":          {"game.example", 403},
		"two in one":                {"https://game.example, http://evil.example", 403},
		"an extension of a browser": {"chrome-extension://abcdef", 403},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.upgrade(w.Device, c.origin)
			if a.code != c.code {
				t.Errorf("the code is %d, not %d", a.code, c.code)
			}
			if c.code == 403 {
				contains(t, a.body, "may not connect", "--origin")
			}
		})
	}
}

// TestOriginIsLogged: with what would allow it, and nothing that forges a line.
func TestOriginIsLogged(t *testing.T) {
	var logged output
	w := newWorld(t, logged.set, func(o *web.Options) { o.Session.Origins = []string{"game.example"} })
	w.upgrade(w.Device, "https://other.example:8443")
	contains(t, logged.String(), `audit=true event=upgrade_refused remote=127.0.0.1:`, `code=403`,
		`add to the configuration file: origin = [\"game.example\", \"https://other.example:8443\"]`)
	w.upgrade(w.Device, "http://\u202e\"evil")
	w.get(w.Device, session.Path)
	contains(t, logged.String(), "code=426")
	for line := range strings.Lines(logged.String()) {
		if !strings.HasPrefix(line, "time=") || strings.ContainsAny(line, "\x1b\u202e") {
			t.Errorf("%q", line)
		}
	}
}

func TestOwnOriginWithTLS(t *testing.T) {
	w := newWorld(t)
	h := web.Device(w.hub, web.Options{Remote: true, Log: slog.New(slog.DiscardHandler)})
	for origin, want := range map[string]int{"https://game.example": 426, "http://game.example": 403} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://game.example"+session.Path, nil)
		r.TLS = &tls.ConnectionState{}
		r.Header.Set("Origin", origin)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("%s: the code is %d, not %d", origin, rec.Code, want)
		}
		if rec.Header().Get("Strict-Transport-Security") == "" {
			t.Errorf("headers: %v", rec.Header())
		}
	}
}

func TestCheckOrigins(t *testing.T) {
	if err := web.CheckOrigins([]string{"game.example", "*.example", "https://x:1"}); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"[", ""} {
		if err := web.CheckOrigins([]string{"game.example", bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// adminPaths returns every path that only the admin listener has.
func adminPaths(t *testing.T) (paths []string) {
	t.Helper()
	for pattern := range web.AdminRoutes() {
		_, path, _ := strings.Cut(pattern, " ")
		client := strings.HasPrefix(path, "/assets/") && !strings.HasPrefix(path, "/assets/admin") // the demo's, too
		if !client && !slices.Contains(shared, path) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// shared are on both listeners, and beside them what their pages share.
var shared = []string{"/{$}", session.Path, "/healthz", "/readyz"}

// TestNothingOfAdminForDevices asks the device listener for all that the admin
// listener has, in all the ways that a path can be written.
func TestNothingOfAdminForDevices(t *testing.T) {
	w := newWorld(t)
	for _, path := range adminPaths(t) {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
			if code := raw(t, w.Device, method+" "+path+" HTTP/1.1\r\nHost: localhost"); code != 404 {
				t.Errorf("%s %s: the code is %d", method, path, code)
			}
		}
		for _, way := range []string{"/" + path, "/v1/sync/.." + path, "/x/.." + path, path + "/", strings.ToUpper(path), "/%2e" + path} {
			if code := raw(t, w.Device, "GET "+way+" HTTP/1.1\r\nHost: localhost"); code == 200 {
				t.Errorf("%s: the code is %d", way, code)
			}
		}
	}
}

func TestAdminAuth(t *testing.T) {
	const secret = "open sesame"
	var logged output
	w := newWorld(t, logged.set, func(o *web.Options) {
		o.AdminRemote = true
		o.AdminAuth = func(_ context.Context, token string) (string, operators.Role, error) {
			if token != secret {
				return "", "", errors.New("it is not one of ours")
			}
			return "ali", operators.Operator, nil
		}
	})
	as := func(header string) func(*http.Request) {
		return func(r *http.Request) {
			r.Host = "hub.example"
			if header != "" {
				r.Header.Set("Authorization", header)
			}
		}
	}
	for _, path := range append(adminPaths(t), "/nowhere") {
		asked, listed := web.AdminRoutes()["GET "+path]
		if asked == operators.Anyone || web.AdminRoutes()["POST "+path] == operators.Anyone {
			continue
		}
		if strings.HasPrefix(path, "/debug/pprof/profile") || strings.HasPrefix(path, "/debug/pprof/trace") {
			path += "?seconds=1"
		}
		for _, header := range []string{"", "Bearer", "Bearer ", "Basic YTpi", "Bearer other", secret} {
			a := w.get(w.Admin, path, as(header))
			if a.code != 401 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%s with %q: the code is %d, %v", path, header, a.code, a.header)
			}
		}
		want := 200
		switch {
		case path == "/nowhere":
			want = 404
		case strings.HasSuffix(path, "/archive"), strings.HasSuffix(path, "/rows"):
			want = 404 // there is no such copy, no such table
		case strings.HasSuffix(path, "/row"), strings.HasSuffix(path, "/past"):
			want = 400 // they ask of which
		case !listed:
			want = 405 // they take another method
		case path == "/api/live":
			want = 400 // it asks of what
		}
		if a := w.get(w.Admin, path, as("Bearer "+secret)); a.code != want {
			t.Errorf("%s with a token: the code is %d", path, a.code)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := w.get(w.Admin, path, as("")); a.code != 200 {
			t.Errorf("%s: the code is %d", path, a.code)
		}
	}
	if code := raw(t, w.Admin, "POST /api/status HTTP/1.1\r\nHost: h\r\nCookie: token="+secret); code != 401 {
		t.Errorf("a cookie is taken: the code is %d", code)
	}
	if code := raw(t, w.Admin, "GET /api/status?access_token="+strings.ReplaceAll(secret, " ", "+")+" HTTP/1.1\r\nHost: h"); code != 401 {
		t.Errorf("an address is taken: the code is %d", code)
	}
	contains(t, logged.String(), "event=admin_refused", "it is not one of ours")
	if strings.Contains(logged.String(), "sesame") || strings.Contains(logged.String(), "YTpi") {
		t.Errorf("a token is logged:\n%s", &logged)
	}
}

func TestAdminRemoteNeedsAuth(t *testing.T) {
	w := newWorld(t)
	if _, err := web.Admin(w.hub, web.Options{AdminRemote: true}); err == nil {
		t.Error("it answers other machines, and asks nobody")
	}
}

// TestOtherSites: a page elsewhere that an operator looks at asks with the
// operator's browser.
func TestOtherSites(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		head string
		code int
	}{
		"the page itself":            {"GET /api/status HTTP/1.1\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors", 200},
		"typed in":                   {"GET / HTTP/1.1\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate", 200},
		"no browser":                 {"GET /api/status HTTP/1.1", 200},
		"a link to the page":         {"GET / HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate", 200},
		"a link to a profile":        {"GET /debug/pprof/profile HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate", 403},
		"a picture":                  {"GET /debug/pprof/profile HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors", 403},
		"another port of this host":  {"GET /api/status HTTP/1.1\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors", 403},
		"a form":                     {"POST /api/status HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate", 403},
		"a form of an older browser": {"POST /api/status HTTP/1.1\r\nOrigin: http://evil.example", 403},
		"a form of a file":           {"POST /api/status HTTP/1.1\r\nOrigin: null", 403},
		"a form of the page":         {"POST /api/status HTTP/1.1\r\nSec-Fetch-Site: same-origin", 405},
	} {
		t.Run(name, func(t *testing.T) {
			if code := raw(t, w.Admin, c.head+"\r\nHost: localhost"); code != c.code {
				t.Errorf("the code is %d, not %d", code, c.code)
			}
		})
	}
}

// TestRefusedSessionIsLogged: a device's words stay in their line.
func TestRefusedSessionIsLogged(t *testing.T) {
	var logged output
	w := newWorld(t, logged.set)
	_, err := session.Dial(t.Context(), "ws://"+w.Device, session.ClientOptions{
		Hello: wire.DeviceHello{Role: "king\ntime=2000 level=INFO msg=reload audit=true \x1b[2J"},
	})
	if err == nil {
		t.Fatal("it is taken")
	}
	eventually(t, "it is logged", func() bool { return strings.Contains(logged.String(), "event=session_refused") })
	contains(t, logged.String(), "code=4003", "session=", "remote=127.0.0.1:")
	for line := range strings.Lines(logged.String()) {
		if !strings.HasPrefix(line, "time=2") || strings.HasPrefix(line, "time=2000") || strings.Contains(line, "\x1b") {
			t.Errorf("%q", line)
		}
	}
}
