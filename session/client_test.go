package session_test

import (
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// A fakeHub is a handler whose sessions are greeted with hello and then served
// by serve, each in turn.
func fakeHub(t *testing.T, hello wire.HubHello, h session.Handler) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Accept(w, r, session.Options{})
		if err != nil {
			return
		}
		if _, err := s.Hello(); err != nil {
			s.Refuse(wire.AsError(err))
			return
		}
		q := &queued{Handler: h}
		q.out = append(q.out, hello.Append(nil))
		if err := s.Run(q); err != nil {
			t.Log(err)
		}
	})
}

type queued struct {
	session.Handler
	out [][]byte
}

func (q *queued) Version() uint64 { return 7 }
func (q *queued) Next(dst [][]byte) [][]byte {
	dst = append(dst, q.out...)
	q.out = nil
	return dst
}

func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := sessiontest.Serve(t, fakeHub(t, wire.HubHello{Device: make([]byte, 16), Version: 7}, nil))
		c, err := session.Dial(t.Context(), sessiontest.URL, session.ClientOptions{HTTPClient: l.HTTPClient()})
		if err != nil {
			t.Fatal(err)
		}
		if c.Hello.Version != 7 {
			t.Errorf("hello: %+v", c.Hello)
		}
		if err := c.Clock(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		m, err := c.Next(t.Context())
		if clock, ok := m.(*wire.Clock); !ok || clock.Echo != wire.IntegerValue(5) || clock.Version != 7 {
			t.Errorf("%+v, %v", m, err)
		}
		c.Close()
		if _, err := c.Next(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}
