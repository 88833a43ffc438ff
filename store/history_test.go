package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// describe writes down what became of a row, newest first.
func describeEvents(p *store.Past) string {
	var out []string
	for i := range p.Events {
		e := &p.Events[i]
		var by []string
		for _, a := range e.By {
			by = append(by, fmt.Sprintf("%x%s", a.Device[:1], a.User))
		}
		out = append(out, fmt.Sprintf("%d %v→%v %v by %s", e.Version, e.Row.Before, e.Row.After, e.Changed([]string{"id", "name", "n", "x", "raw"}), strings.Join(by, ",")))
	}
	return strings.Join(out, "\n")
}

func TestPast(t *testing.T) {
	d := openDB(t, browseSchema)
	ann, bob := store.Device{0xaa}, store.Device{0xbb}
	first := d.Version()
	d.frame(d.plain(ann, insert("thing", "id name", row(1, "a"))))
	d.frame(d.plain(bob, insert("thing", "id", row(2))))
	d.frame(d.plain(ann, update("thing", "id n", row(1, 5))), d.plain(bob, update("thing", "id x", row(1, 2.5))))
	d.frame(d.plain(bob, remove("thing", "id", row(1))))
	key := []wire.Value{wire.IntegerValue(1)}
	want := strings.ReplaceAll(`+4 true→false [] by bb
+3 true→true [n x] by aa,bb
+1 false→true [id name n x raw] by aa`, "+", "")
	for v := 4; v >= 1; v-- {
		want = strings.ReplaceAll(want, fmt.Sprintf("%d ", v), fmt.Sprintf("%d ", first+uint64(v)))
	}
	for _, reopened := range []bool{false, true} { // from memory, and from the log
		p, err := d.Past(t.Context(), "thing", key, store.PastOptions{Events: 10, Time: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if got := describeEvents(p); got != want || !p.Over || len(p.Events[0].Image) != 1 || p.Events[1].Image[2].Int64() != 5 {
			t.Errorf("reopened %v:\n%s\nnot\n%s", reopened, got, want)
		}
		p, err = d.Past(t.Context(), "thing", key, store.PastOptions{Events: 1, Time: time.Minute})
		if err != nil || p.Over || p.Looked != first+4 || len(p.Events) != 1 {
			t.Fatalf("one event: %+v %v", p, err)
		}
		p, err = d.Past(t.Context(), "thing", key, store.PastOptions{Before: p.Looked, Events: 10, Time: time.Minute})
		if err != nil || len(p.Events) != 2 || p.Events[0].Version != first+3 {
			t.Errorf("before it: %+v %v", p, err)
		}
		if p, err = d.Past(t.Context(), "thing", key, store.PastOptions{Events: 1}); err != nil || p.Over || len(p.Events) != 0 {
			t.Errorf("without time: %+v %v", p, err)
		}
		d.reopen()
	}
	if _, err := d.Past(t.Context(), "_framehub_meta", key, store.PastOptions{}); err == nil {
		t.Error("the hub's own table has a past to look at")
	}
}

func TestLatest(t *testing.T) {
	d := openDB(t, browseSchema)
	table := d.table("thing")
	keys := make([]store.Key, 3)
	for i := range keys {
		keys[i] = table.KeyOf([]wire.Value{wire.IntegerValue(int64(i))})
	}
	d.do(insert("thing", "id n", row(0, 0), row(1, 0)))
	since := d.Version()
	d.do(update("thing", "id n", row(0, 1)))
	d.do(update("thing", "id n", row(0, 2)), remove("thing", "id", row(1)), insert("thing", "id", row(7)))
	l := d.Latest(table.ID, keys, since)
	if l.Version != since+2 || l.Came != 1 || l.Went != 1 || l.Changed != 2 || l.Gone {
		t.Errorf("%+v", l)
	}
	if l.Rows[0].Image[2].Int64() != 2 || l.Rows[1].Row.After || l.Rows[2] != nil {
		t.Errorf("%+v", l.Rows)
	}
	if l = d.Latest(table.ID, keys, l.Version); l.Came+l.Went+l.Changed > 0 || l.Gone {
		t.Errorf("nothing has happened: %+v", l)
	}
	d.reopen()
	for range 1100 {
		d.do(update("thing", "id n", row(0, 3)))
	}
	if l = d.Latest(table.ID, keys, since); !l.Gone {
		t.Error("what is no longer in memory seems to be known")
	}
}
