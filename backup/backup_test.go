package backup_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"framehub/backup"
	"framehub/store"
)

const fast = 20 * time.Millisecond

// TestRestore: every version from the first copy on can be restored exactly, from the copy
// before it and the entries after that.
func TestRestore(t *testing.T) {
	w := newWorld(t, 1)
	w.raced = true
	for range 20 {
		w.frame()
	}
	b, stop := w.backup(backup.Options{ShipEvery: fast})
	var versions []uint64
	for i := range 4 {
		if o := w.copyNow(b); !o.Good || o.Error != "" {
			t.Fatalf("copy %d: %+v", i, o)
		}
		for range 8 {
			for range 3 {
				w.frame()
			}
			versions = append(versions, w.note())
		}
	}
	if got := b.State().LastGood; got.Version == 0 || b.State().Failures != 0 {
		t.Errorf("the state is %+v", b.State())
	}
	last := w.Version()
	until(t, "the last version", func() bool { return b.State().Shipped == last })
	stop()
	for _, v := range append(versions, 0) {
		to := fmt.Sprint(v)
		if v == 0 {
			to, v = "latest", last
		}
		r, err := restored(t, w.place, to)
		if err != nil {
			t.Fatal(err)
		}
		if r.Version != v {
			t.Errorf("restored version %d, not %d", r.Version, v)
		}
		same(t, "version "+to, w.truth[v], r.Contents)
	}
	c, err := backup.List(t.Context(), w.place)
	if err != nil {
		t.Fatal(err)
	}
	proven := 0
	for _, f := range c.Histories[0].Copies {
		if f.Manifest.Proof.Restored > 0 {
			proven++
		}
	}
	if proven != 3 {
		t.Errorf("%d copies were proven by a restore from the one before, not 3", proven)
	}
}

// TestRestoreToATime: a time gives the last version that is not later.
func TestRestoreToATime(t *testing.T) {
	w := newWorld(t, 2)
	w.frame()
	b, _ := w.backup(backup.Options{ShipEvery: fast})
	w.copyNow(b)
	for range 30 {
		w.frame()
	}
	v, at := w.note(), w.now
	for range 30 {
		w.frame()
	}
	until(t, "the last version", func() bool { return b.State().Shipped == w.Version() })
	for _, c := range []struct {
		name string
		at   time.Time
		want uint64
	}{
		{"the very moment", at, v},
		{"just after it", at.Add(time.Millisecond), v},
		{"just before it", at.Add(-time.Millisecond), v - 1},
		{"long after all", at.Add(time.Hour), w.Version()},
	} {
		r, err := restored(t, w.place, c.at.UTC().Format(time.RFC3339Nano))
		if err != nil || r.Version != c.want {
			t.Errorf("%s: %+v, %v; want version %d", c.name, r, err, c.want)
		}
	}
	if _, err := restored(t, w.place, "2001-01-01T00:00:00Z"); err == nil || !strings.Contains(err.Error(), "the first backup is of") {
		t.Error("a time before all:", err)
	}
}

// TestRestoredGoesOn: a restored database is a new history in the same place, and can be
// restored in its turn; so can the one before.
func TestRestoredGoesOn(t *testing.T) {
	w := newWorld(t, 3)
	w.frame()
	b, stop := w.backup(backup.Options{ShipEvery: fast})
	w.copyNow(b)
	for range 20 {
		w.frame()
	}
	first, device1 := w.note(), w.seq
	until(t, "the last version", func() bool { return b.State().Shipped == first })
	stop()
	old := w.Epoch()
	w.close()
	path := w.options().Path
	if _, err := restored(t, w.place, "latest", func(o *backup.RestoreOptions) { o.DB = path }); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Fatal("a database that is there:", err)
	}
	r, err := restored(t, w.place, "latest", func(o *backup.RestoreOptions) { o.DB, o.Force = path, true })
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Aside) < 2 {
		t.Errorf("put aside: %v", r.Aside)
	}
	aside := w.options()
	aside.Path = r.Aside[0]
	s, err := store.Open(aside)
	if err != nil {
		t.Fatal("what was put aside:", err)
	}
	if s.Version() != first {
		t.Errorf("what was put aside has version %d, not %d", s.Version(), first)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w.open(w.options())
	if string(w.Epoch()) == string(old) || w.seq != device1 {
		t.Errorf("the same epoch: %v; the device had settled %d, now %d", string(w.Epoch()) == string(old), device1, w.seq)
	}
	b, stop = w.backup(backup.Options{ShipEvery: fast, Every: time.Hour})
	until(t, "a first copy", func() bool { return b.State().LastGood != nil })
	for range 20 {
		w.frame()
	}
	second := w.note()
	until(t, "the last version", func() bool { return b.State().Shipped == second })
	stop()
	r, err = restored(t, w.place, "latest")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the second history", w.truth[second], r.Contents)
	c, err := backup.List(t.Context(), w.place)
	if err != nil || len(c.Histories) != 2 {
		t.Fatal(c, err)
	}
	r, err = restored(t, w.place, fmt.Sprint(first), func(o *backup.RestoreOptions) { o.History = c.Histories[0].Name })
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the first history", w.truth[first], r.Contents)
}

