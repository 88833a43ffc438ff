package session

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// readBuffer is enough for most of what devices send in one call to the
	// system; what is longer is read past it.
	readBuffer = 1 << 10

	// flushAt bounds what is held back to go out in one call.
	flushAt = 256 << 10

	// writeTimeout is how long a peer may take nothing at all.
	writeTimeout = 15 * time.Second
)

// A link is the network connection under a WebSocket. net/http gives a hijacked
// connection a write buffer of 4 KiB, so that a frame beyond it costs two calls
// to the system and idle ones hold memory; a link holds what is written between
// hold and release in a buffer that is borrowed for just that time, and writes
// it in one call.
type link struct {
	net.Conn
	early []byte // read by net/http before it gave the connection away

	mu       sync.Mutex // control frames are written beside messages
	held     *[]byte    // nil: nothing is held back
	deadline time.Time  // of writes, as last set

	hurried atomic.Bool // the deadline stays as hurry set it
}

var heldBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// hold keeps what is written from now on.
func (l *link) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = heldBuffers.Get().(*[]byte)
	}
}

// release writes what was held, and whatever comes after at once.
func (l *link) release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return nil
	}
	err := l.flush()
	if cap(*l.held) <= flushAt {
		heldBuffers.Put(l.held)
	}
	l.held = nil
	return err
}

// flush writes the held bytes. mu is held.
func (l *link) flush() error {
	b := *l.held
	if len(b) == 0 {
		return nil
	}
	*l.held = b[:0]
	return l.write(b)
}

// Write implements net.Conn.
func (l *link) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return len(p), l.write(p)
	}
	*l.held = append(*l.held, p...)
	if len(*l.held) >= flushAt {
		return len(p), l.flush()
	}
	return len(p), nil
}

func (l *link) write(p []byte) error {
	// Setting a deadline costs as much as building a frame, so it is moved on
	// only when a good part of it is used up.
	now := time.Now()
	if l.deadline.Sub(now) < writeTimeout/2 && !l.hurried.Load() {
		l.deadline = now.Add(writeTimeout)
		if err := l.SetWriteDeadline(l.deadline); err != nil {
			return err
		}
	}
	_, err := l.Conn.Write(p)
	return err
}

// hurry gives the peer d to take what is being and will be written. A write that
// waits for the peer holds mu, so this must do without it.
func (l *link) hurry(d time.Duration) {
	l.hurried.Store(true)
	_ = l.SetWriteDeadline(time.Now().Add(d))
}

// Read implements net.Conn.
func (l *link) Read(p []byte) (int, error) {
	if len(l.early) > 0 {
		n := copy(p, l.early)
		l.early = l.early[n:]
		return n, nil
	}
	return l.Conn.Read(p)
}

// A hijacker hands a link to the WebSocket library in place of net/http's
// connection and buffers.
type hijacker struct {
	http.ResponseWriter
	link *link
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	early := make([]byte, rw.Reader.Buffered())
	if _, err := io.ReadFull(rw.Reader, early); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	if err := rw.Writer.Flush(); err != nil { // the answer to the upgrade
		return nil, nil, errors.Join(err, conn.Close())
	}
	h.link = &link{Conn: conn, early: early}
	const least = 16 // what bufio makes of any smaller size
	return h.link, bufio.NewReadWriter(bufio.NewReaderSize(h.link, readBuffer), bufio.NewWriterSize(h.link, least)), nil
}
