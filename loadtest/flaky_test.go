package loadtest_test

import (
	"strings"
	"testing"
	"time"

	"framehub/examples/city"
	"framehub/loadtest"
)

// TestFlaky: devices whose connections are cut, slow and half-open come back, have all that
// the others have, and nothing of theirs is lost or done twice.
func TestFlaky(t *testing.T) {
	h := startHub(t, city.Schema)
	r := h.run(loadtest.Options{
		URL: h.url, DB: h.db, AdminURL: h.admin, Profile: loadtest.Flaky, Devices: 9, Observers: 8, Entities: 2, Hz: 20, Duration: 9 * time.Second,
		FlakyShare: 0.6, FlakyEvery: 500 * time.Millisecond, Patience: 30 * time.Second,
	})
	good(t, r)
	b := r.Recovery
	if b == nil || b.Mishaps == nil || b.Mishaps.Devices != 5 {
		t.Fatalf("the report says\n%s", text(t, r))
	}
	m := b.Mishaps
	if m.Cut < 2 || m.Slowed < 2 || m.HalfOpen < 2 || b.Lost < m.Cut+m.HalfOpen || b.Reconnects != b.Lost || b.Resumed+b.Snapshots != b.Reconnects {
		t.Errorf("%+v, %+v", b, m)
	}
	if b.Resent == 0 || b.Live == nil || b.Live.Max < 3000 || m.Age == nil { // a half-open connection is given up after 3 s
		t.Errorf("%+v, until live again %+v, %+v", b, b.Live, m)
	}
	if got := text(t, r); !strings.Contains(got, "9 copies are what SQL has") || !strings.Contains(got, "flaky devices          5,") {
		t.Errorf("the report says\n%s", got)
	}
}
