package hub

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
)

// Frame closes a frame as the frame loop does, for tests that are the loop.
func (h *Hub) Frame(now time.Time) { h.turn(func() { h.close(now) }) }

// Beat is the hub's own clock, as the frame loop has it.
func (h *Hub) Beat(now time.Time) { h.turn(func() { h.beat(now) }) }

func (h *Hub) turn(f func()) {
	h.watchdog.turn.Lock()
	defer h.watchdog.turn.Unlock()
	f()
}

// Watch is the watchdog.
func (h *Hub) Watch(ctx context.Context) { h.watch(ctx) }

// Stall makes the store's next call, which is to wait for a merge, hang until the gate
// is closed.
func (h *Hub) Stall(gate <-chan struct{}) { h.merging.Go(func() { <-gate }) }

// Frames is the frame loop.
func (h *Hub) Frames(ctx context.Context) { h.frames(ctx) }

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

// Devices returns how many devices the inbox knows.
func (h *Hub) Devices() int {
	h.in.mu.Lock()
	defer h.in.mu.Unlock()
	return len(h.in.devices)
}

// Waiting returns how many events wait for the next frame boundary.
func (h *Hub) Waiting() int { return h.events.waiting() }

// PendingTicks returns how many ticks wait for a frame.
func (h *Hub) PendingTicks() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clock.ticks)
}

// A Span is a time from one moment to another.
type Span struct{ From, To time.Time }

// Took returns how long it was.
func (s Span) Took() time.Duration { return s.To.Sub(s.From) }

// A Recorder is a histogram that keeps every value, and when it was observed.
type Recorder struct {
	prometheus.Histogram
	mu    sync.Mutex
	spans []Span
}

// Observe implements prometheus.Observer.
func (r *Recorder) Observe(v float64) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, Span{now.Add(-time.Duration(v * float64(time.Second))), now})
}

// Take returns what was observed since the last Take.
func (r *Recorder) Take() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	spans := r.spans
	r.spans = nil
	return spans
}

// RecordDurable makes the frame loop record the time of each frame from the moment
// that the loop took it up until it was durable.
func (h *Hub) RecordDurable() *Recorder {
	r := &Recorder{Histogram: h.metrics.durable}
	h.metrics.durable = r
	return r
}

// HoldBack makes the transactions of a session's user wait, as if he had had more
// than his share.
func (h *Hub) HoldBack(session uuid.UUID, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		if c.sess.ID == session {
			c.share.mu.Lock()
			c.share.until = until
			c.share.mu.Unlock()
		}
	}
}

// Record takes the samples of the history.
func (h *Hub) Record(ctx context.Context) { h.record(ctx) }

// Acking returns how many places sessions take whose acknowledgements wait for company.
func (h *Hub) Acking() int { return len(h.acking) }
