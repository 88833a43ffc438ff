package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framehub/store"
	"framehub/store/storetest"
)

// TestMVSQLiteCopy: on mvSQLite too, each copy and the entries after it give every later
// copy, also where a merge is of several commits, and after crashes between them.
func TestMVSQLiteCopy(t *testing.T) {
	for i := range uint64(3) {
		t.Run(fmt.Sprint(i), func(t *testing.T) { mvsqliteCopy(t, seedOf(i), 60) })
	}
}

// TestSoakMVSQLiteCopy runs on with new seeds for FRAMEHUB_SOAK.
func TestSoakMVSQLiteCopy(t *testing.T) {
	until := time.Now().Add(soakTime(t))
	rounds := 0
	for ; time.Now().Before(until) && !t.Failed(); rounds++ {
		t.Run(fmt.Sprint(rounds), func(t *testing.T) { mvsqliteCopy(t, seedOf(rand.Uint64()), 150) })
	}
	t.Logf("%d rounds of 150 frames", rounds)
}

func mvsqliteCopy(t *testing.T, seed uint64, frames int) {
	t.Helper()
	store.CommitAtMost(t, 2)
	s := storetest.OpenMvsim(t, "game", "game.frames")
	d := openSim(s, propertySchema, func(o *store.Options) { o.Scopes = map[string]string{"plain": "n", "pair": "k"} })
	p := &propertyRun{testDB: d, random: random{rand.New(rand.NewPCG(seed, 78))}}
	r := runOf(p)
	entries := map[uint64][]byte{}
	var copies []keptCopy
	for range frames {
		if !r.frame() {
			t.Fatal("a frame failed, and nothing was wrong")
		}
		b, err := d.EntryBytes(d.Version())
		if err != nil {
			t.Fatal(err)
		}
		entries[d.Version()] = b
		switch p.random.IntN(12) {
		case 0:
			d.abandon()
		case 1, 2:
			copies = append(copies, d.keepCopy())
		}
	}
	d.merge()
	copies = append(copies, d.keepCopy())
	if last := copies[len(copies)-1].version; last != d.Version() {
		t.Errorf("the last copy is of version %d, and all are merged up to %d", last, d.Version())
	}
	for i := range copies {
		for j := i + 1; j < len(copies); j++ {
			path := d.replayTo(&copies[i], copies[j].version, entries)
			if diff := copies[j].contents.Differences(readContents(t, path)); diff != nil {
				t.Fatalf("a copy of version %d, brought to %d, differs from that version in %s (FRAMEHUB_SEED=%d)",
					copies[i].version, copies[j].version, strings.Join(diff, ", "), seed)
			}
		}
	}
}

// TestMVSQLitePartialMerge: between the commits of a merge there is no version to copy.
func TestMVSQLitePartialMerge(t *testing.T) {
	store.CommitAtMost(t, 1)
	s := storetest.OpenMvsim(t, "game", "game.frames")
	d := openSim(s, plainSchema)
	d.do(put("flat", "id a", row(1, 1)), put("plain", "id u", row(1, 1)))
	if err := store.EndMerge(d.Store); err != nil {
		t.Fatal(err)
	}
	before := d.keepCopy()
	file, resume := s.Hang()
	s.Plan("commit game 2 hang " + file)
	d.commit(written{alice, d.write(alice, put("flat", "id a", row(1, 2)), put("plain", "id u", row(1, 2)))})
	if _, err := d.Merge(d.now.Add(time.Minute), true); err != nil {
		t.Fatal(err)
	}
	s.Await(1)
	s.Open("game").Want(`SELECT value FROM _framehub_meta WHERE key = 'partial'`, fmt.Sprint(d.Version()))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if sn, err := d.Snapshot(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a snapshot of a merge that is under way: %+v, %v", sn, err)
	}
	source := "game@" + s.Open("game").Get(`SELECT mv_last_known_version('main')`)
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := store.CopyNamespace(source, storetest.VFS, path); err != nil {
		t.Fatal(err)
	}
	err := store.FinishCopy(path, before.doc, before.version, d.EntryBytes)
	wantWords(t, err, "in the middle of a merge")
	resume()
	if err := store.EndMerge(d.Store); err != nil {
		t.Fatal(err)
	}
	if after := d.keepCopy(); after.version != d.Version() {
		t.Errorf("a copy of version %d, after the merge of %d", after.version, d.Version())
	}
}

// TestMVSQLiteCopyRefused: what is no version of a namespace is not asked for, for mvSQLite
// hangs then, or answers with an empty database.
func TestMVSQLiteCopyRefused(t *testing.T) {
	s := storetest.OpenMvsim(t, "game", "game.frames")
	d := openSim(s, plainSchema)
	path := filepath.Join(t.TempDir(), "copy.db")
	for _, source := range []string{"game", "game@", "game@1", "game@0123456789ABCDEF0000", "a@b@00000000000000010000"} {
		wantWords(t, store.CopyNamespace(source, storetest.VFS, path), "names no version")
	}
	k := d.keepCopy()
	if err := store.CopyNamespace("game@00000000000000010000", storetest.VFS, path); err != nil {
		t.Fatal(err)
	}
	wantWords(t, store.FinishCopy(path, k.doc, k.version, d.EntryBytes), "is no copy of a hub's database")
}
