package loadtest_test

import (
	"sync"
	"testing"
	"time"

	"framehub/loadtest"
	"framehub/session/wire"
)

// BenchmarkDelay tells the load test's own error: by how much the times that it reports
// are longer than a hub really took from reading a write until it answered, 30 ms about.
func BenchmarkDelay(b *testing.B) {
	const delay = 30 * time.Millisecond
	var mu sync.Mutex
	var held []time.Duration // guarded by mu
	var answering sync.WaitGroup
	f := startFake(b, func(s *fakeSession, w *wire.Write) error {
		answering.Add(1)
		read := time.Now()
		time.AfterFunc(delay, func() {
			defer answering.Done()
			mu.Lock()
			held = append(held, time.Since(read))
			mu.Unlock()
			s.settle(w)
		})
		return nil
	})
	for b.Loop() {
		mu.Lock()
		held = held[:0]
		mu.Unlock()
		r, err := loadtest.Run(b.Context(), loadtest.Options{
			URL: f.url, Unchecked: true, Profile: loadtest.Writers, Devices: 50, Observers: 1, Duration: 3 * time.Second, Warmup: -1, Patience: time.Second,
		})
		answering.Wait()
		if err != nil || r.Ack == nil || r.Unsettled != 0 {
			b.Fatalf("%v\n%s", err, text(b, r))
		}
		took := loadtest.QuantilesOf(held...)
		b.ReportMetric(r.Ack.P50-took.P50, "ms-error-p50")
		b.ReportMetric(r.Ack.P99-took.P99, "ms-error-p99")
		b.ReportMetric(r.Generator.LateP99, "ms-late-p99")
	}
}
