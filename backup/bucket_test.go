package backup_test

import (
	"fmt"
	"testing"
	"time"

	"framehub/backup"
	"framehub/backup/place/placetest"
)

// TestBucket: all of it with a bucket.
func TestBucket(t *testing.T) {
	url, _ := placetest.Bucket(t)
	w := newWorld(t, 11)
	w.place = folderAt(t, url)
	w.frame()
	b, stop := w.backup(backup.Options{ShipEvery: fast})
	for range 2 {
		if o := w.copyNow(b); !o.Good {
			t.Fatalf("%+v", o)
		}
		for range 10 {
			w.frame()
		}
	}
	v := w.note()
	until(t, "the last version", func() bool { return b.State().Shipped == v })
	stop()
	r, err := restored(t, w.place, "latest")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the last version", w.truth[v], r.Contents)
	if !good(t, w) {
		t.Error("something is wrong")
	}
	if gone, err := backup.Prune(t.Context(), w.place, w.ID(), backup.Keep{Last: 1}, time.Now(), false); err != nil || len(gone) < 2 {
		t.Errorf("%v, %v", gone, err)
	}
	if _, err := restored(t, w.place, fmt.Sprint(v)); err != nil {
		t.Error(err)
	}
}
