package hub

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A database on other machines can be away, and then calls of it don't fail, but hang.
// The frame loop can do nothing about that but wait; meanwhile the watchdog does what
// it would do if they had failed: it refuses what devices write, says why, and keeps
// sessions alive.
type watchdog struct {
	// turn is held by whoever does the frame loop's work: the frame loop itself, but
	// while it waits for the store.
	turn sync.Mutex

	since atomic.Pointer[time.Time] // since when it waits; nil: it does not
	hung  atomic.Pointer[string]    // that it has waited too long, in words; nil: it has not
}

// outside runs what may have to wait for the store, and touches nothing that is the
// frame loop's.
func (h *Hub) outside(f func()) {
	w := &h.watchdog
	if h.opts.Watchdog == 0 {
		f()
		return
	}
	began := time.Now()
	w.since.Store(&began)
	w.turn.Unlock()
	f()
	w.turn.Lock()
	w.since.Store(nil)
	if w.hung.Swap(nil) != nil {
		h.opts.Log.Info("the database answers again", "after", time.Since(began).Round(time.Millisecond))
	}
}

// watch looks after the frame loop until ctx ends.
func (h *Hub) watch(ctx context.Context) {
	if h.opts.Watchdog == 0 {
		return
	}
	tick := time.NewTicker(h.opts.Watchdog / 8)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			h.lookAfter(now)
		}
	}
}

// lookAfter does the frame loop's work if that has waited for too long.
func (h *Hub) lookAfter(now time.Time) {
	w := &h.watchdog
	since := w.since.Load()
	if since == nil || now.Sub(*since) < h.opts.Watchdog {
		return
	}
	w.turn.Lock()
	defer w.turn.Unlock()
	if w.since.Load() != since {
		return
	}
	if w.hung.Load() == nil {
		why := fmt.Sprintf("the database has not answered for %v: writes are refused until it does", h.opts.Watchdog)
		w.hung.Store(&why)
		h.opts.Log.Error("the hub can't commit, writes are refused", "err", why)
	}
	if len(h.unsaid) < maxUnsaid {
		h.refuse(undone(h.in.take(func(it *item) bool { return it.will != nil }))) // wills can wait, and are not sent twice
	}
	h.sweep(now)
}
