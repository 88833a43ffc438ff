package hub

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"framehub/session/wire"
)

// Whatever is merged, authors are every transaction that wrote a row that is told,
// where it was to be seen, in the order of commits.
func TestAuthorsOfWhatIsMerged(t *testing.T) {
	rng := seeded(t)
	h := newHistory(t, rng, 200)
	f := form{max: 60 << 10, authors: true}
	for range 1000 {
		from := rng.Uint64N(uint64(len(h.states) - 1))
		to := from + 1 + rng.Uint64N(min(8, uint64(len(h.states))-from-1))
		wants := interests(h.randomSubs(rng, from))
		m := newMerger(wants, true)
		for v := from + 1; v <= to; v++ {
			m.add(h.entry(t, v))
		}
		msgs := f.frame(f.bodies(m.deltas(), m.writers, nil), to, from, time.Now())
		frame, err := wire.DecodeFrame(msgs[0], wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		want := h.authors(t, wants[h.table.ID], from, to, &frame)
		if got := authorsIn(&frame); !slices.Equal(got, want) {
			t.Fatalf("from %d to %d the authors are\n%v\nwant\n%v", from, to, got, want)
		}
		if to > from+1 {
			continue
		}
		e := h.entry(t, to)
		msgs = f.frame(f.bodies(deltasOf(e, wants, true), e.Writers, nil), to, from, time.Now())
		if frame, err = wire.DecodeFrame(msgs[0], wire.Limits{}); err != nil {
			t.Fatal(err)
		}
		if got := authorsIn(&frame); !slices.Equal(got, want) {
			t.Fatalf("of version %d the authors are\n%v\nwant\n%v", to, got, want)
		}
	}
}

// authorsIn returns each transaction with the keys that it wrote, as text.
func authorsIn(f *wire.Frame) (all []string) {
	for _, a := range f.Authors {
		var keys []int64
		for i := range a.Keys.Rows() {
			keys = append(keys, a.Keys.Row(i)[0].Int64())
		}
		slices.Sort(keys)
		all = append(all, fmt.Sprint(a.Seq, keys))
	}
	return all
}

// authors works out the same from the entries.
func (h *history) authors(t *testing.T, n *interest, from, to uint64, f *wire.Frame) (all []string) {
	t.Helper()
	told := map[int64]bool{}
	for _, b := range slices.Concat(f.Changed, f.Removed) {
		for row := range b.N {
			told[b.Value(0, row).Int64()] = true
		}
	}
	for v := from + 1; v <= to; v++ {
		e := h.entry(t, v)
		c := e.Change(h.table.ID)
		if c == nil {
			continue
		}
		for w := range e.Writers {
			var keys []int64
			for i := range c.Rows {
				r, image := &c.Rows[i], c.Images.Row(i)
				seen := r.Before && (n.all || n.wants(r.Scope)) || r.After && (n.all || n.wants(image[h.table.Scope]))
				wrote := r.By == int32(w) || slices.Contains(c.Also[int32(i)], int32(w))
				if k := image[0].Int64(); seen && wrote && told[k] {
					keys = append(keys, k)
				}
			}
			if slices.Sort(keys); len(keys) > 0 {
				all = append(all, fmt.Sprint(e.Writers[w].Seq, keys))
			}
		}
	}
	return all
}
