package web

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"framehub/hub"
	"framehub/session"
)

// Options say what the handlers offer. The zero value of each field means its default.
type Options struct {
	Session session.Options
	Demo    bool         // the device listener's / is a page that is a device
	Remote  bool         // devices may come under any name; false: under a name of this machine's own only
	Version string       // of the program, for the admin page
	Log     *slog.Logger // default: slog.Default()
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Device returns the handler of the device listener: /v1/sync, /healthz,
// /readyz, and with Demo the demo page.
// Without Remote it answers under a name of this machine's own only, so that no
// page elsewhere whose name has been made to lead here is a device.
func Device(h *hub.Hub, o Options) http.Handler {
	o = o.withDefaults()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/sync", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Accept(w, r, o.Session)
		if err != nil {
			o.Log.Info("upgrade refused", "remote", r.RemoteAddr, "origin", r.Header.Get("Origin"), "err", err)
			return
		}
		if err := h.Serve(s); err != nil {
			o.Log.Info("session refused", "session", s.ID, "remote", s.Remote, "err", err)
		}
	})
	health(mux, h)
	if o.Demo {
		pages(mux, "demo")
	}
	if !o.Remote {
		return secure(thisMachine(mux))
	}
	return secure(mux)
}

// Admin returns the handler of the admin listener: /healthz, /readyz, /metrics,
// /api/status, and a page on /.
// Nothing checks who asks, so that it answers under a name of this machine's own
// only: a page elsewhere whose name has been made to lead here gets nothing.
func Admin(h *hub.Hub, o Options) (http.Handler, error) {
	ours, process := prometheus.NewRegistry(), prometheus.NewRegistry()
	if err := h.Metrics().Register(ours); err != nil {
		return nil, err
	}
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := process.Register(c); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	health(mux, h)
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.Gatherers{ours, process}, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /api/status", status(h, ours, o.Version, time.Now()))
	pages(mux, "admin")
	return secure(thisMachine(mux)), nil
}

// thisMachine refuses requests that were sent to another name than this
// machine's own.
func thisMachine(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if host != "localhost" && (err != nil || !ip.IsLoopback()) {
			http.Error(w, "this address is for this machine only: use 127.0.0.1", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func health(mux *http.ServeMux, h *hub.Hub) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := h.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
}

// secure sets the headers that keep a page to what the hub itself serves.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(true)
	_ = enc.Encode(v) // the peer may be gone
}
