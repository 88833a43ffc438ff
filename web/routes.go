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
	look := status(h, metrics, o.Version, time.Now())
	topics := map[string]topic{
		"status":   plain(func() any { return look() }),
		"sessions": plain(func() any { return liveSessions{time.Now(), listed(h.Sessions())} }),
	}
	return []route{
		{"GET /api/status", answer(look)},
		{"GET /api/live", live(topics)},
		{"GET /api/sessions", answer(func() []Session { return listed(h.Sessions()) })},
		{"POST /api/sessions/{id}/kick", o.kick(h)},
		{"POST /api/reload", o.reload},
		{"GET /api/backups", o.backups},
		{"POST /api/backups", o.backupNow},
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
