package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"framehub/operators"
	"framehub/session/wire"
	"framehub/web"
)

// TestFixation: what a browser has before it logs in is no login afterwards.
func TestFixation(t *testing.T) {
	w := newWorld(t, with(newOperators(t)))
	name := "framehub-login-" + w.Admin[strings.LastIndexByte(w.Admin, ':')+1:]
	const planted = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	b := &browserless{w, map[string]string{name: planted}}
	in := jsonOf(web.Credentials{Name: "ann", Password: annsPassword})
	if a := b.post("/api/login", in); a.code != 200 || b.cookies[name] == planted || b.cookies[name] == "" {
		t.Fatalf("%d: %v", a.code, b.cookies)
	}
	attacker := &browserless{w, map[string]string{name: planted}}
	if a := attacker.look("/api/status"); a.code != 401 {
		t.Errorf("what was planted: %d", a.code)
	}
	before := &browserless{w, map[string]string{name: b.cookies[name]}}
	if a := b.post("/api/login", in); a.code != 200 || b.look("/api/status").code != 200 {
		t.Fatalf("again: %d: %s", a.code, a.body)
	}
	if a := before.look("/api/status"); a.code != 401 {
		t.Errorf("the login before, on the same browser: %d", a.code)
	}
}

// TestSeats: nobody has so much open that it costs the hub what frames need.
func TestSeats(t *testing.T) {
	w := newWorld(t, with(newOperators(t)), func(o *web.Options) {
		o.AdminAuth = func(_ context.Context, token string) (string, operators.Role, error) {
			return token, operators.Viewer, nil
		}
	})
	as := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+name) }
	}
	live := func(name string) answer { return w.get(w.Admin, "/api/live?topic=nothing", as(name)) } // 400 where there is a seat
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for i := range 15 {
		if topic, _ := w.stream(ctx, "topic=status", as("eve"))(); topic != "status" {
			t.Fatal(i, topic)
		}
	}
	if _, err := w.observe(as("eve"), wire.DeviceHello{}); err != nil {
		t.Fatal(err)
	}
	if a := live("eve"); a.code != 429 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "may have 16") {
		t.Errorf("a 17th: %d: %s", a.code, a.body)
	}
	if _, err := w.observe(as("eve"), wire.DeviceHello{}); err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("a session: %v", err)
	}
	if a := live("vic"); a.code != 400 {
		t.Errorf("somebody else: %d: %s", a.code, a.body)
	}
	leave()
	eventually(t, "the seats are free", func() bool { return live("eve").code == 400 })
}

// TestLargeBodies: no route reads more than it needs.
func TestLargeBodies(t *testing.T) {
	h, err := web.Admin(newWorld(t).hub, web.Options{Operators: newOperators(t), AdminAuth: func(context.Context, string) (string, operators.Role, error) {
		return "root", operators.Operator, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for pattern := range web.AdminRoutes() {
		path := strings.Replace(pathOf(pattern), "/none/", "/5e0c4b1d-8d39-4c64-a0a0-0f3a1f2b9c11/", 1)
		if !strings.HasPrefix(pattern, http.MethodPost) || path == "/api/reload" || strings.HasPrefix(path, "/api/backups") { // they take none
			continue
		}
		for name, body := range map[string]string{
			"a large text": `{"text": "` + strings.Repeat("a", 2<<20) + `"}`,
			"depth":        strings.Repeat(`{"text":`, 200_000),
			"a list":       "[" + strings.Repeat("1,", 600_000) + "1]",
		} {
			text := strings.NewReader(body)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1"+path, text)
			r.Header.Set("Authorization", "Bearer x")
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if read := len(body) - text.Len(); rec.Code != http.StatusBadRequest || read > 2<<20-1 {
				t.Errorf("%s with %s: %d, after %d bytes: %.200s", pattern, name, rec.Code, read, rec.Body)
			}
		}
	}
}
