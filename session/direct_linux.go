package session

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// A direct connection is read and written by calls that the Go runtime is not told
// of: sockets do not block, so that a call takes no longer than it takes to copy its
// bytes, and nobody has to watch whether another thread is needed meanwhile. For small
// messages the watching costs a tenth of the hub's time. To wait is the runtime's
// business as ever, and so are deadlines.
type direct struct {
	net.Conn
	raw         syscall.RawConn
	read, write attempt
}

// An attempt is a read or a write under way, and what has become of it.
type attempt struct {
	name string
	trap uintptr
	size int
	rest []byte // not read or written yet
	err  error
	try  func(fd uintptr) (done bool) // kept, for a method value is allocated
}

// newDirect makes a connection direct, if it is a socket that nothing stands in front of.
func newDirect(c net.Conn) net.Conn {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return c
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return c
	}
	d := &direct{Conn: c, raw: raw}
	d.read = attempt{name: "read", trap: syscall.SYS_READ, try: d.tryRead}
	d.write = attempt{name: "write", trap: syscall.SYS_WRITE, try: d.tryWrite}
	return d
}

// Read implements net.Conn.
func (d *direct) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	d.read.begin(p)
	return d.read.end(d.raw.Read(d.read.try))
}

// Write implements net.Conn.
func (d *direct) Write(p []byte) (int, error) {
	d.write.begin(p)
	return d.write.end(d.raw.Write(d.write.try))
}

func (a *attempt) begin(p []byte) { a.size, a.rest, a.err = len(p), p, nil }

// end returns what has become of the attempt, of which waiting for the socket has
// ended with an error or none.
func (a *attempt) end(waiting error) (n int, err error) {
	n, a.rest = a.size-len(a.rest), nil
	if waiting != nil {
		return n, waiting
	}
	return n, a.err
}

func (d *direct) tryRead(fd uintptr) bool {
	n, done := d.read.call(fd)
	if done && n == 0 && d.read.err == nil {
		d.read.err = io.EOF
	}
	return done
}

func (d *direct) tryWrite(fd uintptr) bool {
	for len(d.write.rest) > 0 {
		if _, done := d.write.call(fd); !done || d.write.err != nil {
			return done
		}
	}
	return true
}

// call calls the system once. It is not done where the call would have had to wait.
func (a *attempt) call(fd uintptr) (n int, done bool) {
	for {
		r, _, errno := syscall.RawSyscall(a.trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(a.rest))), uintptr(len(a.rest)))
		switch errno {
		case 0:
			a.rest = a.rest[r:]
			return int(r), true
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, false
		default:
			a.err = &net.OpError{Op: a.name, Net: "tcp", Err: os.NewSyscallError(a.name, errno)}
			return 0, true
		}
	}
}
