package loadtest_test

import (
	"strings"
	"testing"
	"time"

	"framehub/examples/city"
	"framehub/loadtest"
)

// TestZones: devices see the zone that they are in, and what they see goes with them.
func TestZones(t *testing.T) {
	h := startHub(t, city.Schema)
	o := loadtest.Options{URL: h.url, DB: h.db, Profile: loadtest.Zones, Devices: 40, Observers: 2, Hz: 20, Duration: 4 * time.Second}
	r := h.run(o)
	good(t, r)
	if r.Enter == nil || r.Snapshots != 0 {
		t.Errorf("into another zone: %+v; %d other snapshots", r.Enter, r.Snapshots)
	}
	o.Profile = loadtest.Mesh
	// A quarter of the city is a quarter of the updates, about; observers see all of it. Of a
	// mesh they are fewer than all, as many as frames that came late have joined.
	all := 42 * r.Sent
	if mesh := h.run(o); r.Delivered > all/2 || r.Delivered < mesh.Delivered/8 {
		t.Errorf("%d updates were delivered, in a mesh %d of %d", r.Delivered, mesh.Delivered, all)
	}
}

func TestZonesWithout(t *testing.T) {
	h := startHub(t, strings.ReplaceAll(schema, "zone", "area"))
	_, err := loadtest.Run(t.Context(), loadtest.Options{URL: h.url, DB: h.db, Profile: loadtest.Zones, Devices: 2, Duration: time.Second})
	if err == nil || !strings.Contains(err.Error(), "scope column") {
		t.Errorf("without a zone: %v", err)
	}
}

// TestServer: one session writes for all, and as many more as a message has no room for.
func TestServer(t *testing.T) {
	h := startHub(t, city.Schema)
	o := loadtest.Options{URL: h.url, DB: h.db, Profile: loadtest.Server, Devices: 30, Observers: 2, Entities: 50, Hz: 10, Duration: 2 * time.Second, Patience: time.Minute}
	r := h.run(o)
	good(t, r)
	if r.Devices != 30 || r.Sent != 2*20 {
		t.Errorf("%d devices, %d transactions; want 30, and 40 of two sessions", r.Devices, r.Sent)
	}
	if got := h.scalar(`SELECT count(*) FROM entity`); got != "1500" {
		t.Errorf("there are %s rows, want 1500", got)
	}
	if got := text(t, r); !strings.Contains(got, "30, for which 2 write") {
		t.Errorf("the report says\n%s", got)
	}
}

// TestJoinStorm: all come at the same moment, and have all of it soon.
func TestJoinStorm(t *testing.T) {
	h := startHub(t, city.Schema)
	o := loadtest.Options{URL: h.url, DB: h.db, Profile: loadtest.JoinStorm, Devices: 60, Observers: 2, Entities: 10, Hz: 10, Duration: 2 * time.Second}
	r := h.run(o)
	good(t, r)
	if r.Join == nil || r.Join.Max < r.Join.P50 || r.Join.P50 <= 0 {
		t.Errorf("from dial to snapshot: %+v", r.Join)
	}
	if got := text(t, r); !strings.Contains(got, "to 62 who watch") || !strings.Contains(got, "at most 63 connected") {
		t.Errorf("the report says\n%s", got)
	}
}
