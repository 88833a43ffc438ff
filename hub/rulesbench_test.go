package hub_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"framehub/rules"
)

const benchRules = `
[tables.entity]
scope = "zone"
scopes = "token"
insert = ["device"]
update = ["device"]
owner = "owner"
max-owned = 10
server-only = ["score"]
precision = { x = 0.001, y = 0.001, heading = 0.01, speed = 0.001 }
text.owner = { max = 32, trim = true }
[limits]
messages = 1_000_000
rows = 1_000_000_000
bytes = "1GiB"
`

// BenchmarkRules compares rows per second with rules and without, from sending
// the transactions until a watching session has them: precision for four columns,
// rights, limits.
func BenchmarkRules(b *testing.B) {
	for _, frame := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("frame=%d", frame), func(b *testing.B) {
			free, ruled := newBenchHub(b, 10_000, frame, 0), newBenchHub(b, 10_000, frame, 0)
			set, mistakes := rules.Parse([]byte(benchRules), nil)
			if err := mistakes.Err(); err != nil {
				b.Fatal(err)
			}
			if err := ruled.hub.SetRules(set); err != nil {
				b.Fatal(err)
			}
			var without, with []time.Duration
			// In turns, and by the median, so that both meet the same weather on a shared machine.
			for b.Loop() {
				without = append(without, free.whole(b))
				with = append(with, ruled.whole(b))
			}
			rate := func(took []time.Duration) float64 {
				slices.Sort(took)
				return float64(frame) / took[len(took)/2].Seconds()
			}
			b.ReportMetric(rate(without), "free-rows/s")
			b.ReportMetric(rate(with), "ruled-rows/s")
			b.ReportMetric(rate(with)/rate(without), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// whole returns how long a frame takes with reading what it is made of.
func (h *benchHub) whole(b *testing.B) time.Duration {
	b.Helper()
	all := h.messages()
	start := time.Now()
	h.post(b, all)
	h.hub.Frame(time.Now())
	h.await(b)
	return time.Since(start)
}
