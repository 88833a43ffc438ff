package backup_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framehub/backup"
	"framehub/backup/place"
	"framehub/store/storetest"
)

// TestMVSQLite: a worker on mvSQLite makes copies that are proven, the second by a restore
// from the first, and ships what leads from one to the next. A restore into a file gives
// each version.
func TestMVSQLite(t *testing.T) {
	storetest.OpenMvsim(t, "world", "world.frames")
	w := newWorld(t, 3)
	b, _ := w.backup(backup.Options{ShipEvery: 10 * time.Millisecond})
	for range 20 {
		w.frame()
	}
	first := w.note()
	if o := w.copyNow(b); !o.Good || o.Version != first {
		t.Fatalf("%+v, want version %d", o, first)
	}
	for range 20 {
		w.frame()
	}
	between := w.note()
	for range 20 {
		w.frame()
	}
	last := w.note()
	if o := w.copyNow(b); !o.Good || o.Version != last {
		t.Fatalf("%+v, want version %d", o, last)
	}
	if p := b.State(); p.Shipped < last {
		t.Errorf("shipped up to version %d of %d", p.Shipped, last)
	}
	for _, version := range []uint64{first, between, last} {
		r, err := restored(t, w.place, fmt.Sprint(version))
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint("version ", version), w.truth[version], r.Contents)
	}
	c, err := backup.List(t.Context(), w.place)
	if err != nil {
		t.Fatal(err)
	}
	copies := c.Histories[0].Copies
	if p := copies[len(copies)-1].Manifest.Proof; p == nil || p.Restored != first {
		t.Errorf("the last copy was proven by %+v, and not by a restore from version %d", p, first)
	}
	if left, err := os.ReadDir(w.dir + "/scratch"); err != nil || len(left) > 1 { // the folder of proofs
		t.Errorf("the scratch folder has %v (%v)", left, err)
	}
}

// TestMVSQLiteHang: a cluster that does not answer holds up the copy, and not the worker's
// end.
func TestMVSQLiteHang(t *testing.T) {
	s := storetest.OpenMvsim(t, "world", "world.frames")
	w := newWorld(t, 4)
	b, stop := w.backup(backup.Options{})
	w.frame()
	w.note()
	if o := w.copyNow(b); !o.Good {
		t.Fatalf("%+v", o)
	}
	w.frame()
	w.note()
	file, resume := s.Hang()
	s.Plan("begin world 3 hang " + file) // opening, looking, and the child's first question
	b.Ask("a test")
	s.Await(1)
	until(t, "copying", func() bool { return b.State().Phase == "copying" })
	stop()
	resume()
}

// TestMVSQLiteRestore: a restore into namespaces gives each version, with which a hub goes
// on and backs up; one that is killed is gone on with; what is not empty stays.
func TestMVSQLiteRestore(t *testing.T) {
	storetest.OpenMvsim(t, "world", "world.frames")
	w := newWorld(t, 6)
	b, stop := w.backup(backup.Options{ShipEvery: 10 * time.Millisecond})
	w.frame()
	w.note()
	if o := w.copyNow(b); !o.Good {
		t.Fatalf("%+v", o)
	}
	for range 30 {
		w.frame()
	}
	version := w.note()
	until(t, "shipping", func() bool { return b.State().Shipped >= version })
	stop()
	w.close()

	s := storetest.OpenMvsim(t, "world", "world.frames") // another cluster
	into := func(o *backup.RestoreOptions) {
		o.Into = &backup.Namespace{Address: "mvsqlite://a/world", Name: "world", VFS: storetest.VFS, Child: []string{os.Args[0], backup.ChildCommand}}
	}
	for _, plan := range []string{"1 storeabort", "2 abort", "1 ioerr"} { // each goes on where the last has ended
		s.Plan("commit world " + plan)
		if _, err := restoredInto(t, w.place, fmt.Sprint(version), into); err == nil {
			t.Errorf("%s: no error", plan)
		}
		s.Plan()
		if _, err := restoredInto(t, w.place, fmt.Sprint(version-1), into); err == nil || !strings.Contains(err.Error(), "was not finished") {
			t.Errorf("another version on top: %v", err)
		}
	}
	r, err := restoredInto(t, w.place, fmt.Sprint(version), into)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "what was restored", w.truth[version], r.Contents)
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "had not been finished") {
		t.Errorf("notes: %q", r.Notes)
	}
	for _, force := range []bool{false, true} {
		_, err := restoredInto(t, w.place, fmt.Sprint(version), into, func(o *backup.RestoreOptions) { o.Force = force })
		if err == nil || !strings.Contains(err.Error(), "not empty") {
			t.Errorf("a second restore, with force %v: %v", force, err)
		}
	}
	w.open(w.options())
	if w.Version() > 1 {
		t.Errorf("the new history begins with version %d", w.Version())
	}
	_, is := contentsNow(t, w.Store)
	same(t, "what the hub has", w.truth[version], is)
	b, _ = w.backup(backup.Options{ShipEvery: 10 * time.Millisecond})
	w.frame()
	after := w.note()
	if o := w.copyNow(b); !o.Good || o.Version != after {
		t.Errorf("a backup of the new history: %+v, want version %d", o, after)
	}
}

// restoredInto restores into namespaces.
func restoredInto(tb testing.TB, p place.Place, to string, more ...func(*backup.RestoreOptions)) (*backup.Restored, error) {
	tb.Helper()
	target, err := backup.ParseTarget(to)
	if err != nil {
		tb.Fatal(err)
	}
	o := backup.RestoreOptions{Place: p, To: target, DB: filepath.Join(tb.TempDir(), "world.db")}
	for _, f := range more {
		f(&o)
	}
	return backup.Restore(tb.Context(), o)
}
