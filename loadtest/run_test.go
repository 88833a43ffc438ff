package loadtest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"framehub/examples/city"
	"framehub/loadtest"
	"framehub/session"
	"framehub/session/wire"
)

func TestMesh(t *testing.T) {
	h := startHub(t, city.Schema)
	o := loadtest.Options{URL: h.url, DB: h.db, AdminURL: h.admin, Devices: 20, Observers: 5, Entities: 3, Hz: 20, Duration: 2 * time.Second}
	r := h.run(o)
	good(t, r)
	if r.Devices != 20 || r.Sent != 20*40 {
		t.Errorf("%d devices sent %d transactions, it must be 20 and 800", r.Devices, r.Sent)
	}
	// What is written more than once in a frame is delivered once.
	if all := int64(20 * 800 * 3); r.Delivered > all || r.Delivered < all/20 {
		t.Errorf("%d updates were delivered, there were %d", r.Delivered, all)
	}
	if r.Ack == nil || r.Age == nil || r.Age.P50 <= 0 || r.Age.Max < r.Age.P99 || r.Generator.CPUSeconds <= 0 {
		t.Errorf("the times are %+v, %+v, %+v", r.Ack, r.Age, r.Generator)
	}
	if r.Hub == nil || r.Hub.CPUSeconds <= 0 || r.Hub.Frame == nil || r.Hub.Fsync == nil || r.Hub.Fsync.Count < 10 || r.Hub.Fsync.Times == nil {
		t.Errorf("the hub's figures are %+v", r.Hub)
	}
	if got := text(t, r); !strings.Contains(got, "5 copies are what SQL has") || !strings.Contains(got, "\nok") {
		t.Errorf("the report says\n%s", got)
	}
}

// A second run finds the rows of the first.
func TestAgain(t *testing.T) {
	h := startHub(t, schema)
	for range 2 {
		good(t, h.run(h.options()))
	}
}

func TestWriters(t *testing.T) {
	h := startHub(t, schema)
	o := h.options()
	o.Profile = loadtest.Writers
	good(t, h.run(o))
}

func TestTrace(t *testing.T) {
	h := startHub(t, city.Schema)
	r := h.run(loadtest.Options{URL: h.url, DB: h.db, Trace: "testdata/city-3s.csv.gz", Observers: 4, Patience: time.Minute})
	good(t, r)
	if r.Devices != 624 || r.Sent != 18237 {
		t.Errorf("%d vehicles sent %d transactions, it must be 624 and one for each of 18,237 samples", r.Devices, r.Sent)
	}
	// The last line of vehicle 0 in the file.
	if got := h.scalar(`SELECT x || ' ' || y || ' ' || heading || ' ' || speed FROM entity WHERE id = 0`); got != "781.0 3556.92 93.45 14.64" {
		t.Errorf("SQL has vehicle 0 at %s", got)
	}
}

