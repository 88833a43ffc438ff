package session_test

import (
	"bytes"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// TestTap: a tap sees what goes both ways from when it is set until it is taken away.
func TestTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{})
		ws := greet(t, l)
		v := <-running
		var mu sync.Mutex
		var in, out [][]byte
		v.SetTap(func(sent bool, msg []byte) {
			mu.Lock()
			defer mu.Unlock()
			if sent {
				out = append(out, msg)
			} else {
				in = append(in, msg)
			}
		})
		ask := &wire.Clock{Echo: wire.IntegerValue(5)}
		send(t, ws, ask)
		answer := receive(t, ws)
		synctest.Wait()
		v.SetTap(nil)
		send(t, ws, ask)
		receive(t, ws)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(in) != 1 || !bytes.Equal(in[0], ask.Append(nil)) || len(out) != 1 || !bytes.Equal(out[0], answer) {
			t.Errorf("in: %x, out: %x", in, out)
		}
	})
}

// TestRoundTrip: the time from a ping to its pong, which comes when the peer reads.
func TestRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{})
		ws := greet(t, l)
		v := <-running
		v.Ping()
		synctest.Wait()
		if got := v.RoundTrip(); got != 0 {
			t.Errorf("%v before any pong", got)
		}
		advance(t, 30*time.Millisecond)
		v.Ping() // the first one is still under way
		synctest.Wait()
		ws.CloseRead(t.Context()) // reads, and so answers pings
		synctest.Wait()
		if got := v.RoundTrip(); got != 30*time.Millisecond {
			t.Errorf("the round trip is %v", got)
		}
	})
}
