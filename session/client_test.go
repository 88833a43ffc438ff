package session_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// dialFake dials a fake hub, which greets.
func dialFake(t *testing.T, o session.ClientOptions) (*session.Client, *peer) {
	t.Helper()
	f := newFake(t)
	o.HTTPClient = f.listener.HTTPClient()
	peers := make(chan *peer, 1)
	go func() {
		p := f.accept(t)
		p.send(hello(7))
		peers <- p
	}()
	c, err := session.Dial(t.Context(), sessiontest.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Drop)
	return c, <-peers
}

func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dialFake(t, session.ClientOptions{Hello: wire.DeviceHello{Client: "test", Zstd: true}})
		if c.Hello.Version != 7 || p.said.Client != "test" {
			t.Errorf("%+v %+v", c.Hello, p.said)
		}
		if err := errors.Join(
			c.Clock(t.Context(), 5),
			c.ReadPiece(t.Context(), &wire.ReadPiece{ID: 1, Key: values(1)}),
			c.Subscribe(t.Context(), &wire.Subscribe{ID: 1}),
			c.Write(t.Context(), wire.WriteHeader{Seq: 1}, nil),
			c.SendEvent(t.Context(), &wire.SendEvent{To: wire.ToRole("server"), Name: "ask"}),
		); err != nil {
			t.Fatal(err)
		}
		for _, want := range []wire.Type{wire.TypeClock, wire.TypeReadPiece, wire.TypeSubscribe, wire.TypeWrite, wire.TypeEvent} {
			if kind, err := wire.TypeOf(p.read()); kind != want {
				t.Errorf("type %d, %v, want %d", kind, err, want)
			}
		}
		p.send(frame(8, 7, nil, nil))
		if f, ok := next(t, c).(*wire.Frame); !ok || f.Version != 8 {
			t.Errorf("%+v", f)
		}
		if silent := c.Silent(time.Now().Add(time.Second)); silent != time.Second {
			t.Errorf("silent for %v", silent)
		}
		go p.wantClose()
		c.Close()
		if _, err := c.Next(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func next(t *testing.T, c *session.Client) session.Message {
	t.Helper()
	m, err := c.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// raw is a message by its bytes.
type raw []byte

func (r raw) Append(dst []byte) []byte { return append(dst, r...) }

func TestNextUnpacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dialFake(t, session.ClientOptions{})
		p.send(raw(wire.Pack(nil, frame(8, 7, nil, nil).Append(nil))))
		if f, ok := next(t, c).(*wire.Frame); !ok || f.Version != 8 {
			t.Errorf("%+v", f)
		}
	})
}

func TestNextRaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dialFake(t, session.ClientOptions{Limit: 5000})
		buf := make([]byte, 512)
		msg := frame(8, 7, blocks(entities(values(1, 1, nil, "x"))), nil)
		p.send(msg)
		m, err := c.NextRaw(t.Context(), buf)
		if err != nil || m.Type != wire.TypeFrame || m.Version != 8 || m.Previous != 7 || !bytes.Equal(m.Data, msg.Append(nil)) {
			t.Errorf("%+v, %v", m, err)
		}
		if &m.Data[0] != &buf[0] {
			t.Error("there was room in the buffer, and it was not used")
		}
		large := frame(9, 8, blocks(entities(values(1, 1, nil, strings.Repeat("x", 4000)))), nil)
		p.send(large, raw(make([]byte, 6000)))
		if m, err = c.NextRaw(t.Context(), buf); err != nil || !bytes.Equal(m.Data, large.Append(nil)) {
			t.Errorf("%d bytes, %v", len(m.Data), err)
		}
		_, err = c.NextRaw(t.Context(), buf)
		if e, ok := errors.AsType[*wire.Error](err); !ok || e.Code != wire.CloseTooLarge {
			t.Errorf("%v, want too large", err)
		}
	})
}

func TestNextAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	synctest.Test(t, func(t *testing.T) {
		c, p := dialFake(t, session.ClientOptions{})
		msg := frame(8, 7, blocks(entities(values(1, 1, nil, strings.Repeat("x", 400)))), nil)
		buf := make([]byte, 1024)
		sent := testing.AllocsPerRun(100, func() { p.send(msg) })
		both := testing.AllocsPerRun(100, func() {
			p.send(msg)
			if _, err := c.NextRaw(context.Background(), buf); err != nil {
				t.Fatal(err)
			}
		})
		if n := both - sent; n > 1 {
			t.Errorf("NextRaw allocates %v times", n)
		}
	})
}

