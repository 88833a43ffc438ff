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

// A latency is a histogram of times, from 1 µs to 10 min with three digits.
type latency struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram // guarded by mu
}

const longest = 10 * time.Minute

func newLatency() *latency {
	return &latency{h: hdrhistogram.New(1, longest.Microseconds(), 3)}
}

// record takes times in; what is longer than the longest counts as that.
func (l *latency) record(times ...time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range times {
		_ = l.h.RecordValue(min(max(d, 0), longest).Microseconds()) // always in range
	}
}

// reset forgets all.
func (l *latency) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Reset()
}

// quantiles returns nil where nothing was recorded.
func (l *latency) quantiles() *Quantiles {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.h.TotalCount() == 0 {
		return nil
	}
	at := func(q float64) float64 { return float64(l.h.ValueAtQuantile(q)) / 1000 }
	return &Quantiles{P50: at(50), P90: at(90), P99: at(99), Max: float64(l.h.Max()) / 1000}
}

// cpu returns the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
