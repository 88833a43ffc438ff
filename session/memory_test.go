package session_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// TestMemoryOfAnIdleSession measures what a session takes that has written a lot
// and is idle: itself, its two goroutines, the WebSocket library's connection,
// and what net/http keeps while its handler runs.
func TestMemoryOfAnIdleSession(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	const n, most = 300, 24 << 10
	var wrote, ran sync.WaitGroup
	big := make([]byte, 40<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Accept(w, r, session.Options{})
		if err != nil {
			t.Error(err)
			return
		}
		ran.Go(func() {
			if _, err := s.Hello(); err != nil {
				t.Error(err)
				return
			}
			h := &stream{written: &wrote}
			h.msg.Store(&big)
			_ = s.Run(h)
		})
	}))
	t.Cleanup(ran.Wait)
	t.Cleanup(server.Close)
	var conns []net.Conn
	before := memory()
	for range n {
		wrote.Add(1)
		conn, err := net.Dial("tcp", server.Listener.Addr().String()) //nolint:noctx // closed below
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		conns = append(conns, conn)
		upgradeRaw(t, conn)
	}
	wrote.Wait()
	each := int(memory()-before) / n
	t.Logf("%d bytes for each of %d sessions", each, n)
	if each > most {
		t.Errorf("a session takes %d bytes, want at most %d", each, most)
	}
	runtime.KeepAlive(conns)
}

// TestWriteAllocates: a message that is shared costs a session no memory of its
// own, since the buffer that it is put together in is borrowed and given back.
func TestWriteAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes things out of pools")
	}
	var written sync.WaitGroup
	sessions := make(chan *session.Session, 1)
	h := &stream{written: &written}
	l := sessiontest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Accept(w, r, session.Options{})
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := s.Hello(); err != nil {
			t.Error(err)
			return
		}
		sessions <- s
		_ = s.Run(h)
	}))
	msg := make([]byte, 40<<10)
	written.Add(1)
	h.msg.Store(&msg)
	r, conn := dialRaw(t, l)
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(io.Discard, r) })
	s := <-sessions
	written.Wait()
	if n := testing.AllocsPerRun(200, func() {
		written.Add(1)
		h.msg.Store(&msg)
		s.Wake()
		written.Wait()
	}); n > 0 {
		t.Errorf("%v allocations for a message", n)
	}
	s.Drop()
	_ = conn.Close()
	reading.Wait()
}

// TestMemoryOfAClient measures what a client takes that a goroutine reads.
func TestMemoryOfAClient(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	const n, most = 300, 24 << 10
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	servers := make(chan net.Conn, n+1)
	var serving, reading sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serveBare(t, conn)
			servers <- conn
		}
	})
	dial := func() *session.Client {
		c, err := session.Dial(t.Context(), "ws://"+l.Addr().String(), session.ClientOptions{})
		if err != nil {
			t.Fatal(err)
		}
		reading.Go(func() {
			for buf := make([]byte, 512); ; {
				if _, err := c.NextRaw(context.Background(), buf); err != nil {
					return
				}
			}
		})
		return c
	}
	clients := []*session.Client{dial()} // the first makes what all share
	before := memory()
	for range n {
		clients = append(clients, dial())
	}
	each := int(memory()-before) / n
	t.Logf("%d bytes for each of %d clients", each, n)
	if each > most {
		t.Errorf("a client takes %d bytes, want at most %d", each, most)
	}
	_ = l.Close()
	serving.Wait()
	for range clients {
		_ = (<-servers).Close()
	}
	reading.Wait()
	for _, c := range clients {
		c.Drop()
	}
}

// serveBare upgrades a connection and says hello, and keeps nothing of it.
func serveBare(t *testing.T, conn net.Conn) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReaderSize(conn, 512))
	if err != nil {
		t.Error(err)
		return
	}
	const salt = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455, 1.3
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + salt))
	msg := hello(1).Append(nil)
	answer := fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Protocol: %s\r\nSec-WebSocket-Accept: %s\r\n\r\n", wire.Subprotocol, base64.StdEncoding.EncodeToString(sum[:]))
	answer = append(answer, 0x82, 126, byte(len(msg)>>8), byte(len(msg)))
	if _, err := conn.Write(append(answer, msg...)); err != nil {
		t.Error(err)
	}
}

// memory returns the bytes that the heap and all stacks take.
func memory() uint64 {
	for range 3 { // pools are emptied at the second, stacks shrink
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
