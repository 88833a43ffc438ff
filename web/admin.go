package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"framehub/audit"
	"framehub/hub"
)

// Admin returns the handler of the admin listener: /healthz, /readyz, /metrics,
// the admin API below /api/, /debug/pprof/, and a page on /.
// With AdminAuth every path but the first two wants a token. Without, nothing
// checks who asks, so that it answers under a name of this machine's own only: a
// page elsewhere whose name has been made to lead here gets nothing.
func Admin(h *hub.Hub, o Options) (http.Handler, error) {
	o = o.withDefaults()
	if o.AdminRemote && o.AdminAuth == nil {
		return nil, errors.New("the admin listener answers other machines only if it checks who asks")
	}
	ours, process := prometheus.NewRegistry(), prometheus.NewRegistry()
	if err := h.Metrics().Register(ours); err != nil {
		return nil, err
	}
	for _, register := range o.Metrics {
		if err := register(ours); err != nil {
			return nil, err
		}
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
	for _, r := range o.routes(h, ours) {
		mux.HandleFunc(r.pattern, r.handler)
	}
	profiles(mux)
	pages(mux, "admin")
	handler := o.authenticated(o.sameSite(mux))
	if !o.AdminRemote {
		handler = thisMachine(handler)
	}
	return secure(handler), nil
}

// profiles serves what Go's tools ask a running program.
func profiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

// sameSite refuses what a browser asks for other sites' pages, which would do it
// in its operator's name, unless the operator follows a link here. No cookie says
// who somebody is: this is for hubs that don't ask.
func (o Options) sameSite(next http.Handler) http.Handler {
	writes := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site, follows := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.URL.Path == "/"
		if err := writes.Check(r); err != nil || (site == "cross-site" || site == "same-site") && !follows {
			o.refuseAdmin(w, r, http.StatusForbidden, "this was asked by a page of another site")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// authenticated lets in who has a token that AdminAuth takes.
func (o Options) authenticated(next http.Handler) http.Handler {
	if o.AdminAuth == nil {
		return next
	}
	open := []string{"/healthz", "/readyz"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(open, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="framehub"`)
			o.refuseAdmin(w, r, http.StatusUnauthorized, "an admin's token is missing: send it as Authorization: Bearer TOKEN")
			return
		}
		name, err := o.AdminAuth(r.Context(), token)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="framehub", error="invalid_token"`)
			o.refuseAdmin(w, r, http.StatusUnauthorized, "the token is not taken: "+err.Error())
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), operatorKey{}, name)))
	})
}

type operatorKey struct{} // of a request's context: whose token it has

// operator names who asks; "" where nobody is asked who he is.
func operator(r *http.Request) string {
	name, _ := r.Context().Value(operatorKey{}).(string)
	return name
}

func (o Options) refuseAdmin(w http.ResponseWriter, r *http.Request, code int, reason string) {
	o.Audit.Add(audit.AdminRefused, audit.Record{Remote: r.RemoteAddr, Code: codeText(code), Reason: r.Method + " " + r.URL.Path + ": " + reason})
	http.Error(w, reason, code)
}
