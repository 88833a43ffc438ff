package session_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// A script is a handler that writes what it is given, and counts what it takes.
type script struct {
	mu  sync.Mutex
	out [][]byte

	writes, refused, versions, events atomic.Int64
	fail                              error  // returned by Subscribe
	asked                             string // the last SQL and its texts, guarded by mu
}

func (s *script) Write(_ *wire.Write, refused *wire.Refusal, _ int) error {
	s.writes.Add(1)
	if refused != nil {
		s.refused.Add(1)
	}
	return nil
}
func (s *script) Subscribe(*wire.Subscribe) error { return s.fail }
func (s *script) Admit(int) error                 { return nil }
func (s *script) ReadPiece(*wire.ReadPiece) error { return nil }
func (s *script) SQL(q *wire.SQL, _ int) *wire.Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = q.Text
	for _, p := range q.Params {
		s.asked += p.Bytes()
	}
	return wire.Refuse(wire.CodeForbidden, "no SQL here")
}
func (s *script) Will(*wire.Will, int) (*wire.Refusal, error) {
	return nil, nil
}
func (s *script) Tick(uint64) (*wire.Refusal, error) {
	return wire.Refuse(wire.CodeForbidden, "no clock here"), nil
}
func (s *script) Version() uint64 { s.versions.Add(1); return 7 }

func (s *script) Event(e *wire.SendEvent, refused *wire.Refusal) *wire.Refusal {
	s.events.Add(1)
	if refused == nil && e.Name == "forbidden" {
		return wire.Refuse(wire.CodeForbidden, "not that one")
	}
	return refused
}

func (s *script) Next(dst [][]byte) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	dst = append(dst, s.out...)
	s.out = nil
	return dst
}

func (s *script) say(messages ...[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = append(s.out, messages...)
}

// A served session: what Accept gave, the handler, and what Run returned.
type served struct {
	*session.Session
	script *script
	ended  chan error
}

// serveSessions serves sessions that say hello, each with a script of its own.
// Each that runs is sent on the channel.
func serveSessions(t *testing.T, o session.Options) (*sessiontest.Listener, <-chan *served) {
	t.Helper()
	running := make(chan *served, 8)
	return sessiontest.Serve(t, serving(o, running)), running
}

// serving is the handler of serveSessions.
func serving(o session.Options, running chan<- *served) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Accept(w, r, o)
		if err != nil {
			return
		}
		if _, err := s.Hello(); err != nil {
			s.Refuse(wire.AsError(err))
			return
		}
		v := &served{Session: s, script: &script{}, ended: make(chan error, 1)}
		v.script.say(hello(7).Append(nil))
		running <- v
		v.ended <- s.Run(v.script)
	})
}

// connect upgrades as a browser or a game would, and says nothing yet.
func connect(t *testing.T, l *sessiontest.Listener, protocols ...string) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), sessiontest.URL, &websocket.DialOptions{HTTPClient: l.HTTPClient(), Subprotocols: protocols}) //nolint:bodyclose // closed by Dial
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws
}

// greet connects, says hello and reads the answer.
func greet(t *testing.T, l *sessiontest.Listener) *websocket.Conn {
	t.Helper()
	ws := connect(t, l, wire.Subprotocol)
	send(t, ws, &wire.DeviceHello{})
	if msg := receive(t, ws); msg[1] != byte(wire.TypeHello) {
		t.Fatalf("%x is no hello", msg)
	}
	return ws
}

func send(t *testing.T, ws *websocket.Conn, m session.Message) {
	t.Helper()
	if err := ws.Write(t.Context(), websocket.MessageBinary, m.Append(nil)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, ws *websocket.Conn) []byte {
	t.Helper()
	_, msg, err := ws.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// wantGoodbye reads a goodbye with a code and words, and then the close frame
// with the same.
func wantGoodbye(t *testing.T, ws *websocket.Conn, code wire.CloseCode, text string) {
	t.Helper()
	g, err := wire.DecodeGoodbye(receive(t, ws), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if g.Code != code || !strings.Contains(g.Text, text) {
		t.Errorf("goodbye %d %q, want %d with %q", g.Code, g.Text, code, text)
	}
	start := time.Now()
	_, _, err = ws.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusCode(code) {
		t.Errorf("after the goodbye: %v, want a close frame with %d", err, code)
	}
	if waited := time.Since(start); waited != time.Second {
		t.Errorf("the close frame came %v after the goodbye, want a second", waited)
	}
}

func TestHelloRefused(t *testing.T) {
	long := bytes.Repeat([]byte{0}, 2000)
	for _, test := range []struct {
		name      string
		protocols []string
		kind      websocket.MessageType
		msg       []byte
		code      wire.CloseCode
		text      string
	}{
		{"no hello", []string{wire.Subprotocol}, 0, nil, wire.CloseProtocol, "no hello within 5s"},
		{"no subprotocol", nil, 0, nil, wire.CloseProtocol, "subprotocol framehub.v1.cbor"},
		{"text", []string{wire.Subprotocol}, websocket.MessageText, long, wire.CloseProtocol, "this one was text"},
		{"too large", []string{wire.Subprotocol}, websocket.MessageBinary, long, wire.CloseTooLarge, "larger than 1000 bytes"},
		{"no CBOR", []string{wire.Subprotocol}, websocket.MessageBinary, []byte{0xff}, wire.CloseProtocol, ""},
		{"another message", []string{wire.Subprotocol}, websocket.MessageBinary, (&wire.Subscribe{ID: 1}).Append(nil), wire.CloseProtocol, "must be a hello"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				l, _ := serveSessions(t, session.Options{Limits: wire.Limits{Message: 1000}})
				ws := connect(t, l, test.protocols...)
				if test.msg != nil {
					if err := ws.Write(t.Context(), test.kind, test.msg); err != nil {
						t.Fatal(err)
					}
				}
				wantGoodbye(t, ws, test.code, test.text)
				want := time.Second
				if test.msg == nil && test.protocols != nil {
					want = 6 * time.Second
				}
				if took := time.Since(start); took != want {
					t.Errorf("took %v, want %v", took, want)
				}
			})
		})
	}
}