// TestNewSchema: a schema that other programs change is a copy of its own at once, and
// versions before and after it can be restored.
func TestNewSchema(t *testing.T) {
	w := newWorld(t, 4)
	w.frame()
	b, _ := w.backup(backup.Options{ShipEvery: fast})
	w.copyNow(b)
	for range 10 {
		w.frame()
	}
	before := w.note()
	if err := store.Migrate(w.options().Path, []store.Migration{{Number: 1, Name: "1.sql", SQL: `ALTER TABLE plain ADD COLUMN more TEXT DEFAULT 'm';
		CREATE TABLE fresh AS SELECT * FROM pair; UPDATE plain SET n = n + 1; DROP INDEX item_n; CREATE UNIQUE INDEX item_u ON item(n, name)`}}, func(store.Migration) {}); err != nil {
		t.Fatal(err)
	}
	w.frame()
	after := w.note()
	until(t, "a copy of the new schema", func() bool { g := b.State().LastGood; return g != nil && g.Version > before })
	for range 10 {
		w.frame()
	}
	last := w.note()
	until(t, "the last version", func() bool { return b.State().Shipped == last })
	if got := b.State().LastGood.Version; got > after {
		t.Errorf("the copy is of version %d, the schema came with %d", got, after)
	}
	for _, v := range []uint64{before, after, last} {
		r, err := restored(t, w.place, fmt.Sprint(v))
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint("version ", v), w.truth[v], r.Contents)
	}
}

// TestGap: what the log let go before it was shipped is told, and a full copy follows.
func TestGap(t *testing.T) {
	w := newWorld(t, 5)
	o := w.options()
	w.close()
	o.LogSize, o.LogMax = 1, 1
	w.open(o)
	w.frame()
	b, stop := w.backup(backup.Options{ShipEvery: fast})
	w.copyNow(b)
	w.frame()
	until(t, "the first segment", func() bool { return b.State().Shipped == w.Version() })
	stop()
	reachable := w.Version()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	until(t, "the log to let go", func() bool { w.now = w.now.Add(time.Second); w.frame(); return w.LogFloor() > reachable+5 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	gap := w.note()
	b, _ = w.backup(backup.Options{ShipEvery: fast})
	until(t, "a copy behind the gap", func() bool { g := b.State().LastGood; return g != nil && g.Version >= gap })
	if s := b.State(); s.Gap == "" || s.LastGood.Why != "a gap in the log" {
		t.Errorf("the gap %q is told, and a copy because of %q", s.Gap, s.LastGood.Why)
	}
	w.frame()
	last := w.note()
	until(t, "the last version", func() bool { return b.State().Shipped == last })
	_, err := restored(t, w.place, fmt.Sprint(reachable+1))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("no copy leads to the versions %d to", reachable+1)) {
		t.Error("a version in the gap:", err)
	}
	for _, v := range []uint64{gap, last} {
		if r, err := restored(t, w.place, fmt.Sprint(v)); err != nil {
			t.Error(err)
		} else {
			same(t, fmt.Sprint("version ", v), w.truth[v], r.Contents)
		}
	}
}

// TestPutBack: a database that somebody put back to an older state does not mix its new
// future with the one in the place.
func TestPutBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		frames int // that it makes after it was put back
	}{{"shorter", 1}, {"longer", 60}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 6)
			w.frame()
			b, stop := w.backup(backup.Options{ShipEvery: fast})
			w.copyNow(b)
			stop()
			w.close()
			kept := map[string][]byte{}
			for _, f := range store.Files(w.options().Path) {
				if b, err := os.ReadFile(f); err == nil {
					kept[f] = b
				}
			}
			w.open(w.options())
			b, stop = w.backup(backup.Options{ShipEvery: fast})
			for range 20 {
				w.frame()
			}
			until(t, "the last version", func() bool { return b.State().Shipped == w.Version() })
			stop()
			w.close()
			for f, b := range kept {
				if err := os.WriteFile(f, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w.open(w.options())
			for range c.frames {
				w.frame()
			}
			before, err := w.place.List(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			b, _ = w.backup(backup.Options{ShipEvery: fast, Every: time.Hour})
			until(t, "trouble", func() bool { return strings.Contains(b.State().ShipTrouble, "another past") })
			after, err := w.place.List(t.Context(), "")
			if err != nil || len(after) != len(before) {
				t.Errorf("%d files, then %d (%v)", len(before), len(after), err)
			}
		})
	}
}

// TestNothingChanged: there is no second copy of a version.
func TestNothingChanged(t *testing.T) {
	w := newWorld(t, 7)
	w.frame()
	w.merge()
	b, stop := w.backup(backup.Options{})
	first := w.copyNow(b)
	if !first.Good || first.Skipped {
		t.Fatalf("%+v", first)
	}
	if o := w.copyNow(b); !o.Skipped || !o.Good || o.Error != "" || o.Version != first.Version || o.Size != first.Size || o.RawSize != first.RawSize {
		t.Errorf("%+v", o)
	}
	if s := b.State(); s.Count != 1 || s.LastGood != nil && s.LastGood.Skipped {
		t.Errorf("%d good ones, %+v", s.Count, s.LastGood)
	}
	stop()
	b, _ = w.backup(backup.Options{Every: time.Millisecond})
	until(t, "a copy that is due", func() bool { return b.State().Last != nil })
	if o := b.State().Last; !o.Skipped {
		t.Errorf("%+v", o)
	}
}
