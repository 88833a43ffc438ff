package web_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "github.com/mattn/go-sqlite3" // a second look at the hub's files

	"framehub/session"
	"framehub/session/wire"
	"framehub/web"
)

const text, page, script = "text/plain; charset=utf-8", "text/html; charset=utf-8", "text/javascript; charset=utf-8"

// TestPaths asks both listeners for what they have, and for what only the other one has.
func TestPaths(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, addr, path string
		code             int
		kind, holds      string
	}{
		{"device: health", w.Device, "/healthz", 200, text, "ok\n"},
		{"device: ready", w.Device, "/readyz", 200, text, "ready\n"},
		{"device: the demo", w.Device, "/", 200, page, "Drag a dot"},
		{"device: the client", w.Device, "/assets/framehub.js", 200, script, "export class Framehub"},
		{"device: looks", w.Device, "/assets/demo.css", 200, "text/css; charset=utf-8", "canvas"},
		{"device: shared looks", w.Device, "/assets/common.css", 200, "text/css; charset=utf-8", ":root"},
		{"device: icon", w.Device, "/assets/common-icon.svg", 200, "image/svg+xml", "<svg"},
		{"device: sync without an upgrade", w.Device, "/v1/sync", 426, "", ""},
		{"device: no metrics", w.Device, "/metrics", 404, text, ""},
		{"device: no status", w.Device, "/api/status", 404, text, ""},
		{"device: nothing of the operators' page", w.Device, "/assets/admin.js", 404, text, ""},
		{"device: no tests", w.Device, "/assets/framehub.test.mjs", 404, text, ""},
		{"device: no list of files", w.Device, "/assets/", 404, text, ""},
		{"device: the page by one path only", w.Device, "/assets/demo.html", 404, text, ""},
		{"device: nothing elsewhere", w.Device, "/nowhere", 404, text, ""},
		{"admin: health", w.Admin, "/healthz", 200, text, "ok\n"},
		{"admin: ready", w.Admin, "/readyz", 200, text, "ready\n"},
		{"admin: metrics", w.Admin, "/metrics", 200, "", "framehub_version"},
		{"admin: status", w.Admin, "/api/status", 200, "application/json", `"ready":true`},
		{"admin: profiles", w.Admin, "/debug/pprof/", 200, page, "goroutine"},
		{"admin: a profile", w.Admin, "/debug/pprof/heap", 200, "application/octet-stream", ""},
		{"admin: the page", w.Admin, "/", 200, page, "Sessions"},
		{"admin: its script", w.Admin, "/assets/admin-live.js", 200, script, "/api/live"},
		{"admin: shared looks", w.Admin, "/assets/common.css", 200, "text/css; charset=utf-8", ":root"},
		{"admin: sync without an upgrade", w.Admin, "/v1/sync", 426, "", ""},
		{"admin: no demo", w.Admin, "/assets/demo.js", 404, text, ""},
		{"admin: the client", w.Admin, "/assets/framehub.js", 200, script, "export class Framehub"},
		{"admin: nothing of the demo", w.Admin, "/assets/demo.js", 404, text, ""},
		{"admin: nothing elsewhere", w.Admin, "/nowhere", 404, text, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.get(c.addr, c.path)
			if a.code != c.code {
				t.Errorf("the code is %d, not %d", a.code, c.code)
			}
			if kind := a.header.Get("Content-Type"); c.kind != "" && kind != c.kind {
				t.Errorf("the type is %q, not %q", kind, c.kind)
			}
			contains(t, a.body, c.holds)
			secured(t, c.path, a.header)
		})
	}
}

// TestWithoutDemo has no page on the device listener.
func TestWithoutDemo(t *testing.T) {
	w := newWorld(t)
	h := web.Device(w.hub, web.Options{Remote: true})
	for _, path := range []string{"/", "/assets/framehub.js", "/assets/demo.js"} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if rec.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
}

