package backup_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"framehub/backup"
)

// TestFlippedBits: one flipped bit, or a missing end, anywhere in a manifest, a copy or a
// segment is found, and a restore gives the very version all the same, or refuses. Of the bits
// it takes some, the same ones each time, from all parts of each file; [TestEveryBit] takes
// all of what is small.
func TestFlippedBits(t *testing.T) {
	t.Run("plain", func(t *testing.T) { flipBits(t, false, 1, 12) })
	t.Run("encrypted", func(t *testing.T) { flipBits(t, true, 2, 8) })
}

// TestSoakFlippedBits takes more, others each time, for FRAMEHUB_SOAK.
func TestSoakFlippedBits(t *testing.T) {
	lasting := soakTime(t)
	for until := time.Now().Add(lasting); !t.Failed(); {
		flipBits(t, false, rand.Uint64(), 100)
		flipBits(t, true, rand.Uint64(), 25)
		if time.Now().After(until) {
			break
		}
	}
}

// flipBits flips so many bits in each file of a world's backups.
func flipBits(t *testing.T, encrypted bool, seed uint64, flips int) {
	t.Helper()
	w := newWorld(t, seed)
	o := backup.Options{ShipEvery: 200 * time.Millisecond} // a few segments
	var keys []age.Identity
	if encrypted {
		key, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		o.Recipients, keys = []string{key.Recipient().String()}, []age.Identity{key}
	}
	for range 10 {
		w.frame()
	}
	b, stop := w.backup(o)
	for range 2 {
		if o := w.copyNow(b); !o.Good {
			t.Fatalf("%+v", o)
		}
		for range 20 {
			w.frame()
		}
		until(t, "what was written", func() bool { return b.State().Shipped == w.Version() })
	}
	last := w.note()
	stop()
	files, err := w.place.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	kinds, size := map[string]bool{}, 0
	for _, f := range files {
		path := filepath.Join(w.place.String(), filepath.FromSlash(f.Name))
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, kind, _ := strings.Cut(filepath.Base(path), ".")
		kinds[kind] = true
		size += len(whole)
		harm := func(what string, bytes []byte, restore bool) {
			t.Helper()
			if err := os.WriteFile(path, bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			if good(t, w, keys...) {
				t.Errorf("%s in %s is not found (seed %d)", what, f.Name, seed)
			}
			if !restore {
				return
			}
			r, err := restored(t, w.place, "latest", func(o *backup.RestoreOptions) { o.Keys = keys })
			if err == nil && r.Version == last {
				same(t, what+" in "+f.Name, w.truth[last], r.Contents)
			} else if err == nil && len(r.Notes) == 0 {
				t.Errorf("%s in %s: version %d was restored, and nobody is told why not %d", what, f.Name, r.Version, last)
			}
		}
		for i := range flips {
			from, to := i*8*len(whole)/flips, (i+1)*8*len(whole)/flips
			at := from + w.rng.IntN(to-from)
			flipped := append([]byte(nil), whole...)
			flipped[at/8] ^= 1 << (at % 8)
			harm(fmt.Sprint("another bit ", at), flipped, i%(flips/4) == 0)
		}
		harm("a missing end", whole[:len(whole)-1-w.rng.IntN(len(whole)-1)], true)
		harm("something more", append(append([]byte(nil), whole...), 'x'), true)
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d: %d bits of each of %d files, of %d bytes together", seed, flips, len(files), size)
	if len(kinds) != 3 {
		t.Errorf("there are %v only", kinds)
	}
	if !good(t, w, keys...) {
		t.Error("nothing is wrong, and something was found")
	}
}

// TestEveryBit: each bit of a manifest and of a segment counts.
func TestEveryBit(t *testing.T) {
	w := newWorld(t, 13)
	w.frame()
	b, stop := w.backup(backup.Options{ShipEvery: fast})
	w.copyNow(b)
	w.frame()
	until(t, "a segment", func() bool { return b.State().Shipped == w.Version() })
	stop()
	files, err := w.place.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, f := range files {
		reads := map[string]func([]byte) error{".json": backup.ReadsManifest, ".seg": backup.ReadsSegment}[filepath.Ext(f.Name)]
		if reads == nil {
			continue
		}
		looked++
		whole, err := os.ReadFile(filepath.Join(w.place.String(), filepath.FromSlash(f.Name)))
		if err == nil {
			err = reads(whole)
		}
		if err != nil {
			t.Fatal(err)
		}
		for at := range 8 * len(whole) {
			whole[at/8] ^= 1 << (at % 8)
			if reads(whole) == nil {
				t.Errorf("that bit %d of %s is another one is not found", at, f.Name)
			}
			whole[at/8] ^= 1 << (at % 8)
		}
	}
	if looked < 2 {
		t.Errorf("%d of %d files were looked at", looked, len(files))
	}
}

// good says whether a look at all backups finds nothing wrong.
func good(tb testing.TB, w *world, keys ...age.Identity) bool {
	tb.Helper()
	all, err := backup.Verify(tb.Context(), backup.VerifyOptions{Place: w.place, Scratch: w.dir, Keys: keys})
	if err != nil {
		tb.Fatal(err)
	}
	for _, one := range all {
		if !one.Good {
			return false
		}
	}
	return len(all) > 0
}

// TestMissingFiles: a file that is gone is told, by the versions that can't be restored.
func TestMissingFiles(t *testing.T) {
	w := newWorld(t, 9)
	w.frame()
	b, stop := w.backup(backup.Options{ShipEvery: fast})
	w.copyNow(b)
	for range 3 {
		w.frame()
		until(t, "a segment", func() bool { return b.State().Shipped == w.Version() })
	}
	stop()
	c, err := backup.List(t.Context(), w.place)
	if err != nil {
		t.Fatal(err)
	}
	h := c.Histories[0]
	if len(h.Segments) < 3 {
		t.Fatalf("%d segments", len(h.Segments))
	}
	lost := h.Segments[1]
	if err := w.place.Remove(t.Context(), lost.Name); err != nil {
		t.Fatal(err)
	}
	all, err := backup.Verify(t.Context(), backup.VerifyOptions{Place: w.place, Scratch: w.dir})
	if err != nil {
		t.Fatal(err)
	}
	var bad []backup.Verified
	for _, one := range all {
		if !one.Good {
			bad = append(bad, one)
		}
	}
	if len(bad) != 1 || !strings.HasSuffix(bad[0].Name, fmt.Sprintf("versions %d to %d", lost.From, lost.To)) {
		t.Errorf("of a segment that is missing verify says %+v", bad)
	}
	r, err := restored(t, w.place, "latest")
	if err != nil || r.Version != lost.From-1 || len(r.Notes) == 0 {
		t.Errorf("without a segment: %+v, %v", r, err)
	}
	if _, err := restored(t, w.place, "2100-01-01T00:00:00Z"); err == nil || !strings.Contains(err.Error(), "can't be told") {
		t.Error("a time behind what is missing:", err)
	}
	if err := w.place.Remove(t.Context(), h.Copies[0].Manifest.Data.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := restored(t, w.place, "latest"); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Error("without the copy's data:", err)
	}
}
