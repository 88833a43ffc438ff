package sessiontest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"

	"framehub/session"
)

// URL is the address to dial, with a server's HTTPClient.
const URL = "ws://hub.test" + session.Path

// A Listener is a [net.Listener] in memory.
type Listener struct {
	// Wrap, if set before the first dial, is given each connection's serving
	// side, and returns what is accepted.
	Wrap func(net.Conn) net.Conn

	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu   sync.Mutex
	open []net.Conn // guarded by mu: the serving sides
}

// NewListener returns a listener.
func NewListener() *Listener {
	return &Listener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener]. Connections stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements [net.Listener].
func (*Listener) Addr() net.Addr { return address("listener") }

// DialContext connects to the listener, whatever the address.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := Pipe()
	if l.Wrap != nil {
		far = l.Wrap(far)
	}
	select {
	case l.conns <- far:
	case <-l.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, far)
	return near, nil
}

// CloseConns closes the serving side of every connection, at once.
func (l *Listener) CloseConns() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		_ = c.Close()
	}
	l.open = nil
}

// HTTPClient returns a client that reaches the listener, whatever the address.
func (l *Listener) HTTPClient() *http.Client { return HTTPClient(l.DialContext) }

// HTTPClient returns a client that connects with dial.
func HTTPClient(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// Serve serves h at [URL] in memory. When the test ends, every connection is
// closed, and the handlers are waited for.
func Serve(tb testing.TB, h http.Handler) *Listener {
	tb.Helper()
	l := NewListener()
	ServeOn(tb, l, h)
	return l
}

// ServeOn is Serve with any listener, of which connections in memory are closed
// when the test ends.
func ServeOn(tb testing.TB, l net.Listener, h http.Handler) {
	tb.Helper()
	handlers := &tracker{next: h}
	server := &http.Server{Handler: handlers} //nolint:gosec // a test's server reads no strangers
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			tb.Errorf("serve: %v", err)
		}
	})
	tb.Cleanup(func() {
		_ = server.Close()
		if m, ok := l.(*Listener); ok {
			m.CloseConns()
		}
		serving.Wait()
		handlers.wait()
	})
}

// A tracker counts the handlers that run: a server does not wait for those that
// took their connection over.
type tracker struct {
	next http.Handler

	mu      sync.Mutex
	over    bool // guarded by mu
	running sync.WaitGroup
}

// ServeHTTP implements [http.Handler].
func (t *tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	over := t.over
	if !over {
		t.running.Add(1)
	}
	t.mu.Unlock()
	if over {
		return
	}
	defer t.running.Done()
	t.next.ServeHTTP(w, r)
}

func (t *tracker) wait() {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	t.running.Wait()
}
