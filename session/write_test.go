package session_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// A tap sees what the hub's side writes.
type tap struct {
	net.Conn
	calls *atomic.Int64
}

func (t tap) Write(p []byte) (int, error) {
	t.calls.Add(1)
	return t.Conn.Write(p)
}

func TestOneCallForABatch(t *testing.T) {
	for _, test := range []struct {
		name  string
		batch [][]byte
		want  int64
	}{
		{"one", [][]byte{make([]byte, 10)}, 1},
		{"several", [][]byte{make([]byte, 10), make([]byte, 125), make([]byte, 126), make([]byte, 0xffff), make([]byte, 0x10000)}, 1},
		{"a large one", [][]byte{make([]byte, 1<<20)}, 1},
		{"more than goes out at once", [][]byte{make([]byte, 200<<10), make([]byte, 200<<10), make([]byte, 10)}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, running := serveSessions(t, session.Options{})
				var calls atomic.Int64
				l.Wrap = func(c net.Conn) net.Conn { return tap{c, &calls} }
				ws := greet(t, l)
				v := <-running
				synctest.Wait()
				calls.Store(0)
				for i, msg := range test.batch {
					for j := range msg {
						msg[j] = byte(i)
					}
				}
				v.script.say(test.batch...)
				v.Wake()
				for i, want := range test.batch {
					if got := receive(t, ws); !bytes.Equal(got, want) {
						t.Errorf("message %d: %d bytes, want %d, and its own", i, len(got), len(want))
					}
				}
				if got := calls.Load(); got != test.want {
					t.Errorf("%d calls to write, want %d", got, test.want)
				}
			})
		})
	}
}

// A peer that takes nothing is ended after 15 to 20 s, and others are not slowed down.
func TestStuckPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{})
		greet(t, l)
		stuck := <-running
		other := greet(t, l)
		v := <-running
		stuck.script.say(make([]byte, 100<<10))
		stuck.Wake()
		synctest.Wait()
		start := time.Now()
		for range 3 {
			v.script.say([]byte{0x81, 3})
			v.Wake()
			receive(t, other)
		}
		if waited := time.Since(start); waited > 0 {
			t.Errorf("the other peer waited %v", waited)
		}
		stuck.Ping() // must not shorten its time
		err := <-stuck.ended
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took < 15*time.Second || took > 20*time.Second {
			t.Errorf("Run of the stuck one: %v after %v", err, took)
		}
	})
}

// A peer that takes something, however slowly, is not ended, nor is one that
// pings meanwhile.
func TestSlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{})
		near := &throttled{perSecond: 4 << 10}
		ws := greetThrough(t, l, near)
		v := <-running
		msg := bytes.Repeat([]byte{7}, 500<<10)
		v.script.say(msg)
		v.Wake()
		var got []byte
		var reading sync.WaitGroup
		near.slow.Store(true)
		reading.Go(func() { got = receive(t, ws) })
		for range 10 {
			advance(t, 10*time.Second)
			if err := ws.Write(t.Context(), 2, (&wire.Clock{Echo: wire.IntegerValue(1)}).Append(nil)); err != nil {
				t.Fatal(err)
			}
		}
		reading.Wait()
		if !bytes.Equal(got, msg) {
			t.Errorf("%d bytes", len(got))
		}
	})
}

// A throttled connection is read slowly.
type throttled struct {
	net.Conn
	perSecond int
	slow      atomic.Bool
}

func (c *throttled) Read(p []byte) (int, error) {
	if c.slow.Load() {
		<-time.After(time.Second)
		p = p[:min(len(p), c.perSecond)]
	}
	return c.Conn.Read(p)
}

// A peer that asks faster than it takes answers is read no faster.
func TestFloodOfQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 100_000
		l, running := serveSessions(t, session.Options{})
		ws := greet(t, l)
		v := <-running
		var asked atomic.Int64
		var asking sync.WaitGroup
		question := (&wire.Clock{Echo: wire.IntegerValue(1)}).Append(nil)
		asking.Go(func() {
			for range most {
				if ws.Write(t.Context(), 2, question) != nil {
					return
				}
				asked.Add(1)
			}
		})
		synctest.Wait()
		// Both directions are full, and both sides wait.
		if n := v.script.versions.Load(); n >= most || n < 100 {
			t.Errorf("%d questions were answered to a peer that does not read", n)
		}
		for range most {
			receive(t, ws)
		}
		asking.Wait()
		if n := v.script.versions.Load(); n != most {
			t.Errorf("%d answers, want %d", n, most)
		}
	})
}

// Pings are answered, the last of many, and cost nothing when they come by the
// thousand.
func TestFloodOfPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{})
		ws, raw := dialRaw(t, l)
		v := <-running
		v.script.say(make([]byte, 100<<10)) // the write loop is busy
		v.Wake()
		synctest.Wait()
		for i := range 1000 {
			if _, err := raw.Write([]byte{0x89, 0x82, 0, 0, 0, 0, byte(i >> 8), byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := readFrame(t, ws); len(got) != 100<<10 {
			t.Fatalf("%d bytes", len(got))
		}
		if got := readFrame(t, ws); !bytes.Equal(got, []byte{999 >> 8, 999 & 0xff}) {
			t.Errorf("pong %x, want the last ping's", got)
		}
	})
}

// The write loop ends with the session, also when the handler always has more.
func TestEndlessHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{})
		ws := greet(t, l)
		v := <-running
		more := func() { v.script.say(make([]byte, 1000)); v.Wake() }
		stop := make(chan struct{})
		var feeding sync.WaitGroup
		feeding.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					more()
				}
			}
		})
		for range 100 {
			receive(t, ws)
		}
		_ = ws.CloseNow()
		if err := <-v.ended; err != nil && !errors.Is(err, io.EOF) {
			t.Logf("Run: %v", err) // which of both loops sees it first is chance
		}
		close(stop)
		feeding.Wait()
	})
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{})
		ws := greet(t, l)
		v := <-running
		send(t, ws, &wire.ReadPiece{ID: 1, Key: values(1)})
		synctest.Wait()
		sent := len(hello(7).Append(nil))
		if s := v.Stats(); s.MessagesIn.Load() != 2 || s.MessagesOut.Load() != 1 || s.BytesOut.Load() != uint64(sent) {
			t.Errorf("in %d, out %d with %d bytes of %d", s.MessagesIn.Load(), s.MessagesOut.Load(), s.BytesOut.Load(), sent)
		}
	})
}

// A waiter is a handler whose requests wait for Next, as long as there is one.
type waiter struct {
	script
	sess *session.Session
	room chan struct{}
}

func (w *waiter) ReadPiece(*wire.ReadPiece) error {
	select {
	case w.room <- struct{}{}:
	case <-w.sess.Muted():
	}
	return nil
}

// A handler that waits for Next is let go when the write loop has ended.
func TestMuted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		l := sessiontest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := session.Accept(w, r, session.Options{})
			if err != nil {
				return
			}
			if _, err := s.Hello(); err != nil {
				t.Error(err)
				return
			}
			h := &waiter{sess: s, room: make(chan struct{})}
			h.say(hello(7).Append(nil), make([]byte, 100<<10))
			ended <- s.Run(h)
		}))
		ws := greet(t, l)
		send(t, ws, &wire.ReadPiece{ID: 1, Key: values(1)})
		start := time.Now()
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > 20*time.Second {
			t.Errorf("Run: %v after %v", err, time.Since(start))
		}
	})
}