// TestNoInlineScripts: the pages' policy would not run them.
func TestNoInlineScripts(t *testing.T) {
	w := newWorld(t)
	for _, addr := range []string{w.Device, w.Admin} {
		html := w.get(addr, "/").body
		for _, inline := range []string{"<script>", "<style", " style=", " onclick="} {
			if strings.Contains(html, inline) {
				t.Errorf("%s has %s", addr, inline)
			}
		}
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	c := w.dial(wire.DeviceHello{})
	put(t, c)
	eventually(t, "the frame is counted", func() bool {
		return strings.Contains(w.get(w.Admin, "/metrics").body, "framehub_frame_seconds_count 1\n")
	})
	contains(t, w.get(w.Admin, "/metrics").body,
		fmt.Sprintf("framehub_version %d\n", c.Hello.Version+1), "framehub_sessions 1\n", "framehub_ready 1\n", "framehub_rows_total 1\n",
		"framehub_transactions_committed_total 1\n", "framehub_frame_seconds_count 1\n", "go_goroutines ", "process_resident_memory_bytes ")
}

func TestStatus(t *testing.T) {
	w := newWorld(t)
	began := time.Now().Add(-time.Minute)
	c := w.dial(wire.DeviceHello{Role: "observer", SubsSet: true})
	d := w.dial(wire.DeviceHello{})
	put(t, d)
	var s web.Status
	var list []web.Session
	// Once it has been told of everything it is in step; a frame is counted when it has been told.
	eventually(t, "both sessions are in step, and the frame is counted", func() bool {
		s = status(t, w)
		if err := json.Unmarshal([]byte(w.get(w.Admin, "/api/sessions").body), &list); err != nil {
			t.Fatal(err)
		}
		return len(list) == 2 && list[0].State == "live" && list[1].State == "live" && s.Totals.Frames[len(s.Totals.Frames)-1].Count == 1
	})
	if s.Program != "v0.0.0-test" || !s.Ready || s.Trouble != "" || s.Version != c.Hello.Version+1 {
		t.Errorf("%+v", s)
	}
	if s.Started.Before(began) || s.Now.Before(s.Started) || s.Now.After(time.Now()) {
		t.Errorf("started %v, now %v", s.Started, s.Now)
	}
	if o := s.Totals; o.Versions != 1 || o.Rows != 1 || o.Committed != 1 || o.Refused != 0 || o.Frames[len(o.Frames)-1].Count != 1 {
		t.Errorf("totals: %+v", s.Totals)
	}
	one, two := list[0], list[1]
	if one.Role != "observer" || two.Role != "device" || one.ID == two.ID || one.Device == two.Device {
		t.Errorf("sessions: %+v", list)
	}
	if want := uuid.UUID(c.Hello.Device).String(); one.Device != want {
		t.Errorf("device %s, the hub gave out %s", one.Device, want)
	}
	if one.MessagesIn != 1 || two.MessagesIn != 2 || one.BytesIn == 0 || two.BytesIn == 0 || one.MessagesOut < 2 || one.BytesOut == 0 {
		t.Errorf("traffic: %+v", list)
	}
	if !strings.HasPrefix(one.Remote, "127.0.0.1:") || one.Since.Before(began) || one.SilentMS < 0 {
		t.Errorf("session: %+v", one)
	}
}

func TestClockInStatusAndMetrics(t *testing.T) {
	w := newWorld(t)
	c := w.dial(wire.DeviceHello{Role: "server", SubsSet: true})
	if s := status(t, w); s.Clock != "" {
		t.Errorf("%s holds the clock", s.Clock)
	}
	contains(t, w.get(w.Admin, "/metrics").body, "framehub_clock_held 0\n", "framehub_tick_seconds_count 0\n")
	want, n := uuid.UUID(c.Hello.Device).String(), uint64(0)
	eventually(t, "the server holds the clock", func() bool {
		n++
		if err := c.Tick(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		metrics := w.get(w.Admin, "/metrics").body
		return status(t, w).Clock == want && strings.Contains(metrics, "framehub_clock_held 1\n") && !strings.Contains(metrics, "framehub_tick_seconds_count 0\n")
	})
}

func TestStatusWithoutSessions(t *testing.T) {
	a := newWorld(t)
	contains(t, a.get(a.Admin, "/api/status").body, `"sessions":0`)
	contains(t, a.get(a.Admin, "/api/sessions").body, `[]`)
}

// TestTrouble holds the frame log, so that the hub can't commit, and lets it go.
func TestTrouble(t *testing.T) {
	w := newWorld(t)
	c := w.dial(wire.DeviceHello{SubsSet: true})
	db, err := sql.Open("sqlite3", strings.TrimSuffix(w.Path, ".db")+".frames.db?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, 1, 77)
	eventually(t, "the hub says that it is not ready", func() bool { return w.get(w.Device, "/readyz").code == 503 })
	s := status(t, w)
	if s.Ready || s.Trouble == "" {
		t.Errorf("%+v", s)
	}
	contains(t, w.get(w.Admin, "/readyz").body, s.Trouble)
	contains(t, w.get(w.Admin, "/healthz").body, "ok")
	contains(t, w.get(w.Admin, "/metrics").body, "framehub_ready 0\n")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hub is ready again", func() bool { return w.get(w.Admin, "/readyz").code == 200 })
}

// send sends a transaction that puts one entity.
func send(t *testing.T, c *session.Client, seq uint64, id int64) {
	t.Helper()
	entity := c.Hello.Schema.Tables[0]
	for _, table := range c.Hello.Schema.Tables {
		if table.Name == "entity" {
			entity = table
		}
	}
	grid := wire.Grid{Stride: 1, Values: []wire.Value{wire.IntegerValue(id)}}
	block := wire.AppendBlock(nil, entity.Number, []int{0}, []int{0}, grid, nil)
	ops := [][]byte{wire.AppendOp(nil, wire.OpPut, block)}
	if err := c.Write(t.Context(), wire.WriteHeader{Seq: seq, SchemaVersion: c.Hello.Schema.Version}, ops); err != nil {
		t.Fatal(err)
	}
}

// put does so as the session's first, and waits until it is durable.
func put(t *testing.T, c *session.Client) {
	t.Helper()
	send(t, c, 1, 77)
	for {
		m, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := m.(*wire.Settled); ok {
			if len(s.Rejected) > 0 {
				t.Fatalf("refused: %+v", s.Rejected)
			}
			return
		}
	}
}

func status(t *testing.T, w *world) web.Status {
	t.Helper()
	var s web.Status
	if err := json.Unmarshal([]byte(w.get(w.Admin, "/api/status").body), &s); err != nil {
		t.Fatal(err)
	}
	return s
}
