package web

import (
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"framehub/hub"
	"framehub/operators"
)

// A route is a request that the admin listener answers.
type route struct {
	pattern string         // method and path, as http.ServeMux takes them
	needs   operators.Role // what who asks must at least be
	handler http.HandlerFunc
}

// routes lists all that the admin listener answers.
func (o Options) routes(h *hub.Hub, ours, process *prometheus.Registry) []route {
	metrics := promhttp.HandlerFor(prometheus.Gatherers{ours, process}, promhttp.HandlerOpts{})
	return slices.Concat(health(h), page("admin"), profiles(), o.api(h, ours), []route{
		{"GET /metrics", operators.Viewer, metrics.ServeHTTP},
		{"GET /v1/sync", operators.Viewer, o.seated(o.observe(h))},
	})
}

// api lists the admin API. What only tells wants a viewer, what changes something
// an operator.
func (o Options) api(h *hub.Hub, metrics prometheus.Gatherer) []route {
	began := time.Now()
	look := o.status(h, metrics, began)
	d := data{o, h}
	topics := map[string]topic{
		"status":   plain(func() any { return look() }),
		"sessions": func(string) (source, func(), error) { return liveSessions(h), nil, nil },
		"session":  inspect(h),
		"history":  history(h),
		"backups":  plain(o.backupState),
		"log":      func(string) (source, func(), error) { return o.logSource(began), nil, nil },
		"rows":     d.follow,
	}
	return []route{
		{"GET /api/me", operators.Anyone, o.me},
		{"POST /api/login", operators.Anyone, o.login},
		{"POST /api/logout", operators.Viewer, o.logout},
		{"POST /api/accounts", operators.Anyone, o.newAccount}, // a one-time link says who may
		{"POST /api/password", operators.Viewer, o.password},
		{"GET /api/openapi.yaml", operators.Anyone, openAPI},
		{"GET /api/status", operators.Viewer, answer(look)},
		{"GET /api/live", operators.Viewer, o.seated(o.live(topics))},
		{"GET /api/sessions", operators.Viewer, answer(func() []Session { return listed(h.Sessions()) })},
		{"POST /api/sessions/{id}/kick", operators.Operator, o.kick(h)},
		{"POST /api/sessions/{id}/notice", operators.Operator, o.notice(h)},
		{"POST /api/notice", operators.Operator, o.notice(h)},
		{"GET /api/history", operators.Viewer, pastOf(h)},
		{"GET /api/bans", operators.Viewer, answer(o.bans)},
		{"POST /api/bans", operators.Operator, o.ban(h)},
		{"DELETE /api/bans/{kind}/{name}", operators.Operator, o.liftBan},
		{"POST /api/reload", operators.Operator, o.reload},
		{"GET /api/tables", operators.Viewer, d.tables},
		{"GET /api/tables/{table}/rows", operators.Viewer, d.rows},
		{"GET /api/tables/{table}/row", operators.Viewer, d.row},
		{"GET /api/tables/{table}/past", operators.Viewer, d.past},
		{"POST /api/tables/{table}/rows", operators.Operator, d.edit},
		{"POST /api/sql", operators.Operator, d.sql},
		{"GET /api/rules", operators.Viewer, answer(o.Rules)},
		{"GET /api/settings", operators.Viewer, answer(func() []Setting { return append([]Setting{}, o.Settings...) })},
		{"GET /api/log", operators.Viewer, o.log(began)},
		{"GET /api/backups", operators.Viewer, o.withBackups(o.backups)},
		{"POST /api/backups", operators.Operator, o.withBackups(o.backupNow)},
		{"GET /api/backups/copies", operators.Viewer, o.withBackups(o.backupCopies)},
		{"POST /api/backups/copies/{history}/{version}/verify", operators.Operator, o.withBackups(o.backupVerify)},
		{"GET /api/backups/copies/{history}/{version}/archive", operators.Operator, o.withBackups(o.backupDownload)},
	}
}

// answer answers with what a function gives, as JSON.
func answer[T any](of func() T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, of()) }
}
