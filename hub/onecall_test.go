package hub_test

import (
	"bufio"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"framehub/session/wire"
)

// calls counts the calls to the system that a hub's sessions write with.
type calls struct{ atomic.Int64 }

// counted is a response whose connection counts.
func (c *calls) counted(w http.ResponseWriter) http.ResponseWriter { return countedResponse{w, c} }

type countedResponse struct {
	http.ResponseWriter
	calls *calls
}

// Hijack implements http.Hijacker.
func (w countedResponse) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	return countedConn{conn, w.calls}, rw, err
}

type countedConn struct {
	net.Conn
	calls *calls
}

func (c countedConn) Write(p []byte) (int, error) {
	c.calls.Add(1)
	return c.Conn.Write(p)
}

// A call to the system costs more than all else that a small frame costs, so that
// what a frame has for a session goes in one: rows, and what became of its writes.
func TestAFrameIsOneCall(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.dial(watching(wire.Sub{Name: "thing"}))
		expect[*wire.SnapshotEnd](p)
		p.put(1, 1)
		w.frame() // its first takes it into the audience
		const frames = 50
		before := w.calls.Load()
		for range frames {
			await[*wire.Frame](p)
			w.pass(time.Second / 20) // it has been told long ago, so that what comes is told at once
			p.put(1, int64(p.seq))
			p.put(2, int64(p.seq))
			w.frame()
		}
		if n := w.calls.Load() - before; n != frames {
			w.Errorf("%d frames with acknowledgements took %d calls", frames, n)
		}
	})
}
