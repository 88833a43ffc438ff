package edge_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"framehub/audit/audittest"
	"framehub/edge"
)

// patience is how long tests wait for what must come.
const patience = 15 * time.Second

// output is what is logged.
type output struct{ audittest.Output }

func (o *output) logger() *slog.Logger { return slog.New(slog.NewTextHandler(o, nil)) }

// listen returns a listener on this machine.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve serves on a listener, and ends when the test does. Its handler answers
// whom the request is from, and takes over what wants to be upgraded.
func serve(t *testing.T, l net.Listener, o edge.Options) *edge.Server {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var mu sync.Mutex
	var taken []net.Conn
	s := edge.NewServer(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			taken = append(taken, c)
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
			go func() { // as a session does, it closes what its peer closes
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}()
			return
		}
		_, _ = io.WriteString(w, r.RemoteAddr)
	}), o)
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Serve(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		running.Wait()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range taken {
			_ = c.Close()
		}
	})
	return s
}

// A peer is a connection that speaks HTTP by hand.
type peer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &peer{t, c, bufio.NewReader(c)}
}

// ask sends a request, and returns the answer's code and body. Headers are lines.
func (p *peer) ask(path string, headers ...string) (code int, body string, header http.Header) {
	p.t.Helper()
	p.send("GET " + path + " HTTP/1.1\r\nHost: hub\r\n" + strings.Join(append(headers, ""), "\r\n") + "\r\n")
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, "", resp.Header
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Fatal(err)
	}
}

// gone waits until the other side closes, and returns how long that took.
func (p *peer) gone() time.Duration {
	p.t.Helper()
	began := time.Now()
	_, err := io.ReadAll(p.r)
	if e, ok := err.(net.Error); ok && e.Timeout() { //nolint:errorlint // as net returns it
		p.t.Errorf("the connection is still open after %v", patience)
	}
	return time.Since(began)
}

// eventually waits until what holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("within %v not: %s", patience, what)
		}
	}
}
