package sessiontest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Buffer is how many bytes each direction of a [Pipe] holds that nobody has read.
const Buffer = 64 << 10

// Pipe returns both ends of a connection that behaves like TCP on one machine:
// a write returns when there is room for it, deadlines interrupt, and who closes
// while something unread lies there, or still comes, takes from the other what
// that has not read.
func Pipe() (a, b net.Conn) {
	ab, ba := newHalf(), newHalf()
	return &conn{in: ba, out: ab, name: "a"}, &conn{in: ab, out: ba, name: "b"}
}

type conn struct {
	in, out *half
	name    address
}

type address string

func (address) Network() string  { return "memory" }
func (a address) String() string { return string(a) }

func (c *conn) LocalAddr() net.Addr  { return c.name }
func (c *conn) RemoteAddr() net.Addr { return address("peer of " + string(c.name)) }

func (c *conn) Read(p []byte) (int, error) { return c.in.read(p) }

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	if err == syscall.EPIPE { //nolint:errorlint // as write returns it
		c.in.reset()
	}
	return n, err
}

func (c *conn) Close() error {
	if unread := c.in.closeReader(); unread {
		c.out.reset()
	}
	c.out.closeWriter()
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error  { c.in.setDeadline(&c.in.reading, t); return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { c.out.setDeadline(&c.out.writing, t); return nil }

// A half is one direction of a pipe.
type half struct {
	mu   sync.Mutex // guards the following
	cond *sync.Cond // something has changed
	data []byte

	readerGone, writerGone, broken bool
	reading, writing               deadline
}

type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) over() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func newHalf() *half {
	h := &half{}
	h.cond = sync.NewCond(&h.mu)
	return h
}

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.readerGone:
			return 0, net.ErrClosed
		case h.reading.over():
			return 0, os.ErrDeadlineExceeded
		case h.broken:
			return 0, syscall.ECONNRESET
		case len(h.data) > 0:
			n := copy(p, h.data)
			h.data = append(h.data[:0], h.data[n:]...)
			h.cond.Broadcast()
			return n, nil
		case h.writerGone:
			return 0, io.EOF
		}
		h.cond.Wait()
	}
}

func (h *half) write(p []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.writerGone:
			return n, net.ErrClosed
		case h.writing.over():
			return n, os.ErrDeadlineExceeded
		case h.readerGone || h.broken:
			return n, syscall.EPIPE
		}
		m := min(len(p), Buffer-len(h.data))
		h.data = append(h.data, p[:m]...)
		n, p = n+m, p[m:]
		if m > 0 {
			h.cond.Broadcast()
		}
		if len(p) == 0 {
			return n, nil
		}
		h.cond.Wait()
	}
}

func (h *half) closeReader() (unread bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	unread = len(h.data) > 0 && !h.readerGone
	h.readerGone, h.data = true, nil
	h.stop(&h.reading)
	h.cond.Broadcast()
	return unread
}

func (h *half) closeWriter() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writerGone = true
	h.stop(&h.writing)
	h.cond.Broadcast()
}

func (h *half) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken, h.data = true, nil
	h.cond.Broadcast()
}

func (h *half) setDeadline(d *deadline, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stop(d)
	d.at = t
	if !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), h.wake)
	}
	h.cond.Broadcast()
}

func (h *half) stop(d *deadline) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (h *half) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cond.Broadcast()
}
