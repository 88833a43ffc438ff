package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"framehub/auth"
	"framehub/hub"
	"framehub/operators"
	"framehub/session"
	"framehub/session/wire"
	"framehub/web"
)

// observe connects to the operators' listener, with what a request of somebody has.
func (w *world) observe(set func(*http.Request), hello wire.DeviceHello) (*session.Client, error) {
	w.tb.Helper()
	r, err := http.NewRequestWithContext(w.tb.Context(), http.MethodGet, "http://"+w.Admin, nil)
	if err != nil {
		w.tb.Fatal(err)
	}
	set(r)
	hello.SubsSet = true
	c, err := session.Dial(w.tb.Context(), "ws://"+w.Admin, session.ClientOptions{Hello: hello, Header: r.Header})
	if err == nil {
		w.tb.Cleanup(c.Drop)
	}
	return c, err
}

// goodbye reads a session to its end.
func goodbye(t *testing.T, c *session.Client) wire.Goodbye {
	t.Helper()
	for {
		m, err := c.Next(t.Context())
		if g, ok := m.(*wire.Goodbye); ok {
			return *g
		}
		if err != nil {
			t.Fatal("no goodbye:", err)
		}
	}
}

// TestObserve: who may look at the operators' listener observes by it, until he may not.
func TestObserve(t *testing.T) {
	var revoked atomic.Bool
	var logged output
	l := newOperators(t)
	w := newWorld(t, logged.set, with(l), func(o *web.Options) {
		o.Session.Origins = []string{"game.example"}
		o.AdminAuth = func(context.Context, string) (string, operators.Role, error) {
			if revoked.Load() {
				return "", "", errors.New("it has been revoked")
			}
			return "root", operators.Operator, nil
		}
	})
	token := func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }
	vic := w.login("vic", vicsPassword)
	page := func(origin string) func(*http.Request) {
		return func(r *http.Request) { vic.send(r); r.Header.Set("Origin", origin) }
	}
	for name, c := range map[string]struct {
		set  func(*http.Request)
		code string
	}{
		"nobody":                 {func(*http.Request) {}, "401"},
		"a page of another port": {page("http://" + w.Device), "403"},
		"a page of the game":     {page("https://game.example"), "403"},
		"a page of nobody":       {page("null"), "403"},
		"a cookie of no page":    {vic.send, "403"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.observe(c.set, wire.DeviceHello{}); err == nil || !strings.Contains(err.Error(), c.code) {
				t.Errorf("%v", err)
			}
		})
	}
	for _, role := range []string{"device", "admin", "king"} {
		_, err := w.observe(token, wire.DeviceHello{Role: role})
		if e, ok := errors.AsType[*session.ClosedError](err); !ok || e.Code != wire.CloseForbidden {
			t.Errorf("as %s: %v", role, err)
		}
	}

	observer, err := w.observe(page("http://"+w.Admin), wire.DeviceHello{})
	if err != nil {
		t.Fatal(err)
	}
	program, err := w.observe(token, wire.DeviceHello{Role: auth.RoleObserver})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are listed", func() bool { return w.hub.SessionCount() == 2 })
	users := map[string]hub.SessionInfo{}
	for _, s := range w.hub.Sessions() {
		users[s.User+" "+s.Role] = s
	}
	if len(users) != 2 || users["operator:vic observer"].ID != uuid.UUID(observer.Hello.Session) || users["operator:root observer"].ID != uuid.UUID(program.Hello.Session) {
		t.Errorf("%v", users)
	}
	d := w.dial(wire.DeviceHello{SubsSet: true})
	if _, err := w.observe(token, wire.DeviceHello{Device: d.Hello.Device[:]}); err == nil {
		t.Error("an operator has taken over a device")
	}
	send(t, observer, 1, 7)
	for {
		m, err := observer.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := m.(*wire.Settled); ok {
			if len(s.Rejected) != 1 || s.Rejected[0].Code != wire.CodeForbidden {
				t.Errorf("an observer has written: %+v", s)
			}
			break
		}
	}
	vic.post("/api/logout", "")
	if g := goodbye(t, observer); g.Code != wire.CloseUnauthorized || !strings.Contains(g.Text, "the login has ended") {
		t.Errorf("%+v", g)
	}
	revoked.Store(true)
	if g := goodbye(t, program); g.Code != wire.CloseUnauthorized || !strings.Contains(g.Text, "it has been revoked") {
		t.Errorf("%+v", g)
	}
	eventually(t, "both have ended", func() bool { return w.hub.SessionCount() == 1 })
}

// TestObserveUntilTheHubStops has the hub stop while somebody observes.
func TestObserveUntilTheHubStops(t *testing.T) {
	w := newWorld(t, func(o *web.Options) { o.Operators = (*operators.Logins)(nil) })
	c, err := w.observe(func(*http.Request) {}, wire.DeviceHello{})
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); w.Stop() }()
	if g := goodbye(t, c); g.Code != wire.CloseStopping {
		t.Errorf("%+v", g)
	}
	c.Close()
	<-stopped
}
