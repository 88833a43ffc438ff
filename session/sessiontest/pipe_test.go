package sessiontest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"framehub/session/sessiontest"
)

func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := sessiontest.Pipe()
		big := bytes.Repeat([]byte("framehub"), sessiontest.Buffer)
		go func() {
			if n, err := a.Write(big); n != len(big) || err != nil {
				t.Errorf("wrote %d: %v", n, err)
			}
			_ = a.Close()
		}()
		synctest.Wait() // the writer waits for room
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, big) {
			t.Errorf("read %d bytes: %v", len(got), err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of a closed end: %v", err)
		}
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := sessiontest.Pipe()
		start := time.Now()
		if err := a.SetDeadline(start.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := a.Write(make([]byte, 2*sessiontest.Buffer))
		if n != sessiontest.Buffer || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("wrote %d in %v: %v", n, time.Since(start), err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		if err := a.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go func() {
			<-time.After(time.Minute)
			_ = a.Close()
		}()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) || time.Since(start) < time.Minute {
			t.Errorf("read without a deadline: %v after %v", err, time.Since(start))
		}
	})
}

// Who closes with something unread takes from the other what that has not read.
func TestPipeReset(t *testing.T) {
	a, b := sessiontest.Pipe()
	for _, c := range []net.Conn{a, b} {
		if _, err := c.Write([]byte("unread")); err != nil {
			t.Fatal(err)
		}
	}
	_ = a.Close()
	if n, err := b.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d: %v", n, err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write: %v", err)
	}
}
