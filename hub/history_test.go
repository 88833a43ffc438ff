package hub_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"framehub/hub"
	"framehub/session/wire"
)

// TestHistory: what the hub does is kept by the second for five minutes, and by ten
// for an hour, and no longer.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{PingEvery: 24 * time.Hour})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.hub.Record(ctx); close(done) }()
		synctest.Wait()
		p := w.dial(nothing())
		p.put(1, 1)
		p.write(wire.OpInsert, "thing", []string{"id"}, num(1))
		w.frame()
		p.put(1, 2)
		synctest.Wait()
		w.pass(1100 * time.Millisecond)
		synctest.Wait()
		list := w.hub.History(hub.ShortStep, time.Time{})
		if len(list) != 1 {
			t.Fatalf("%d samples after a second", len(list))
		}
		one := list[0]
		if one.Frames != 1 || one.Rows != 1 || one.Committed != 1 || one.Refused != 1 || one.Sessions != 1 || one.Waiting != 1 || one.WaitingBytes == 0 {
			t.Errorf("the first is %+v", one)
		}
		if one.BytesIn == 0 || one.BytesOut == 0 || one.P99 < one.P50 || one.P50 <= 0 || one.Commit < 0 || one.Length != time.Second {
			t.Errorf("the first is %+v", one)
		}
		w.frame()
		if _, refused := w.edit(hub.Edit{Kind: wire.OpInsert, Table: "thing", Key: key(num(3))}); refused != nil {
			t.Error(refused)
		}
		if _, refused := w.edit(hub.Edit{Kind: wire.OpInsert, Table: "thing", Key: key(num(3))}); refused == nil {
			t.Error("a row is inserted twice")
		}
		in := one.BytesIn
		p.Drop()
		w.pass(9 * time.Second)
		synctest.Wait()
		long := w.hub.History(hub.LongStep, time.Time{})
		if len(long) != 1 || long[0].Frames != 3 || long[0].Committed != 3 || long[0].Refused != 2 || long[0].BytesIn != in || long[0].Sessions != 0 {
			t.Fatalf("after ten seconds: %+v", long)
		}
		if newer := w.hub.History(hub.ShortStep, one.At); len(newer) != 9 || !newer[0].At.After(one.At) {
			t.Errorf("%d are newer than the first", len(newer))
		}
		w.pass(2 * time.Hour)
		synctest.Wait()
		short, long := w.hub.History(hub.ShortStep, time.Time{}), w.hub.History(hub.LongStep, time.Time{})
		if len(short) != 300 || len(long) != 360 || short[299].At.Sub(short[0].At) != 299*time.Second || long[359].At.Sub(long[0].At) != 3590*time.Second {
			t.Errorf("two hours later there are %d and %d", len(short), len(long))
		}
		if last := short[299]; last.Frames != 0 || last.P99 != 0 || last.BytesIn != 0 {
			t.Errorf("nothing happens: %+v", last)
		}
		stop()
		<-done
	})
}
