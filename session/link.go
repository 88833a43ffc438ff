package session

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// readBuffer is enough for most of what devices send in one call to the
	// system; what is longer is read past it.
	readBuffer = 1 << 10

	// controlBuffer holds a whole control frame (RFC 6455, 5.5: 125 bytes behind a
	// head of two), so that the library writes each in one call.
	controlBuffer = 128

	// writeTimeout is how long a peer may take nothing at all. Whether it took
	// something is seen every writeSlice.
	writeTimeout = 15 * time.Second
	writeSlice   = 5 * time.Second

	// tlsPiece is what a TLS connection is given at a time: after a deadline it
	// can't go on, so that whether the peer takes anything shows between pieces.
	tlsPiece = 16 << 10
)

// A link is the network connection under a WebSocket. The write loop writes
// messages to it, as whole WebSocket frames; the library writes close frames. It
// has no write buffer, which would be memory for every idle session.
type link struct {
	net.Conn
	tls   bool
	slice time.Duration // of writeTimeout, or all of it for TLS
	early []byte        // read by net/http before it gave the connection away

	began time.Time
	heard atomic.Int64 // when something was last read, ns since it began: wall clocks are set

	draining bool // the reader's: nobody needs what is read
	drained  int  // since then

	writing sync.Mutex // held while something is written

	mu       sync.Mutex // guards the following; never held while the peer is waited for
	deadline time.Time  // of writes, as last set
	hurried  bool       // it stays as hurry set it
}

// Write implements net.Conn. What one call is given is not broken up by others.
func (l *link) Write(p []byte) (int, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	all, taken := len(p), time.Now() // when the peer last took something
	err := l.move(taken, l.slice/2)
	for err == nil {
		piece := p
		if l.tls && len(p) > tlsPiece {
			piece = p[:tlsPiece]
		}
		var n int
		if n, err = l.Conn.Write(piece); err == nil && n == len(p) {
			return all, nil
		}
		p = p[n:]
		if n > 0 {
			taken = time.Now()
		}
		if err == nil || l.patient(err, taken) {
			err = l.move(time.Now(), l.slice)
		}
	}
	return all - len(p), err
}

// move sets the deadline of writes anew if less than least is left of it: to set
// it costs as much as to build a frame.
func (l *link) move(now time.Time, least time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hurried || l.deadline.Sub(now) >= least {
		return nil
	}
	l.deadline = now.Add(l.slice)
	return l.SetWriteDeadline(l.deadline)
}

// patient says whether the peer has more time after an error, since it has taken
// something not long ago.
func (l *link) patient(err error, taken time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Is(err, os.ErrDeadlineExceeded) && !l.hurried && !l.tls && time.Since(taken) < writeTimeout
}

// hurry gives the peer d to take what is being and will be written.
func (l *link) hurry(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hurried = true
	_ = l.SetWriteDeadline(time.Now().Add(d))
}

// silent returns how long nothing has been read.
func (l *link) silent(now time.Time) time.Duration {
	return now.Sub(l.began) - time.Duration(l.heard.Load())
}

// Read implements net.Conn.
func (l *link) Read(p []byte) (n int, err error) {
	if len(l.early) > 0 {
		n = copy(p, l.early)
		if l.early = l.early[n:]; len(l.early) == 0 {
			l.early = nil
		}
	} else {
		n, err = l.Conn.Read(p)
	}
	if n > 0 {
		l.heard.Store(int64(time.Since(l.began)))
	}
	if l.draining {
		l.drain(n)
	}
	return n, err
}

// drain slows the reading of what nobody needs. What a peer had on its way when it
// was told to go is read at once; one that goes on sending costs next to nothing.
func (l *link) drain(n int) {
	const (
		underWay = 2 << 20 // bytes that may well be
		piece    = 16 << 10
		pause    = 10 * time.Millisecond // after each further piece
	)
	before := l.drained
	l.drained += n
	if l.drained > underWay && l.drained/piece != before/piece {
		<-time.After(pause)
	}
}

// A hijacker hands a link to the WebSocket library in place of net/http's
// connection and buffers.
type hijacker struct {
	http.ResponseWriter
	link *link
	in   *bufio.Reader // what the library reads frames from
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
	h.link = &link{Conn: newDirect(conn), early: early, slice: writeSlice, began: time.Now()}
	if _, h.link.tls = conn.(*tls.Conn); h.link.tls {
		h.link.slice = writeTimeout
	}
	h.in = bufio.NewReaderSize(h.link, readBuffer)
	return h.link, bufio.NewReadWriter(h.in, bufio.NewWriterSize(h.link, controlBuffer)), nil
}
