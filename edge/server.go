package edge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"framehub/audit"
)

const (
	headerTimeout = 5 * time.Second  // for a TLS handshake, and for a request's headers
	readTimeout   = 10 * time.Second // for all of a request; what it is upgraded to has limits of its own
	idleTimeout   = time.Minute      // between two requests
	maxHeader     = 16 << 10
	retryAfter    = "5" // seconds
)

// Limits bound a listener's connections, whatever they do.
type Limits struct {
	Connections int // all of them; default 10,000

	// PerAddress bounds those of one address, or of one /64 network of IPv6;
	// default 256. Those of this machine itself are not bounded, those that come
	// through a trusted proxy count, once they are upgraded, for the address that
	// it tells.
	PerAddress int
}

// Options say how a server listens. The zero value of each field means its default.
type Options struct {
	Certificate *Certificate   // nil: no TLS
	Limits      Limits         //
	Proxies     []netip.Prefix // believed about whom they forward for; default: nobody
	Always      []string       // paths that are answered above the limits, too

	// WriteTimeout bounds an answer, default 30 s, but not what a request is
	// upgraded to.
	WriteTimeout time.Duration

	Log   *slog.Logger // default: slog.Default()
	Audit *audit.Log   // default: one that writes to Log
}

func (o Options) withDefaults() Options {
	if o.Limits.Connections == 0 {
		o.Limits.Connections = 10_000
	}
	if o.Limits.PerAddress == 0 {
		o.Limits.PerAddress = 256
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Audit == nil {
		o.Audit = audit.New(o.Log)
	}
	return o
}

// A Server is an HTTP/1.1 server on a listener. To its handler a request comes
// from RemoteAddr, which is the client's address also behind a trusted proxy.
type Server struct {
	http *http.Server
	gate *gate
	opts Options
}

// NewServer returns a server on a listener, which is then its own.
func NewServer(l net.Listener, h http.Handler, o Options) *Server {
	o = o.withDefaults()
	s := &Server{gate: newGate(l, &o), opts: o}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	s.http = &http.Server{
		Handler:           s.receive(h),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: o.WriteTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, Protocols: &protocols, ConnContext: withConn,
		ErrorLog: slog.NewLogLogger(quiet{o.Log.Handler()}, slog.LevelError),
	}
	if o.Certificate != nil {
		s.http.TLSConfig = o.Certificate.Config()
	}
	return s
}

// Addr returns the listener's address.
func (s *Server) Addr() string { return s.gate.Addr().String() }

// TLS says whether clients come with TLS.
func (s *Server) TLS() bool { return s.opts.Certificate != nil }

// Serve answers requests until Close, and then returns nil.
func (s *Server) Serve() error {
	serve := s.http.Serve
	if s.TLS() {
		serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
	}
	if err := serve(s.gate); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close closes the listener, and every connection that is not upgraded.
func (s *Server) Close() error {
	err := s.http.Close()
	if e := s.gate.Close(); !errors.Is(e, net.ErrClosed) { // Serve may not have been called
		err = errors.Join(err, e)
	}
	return err
}

// receive answers what is above the limits, and finds out whom the rest is from.
func (s *Server) receive(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := r.Context().Value(connKey{}).(*conn)
		refusal := c.refusal
		if c.proxied {
			r = r.WithContext(r.Context()) // a copy
			addr := s.locate(r)
			if r.Header.Get("Upgrade") == "" {
				addr = netip.Addr{} // the proxy may use the connection for somebody else next
			}
			if why := s.gate.move(c, addr); why != "" {
				s.opts.Audit.Add(audit.ConnectionRefused, audit.Record{Remote: r.RemoteAddr, Code: "503", Reason: why})
				refusal = why
			}
		}
		if refusal != "" {
			w.Header().Set("Connection", "close")
			if !slices.Contains(s.opts.Always, r.URL.Path) {
				w.Header().Set("Retry-After", retryAfter)
				http.Error(w, refusal, http.StatusServiceUnavailable)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// locate sets the address of a request through a trusted proxy, and returns it.
func (s *Server) locate(r *http.Request) netip.Addr {
	client, ok := s.gate.trusts.client(r.Header)
	switch {
	case !ok:
		client, _ = netip.ParseAddrPort(r.RemoteAddr)
	case client.Port() == 0:
		r.RemoteAddr = client.Addr().String()
	default:
		r.RemoteAddr = client.String()
	}
	return client.Addr().Unmap()
}

type connKey struct{}

// withConn lets handlers find their connection.
func withConn(ctx context.Context, nc net.Conn) context.Context {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, nc)
}

// A quiet is a handler of what net/http has to say: that a handler panicked is a
// mistake of ours, the rest, such as failed handshakes, is the peers' affair, of
// which there can be floods.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (quiet) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if !strings.HasPrefix(r.Message, "http: panic") {
		r.Level = slog.LevelDebug
		r.Message = audit.Text(r.Message)
	}
	if !q.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

// Listen returns a server on an address, host:port.
func Listen(ctx context.Context, addr string, h http.Handler, o Options) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return NewServer(l, h, o), nil
}