// A vehicle of which the trace has no more is deleted, and its device leaves.
func TestVehicleGoes(t *testing.T) {
	h := startHub(t, schema)
	file := filepath.Join(t.TempDir(), "trace.csv")
	if err := os.WriteFile(file, []byte("id,t,x,y,heading,speed,lane\n"+
		"7,0.0,1,2,3,4,a\n7,0.1,2,2,3,4,a\n8,0.0,5.25,6,7,8,b\n8,0.9,6.25,6,7,8,b\n9,2.0,1,1,1,1,c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := h.run(loadtest.Options{URL: h.url, DB: h.db, Trace: file, Observers: 2, Speed: 2})
	good(t, r)
	if r.Devices != 3 || r.Sent != 5+2 {
		t.Errorf("%d vehicles sent %d transactions, it must be 3 and 7", r.Devices, r.Sent)
	}
	if got := h.scalar(`SELECT group_concat(id) FROM entity`); got != "9" {
		t.Errorf("SQL has the vehicles %s", got)
	}
}

func TestWithoutADatabase(t *testing.T) {
	h := startHub(t, schema)
	o := h.options()
	o.DB = ""
	if r := h.run(o); r.OK || r.Converged != nil {
		t.Errorf("nothing was compared, ok is %v, converged %v", r.OK, r.Converged)
	}
	o.Unchecked = true
	r := h.run(o)
	if !r.OK || r.Converged != nil {
		t.Errorf("unchecked, ok is %v, converged %v", r.OK, r.Converged)
	}
	if got := text(t, r); !strings.Contains(got, "COPIES NOT COMPARED") {
		t.Errorf("the report does not say that nothing was compared:\n%s", got)
	}
}

// What can't be read at the end is told before the load.
func TestNothingToCompareWith(t *testing.T) {
	h, other := startHub(t, schema), startHub(t, schema)
	closed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer closed.Close()
	for name, tc := range map[string]struct{ db, admin, want string }{
		"a database of another hub": {other.db, h.admin, "another history"},
		"no database":               {t.TempDir() + "/none.db", h.admin, "unable to open"},
		"no token":                  {h.db, closed.URL, "it wants an admin's token (--admin-token)"},
		"no operators' listener":    {h.db, "http://127.0.0.1:1", "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			o := h.options()
			o.DB, o.AdminURL, o.Duration = tc.db, tc.admin, time.Hour
			if r, err := loadtest.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v, the report %+v", err, r)
			}
		})
	}
}

func TestWrongRowInTheDatabase(t *testing.T) {
	for name, tc := range map[string]struct {
		query string
		want  loadtest.Difference
	}{
		"another value": {`UPDATE entity SET x = 5.5 WHERE id = 2`, loadtest.Difference{Key: "2", Column: "x", SQL: "5.5"}},
		"a row more":    {`INSERT INTO entity (id) VALUES (99)`, loadtest.Difference{Key: "99", Copy: "no such row"}},
		"a row less":    {`DELETE FROM entity WHERE id = 3`, loadtest.Difference{Key: "3", SQL: "no such row"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := startHub(t, schema)
			o := h.options().Planting(func(int, func(int, func(*session.Copy))) { h.exec(tc.query) })
			r := h.run(o)
			d := r.Differences()
			if r.OK || r.Converged == nil || *r.Converged || len(d) != 2 { // one for each observer
				t.Fatalf("the report says\n%s", text(t, r))
			}
			if d[0].Table != "entity" || d[0].Key != tc.want.Key || d[0].Column != tc.want.Column ||
				tc.want.SQL != "" && d[0].SQL != tc.want.SQL || tc.want.Copy != "" && d[0].Copy != tc.want.Copy {
				t.Errorf("the difference is %s", d[0])
			}
			if lost := int64(strings.Count(tc.query, "WHERE")); r.Lost != lost {
				t.Errorf("%d rows are lost, it must be %d", r.Lost, lost)
			}
			if !strings.Contains(text(t, r), d[0].String()) {
				t.Error("the report does not tell the difference")
			}
		})
	}
}

func TestWrongRowInACopy(t *testing.T) {
	h := startHub(t, schema)
	o := h.options().Planting(func(observers int, view func(int, func(*session.Copy))) {
		view(observers-1, func(c *session.Copy) {
			row, _ := c.Table("entity").Get(wire.IntegerValue(1))
			row.Values[c.Table("entity").Column("y")] = wire.RealValue(-1)
		})
	})
	r := h.run(o)
	d := r.Differences()
	if r.OK || *r.Converged || len(d) != 1 || d[0].Who != "observer 2" || d[0].Column != "y" || d[0].Copy != "-1" || r.Lost != 0 {
		t.Errorf("the report says\n%s", text(t, r))
	}
}

// Refused writes are counted, and what they would have done is not missed.
func TestRefusals(t *testing.T) {
	h := startHub(t, schema+`CREATE TRIGGER still BEFORE UPDATE ON entity WHEN new.id = 3 BEGIN SELECT RAISE(ABORT, 'it stands still'); END;`)
	r := h.run(h.options())
	if r.Sent != 40 || r.Refused != 9 || r.Acked != 31 || r.Lost != 0 || !r.OK || !*r.Converged {
		t.Errorf("the report says\n%s", text(t, r))
	}
	if got := text(t, r); !strings.Contains(got, "refused as constraint: 9") || !strings.Contains(got, "it stands still") {
		t.Errorf("the report does not tell of the refusals:\n%s", got)
	}
}

