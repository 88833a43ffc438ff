package loadtest_test

import (
	"os"
	"strings"
	"testing"

	"framehub/loadtest"
)

func TestGates(t *testing.T) {
	yes := true
	p := &loadtest.Report{
		Lost: 0, Refused: 3, Age: &loadtest.Quantiles{P50: 4, P99: 49.9, Max: 120}, BytesPerDevice: 20 << 10, Converged: &yes,
		Hub: &loadtest.Hub{Frame: &loadtest.Quantiles{P99: 2.5}, CPUPerUpdate: 0.25},
	}
	for gate, want := range map[string]struct {
		ok    bool
		value float64
	}{
		"lost=0":                    {true, 0},
		"refused=0":                 {false, 3},
		" refused <= 3 ":            {true, 3},
		"age_p99<50ms":              {true, 49.9},
		"age_p99<0.0499s":           {false, 49.9},
		"age_p99<=49900us":          {true, 49.9},
		"age_max>=120ms":            {true, 120},
		"age_p50>4ms":               {false, 4},
		"frame_p99<2500us":          {false, 2.5},
		"cpu_us_per_update<0.3":     {true, 0.25},
		"bytes_per_device_s<=20KiB": {true, 20 << 10},
		"converged=1":               {true, 1},
	} {
		results, err := loadtest.TryGates(gate, p)
		if err != nil || len(results) != 1 || results[0].Value == nil || *results[0].Value != want.value || results[0].OK != want.ok {
			t.Errorf("%s: %+v, %v; want %+v", gate, results, err, want)
		}
	}
	for _, gate := range []string{"ack_p99<1h", "stale_p50>0s", "events_lost=0", "event_p99<1h", "join_max<1h"} {
		if r, err := loadtest.TryGates(gate, p); err != nil || r[0].OK || r[0].Value != nil {
			t.Errorf("%s passes, and was not measured: %+v, %v", gate, r, err)
		}
	}
	if r, err := loadtest.TryGates("lost=0, age_p99<50ms,", p); err != nil || len(r) != 2 || r[1].Gate != "age_p99<50ms" {
		t.Errorf("%+v, %v", r, err)
	}
	for gate, words := range map[string]string{
		"age_p99":       "as in age_p99<50ms",
		"age<50ms":      `no figure "age"`,
		"age_p98<50ms":  `no figure "age_p98"`,
		"age_p99<50":    "is a time",
		"lost=none":     "is no number",
		"lost==0":       "is no number",
		"speed<1":       "age_p50|p90|p99|max",
		"lost=0;sent>0": "is no number",
	} {
		if _, err := loadtest.TryGates(gate, p); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want words of %q", gate, err, words)
		}
	}
}

// Each figure stands in the documentation, beside the line of the report that it is in.
func TestDocumentedFigures(t *testing.T) {
	text, err := os.ReadFile("../docs/loadtest.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| line | figures of gates |")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, name := range loadtest.FigureNames() {
		if strings.Count(table, "`"+name+"`") == 0 {
			t.Errorf("docs/loadtest.md does not tell which line %s is of", name)
		}
	}
}
