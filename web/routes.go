package web

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"framehub/hub"
)

// A route is a request of the admin API.
type route struct {
	pattern string // method and path, as http.ServeMux takes them
	handler http.HandlerFunc
}

// routes lists the admin API.
func (o Options) routes(h *hub.Hub, metrics prometheus.Gatherer) []route {
	began := time.Now()
	look := status(h, metrics, o.Version, began)
	topics := map[string]topic{
		"status":   plain(func() any { return look() }),
		"sessions": plain(func() any { return liveSessions{time.Now(), listed(h.Sessions())} }),
		"backups":  plain(o.backupState),
		"log":      func(string) (source, func(), error) { return o.logSource(began), nil, nil },
	}
	return []route{
		{"GET /api/status", answer(look)},
		{"GET /api/live", live(topics)},
		{"GET /api/sessions", answer(func() []Session { return listed(h.Sessions()) })},
		{"POST /api/sessions/{id}/kick", o.kick(h)},
		{"POST /api/reload", o.reload},
		{"GET /api/rules", answer(o.Rules)},
		{"GET /api/settings", answer(func() []Setting { return append([]Setting{}, o.Settings...) })},
		{"GET /api/log", o.log(began)},
		{"GET /api/backups", o.withBackups(o.backups)},
		{"POST /api/backups", o.withBackups(o.backupNow)},
		{"GET /api/backups/copies", o.withBackups(o.backupCopies)},
		{"POST /api/backups/copies/{history}/{version}/verify", o.withBackups(o.backupVerify)},
		{"GET /api/backups/copies/{history}/{version}/archive", o.withBackups(o.backupDownload)},
	}
}

// liveSessions is what the topic of the sessions tells.
type liveSessions struct {
	Now      time.Time `json:"now"` // by the hub's clock
	Sessions []Session `json:"sessions"`
}

// answer answers with what a function gives, as JSON.
func answer[T any](of func() T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, of()) }
}
