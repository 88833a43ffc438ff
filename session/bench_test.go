package session_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/lxzan/gws"

	"framehub/session"
	"framehub/session/wire"
)

const (
	benchSessions = 100
	sinkAddress   = "FRAMEHUB_TEST_SINK"
)

// BenchmarkWrite measures the CPU that it costs to write a message that all of
// 100 sessions share to each of them, over loopback TCP: with the write loops of
// sessions, and beside that with bare loops, in one goroutine, of two WebSocket
// libraries. They write in turns, one frame to all every 2 ms, as a hub does that
// sleeps between frames.
//
// What is measured is getrusage of this process, user and system. The peers are a
// process of their own, so that reading is not in it; what the kernel does for a
// peer while it sends on loopback is, in all three.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{512, 8 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) { compareWrites(b, make([]byte, size)) })
	}
}

func compareWrites(b *testing.B, msg []byte) {
	b.Helper()
	msg[0], msg[1] = 0x81, byte(wire.TypeFrame)
	loops := []struct {
		name  string
		write func(msg []byte)
		spent time.Duration
	}{
		{name: "session", write: sessionLoop(b)},
		{name: "coder", write: coderLoop(b)},
		{name: "gws", write: gwsLoop(b)},
	}
	const burst = 25
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	n := 0
	for b.Loop() {
		for i := range loops {
			l := &loops[i]
			before := cpu(b)
			for range burst {
				<-tick.C
				l.write(msg)
			}
			l.spent += cpu(b) - before
		}
		n += burst * benchSessions
	}
	each := func(i int) float64 { return float64(loops[i].spent.Nanoseconds()) / 1e3 / float64(n) }
	for i, l := range loops {
		b.ReportMetric(each(i), l.name+"-µs/msg")
	}
	b.ReportMetric(each(0)/each(1), "of-coder")
	b.ReportMetric(each(0)/each(2), "of-gws")
	b.ReportMetric(0, "ns/op")
}

func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serveSink serves h to 100 peers in another process that read and discard, and
// returns when all are connected, of which h tells by calling ready.
func serveSink(b *testing.B, h func(w http.ResponseWriter, r *http.Request, ready func())) {
	b.Helper()
	var connected sync.WaitGroup
	connected.Add(benchSessions)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r, connected.Done) }))
	ctx, cancel := context.WithCancel(context.Background())
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), sinkAddress+"="+server.Listener.Addr().String())
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cancel()
		_ = child.Wait() // killed
		server.Close()
	})
	connected.Wait()
}

// sink is the peers' process.
func sink(address string) {
	var reading sync.WaitGroup
	for range benchSessions {
		conn, err := net.Dial("tcp", address) //nolint:noctx // the parent kills it
		if err != nil {
			panic(err)
		}
		if _, err := io.WriteString(conn, upgrade); err != nil {
			panic(err)
		}
		r := bufio.NewReader(conn)
		if _, err := http.ReadResponse(r, nil); err != nil { //nolint:bodyclose // a hijacked connection
			panic(err)
		}
		if _, err := conn.Write(maskedFrame((&wire.DeviceHello{}).Append(nil))); err != nil {
			panic(err)
		}
		reading.Go(func() {
			buf := make([]byte, 64<<10)
			for {
				if _, err := conn.Read(buf); err != nil {
					return
				}
			}
		})
	}
	reading.Wait()
}

// A stream is a handler that gives one message for each wake.
type stream struct {
	script
	msg     atomic.Pointer[[]byte]
	giving  bool // owned by the write loop
	written *sync.WaitGroup
}

func (s *stream) Next(dst [][]byte) [][]byte {
	if msg := s.msg.Swap(nil); msg != nil {
		s.giving = true
		return append(dst, *msg)
	}
	if s.giving {
		s.giving = false
		s.written.Done()
	}
	return dst
}

func sessionLoop(b *testing.B) func(msg []byte) {
	b.Helper()
	var mu sync.Mutex
	var sessions []*session.Session
	var streams []*stream
	var written sync.WaitGroup
	serveSink(b, func(w http.ResponseWriter, r *http.Request, ready func()) {
		s, err := session.Accept(w, r, session.Options{})
		if err != nil {
			b.Error(err)
			return
		}
		if _, err := s.Hello(); err != nil {
			b.Error(err)
			return
		}
		h := &stream{written: &written}
		mu.Lock()
		sessions, streams = append(sessions, s), append(streams, h)
		mu.Unlock()
		ready()
		_ = s.Run(h)
	})
	return func(msg []byte) {
		written.Add(len(sessions))
		for i, s := range sessions {
			streams[i].msg.Store(&msg)
			s.Wake()
		}
		written.Wait()
	}
}

func coderLoop(b *testing.B) func(msg []byte) {
	b.Helper()
	var mu sync.Mutex
	var conns []*websocket.Conn
	serveSink(b, func(w http.ResponseWriter, r *http.Request, ready func()) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
		if err != nil {
			b.Error(err)
			return
		}
		if _, _, err := ws.Read(context.Background()); err != nil {
			b.Error(err)
			return
		}
		mu.Lock()
		conns = append(conns, ws)
		mu.Unlock()
		ready()
		_, _, _ = ws.Read(context.Background())
	})
	return func(msg []byte) {
		for _, ws := range conns {
			if err := ws.Write(context.Background(), websocket.MessageBinary, msg); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func gwsLoop(b *testing.B) func(msg []byte) {
	b.Helper()
	var mu sync.Mutex
	var conns []*gws.Conn
	upgrader := gws.NewUpgrader(gws.BuiltinEventHandler{}, nil)
	serveSink(b, func(w http.ResponseWriter, r *http.Request, ready func()) {
		ws, err := upgrader.Upgrade(w, r)
		if err != nil {
			b.Error(err)
			return
		}
		mu.Lock()
		conns = append(conns, ws)
		mu.Unlock()
		ready()
		ws.ReadLoop()
	})
	return func(msg []byte) {
		for _, ws := range conns {
			if err := ws.WriteMessage(gws.OpcodeBinary, msg); err != nil {
				b.Fatal(err)
			}
		}
	}
}
