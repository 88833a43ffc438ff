package web

import (
	"errors"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"framehub/hub"
	"framehub/operators"
)

// Admin returns the handler of the admin listener: /healthz, /readyz, /metrics,
// the admin API below /api/, /debug/pprof/, and a page on /.
// With Operators or AdminAuth all but the first two and what the page is made of
// wants a login or a token. It answers under a name of this machine's own only, unless
// AdminHosts or AdminRemote say otherwise: a page elsewhere whose name has been made to
// lead here gets nothing.
func Admin(h *hub.Hub, o Options) (http.Handler, error) {
	o = o.withDefaults()
	if (o.AdminRemote || len(o.AdminHosts) > 0) && o.AdminAuth == nil && o.Operators == nil {
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
	o.seats = &operators.Seats{}
	routes := o.routes(h, ours, process)
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.pattern, r.handler)
	}
	return secure(o.named(o.sameOrigin(o.access(mux, routes)))), nil
}

// profiles are what Go's tools ask a running program. They hold parts of its memory.
func profiles() []route {
	return []route{
		{"GET /debug/pprof/", operators.Operator, pprof.Index},
		{"GET /debug/pprof/cmdline", operators.Operator, pprof.Cmdline},
		{"GET /debug/pprof/profile", operators.Operator, pprof.Profile},
		{"GET /debug/pprof/symbol", operators.Operator, pprof.Symbol},
		{"GET /debug/pprof/trace", operators.Operator, pprof.Trace},
	}
}
