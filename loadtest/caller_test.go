package loadtest_test

import (
	"strings"
	"testing"
	"time"

	"framehub/loadtest"
)

func TestEvents(t *testing.T) {
	h := startHub(t, schema)
	const devices, group, observers, hz, seconds = 7, 3, 2, 20, 2
	r := h.run(loadtest.Options{
		URL: h.url, DB: h.db, AdminURL: h.admin, Profile: loadtest.Events, Devices: devices, Observers: observers,
		Hz: 2, EventHz: hz, Group: group, Duration: seconds * time.Second,
	})
	good(t, r)
	e := r.Events
	// Every other event goes to a group, of which there are two of three and one of
	// one, and to the observers; the others to one device.
	const sent = devices * hz * seconds
	const groups = sent / 2 / devices * (2*3*(2+observers) + 1*(0+observers))
	if e == nil || e.Sent != sent || e.Delivered != groups+sent/2 || e.Lost+e.Refused+e.Duplicated+e.Reordered != 0 {
		t.Fatalf("of %d events, for %d, came %+v", sent, groups+sent/2, e)
	}
	if e.Age == nil || e.Age.P50 <= 0 || e.Age.Max < e.Age.P99 {
		t.Errorf("the times are %+v", e.Age)
	}
	if got := text(t, r); !strings.Contains(got, "events                 280 sent, 0 refused") || !strings.Contains(got, "did not get: none") {
		t.Errorf("the report says\n%s", got)
	}
}

// Where there is nobody to take them, or no rule, the run is no good one.
func TestEventsThatNobodyTakes(t *testing.T) {
	h := startHub(t, strings.ReplaceAll(schema, "zone", "area"))
	_, err := loadtest.Run(t.Context(), loadtest.Options{URL: h.url, DB: h.db, Profile: loadtest.Events, Devices: 2, Duration: time.Second})
	if err == nil || !strings.Contains(err.Error(), "scope column") {
		t.Errorf("without a scope column: %v", err)
	}
}
