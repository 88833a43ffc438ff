package hub

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// These tests look inside the package: what is merged is judged against states,
// not against messages.

const deltaSchema = `CREATE TABLE thing(id INTEGER PRIMARY KEY, zone INTEGER, a INTEGER, b TEXT) STRICT;`

// state is a table's rows by key, as a device or SQL has them.
type state map[int64][]wire.Value

func (s state) scoped(n *interest) state {
	out := state{}
	for k, row := range s {
		if n.all || n.wants(row[1]) {
			out[k] = row
		}
	}
	return out
}

// apply does to a device's rows what a frame's deltas say. It fails on a part of
// a row that the device does not have.
func (s state) apply(t *testing.T, deltas []delta) {
	t.Helper()
	for _, d := range deltas {
		for _, r := range d.removed {
			delete(s, d.rows.Row(int(r))[0].Int64())
		}
		for _, p := range d.changed {
			for _, r := range p.rows {
				image := d.rows.Row(int(r))
				k := image[0].Int64()
				row := make([]wire.Value, d.rows.Stride)
				if len(p.columns) < d.rows.Stride {
					if s[k] == nil {
						t.Fatalf("columns %v of row %d, which the device does not have", p.columns, k)
					}
					copy(row, s[k])
				}
				for _, c := range p.columns {
					row[c] = image[c]
				}
				s[k] = row
			}
		}
	}
}

// history is a store with the state of its table at every version.
type history struct {
	store  *store.Store
	table  *store.Table
	states []state // by version
}

