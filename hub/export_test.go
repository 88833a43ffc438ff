package hub

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Frame closes a frame as the frame loop does, for tests that are the loop.
func (h *Hub) Frame(now time.Time) { h.frame(now) }

// Sweep looks after sessions as the frame loop does.
func (h *Hub) Sweep(now time.Time) { h.sweep(now) }

// Stop ends every session as the end of Run does.
func (h *Hub) Stop() { h.stop() }

// Pending returns how many transactions wait for the next frame.
func (h *Hub) Pending() int {
	h.in.mu.Lock()
	defer h.in.mu.Unlock()
	return len(h.in.items)
}

// Waiting returns how many events wait for the next frame boundary.
func (h *Hub) Waiting() int { return h.events.waiting() }

// A Recorder is a histogram that keeps every value.
type Recorder struct {
	prometheus.Histogram
	Values []float64
}

// Observe implements prometheus.Observer.
func (r *Recorder) Observe(v float64) { r.Values = append(r.Values, v) }

// RecordDurable makes the frame loop record when each frame was durable, in
// seconds from the moment that the loop took it up.
func (h *Hub) RecordDurable() *Recorder {
	r := &Recorder{Histogram: h.metrics.durable}
	h.metrics.durable = r
	return r
}
