package hub

import "time"

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