func newHistory(t *testing.T, rng *rand.Rand, frames int) *history {
	t.Helper()
	s, err := store.Open(store.Options{
		Path: filepath.Join(t.TempDir(), "delta.db"), Schema: deltaSchema,
		Scopes: map[string]string{"thing": "zone"}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &history{store: s, table: s.Schema().Table("thing"), states: []state{{}}}
	for s.Version()+1 > uint64(len(h.states)) {
		h.states = append(h.states, state{})
	}
	for range frames {
		h.frame(t, rng)
	}
	return h
}

func (h *history) frame(t *testing.T, rng *rand.Rand) {
	t.Helper()
	f, err := h.store.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for i := range rng.IntN(6) + 1 {
		if _, err := f.Apply(store.Device{1}, h.randomWrite(t, rng, uint64(i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	e, err := f.Commit(time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if e == nil {
		return
	}
	if _, err := h.store.Merge(time.Now(), true); err != nil {
		t.Fatal(err)
	}
	now := state{}
	err = h.store.View(t.Context(), func(v *store.View) error {
		return v.Scan(h.table, false, nil, func(g wire.Grid) error {
			for i := range g.Rows() {
				now[g.Row(i)[0].Int64()] = slices.Clone(g.Row(i))
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	h.states = append(h.states, now)
}

func (h *history) randomWrite(t *testing.T, rng *rand.Rand, seq uint64) *wire.Write {
	t.Helper()
	kind := []wire.OpKind{wire.OpPut, wire.OpPut, wire.OpTouch, wire.OpDelete}[rng.IntN(4)]
	columns := []int{0}
	row := []wire.Value{wire.IntegerValue(rng.Int64N(8))}
	for c := 1; c < 4 && kind != wire.OpDelete; c++ {
		if rng.IntN(2) == 0 {
			continue
		}
		columns = append(columns, c)
		if c == 3 {
			row = append(row, wire.TextValue(fmt.Sprint(rng.IntN(3))))
		} else {
			row = append(row, wire.IntegerValue(rng.Int64N(3)))
		}
	}
	b, err := wire.DecodeBlock(wire.AppendBlock(nil, h.table.ID, columns, nil, wire.Grid{Stride: len(row), Values: row}, nil), 1)
	if err != nil {
		t.Fatal(err)
	}
	return &wire.Write{Seq: seq, SchemaVersion: h.store.Schema().Version, Ops: []wire.Op{{Kind: kind, Block: b}}}
}

func (h *history) randomSubs(rng *rand.Rand, at uint64) []*sub {
	if rng.IntN(3) == 0 {
		return []*sub{{table: h.table, at: at, active: true}}
	}
	s := &sub{table: h.table, scoped: true, at: at, active: true}
	for range rng.IntN(3) {
		s.scopes = append(s.scopes, wire.IntegerValue(rng.Int64N(3)))
	}
	if rng.IntN(4) == 0 {
		s.scopes = append(s.scopes, wire.Value{})
	}
	return []*sub{s}
}

func (h *history) entry(t *testing.T, version uint64) *store.Entry {
	t.Helper()
	e, err := h.store.Entry(version)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func sameState(t *testing.T, what string, got, want state) {
	t.Helper()
	if !maps.EqualFunc(got, want, func(a, b []wire.Value) bool { return slices.Equal(a, b) }) {
		t.Fatalf("%s: the device has\n%v\nSQL has\n%v", what, got, want)
	}
}

// One frame brings a device from one version to the next.
func TestDeltasOfAnEntry(t *testing.T) {
	rng := seeded(t)
	h := newHistory(t, rng, 200)
	for range 2000 {
		v := rng.Uint64N(uint64(len(h.states)-1)) + 1
		wants := interests(h.randomSubs(rng, v-1))
		n := wants[h.table.ID]
		device := h.states[v-1].scoped(n)
		device.apply(t, deltasOf(h.entry(t, v), wants, false))
		sameState(t, fmt.Sprintf("version %d", v), device, h.states[v].scoped(n))
	}
}

// Many frames, merged, do the same as each of them.
func TestMerger(t *testing.T) {
	rng := seeded(t)
	h := newHistory(t, rng, 200)
	for range 2000 {
		from := rng.Uint64N(uint64(len(h.states)))
		to := from + rng.Uint64N(uint64(len(h.states))-from)
		wants := interests(h.randomSubs(rng, from))
		n := wants[h.table.ID]
		m := newMerger(wants, false)
		for v := from + 1; v <= to; v++ {
			m.add(h.entry(t, v))
		}
		device := h.states[from].scoped(n)
		device.apply(t, m.deltas())
		sameState(t, fmt.Sprintf("from %d to %d", from, to), device, h.states[to].scoped(n))
	}
}

// Two subscriptions of one table that are complete to different versions, as
// when one has just been snapshotted, come together.
func TestMergerMixed(t *testing.T) {
	rng := seeded(t)
	h := newHistory(t, rng, 200)
	for range 2000 {
		older := rng.Uint64N(uint64(len(h.states)))
		newer := older + rng.Uint64N(uint64(len(h.states))-older)
		to := newer + rng.Uint64N(uint64(len(h.states))-newer)
		a, b := h.randomSubs(rng, older)[0], h.randomSubs(rng, newer)[0]
		device := state{}
		maps.Copy(device, h.states[older].scoped(interests([]*sub{a})[h.table.ID]))
		maps.Copy(device, h.states[newer].scoped(interests([]*sub{b})[h.table.ID]))
		wants := interests([]*sub{a, b})
		m := newMerger(wants, false)
		for v := older + 1; v <= to; v++ {
			m.add(h.entry(t, v))
		}
		if older == to {
			continue
		}
		device.apply(t, m.deltas())
		sameState(t, fmt.Sprintf("from %d and %d to %d", older, newer, to), device, h.states[to].scoped(wants[h.table.ID]))
	}
}

// Whatever a session's largest message is, no message is larger, and together
// they hold every row.
func TestBodiesFit(t *testing.T) {
	rng := seeded(t)
	h := newHistory(t, rng, 1)
	for _, most := range []int{leastMaxMessage, 4 << 10, 60 << 10} {
		for _, rows := range []int{0, 1, 7, 1000, 20000} {
			g := wire.Grid{Stride: 4}
			for i := range rows {
				text := make([]byte, rng.IntN(40))
				if rng.IntN(50) == 0 {
					text = make([]byte, rng.IntN(2*most))
				}
				g.Values = append(g.Values, wire.IntegerValue(int64(i)), wire.IntegerValue(rng.Int64()), wire.Value{}, wire.TextValue(string(text)))
			}
			d := delta{table: h.table, rows: g, changed: []picked{{columns: []int{0, 1, 2, 3}, rows: validRows(h.table, g)}}, removed: validRows(h.table, g)}
			for i := range rows {
				d.credits = append(d.credits, credit{writer: int32(rng.IntN(3)), row: int32(i)})
			}
			writers := []store.Writer{{Seq: wire.MaxVersion}, {Seq: 1}, {Seq: 2}}
			f := form{max: most}
			checkFit(t, f.frame(f.bodies([]delta{d}, writers, nil), 9, 8, time.Now()), most, rows)
		}
	}
}

func checkFit(t *testing.T, msgs [][]byte, most, rows int) {
	t.Helper()
	changed, removed, authored := 0, 0, 0
	for i, m := range msgs {
		if len(m) > most {
			t.Fatalf("a message of %d bytes, the most is %d", len(m), most)
		}
		f, err := wire.DecodeFrame(m, wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if f.More != (i < len(msgs)-1) {
			t.Fatalf("message %d of %d: more is %v", i+1, len(msgs), f.More)
		}
		for _, b := range f.Changed {
			changed += b.N
		}
		for _, b := range f.Removed {
			removed += b.N
		}
		for _, a := range f.Authors {
			authored += a.Keys.Rows()
		}
	}
	if changed != rows || removed != rows || authored != rows {
		t.Fatalf("%d rows changed, %d removed, %d with an author, want %d of each", changed, removed, authored, rows)
	}
}
