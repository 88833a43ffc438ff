package hub_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// frameTime is a frame at 60 Hz.
const frameTime = time.Second / 60

// BenchmarkDurable paces frames of scattered rows of a table of 100,000 at 60 Hz,
// and tells how long after its boundary each was durable, and how many were not
// by the next one; first the hub, then a bare loop that commits the same upserts
// with synchronous=FULL. FRAMEHUB_BENCH_SECONDS is how long each of them runs;
// default 5.
func BenchmarkDurable(b *testing.B) {
	seconds, err := strconv.Atoi(os.Getenv("FRAMEHUB_BENCH_SECONDS"))
	if err != nil {
		seconds = 5
	}
	const table = 100_000
	for _, c := range []struct {
		rows       int
		mergeEvery time.Duration
	}{{100, 0}, {1_000, 0}, {3_000, 0}, {3_000, 500 * time.Millisecond}} {
		rows, name := c.rows, fmt.Sprintf("frame=%d", c.rows)
		if c.mergeEvery > 0 {
			name += fmt.Sprintf("/merge-every=%v", c.mergeEvery)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				h := newBenchHub(b, benchOptions{table: table, rows: rows, mergeEvery: c.mergeEvery})
				recorded := h.hub.RecordDurable()
				ours := pace(seconds, func() { h.send(b) }, func(time.Time) time.Duration {
					h.hub.Frame(time.Now())
					h.await(b)
					return recorded.Take()[0].Took()
				})
				l := newBareLoop(b, table)
				bare := pace(seconds, func() {}, func(start time.Time) time.Duration {
					l.frames(b, 1, rows)
					return time.Since(start)
				})
				report(b, "hub", ours)
				report(b, "bare", bare)
				b.ReportMetric(float64(quantile(bare, 0.5))/float64(quantile(ours, 0.5)), "ratio-p50")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// pace calls frame at each boundary for so many seconds, and prepare before it,
// and returns how long after its boundary each was durable. A boundary that
// passes while a frame is still under way is kept: what comes late counts late.
func pace(seconds int, prepare func(), frame func(start time.Time) (durable time.Duration)) []time.Duration {
	var took []time.Duration
	prepare()
	next := time.Now().Add(frameTime)
	for range seconds * 60 {
		time.Sleep(time.Until(next)) //nolint:forbidigo // the benchmark is the clock
		start := time.Now()
		took = append(took, start.Sub(next)+frame(start))
		prepare()
		next = next.Add(frameTime)
		if behind := time.Since(next); behind > time.Second {
			next = next.Add(behind) // hopeless: each frame is late enough as it is
		}
	}
	return took
}

func report(b *testing.B, who string, took []time.Duration) {
	b.Helper()
	late := lateOf(took)
	const ms = float64(time.Millisecond)
	b.ReportMetric(float64(quantile(took, 0.5))/ms, who+"-p50-ms")
	b.ReportMetric(float64(quantile(took, 0.99))/ms, who+"-p99-ms")
	b.ReportMetric(100*float64(late)/float64(len(took)), who+"-late-%")
}

// lateOf counts what took longer than a frame.
func lateOf(took []time.Duration) (late int) {
	for _, d := range took {
		if d > frameTime {
			late++
		}
	}
	return late
}

func quantile(took []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[int(q*float64(len(sorted)-1))]
}