func TestNothingToWriteTo(t *testing.T) {
	for name, tc := range map[string]struct{ table, schema, want string }{
		"no such table":  {"nothing", schema, `no table "nothing"`},
		"no such column": {"entity", `CREATE TABLE entity (id INTEGER PRIMARY KEY, x REAL, y REAL)`, `"heading"`},
		"another key":    {"entity", `CREATE TABLE entity (name TEXT PRIMARY KEY, x REAL)`, "key"},
	} {
		t.Run(name, func(t *testing.T) {
			o := startHub(t, tc.schema).options()
			o.Table = tc.table
			if _, err := loadtest.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestNoHub(t *testing.T) {
	h := startHub(t, schema)
	o := h.options()
	o.URL = "ws://127.0.0.1:1/v1/sync"
	if _, err := loadtest.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("the error is %v", err)
	}
}

// A hub that is gone ends the run, at once and in words.
func TestHubDies(t *testing.T) {
	for _, profile := range []loadtest.Profile{loadtest.Mesh, loadtest.Writers} {
		t.Run(string(profile), func(t *testing.T) {
			h := startHub(t, schema)
			c := lay(t, h.url, 25<<10, (*cable).cut)
			o := h.options()
			o.URL, o.Profile, o.Duration = c.url, profile, time.Hour
			r := h.run(o)
			if r.OK || r.Sent == 0 || !mentions(r, "sessions were lost") || !mentions(r, "no session is left") {
				t.Errorf("the report says\n%s", text(t, r))
			}
		})
	}
}

// Who ends a run gets the report of what there was.
func TestInterrupt(t *testing.T) {
	h := startHub(t, schema)
	ctx, stop := context.WithCancel(t.Context())
	c := lay(t, h.url, 25<<10, func(*cable) { stop() })
	o := h.options()
	o.URL, o.Duration = c.url, time.Hour
	r, err := loadtest.Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	good(t, r)
	if got := text(t, r); !r.Interrupted || !strings.Contains(got, "interrupted") {
		t.Errorf("the report does not tell of the interruption:\n%s", got)
	}
}

func mentions(r *loadtest.Report, what string) bool {
	return slices.ContainsFunc(r.Failures(), func(f string) bool { return strings.Contains(f, what) })
}

// The keys are the ones that programs rely on.
func TestJSON(t *testing.T) {
	h := startHub(t, schema)
	o := h.options()
	o.AdminURL = h.admin
	var b strings.Builder
	if err := h.run(o).JSON(&b); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatalf("%v: %s", err, &b)
	}
	for in, want := range map[string][]string{
		"": {
			"devices", "duration_s", "sent", "acked", "refused", "lost", "duplicated", "reordered", "converged", "ack_ms", "age_ms",
			"unsettled", "gaps", "snapshots", "sessions_lost", "stale_ms", "interval_ms", "join_ms", "enter_ms", "events", "transfers", "recovery", "delivered_updates", "bytes_per_update", "bytes_per_device_s", "generator", "hub", "gates", "ok", "interrupted",
			"distributions", "series",
		},
		"ack_ms":    {"p50", "p90", "p99", "max"},
		"age_ms":    {"p50", "p90", "p99", "max"},
		"generator": {"cpu_s", "late_ms_p99", "limited"},
		"hub":       {"cpu_s", "cpu_us_per_update", "rss_bytes", "frame_ms", "catch_ups", "fsync"},
		"series":    {"step_s", "warmup_s", "points"},
	} {
		object := got
		if in != "" {
			object = got[in].(map[string]any)
		}
		for _, key := range want {
			if _, ok := object[key]; !ok {
				t.Errorf("%q is missing in %q: %s", key, in, &b)
			}
		}
		if len(object) != len(want) {
			t.Errorf("%q has %d keys, it must be %d: %s", in, len(object), len(want), &b)
		}
	}
}