func TestOriginRefused(t *testing.T) {
	l, _ := serveSessions(t, session.Options{Origins: []string{"game.test"}})
	for origin, want := range map[string]int{
		"https://game.test": http.StatusSwitchingProtocols, "https://evil.test": http.StatusForbidden, "": http.StatusSwitchingProtocols,
	} {
		ws, resp, err := websocket.Dial(t.Context(), sessiontest.URL, &websocket.DialOptions{ //nolint:bodyclose // closed by Dial
			HTTPClient: l.HTTPClient(), HTTPHeader: http.Header{"Origin": {origin}}, Subprotocols: []string{wire.Subprotocol},
		})
		if resp.StatusCode != want {
			t.Errorf("origin %q: %v, %v", origin, resp.Status, err)
		}
		if err == nil {
			_ = ws.CloseNow()
		}
	}
}

func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{})
		ws := greet(t, l)
		v := <-running
		v.script.say([]byte{0x81, 1}, []byte{0x81, 2})
		v.End(wire.Goodbye{Code: wire.CloseReplaced, Text: "replaced"})
		v.End(wire.Goodbye{Code: wire.CloseKicked, Text: "too late"})
		for _, want := range []byte{1, 2} {
			if msg := receive(t, ws); msg[1] != want {
				t.Errorf("%x, want %d", msg, want)
			}
		}
		wantGoodbye(t, ws, wire.CloseReplaced, "replaced")
		if err := <-v.ended; err == nil || !strings.Contains(err.Error(), "replaced") {
			t.Errorf("Run: %v", err)
		}
	})
}

// A peer that says goodbye is answered in kind, and the session closes when the
// peer doesn't.
func TestPeerSaysGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{})
		ws := greet(t, l)
		v := <-running
		v.script.say([]byte{0x81, 1})
		send(t, ws, &wire.Goodbye{Code: wire.CloseNormal, Text: "bye"})
		if msg := receive(t, ws); msg[1] != 1 {
			t.Errorf("%x, want what was on its way", msg)
		}
		wantGoodbye(t, ws, wire.CloseNormal, "goodbye")
		if err := <-v.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// A peer that is told a long goodbye gets as much of it in the close frame as
// fits, and that is UTF-8.
func TestLongGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{})
		ws := greet(t, l)
		text := strings.Repeat("grün ", 40)
		(<-running).End(wire.Goodbye{Code: wire.CloseKicked, Text: text})
		receive(t, ws)
		_, _, err := ws.Read(t.Context())
		if e, ok := errors.AsType[websocket.CloseError](err); !ok || !strings.HasPrefix(text, e.Reason) || len(e.Reason) < 120 {
			t.Errorf("%v", err)
		}
	})
}

func TestPeerCloses(t *testing.T) {
	for _, test := range []struct {
		name  string
		close func(ws *websocket.Conn) error
		told  bool // it was told to
	}{
		{"with a close frame", func(ws *websocket.Conn) error { return ws.Close(websocket.StatusNormalClosure, "") }, false},
		{"without", (*websocket.Conn).CloseNow, false},
		{"after a goodbye", func(ws *websocket.Conn) error { return ws.Close(websocket.StatusNormalClosure, "") }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, running := serveSessions(t, session.Options{})
				ws := greet(t, l)
				v := <-running
				start := time.Now()
				if test.told {
					v.End(wire.Goodbye{Code: wire.CloseStopping})
					receive(t, ws)
				}
				if err := test.close(ws); err != nil {
					t.Error(err)
				}
				if err := <-v.ended; (err != nil) != test.told || time.Since(start) > 0 {
					t.Errorf("Run: %v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// A peer that neither reads nor closes is gone a little over a second after it
// was told to go.
func TestPeerNeverCloses(t *testing.T) {
	for _, full := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l, running := serveSessions(t, session.Options{})
			greet(t, l)
			v := <-running
			if full {
				v.script.say(make([]byte, 200<<10))
				v.Wake()
				synctest.Wait()
			}
			start := time.Now()
			v.End(wire.Goodbye{Code: wire.CloseKicked})
			if err := <-v.ended; err == nil {
				t.Error("Run returned no reason")
			}
			if took := time.Since(start); took < time.Second || took > 1200*time.Millisecond {
				t.Errorf("gone after %v (its buffers full: %v)", took, full)
			}
		})
	}
}

func TestDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{})
		ws := greet(t, l)
		v := <-running
		v.Drop()
		if _, _, err := ws.Read(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("%v, want no word", err)
		}
		if err := <-v.ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{})
		ws := greet(t, l)
		v := <-running
		silent := func() time.Duration { synctest.Wait(); return v.Silent(time.Now()) }
		advance(t, 10*time.Second)
		if got := silent(); got != 10*time.Second {
			t.Errorf("silent for %v, want 10s", got)
		}
		ws.CloseRead(t.Context()) // reads, and so answers pings
		v.Ping()
		v.Ping()
		if got := silent(); got != 0 {
			t.Errorf("silent for %v after a pong", got)
		}
		advance(t, time.Second)
		if err := ws.Ping(t.Context()); err != nil {
			t.Errorf("ping of the peer's: %v", err)
		}
		if got := silent(); got != 0 {
			t.Errorf("silent for %v after a ping", got)
		}
	})
}

// advance lets time pass.
func advance(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
}
