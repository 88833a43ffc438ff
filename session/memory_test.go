package session_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"framehub/session"
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

// memory returns the bytes that the heap and all stacks take.
func memory() uint64 {
	for range 3 { // pools are emptied at the second, stacks shrink
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
