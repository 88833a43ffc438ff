package backup_test

import (
	"context"
	"sync/atomic"
	"testing"

	"framehub/backup"
	"framehub/backup/place"
)

// A slowPlace answers its first question only when who asked has gone.
type slowPlace struct {
	place.Place
	lists atomic.Int32
	asked chan struct{}
}

func (p *slowPlace) List(ctx context.Context, prefix string) ([]place.Blob, error) {
	if p.lists.Add(1) > 1 {
		return p.Place.List(ctx, prefix)
	}
	close(p.asked)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestFlushAfterAShortRun: a hub that commits and ends before it has read the place ships
// what it has committed all the same.
func TestFlushAfterAShortRun(t *testing.T) {
	w := newWorld(t, 7)
	w.frame()
	b, stop := w.backup(backup.Options{ShipEvery: fast})
	w.copyNow(b)
	stop()

	slow := &slowPlace{Place: w.place, asked: make(chan struct{})}
	b, stop = w.backup(backup.Options{ShipEvery: fast, Place: slow})
	<-slow.asked
	for range 3 {
		w.frame()
	}
	last := w.note()
	stop()
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := restored(t, w.place, "latest")
	if err != nil {
		t.Fatal(err)
	}
	if r.Version != last {
		t.Errorf("restored version %d, not %d", r.Version, last)
	}
	same(t, "the last version", w.truth[last], r.Contents)
}