func TestNextRefuses(t *testing.T) {
	for name, msg := range map[string]raw{
		"no CBOR": {0xff}, "unknown type": {0x81, 0x18, 99}, "a device's": (&wire.DeviceHello{}).Append(nil), "cut": {0x82, 4},
		"packed twice": wire.Pack(nil, wire.Pack(nil, []byte{0x81, 4})),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := dialFake(t, session.ClientOptions{})
				p.send(msg)
				m, err := c.Next(t.Context())
				if _, ok := errors.AsType[*wire.Error](err); !ok {
					t.Errorf("%+v, %v", m, err)
				}
			})
		})
	}
}

func TestNextAfterTheHubClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dialFake(t, session.ClientOptions{})
		go func() { _ = p.ws.Close(websocket.StatusCode(wire.CloseKicked), "out") }()
		_, err := c.Next(t.Context())
		if e, ok := errors.AsType[*session.ClosedError](err); !ok || e.Code != wire.CloseKicked || e.Text != "out" {
			t.Errorf("%v", err)
		}
	})
}

// Close does not wait for a hub that does not answer.
func TestCloseOfAStuckHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := dialFake(t, session.ClientOptions{})
		start := time.Now()
		c.Close()
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v, want a second", took)
		}
	})
}

func TestDialRefused(t *testing.T) {
	upgrade := func(protocols []string, then func(*websocket.Conn)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: protocols})
			if err != nil {
				return
			}
			then(ws)
			_ = ws.CloseNow()
		}
	}
	ours := []string{wire.Subprotocol}
	for _, test := range []struct {
		name string
		hub  http.HandlerFunc
		want string
	}{
		{"no WebSocket", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "go away", http.StatusForbidden) }, "go away"},
		{"no subprotocol", upgrade(nil, func(*websocket.Conn) {}), "does not speak framehub.v1.cbor"},
		{"goodbye", upgrade(ours, func(ws *websocket.Conn) {
			_ = ws.Write(context.Background(), websocket.MessageBinary, (&wire.Goodbye{Code: wire.CloseUnauthorized, Text: "who are you?"}).Append(nil))
			_, _, _ = ws.Read(context.Background())
			_, _, _ = ws.Read(context.Background())
		}), "who are you? (4001)"},
		{"close", upgrade(ours, func(ws *websocket.Conn) { _ = ws.Close(4003, "no") }), "no (4003)"},
		{"silence", upgrade(ours, func(ws *websocket.Conn) {
			_, _, _ = ws.Read(context.Background())
			_, _, _ = ws.Read(context.Background())
		}), "deadline exceeded"},
		{"another answer", upgrade(ours, func(ws *websocket.Conn) {
			_ = ws.Write(context.Background(), websocket.MessageBinary, frame(1, 0, nil, nil).Append(nil))
			_, _, _ = ws.Read(context.Background())
			_, _, _ = ws.Read(context.Background())
		}), "type 4"},
		{"text", upgrade(ours, func(ws *websocket.Conn) {
			_ = ws.Write(context.Background(), websocket.MessageText, []byte("hello"))
			_, _, _ = ws.Read(context.Background())
			_, _, _ = ws.Read(context.Background())
		}), "this one was text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := sessiontest.Serve(t, test.hub)
				c, err := session.Dial(t.Context(), "ws://hub.test", session.ClientOptions{HTTPClient: l.HTTPClient()})
				if err == nil {
					c.Drop()
				}
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%v, want %q", err, test.want)
				}
			})
		})
	}
	for _, url := range []string{"ftp://hub.test", "://", "ws://127.0.0.1:1"} {
		if _, err := session.Dial(t.Context(), url, session.ClientOptions{}); err == nil {
			t.Errorf("%s: dialled", url)
		}
	}
}

// Over TLS, a message larger than a TLS record comes whole.
func TestTLS(t *testing.T) {
	big := bytes.Repeat([]byte{0x81, 4}, 300<<10)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Accept(w, r, session.Options{})
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := s.Hello(); err != nil {
			t.Error(err)
			return
		}
		h := &script{}
		h.say(hello(7).Append(nil), big)
		_ = s.Run(h)
	}))
	defer server.Close()
	c, err := session.Dial(t.Context(), server.URL, session.ClientOptions{HTTPClient: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Drop()
	if m, err := c.NextRaw(t.Context(), nil); len(m.Data) != len(big) {
		t.Errorf("%d bytes, %v", len(m.Data), err)
	}
}
