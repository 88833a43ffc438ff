package backup_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"framehub/backup"
	"framehub/backup/place"
)

// A stuckPlace takes no files while it is stuck.
type stuckPlace struct {
	place.Place
	stuck  atomic.Bool
	filled func()
}

func (p *stuckPlace) Put(ctx context.Context, name, file string) error {
	if p.stuck.Load() {
		p.filled()
		<-ctx.Done()
		return ctx.Err()
	}
	return p.Place.Put(ctx, name, file)
}

// TestDiskFills: a copy that would not fit is not begun, and one during which the disk fills
// is given up; both say so and leave nothing, and when there is room the next one is good.
func TestDiskFills(t *testing.T) {
	const reserve = 1 << 30
	w := newWorld(t, 11)
	for range 10 {
		w.frame()
	}
	var left atomic.Int64
	left.Store(1 << 40)
	p := &stuckPlace{Place: w.place, filled: func() { left.Store(reserve - 1) }}
	b, _ := w.backup(backup.Options{Place: p, Reserve: reserve, Free: func(string) (int64, error) { return left.Load(), nil }})
	until(t, "the copy of the new schema", func() bool { return b.State().Count > 0 })
	w.frame()
	w.merge()
	before, err := w.place.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	good := b.State().Count
	refused := func(words string) {
		t.Helper()
		o := w.copyNow(b)
		if o.Good || !strings.Contains(o.Error, "too little room") || !strings.Contains(o.Error, words) {
			t.Errorf("%+v", o)
		}
		files, err := filepath.Glob(filepath.Join(w.dir, "scratch", "*"))
		if err != nil || len(files) > 0 {
			t.Errorf("it has left %v (%v)", files, err)
		}
		if after, err := w.place.List(t.Context(), ""); err != nil || len(after) != len(before) {
			t.Errorf("the place has %v (%v)", after, err)
		}
		w.frame() // goes on
	}
	left.Store(reserve + 1000) // less than the database has
	refused("a copy takes")
	left.Store(1 << 40)
	p.stuck.Store(true)
	refused("was given up")
	left.Store(1 << 40)
	p.stuck.Store(false)
	if o := w.copyNow(b); !o.Good {
		t.Errorf("%+v", o)
	}
	if s := b.State(); s.Failures != 2 || s.Count != good+1 {
		t.Errorf("%d failures, %d good ones", s.Failures, s.Count)
	}
}

// TestDiskFillsWhileProving: what a child process that was killed has unpacked goes, too.
func TestDiskFillsWhileProving(t *testing.T) {
	w := newWorld(t, 12)
	w.raced = true // for longer, so that the disk is looked at meanwhile
	w.frame()
	scratch := filepath.Join(w.dir, "scratch")
	proving := func() bool {
		_, err := os.Stat(filepath.Join(scratch, "prove"))
		return err == nil
	}
	b, _ := w.backup(backup.Options{Reserve: 1, Free: func(string) (int64, error) {
		if proving() {
			return 0, nil
		}
		return 1 << 40, nil
	}})
	for range 20 { // a proof may be faster than the next look at the disk
		w.frame()
		w.merge()
		o := w.copyNow(b)
		if proving() {
			t.Fatalf("what was unpacked is still there: %+v", o)
		}
		if strings.Contains(o.Error, "too little room") {
			return
		}
	}
	t.Error("no copy was given up")
}
