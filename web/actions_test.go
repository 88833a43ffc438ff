package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"framehub/operators"
	"framehub/session/wire"
	"framehub/web"
)

// post sends a body to the operators' listener.
func (w *world) post(path, body string, set ...func(*http.Request)) answer {
	w.tb.Helper()
	method := func(r *http.Request) {
		r.Method = http.MethodPost
		r.Body, r.ContentLength = http.NoBody, 0
		if body != "" {
			text := bytes.NewReader([]byte(body))
			r.Body, r.ContentLength = readCloser{text}, text.Size()
		}
	}
	return w.get(w.Admin, path, append([]func(*http.Request){method}, set...)...)
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

func TestKick(t *testing.T) {
	var logged output
	w := newWorld(t, logged.set, func(o *web.Options) {
		o.AdminAuth = func(context.Context, string) (string, operators.Role, error) { return "root", operators.Operator, nil }
	})
	token := func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }
	c := w.dial(wire.DeviceHello{SubsSet: true})
	id := uuid.UUID(c.Hello.Session).String()
	kick := "/api/sessions/" + id + "/kick"
	for name, tc := range map[string]struct {
		path, body string
		code       int
		words      string
	}{
		"no id":                {"/api/sessions/everyone/kick", "", 400, "/api/sessions lists them"},
		"nobody's":             {"/api/sessions/" + uuid.NewString() + "/kick", "", 404, "there is no session"},
		"an unknown wish":      {kick, `{"ban": true}`, 400, `unknown field "ban"`},
		"no JSON":              {kick, "go", 400, "not the JSON"},
		"two bodies":           {kick, "{}{}", 400, "something follows it"},
		"a long story":         {kick, `{"reason": "` + strings.Repeat("a", 201) + `"}`, 400, "at most 200 bytes"},
		"a longer one":         {kick, `{"reason": "` + strings.Repeat("a", 5000) + `"}`, 400, "too large"},
		"back in the past":     {kick, `{"retry_ms": -1}`, 400, "retry_ms must be"},
		"back in another life": {kick, `{"retry_ms": 86400001}`, 400, "retry_ms must be"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := w.post(tc.path, tc.body, token); a.code != tc.code || !strings.Contains(a.body, tc.words) {
				t.Errorf("the code is %d: %s", a.code, a.body)
			}
		})
	}
	var list []web.Session
	if a := w.get(w.Admin, "/api/sessions", token); a.code != 200 || json.Unmarshal([]byte(a.body), &list) != nil || len(list) != 1 || list[0].ID != id {
		t.Fatalf("the code is %d: %s", a.code, a.body)
	}
	a := w.post(kick, `{"reason": "go and \"rest\"", "retry_ms": 1500}`, token)
	contains(t, a.body, id, `"role":"device"`)
	if a.code != 200 {
		t.Fatalf("the code is %d: %s", a.code, a.body)
	}
	for {
		m, err := c.Next(t.Context())
		if err != nil {
			t.Fatalf("there is no goodbye: %v", err)
		}
		if g, ok := m.(*wire.Goodbye); ok {
			if g.Code != wire.CloseKicked || g.Retry.Milliseconds() != 1500 || !strings.Contains(g.Text, `go and "rest"`) {
				t.Errorf("the goodbye is %+v", g)
			}
			break
		}
	}
	c.Close()
	eventually(t, "the session has ended", func() bool { return w.hub.SessionCount() == 0 })
	contains(t, logged.String(), "event=kick session="+id, `by operator \"root\": go and`)
}

func TestReload(t *testing.T) {
	var logged output
	var failed error
	w := newWorld(t, logged.set, func(o *web.Options) {
		o.Reload = func() ([]string, error) { return []string{"limits"}, failed }
	})
	if a := w.post("/api/reload", ""); a.code != 200 || a.body != `{"changed":["limits"]}`+"\n" {
		t.Errorf("the code is %d: %s", a.code, a.body)
	}
	failed = errors.New("framehub.toml:3: read must be roles")
	if a := w.post("/api/reload", ""); a.code != 422 || !strings.Contains(a.body, "framehub.toml:3") {
		t.Errorf("the code is %d: %s", a.code, a.body)
	}
	for i, want := range []string{"code=done", "code=failed"} {
		if !strings.Contains(logged.String(), "event=reload remote=127.0.0.1:") || !strings.Contains(logged.String(), want) {
			t.Errorf("reload %d is not logged:\n%s", i, &logged)
		}
	}
	for _, path := range []string{"/api/reload", "/api/sessions/" + uuid.NewString() + "/kick"} {
		if code := raw(t, w.Admin, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site", path)); code != 403 {
			t.Errorf("%s for a page of another site: the code is %d", path, code)
		}
		if a := w.get(w.Admin, path); a.code != 405 {
			t.Errorf("GET %s: the code is %d", path, a.code)
		}
	}
}

// TestBackups: an operator sees what the worker does, and asks for a backup, which is
// accounted for; a page of another site does not.
func TestBackups(t *testing.T) {
	var logged output
	w := newWorld(t, logged.set, func(o *web.Options) {
		o.AdminAuth = func(context.Context, string) (string, operators.Role, error) { return "root", operators.Operator, nil }
	})
	token := func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }
	if a := w.post("/api/backups", "", token, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }); a.code != http.StatusForbidden {
		t.Errorf("a page of another site: the code is %d", a.code)
	}
	a := w.post("/api/backups", "", token)
	if a.code != http.StatusOK || !strings.Contains(a.body, `"asked":1`) {
		t.Errorf("%d: %s", a.code, a.body)
	}
	if a := w.get(w.Admin, "/api/backups", token); a.code != http.StatusOK || !strings.Contains(a.body, `"asked":1`) {
		t.Errorf("%d: %s", a.code, a.body)
	}
	if len(w.backups.why) != 1 || w.backups.why[0] != `asked for by operator "root"` {
		t.Errorf("asked: %q", w.backups.why)
	}
	contains(t, logged.String(), "event=backup", "code=asked", `by operator \"root\"`)
}
