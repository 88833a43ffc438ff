package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"framehub/audit"
	"framehub/auth"
	"framehub/hub"
	"framehub/operators"
	"framehub/session"
)

// Options say what the handlers offer. The zero value of each field means its default.
type Options struct {
	Session session.Options
	Demo    bool         // the device listener's / is a page that is a device
	Remote  bool         // devices may come under any name; false: under a name of this machine's own only
	Version string       // of the program, for the admin page
	Log     *slog.Logger // default: slog.Default()
	Audit   *audit.Log   // default: one that writes to Log

	// AdminAuth says whose the token of a request to the admin listener is and what he
	// may, a viewer or an operator, or why it is not taken, in words that the peer may read and without the token. Secrets are
	// compared in constant time. It is asked again each second while something is
	// streamed. nil: no token is taken.
	AdminAuth   func(ctx context.Context, token string) (name string, role operators.Role, err error)
	Operators   *operators.Logins // accounts of operators; nil: there are none
	AdminRemote bool              // operators may come under any name, if AdminHosts says none; it needs one of the two above
	AdminHosts  []string          // names under which they may come beside this machine's own; it needs the same

	Bans    *auth.Bans                          // those of the hub; nil: it has none
	Backups Backups                             // nil: there are none
	Metrics []func(prometheus.Registerer) error // registers what is told on /metrics beside the hub's own

	// Reload reads again what may change while the hub runs, and says what has
	// changed. What can't be read stays as it was. It may be called at any time. nil:
	// there is no such thing.
	Reload func() (changed []string, err error)

	Settings []Setting       // what is in force, without secrets
	Rules    func() RuleFile // looks at the file of rules; it may be called at any time. nil: there is none
	Tail     *audit.Tail     // the last lines of the log; nil: none are kept

	seats *operators.Seats // of streams and sessions on the admin listener
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Audit == nil {
		o.Audit = audit.New(o.Log)
	}
	if o.Rules == nil {
		o.Rules = func() RuleFile { return RuleFile{Mistakes: []Mistake{}, Changed: []string{}, Advice: []string{}} }
	}
	if o.Tail == nil {
		o.Tail = &audit.Tail{}
	}
	if o.Reload == nil {
		o.Reload = func() ([]string, error) { return nil, nil }
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
	mux.HandleFunc("GET /v1/sync", ownOrigins(o.Session.Origins, o.Audit, o.sync(h)))
	routes := health(h)
	if o.Demo {
		routes = append(routes, page("demo")...)
	}
	for _, r := range routes { // everybody may have them
		mux.HandleFunc(r.pattern, r.handler)
	}
	if !o.Remote {
		return secure(thisMachine(mux))
	}
	return secure(mux)
}

func codeText(code int) string { return strconv.Itoa(code) }

func health(h *hub.Hub) []route {
	alive := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) }
	ready := func(w http.ResponseWriter, _ *http.Request) {
		if err := h.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	}
	return []route{{"GET /healthz", operators.Anyone, alive}, {"GET /readyz", operators.Anyone, ready}}
}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(true)
	_ = enc.Encode(v) // the peer may be gone
}
