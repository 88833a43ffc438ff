package loadtest

import (
	"sync"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Quantiles of times, in milliseconds.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// p99 returns nil where there are no quantiles.
func (q *Quantiles) p99() *float64 {
	if q == nil {
		return nil
	}
	return &q.P99
}

// A latency is a histogram of times, from 1 µs to 10 min with three digits, and where a
// series is kept one more, of the step under way.
type latency struct {
	mu   sync.Mutex // guards what the following hold
	all  *hdrhistogram.Histogram
	part *hdrhistogram.Histogram // nil: there are no steps
}

const longest = 10 * time.Minute

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest.Microseconds(), 3) }

func newLatency() *latency { return &latency{all: newHistogram()} }

func newSteppedLatency() *latency { return &latency{all: newHistogram(), part: newHistogram()} }

// record takes times in; what is longer than the longest counts as that.
func (l *latency) record(times ...time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range times {
		add(l.all, d)
		add(l.part, d)
	}
}

// early takes times of the warm-up in, which count in their step alone.
func (l *latency) early(times ...time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range times {
		add(l.part, d)
	}
}

func add(h *hdrhistogram.Histogram, d time.Duration) {
	if h != nil {
		_ = h.RecordValue(min(max(d, 0), longest).Microseconds()) // always in range
	}
}

// reset forgets all.
func (l *latency) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Reset()
}

// quantiles returns nil where nothing was recorded.
func (l *latency) quantiles() *Quantiles {
	l.mu.Lock()
	defer l.mu.Unlock()
	return quantilesOf(l.all)
}

// step returns the quantiles of the step under way, nil where nothing was recorded, and
// begins the next.
func (l *latency) step() *Quantiles {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := quantilesOf(l.part)
	l.part.Reset()
	return q
}

func quantilesOf(h *hdrhistogram.Histogram) *Quantiles {
	if h.TotalCount() == 0 {
		return nil
	}
	at := h.ValueAtPercentilesSlice([]float64{50, 90, 99})
	return &Quantiles{P50: millis(at[0]), P90: millis(at[1]), P99: millis(at[2]), Max: millis(h.Max())}
}

func millis(micros int64) float64 { return float64(micros) / 1000 }

// cpu returns the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
