package web

import (
	"embed"
	"encoding/json"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"framehub/hub"
	"framehub/session"
)

//go:embed assets
var embedded embed.FS

// Options say what the handlers offer. The zero value of each field means its default.
type Options struct {
	Session session.Options
	Demo    bool   // the device listener's / is a page that is a device
	Version string // of the program, for the admin page
	Log     *slog.Logger
}

// Device returns the handler of the device listener: /v1/sync, /healthz,
// /readyz, and with Demo the demo page.
func Device(h *hub.Hub, o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/sync", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Accept(w, r, o.Session)
		if err != nil {
			o.Log.Info("upgrade refused", "remote", r.RemoteAddr, "origin", r.Header.Get("Origin"), "err", err)
			return
		}
		o.Log.Debug("session begins", "session", s.ID, "remote", s.Remote)
		err = h.Serve(s)
		o.Log.Debug("session ended", "session", s.ID, "remote", s.Remote, "err", err)
	})
	health(mux, h)
	if o.Demo {
		mux.Handle("GET /", page("demo.html"))
		mux.Handle("GET /assets/", assets())
	}
	return secure(mux)
}

// Admin returns the handler of the admin listener: /healthz, /readyz, /metrics,
// /api/status, and a page on /.
func Admin(h *hub.Hub, o Options) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	if err := h.Metrics().Register(registry); err != nil {
		return nil, err
	}
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	health(mux, h)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /api/status", status(h, o.Version, time.Now()))
	mux.Handle("GET /", page("admin.html"))
	mux.Handle("GET /assets/", assets())
	return secure(mux), nil
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

// page serves one embedded page at exactly /.
func page(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		http.ServeFileFS(w, r, embedded, "assets/"+name)
	})
}

func assets() http.Handler {
	sub, err := fs.Sub(embedded, "assets")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return http.StripPrefix("/assets/", http.FileServerFS(sub))
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
