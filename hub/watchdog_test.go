package hub_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"framehub/hub"
	"framehub/session/wire"
	"framehub/store"
)

// TestWatchdog: while the store hangs, what devices write is refused in words and
// sessions stay; when the store is back, so is the hub, and has the refusals on
// record.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{Watchdog: time.Second})
		p, other := w.dial(nothing()), w.dial(nothing())
		expect[*wire.SnapshotEnd](p)
		expect[*wire.SnapshotEnd](other)
		p.put(1, 1)
		w.frame()
		refused := func(p *peer, seq uint64) {
			t.Helper()
			s := await[*wire.Settled](p)
			for len(s.Rejected) == 0 {
				s = await[*wire.Settled](p)
			}
			if len(s.Rejected) != 1 || s.Rejected[0].Seq != seq || s.Rejected[0].Code != wire.CodeUnavailable {
				t.Fatalf("settled is %+v", s)
			}
		}

		gate := make(chan struct{})
		w.hub.Stall(gate)
		ctx, cancel := context.WithCancel(t.Context())
		var loops sync.WaitGroup
		loops.Go(func() { w.hub.Frames(ctx) })
		loops.Go(func() { w.hub.Watch(ctx) })
		defer func() { cancel(); loops.Wait() }()
		late := p.put(2, 2)
		w.pass(500 * time.Millisecond)
		if err := w.hub.Ready(); err != nil {
			t.Errorf("a moment's wait is no trouble yet: %v", err)
		}
		w.pass(700 * time.Millisecond)
		if err := w.hub.Ready(); err == nil || !strings.Contains(err.Error(), "has not answered for 1s") {
			t.Errorf("readiness says %v", err)
		}
		refused(p, late)
		w.pass(10 * time.Second)
		later := other.put(3, 3)
		refused(other, later)

		close(gate)
		w.pass(time.Second)
		if err := w.hub.Ready(); err != nil {
			t.Errorf("the store is back, readiness says %v", err)
		}
		again := p.put(4, 4)
		for s := await[*wire.Settled](p); !slices.Contains(s.Committed, again); {
			s = await[*wire.Settled](p)
		}
		for device, want := range map[*peer]uint64{p: late, other: later} {
			state, _, err := w.store.Device(store.Device(device.Hello.Device))
			if err != nil || len(state.Rejected) != 1 || state.Rejected[0].Seq != want {
				t.Errorf("the log has of the refusal: %+v, %v", state, err)
			}
		}
		w.pass(time.Second) // until it is merged
		if n := w.scalar("SELECT count(*) FROM thing WHERE id IN (1, 4)"); n != 2 {
			t.Errorf("%d rows are there", n)
		}
	})
}
