package loadtest_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"framehub/loadtest"
)

// listen returns where to dial, and what gives the far end of what was dialled.
func listen(tb testing.TB) (address string, accepted func() net.Conn) {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return l.Addr().String(), func() net.Conn {
		tb.Helper()
		conn, err := l.Accept()
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = conn.Close() })
		return conn
	}
}

// reading reads until the end, in a goroutine, and returns what gives its error.
func reading(r io.Reader) <-chan error {
	end := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, r)
		end <- err
	}()
	return end
}

// A line that is cut is reset: the hub sees that, and so does the device.
func TestLineIsCut(t *testing.T) {
	address, accepted := listen(t)
	l := loadtest.NewLine()
	near, err := l.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	far := accepted()
	nearEnd, farEnd := reading(near), reading(far)
	l.Cut()
	if err := <-farEnd; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the hub sees %v", err)
	}
	if err := <-nearEnd; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the device sees %v", err)
	}
	if l.Present() {
		t.Error("more can happen to a connection that is cut")
	}
}

// A half-open line takes everything and gives nothing, also to who reads already, until the
// device gives it up; the hub sees no end of it before another one is given up.
func TestLineIsHalfOpen(t *testing.T) {
	address, accepted := listen(t)
	l := loadtest.NewLine()
	t.Cleanup(l.End)
	near, err := l.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	far := accepted()
	nearEnd, farEnd := reading(near), reading(far)
	l.HalfOpen()
	if _, err := io.WriteString(far, "hello?"); err != nil {
		t.Error(err)
	}
	if n, err := io.WriteString(near, "anybody?"); n != 8 || err != nil {
		t.Errorf("%d bytes are taken, %v", n, err)
	}
	_ = near.Close()
	if err := <-nearEnd; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the device sees %v", err)
	}
	select {
	case err := <-farEnd:
		t.Errorf("the hub sees an end: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if near, err = l.Dial(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	accepted()
	l.HalfOpen()
	_ = near.Close()
	if err := <-farEnd; err != nil && !errors.Is(err, syscall.ECONNRESET) { // a reset where what the hub said was not read
		t.Errorf("the hub sees %v", err)
	}
}

// A slow line lets so many bytes through in a second, and all that waits once that is over.
func TestLineIsSlow(t *testing.T) {
	address, accepted := listen(t)
	l := loadtest.NewLine()
	t.Cleanup(l.End)
	near, err := l.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	far := accepted()
	lift := l.SlowDown()
	const bytes = loadtest.SlowRate / 2
	if _, err := io.WriteString(far, strings.Repeat("x", 4*bytes)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := io.ReadFull(near, make([]byte, bytes)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("half a second's bytes took %v", took)
	}
	lift()
	began = time.Now()
	if _, err := io.ReadFull(near, make([]byte, 3*bytes)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("three halves of a second's bytes took %v when it was slow no more", took)
	}
}
