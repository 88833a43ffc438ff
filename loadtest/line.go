package loadtest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	slowRate = 4 << 10 // bytes a second that come through a slow line
	slowFor  = 4 * time.Second

	// lineBuffer is what the system keeps for a flaky device at most, of what it has not read: so
	// a slow line is felt by the hub, as one of a phone is.
	lineBuffer = 16 << 10
)

// A mishap is what happens to a line.
type mishap int

// The mishaps.
const (
	cut      mishap = iota // a TCP reset
	slowed                 // little comes through for a while
	halfOpen               // nothing comes through any more, and nobody is told
	mishaps
)

// A line is the network between a flaky device and the hub.
type line struct {
	mu    sync.Mutex
	conn  *lineConn    // the present one; nil before the first
	ghost *net.TCPConn // a half-open one that its device has given up; nil: there is none
}

// client returns what connects by the line.
func (l *line) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: l.dial}}
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn) // a hub has no other address
	_ = tcp.SetReadBuffer(lineBuffer)
	c := &lineConn{Conn: tcp, tcp: tcp, line: l, closed: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = c
	return c, nil
}

// present returns the connection, nil where there is none that something can happen to.
func (l *line) present() *lineConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.conn; c != nil && !c.halfOpen.Load() && !c.over() {
		return c
	}
	return nil
}

// keep keeps a half-open socket, so that the hub is not told by its end, instead of the one before.
func (l *line) keep(ghost *net.TCPConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ghost != nil {
		_ = l.ghost.Close()
	}
	l.ghost = ghost
}

// end lets go of what is kept.
func (l *line) end() { l.keep(nil) }

// A lineConn is a connection over a line.
type lineConn struct {
	net.Conn // tcp, of which no other methods may be found
	tcp      *net.TCPConn
	line     *line
	halfOpen atomic.Bool
	slow     atomic.Pointer[chan struct{}] // closed when it is over; nil: it is not slow
	once     sync.Once
	closed   chan struct{}
}

func (c *lineConn) over() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// cut resets the connection.
func (c *lineConn) cut() {
	_ = c.tcp.SetLinger(0)
	_ = c.Close()
}

// silence makes the connection half-open: what is sent gets lost, and nothing comes.
func (c *lineConn) silence() {
	c.halfOpen.Store(true)
	_ = c.SetDeadline(time.Now()) // for who is reading or writing
}

// slowDown lets little through until the function that it returns is called.
func (c *lineConn) slowDown() (lift func()) {
	over := make(chan struct{})
	c.slow.Store(&over)
	return func() {
		c.slow.Store(nil)
		close(over)
	}
}

// Read implements net.Conn.
func (c *lineConn) Read(p []byte) (int, error) {
	const piece = slowRate / 8
	slow := c.slow.Load()
	if slow != nil && len(p) > piece {
		p = p[:piece]
	}
	n, err := c.tcp.Read(p)
	if c.halfOpen.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	if slow != nil && n > 0 {
		c.wait(time.Duration(n)*time.Second/slowRate, *slow)
	}
	return n, err
}

func (c *lineConn) wait(d time.Duration, over <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	case <-c.closed:
	}
}

// Write implements net.Conn.
func (c *lineConn) Write(p []byte) (int, error) {
	n, err := c.tcp.Write(p)
	if c.halfOpen.Load() {
		return len(p), nil // who writes learns nothing
	}
	return n, err
}

// Close implements net.Conn. A half-open connection ends on this side alone.
func (c *lineConn) Close() (err error) {
	c.once.Do(func() {
		close(c.closed)
		if c.halfOpen.Load() {
			c.line.keep(c.tcp)
			return
		}
		err = c.tcp.Close()
	})
	return err
}
