package session

import (
	"slices"
	"time"

	"framehub/session/wire"
)

// A Copy is what a device has of the hub's tables. It may be read in the function
// that [Replica.View] or [Device.View] is given, and in callbacks, and not after.
type Copy struct {
	// Epoch is the history that the copy is of, nil before the first hello.
	Epoch []byte

	// Version is the newest version that the hub has told; each subscription has
	// one of its own, to which it is complete.
	Version uint64

	Time   time.Time    // of the last frame, by the hub's clock
	Schema *wire.Schema // nil before the first hello; not to be written to
	Tables []*Table     // in the order of the schema; not to be written to

	subs   []*replicaSub
	number map[int]*Table
}

// Table returns a table by name, nil where the device may read none of that name.
func (c *Copy) Table(name string) *Table {
	i := slices.IndexFunc(c.Tables, func(t *Table) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return c.Tables[i]
}

// Subs returns the subscriptions in the hub's order. Since is the version to
// which the copy has each; without SinceSet its snapshot is still to come.
func (c *Copy) Subs() []wire.Sub {
	subs := make([]wire.Sub, len(c.subs))
	for i, s := range c.subs {
		subs[i] = s.Sub
		subs[i].Since, subs[i].SinceSet = s.version, s.has
		if !s.has {
			subs[i].Since = 0
		}
	}
	return subs
}

// A replicaSub is a subscription and how far the copy has it.
type replicaSub struct {
	wire.Sub
	table   *Table // nil where there is none of that name
	scopes  map[wire.Value]struct{}
	has     bool   // the copy has it, complete to version
	version uint64 // with has
	pending bool   // a snapshot of it is under way: no frame holds rows of it
}

func newReplicaSub(s wire.Sub) *replicaSub {
	r := &replicaSub{Sub: s, scopes: map[wire.Value]struct{}{}, has: s.SinceSet, version: s.Since}
	for _, v := range s.Scopes {
		r.scopes[canonical(v)] = struct{}{}
	}
	return r
}

// live says whether frames hold what changes in it.
func (s *replicaSub) live() bool { return s.has && !s.pending }

// wants says whether a row of its table belongs to it.
func (s *replicaSub) wants(scope wire.Value) bool {
	if !s.Scoped {
		return true
	}
	_, ok := s.scopes[canonical(scope)]
	return ok
}

// same says whether two subscriptions are of the same rows.
func (s *replicaSub) same(o *replicaSub) bool {
	if s.Name != o.Name || s.Table != o.Table || s.Scoped != o.Scoped || len(s.scopes) != len(o.scopes) {
		return false
	}
	for v := range s.scopes {
		if _, ok := o.scopes[v]; !ok {
			return false
		}
	}
	return true
}

// cover says how the live subscriptions have a row with that scope.
func (t *Table) cover(scope wire.Value) (newest uint64, live bool) {
	for _, s := range t.subs {
		if s.live() && s.wants(scope) {
			newest, live = max(newest, s.version), true
		}
	}
	return newest, live
}

// pending says whether a snapshot under way holds rows with that scope.
func (t *Table) pending(scope wire.Value) bool {
	return slices.ContainsFunc(t.subs, func(s *replicaSub) bool { return s.pending && s.wants(scope) })
}

// Rows tells what a message changed in one table.
type Rows struct {
	Table    *Table
	Version  uint64
	Snapshot bool           // a snapshot was put in place: Changed is all that it held
	Changed  []Row          // as they are now
	Removed  [][]wire.Value // the keys of rows that are gone

	// Authors tells the role server whose transactions wrote the rows, in the order
	// of their commits: of those that name a key, the last wrote last.
	Authors []wire.Author

	last map[string]int // by key, the place of the last author; made when it is asked for
}

// Author returns the device and the number of the transaction that wrote the row
// with a key last, false where the hub did not tell.
func (r *Rows) Author(key ...wire.Value) (device []byte, seq uint64, ok bool) {
	if r.last == nil {
		r.last = map[string]int{}
		for i := range r.Authors {
			for k := range r.Authors[i].Keys.Rows() {
				r.last[string(appendKey(nil, r.Authors[i].Keys.Row(k)))] = i
			}
		}
	}
	i, ok := r.last[string(appendKey(nil, key))]
	if !ok {
		return nil, 0, false
	}
	return r.Authors[i].Device, r.Authors[i].Seq, true
}

// changes collects what becomes a Rows.
type changes struct {
	changed []int32
	removed [][]wire.Value
}

// lose notes that a row goes, and takes it away.
func (t *Table) lose(at int32) {
	t.changes.removed = append(t.changes.removed, slices.Clone(t.at(at)[:t.KeyLength]))
	t.remove(at)
}

// takeRows returns the changes so far, without those keys as removed that are
// there again.
func (t *Table) takeRows() Rows {
	rows := Rows{Table: t}
	for _, key := range t.changes.removed {
		if _, again := t.Get(key...); !again {
			rows.Removed = append(rows.Removed, key)
		}
	}
	for _, at := range t.changes.changed {
		rows.Changed = append(rows.Changed, t.row(at))
	}
	t.changes = changes{changed: t.changes.changed[:0]}
	return rows
}
