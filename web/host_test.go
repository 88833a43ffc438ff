package web_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"framehub/web"
)

// TestAdminHosts: the listener answers to the names that it has been given, and to
// this machine's own.
func TestAdminHosts(t *testing.T) {
	always := map[string]int{"127.0.0.1": 200, "localhost": 200}
	given := map[string]int{
		"hub.example": 200, "HUB.Example:8443": 200, "hub.example.": 200, "10.0.0.5:8081": 200, "[2001:db8::5]:8081": 200,
		"evil.example": 421, "hub.example.evil.example": 421, "x.hub.example": 421, "10.0.0.6": 421, "": 421,
	}
	for name, c := range map[string]struct {
		set  func(*web.Options)
		host map[string]int
	}{
		"for this machine": {func(*web.Options) {}, map[string]int{"hub.example": 421}},
		"with names":       {func(o *web.Options) { o.AdminHosts = []string{"hub.example", "10.0.0.5", "2001:db8::5"} }, given},
		"elsewhere, with names": {func(o *web.Options) {
			o.AdminRemote, o.AdminHosts = true, []string{"hub.example", "10.0.0.5", "2001:db8::5"}
		}, given},
		"elsewhere, by any name": {func(o *web.Options) { o.AdminRemote = true }, map[string]int{"hub.example": 200, "10.0.0.6": 200}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, with(newOperators(t)), c.set)
			maps.Copy(c.host, always)
			for host, code := range c.host {
				for _, path := range []string{"/", "/healthz", "/api/me"} {
					if got := raw(t, w.Admin, "GET "+path+" HTTP/1.1\r\nHost: "+host); got != code {
						t.Errorf("%s as %q: the code is %d, not %d", path, host, got, code)
					}
				}
			}
		})
	}
}

func TestCheckHosts(t *testing.T) {
	if err := web.CheckHosts([]string{"hub.example", "10.0.0.5", "2001:db8::5", "hub"}); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "https://hub.example", "hub.example:8443", "*.hub.example", "Hub.example", "hub.example.", "[::1]", "a b", "hub/x"} {
		if err := web.CheckHosts([]string{"hub.example", bad}); err == nil || !strings.Contains(err.Error(), "no name of a host") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestBehindAProxy: behind one that takes TLS off, cookies are for TLS alone, and what
// came to it in clear is refused.
func TestBehindAProxy(t *testing.T) {
	w := newWorld(t, with(newOperators(t)), func(o *web.Options) { o.AdminHosts = []string{"hub.example"} })
	from := func(page, proto string) func(*http.Request) {
		return func(r *http.Request) {
			r.Host = "hub.example:8443"
			r.Header.Set("Origin", page)
			r.Header.Set("X-Forwarded-Proto", proto)
		}
	}
	login := jsonOf(web.Credentials{Name: "ann", Password: annsPassword})
	if a := w.post("/api/login", login, from("http://hub.example:8443", "http")); a.code != 403 || !strings.Contains(a.body, "without TLS") {
		t.Errorf("without TLS: %d: %s", a.code, a.body)
	}
	if a := w.post("/api/login", login, from("https://evil.example", "https")); a.code != 403 {
		t.Errorf("of another page: %d: %s", a.code, a.body)
	}
	page := from("https://hub.example:8443", "https")
	a := w.post("/api/login", login, page)
	ann := &browserless{w, map[string]string{}}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if ann.cookies[c.Name] = c.Value; !c.Secure || !strings.HasPrefix(c.Name, "__Host-framehub-") || !strings.HasSuffix(c.Name, "-8443") {
			t.Errorf("%+v", c)
		}
	}
	if a := w.get(w.Admin, "/api/status", ann.send, page); a.code != 200 {
		t.Errorf("%d: %s", a.code, a.body)
	}
	for origin, code := range map[string]int{"https://hub.example:8443": 101, "http://hub.example:8443": 403, "https://hub.example": 403, "": 403} {
		if a := w.upgrade(w.Admin, origin, page, ann.send, func(r *http.Request) { r.Header.Del("Origin") }); a.code != code {
			t.Errorf("a session of %q: %d: %s", origin, a.code, a.body)
		}
	}
}
