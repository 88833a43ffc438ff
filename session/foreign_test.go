package session_test

import (
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/lxzan/gws"

	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// A stranger is a client on a WebSocket library that we neither wrote nor use.
type stranger struct {
	gws.BuiltinEventHandler
	messages chan []byte
	pongs    chan []byte
	closed   chan error
}

func (s *stranger) OnMessage(_ *gws.Conn, m *gws.Message) {
	s.messages <- append([]byte(nil), m.Bytes()...)
	_ = m.Close()
}
func (s *stranger) OnPong(_ *gws.Conn, payload []byte) { s.pongs <- append([]byte(nil), payload...) }
func (s *stranger) OnClose(_ *gws.Conn, err error)     { s.closed <- err }

// TestForeignClient talks to a session over TCP with another library.
func TestForeignClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	running := make(chan *served, 1)
	sessiontest.ServeOn(t, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Accept(w, r, session.Options{})
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := s.Hello(); err != nil {
			t.Error(err)
			return
		}
		v := &served{Session: s, script: &script{}, ended: make(chan error, 1)}
		v.script.say(hello(7).Append(nil))
		running <- v
		v.ended <- s.Run(v.script)
	}))
	c := &stranger{messages: make(chan []byte, 8), pongs: make(chan []byte, 8), closed: make(chan error, 1)}
	ws, _, err := gws.NewClient(c, &gws.ClientOption{ //nolint:bodyclose // a hijacked connection
		Addr: "ws://" + l.Addr().String() + session.Path, RequestHeader: http.Header{"Sec-WebSocket-Protocol": {wire.Subprotocol}},
	})
	if err != nil {
		t.Fatal(err)
	}
	go ws.ReadLoop()
	write := func(m session.Message) {
		t.Helper()
		if err := ws.WriteMessage(gws.OpcodeBinary, m.Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	write(&wire.DeviceHello{})
	if h, err := wire.DecodeHubHello(<-c.messages, wire.Limits{}); err != nil || h.Version != 7 {
		t.Fatalf("%+v, %v", h, err)
	}
	v := <-running
	write(&wire.Clock{Echo: wire.IntegerValue(3)})
	if clock, err := wire.DecodeClockAnswer(<-c.messages, wire.Limits{}); err != nil || clock.Echo != wire.IntegerValue(3) {
		t.Errorf("%+v, %v", clock, err)
	}
	for _, size := range []int{1, 125, 126, 0xffff, 0x10000, 1 << 20} {
		v.script.say(make([]byte, size))
		v.Wake()
		if got := <-c.messages; len(got) != size {
			t.Errorf("%d bytes, want %d", len(got), size)
		}
	}
	if err := ws.WritePing([]byte("here?")); err != nil {
		t.Fatal(err)
	}
	if got := <-c.pongs; string(got) != "here?" {
		t.Errorf("pong %q", got)
	}
	v.End(wire.Goodbye{Code: wire.CloseStopping, Text: "later"})
	if g, err := wire.DecodeGoodbye(<-c.messages, wire.Limits{}); err != nil || g.Code != wire.CloseStopping {
		t.Errorf("%+v, %v", g, err)
	}
	if e, ok := errors.AsType[*gws.CloseError](<-c.closed); !ok || e.Code != uint16(wire.CloseStopping) {
		t.Errorf("closed with %v", e)
	}
	if err := <-v.ended; err == nil {
		t.Error("Run returned no reason")
	}
}
