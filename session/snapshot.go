package session

import (
	"slices"

	"framehub/session/wire"
)

// Snapshot sets a part of a snapshot aside.
func (r *Replica) Snapshot(s *wire.Snapshot) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = r.setAside(s)
	}
	return r.err
}

func (r *Replica) setAside(s *wire.Snapshot) error {
	aside, err := r.aside(s.ID)
	if err != nil || aside == nil {
		return err
	}
	switch {
	case len(aside.blocks) == 0:
		aside.version = s.Version
	case aside.version != s.Version:
		if err := r.breach("a snapshot is of version %d, then of %d", aside.version, s.Version); err != nil {
			return err
		}
	}
	for i := range s.Blocks {
		ok, err := r.wholeBlock(&s.Blocks[i])
		if err != nil {
			return err
		}
		if ok {
			aside.blocks = append(aside.blocks, s.Blocks[i])
			r.expect(aside, r.copy.number[s.Blocks[i].Table])
		}
	}
	return nil
}

// expect makes the subscriptions of a table part of a snapshot that holds rows
// of it: a hub that resumes a device snapshots those that it can't bring forward,
// and does not say which they are.
func (r *Replica) expect(a *setAside, t *Table) {
	if a != r.snapshots[0] || slices.ContainsFunc(t.subs, func(s *replicaSub) bool { return s.pending }) {
		return
	}
	for _, s := range t.subs {
		s.pending = true
		a.subs = append(a.subs, s)
	}
}

// aside returns the snapshot with an id. One that nobody asked for is of what a
// change of the schema touched, or else of everything, since the device fell behind.
func (r *Replica) aside(id uint64) (*setAside, error) {
	if a := r.snapshots[id]; a != nil {
		return a, nil
	}
	a := &setAside{}
	switch asked := r.asked[id]; {
	case asked != nil:
		for _, s := range asked.Add {
			sub := r.bind(s)
			sub.has, sub.pending = false, true
			a.subs = append(a.subs, sub)
		}
	case id != 0:
		return nil, r.breach("a snapshot came with id %d, which was not asked for", id)
	default:
		touched := slices.ContainsFunc(r.copy.subs, func(s *replicaSub) bool { return s.pending })
		for _, s := range r.copy.subs {
			if !touched || s.pending {
				s.pending = true
				a.subs = append(a.subs, s)
			}
		}
	}
	r.snapshots[id] = a
	return a, nil
}

// wholeBlock says whether a block is of a table that is known, with all columns.
func (r *Replica) wholeBlock(b *wire.Block) (bool, error) {
	t, err := r.tableOf(b)
	if t == nil {
		return false, err
	}
	if len(b.Columns) != len(t.Columns) {
		return false, r.breach("a snapshot of table %q holds %d columns of %d", t.Name, len(b.Columns), len(t.Columns))
	}
	return true, nil
}

// tableOf returns the table of a block, nil where there is none or the columns
// are not the table's, key columns first.
func (r *Replica) tableOf(b *wire.Block) (*Table, error) {
	t := r.copy.number[b.Table]
	if t == nil {
		return nil, r.breach("a block is of table %d, which the schema does not have", b.Table)
	}
	if len(b.Columns) < t.KeyLength {
		return nil, r.breach("a block of table %q lacks its key", t.Name)
	}
	for i, c := range b.Columns {
		if i < t.KeyLength && c != i || c >= len(t.Columns) {
			return nil, r.breach("a block of table %q has the columns %v, of %d", t.Name, b.Columns, len(t.Columns))
		}
	}
	return t, nil
}

// SnapshotEnd puts a snapshot in place, and the change of subscriptions in force
// that asked for it.
func (r *Replica) SnapshotEnd(e *wire.SnapshotEnd) error {
	r.mu.Lock()
	if r.err == nil {
		r.err = r.endSnapshot(e)
	}
	err := r.err
	r.mu.Unlock()
	if err == nil {
		r.report(e.Version, true, nil)
	}
	return err
}

func (r *Replica) endSnapshot(e *wire.SnapshotEnd) error {
	a, err := r.aside(e.ID)
	if err != nil || a == nil {
		return err
	}
	asked := r.asked[e.ID]
	delete(r.snapshots, e.ID)
	delete(r.asked, e.ID)
	if e.Refused != nil {
		return r.refused(a, asked)
	}
	if len(a.blocks) > 0 && a.version != e.Version {
		if err := r.breach("a snapshot is of version %d and ends at %d", a.version, e.Version); err != nil {
			return err
		}
	}
	if asked != nil {
		if err := r.enlist(a, asked); err != nil {
			return err
		}
	}
	r.told = max(r.told, e.Version)
	r.copy.Version = r.told
	return r.putInPlace(a, e.Version)
}

// refused leaves things as they were; a hello that is refused leaves nothing.
func (r *Replica) refused(a *setAside, asked *wire.Subscribe) error {
	if asked != nil {
		return nil
	}
	r.copy.subs = nil
	r.bindTables()
	return r.putInPlace(&setAside{}, a.version)
}

// enlist makes the list of subscriptions what a change asked for.
func (r *Replica) enlist(a *setAside, asked *wire.Subscribe) error {
	for _, s := range asked.Remove {
		at := slices.IndexFunc(r.copy.subs, r.bind(s).same)
		if at < 0 {
			if err := r.breach("a subscription of table %q was removed that is not there", s.Name); err != nil {
				return err
			}
			continue
		}
		r.copy.subs = slices.Delete(r.copy.subs, at, at+1)
	}
	r.copy.subs = append(r.copy.subs, a.subs...)
	r.bindTables()
	return nil
}

// putInPlace puts the rows of a snapshot in place of what the copy has of its
// subscriptions, and takes away what no subscription covers. Where another
// subscription is further than the snapshot, the rows that both cover stay as
// they are, and as gone as they are.
func (r *Replica) putInPlace(a *setAside, version uint64) error {
	r.stamp++
	for i := range a.blocks {
		if t := r.copy.number[a.blocks[i].Table]; t != nil { // else the schema has changed since
			if err := r.putBlock(t, &a.blocks[i], version); err != nil {
				return err
			}
		}
	}
	for _, t := range r.copy.Tables {
		r.sweep(t, a, version)
	}
	for _, s := range a.subs {
		s.has, s.pending, s.version = true, false, version
	}
	return nil
}

func (r *Replica) putBlock(t *Table, b *wire.Block, version uint64) error {
	if len(b.Columns) != len(t.Columns) {
		return nil // of before a change of the schema
	}
	scope := slices.Index(b.Columns, t.Scope)
	for row := range b.N {
		var value wire.Value
		if scope >= 0 {
			value = b.Value(scope, row)
		}
		if !t.pending(value) {
			if err := r.breach("a snapshot of table %q holds a row of scope %s, which was not asked for", t.Name, value); err != nil {
				return err
			}
			continue
		}
		if err := r.putRow(t, b, row, value, version); err != nil {
			return err
		}
	}
	return nil
}

func (r *Replica) putRow(t *Table, b *wire.Block, row int, scope wire.Value, version uint64) error {
	at, ok := t.find(b, row)
	if ok {
		scope = t.scopeOf(t.at(at))
	}
	if newest, live := t.cover(scope); live && newest > version {
		return nil
	}
	if !ok {
		at = t.add()
	} else if t.stamps[at] == r.stamp {
		if err := r.breach("a snapshot of table %q holds the key %v twice", t.Name, t.row(at).Key()); err != nil {
			return err
		}
	}
	t.set(at, b, row)
	t.stamps[at] = r.stamp
	return nil
}

// sweep takes away the rows that a snapshot should have held and did not, and
// those that no subscription covers any more.
func (r *Replica) sweep(t *Table, a *setAside, version uint64) {
	wanted := slices.DeleteFunc(slices.Clone(a.subs), func(s *replicaSub) bool { return s.table != t })
	for at := int32(t.Len()) - 1; at >= 0; at-- {
		if t.stamps[at] == r.stamp {
			continue
		}
		scope := t.scopeOf(t.at(at))
		newest, live := t.cover(scope)
		held := slices.ContainsFunc(wanted, func(s *replicaSub) bool { return s.wants(scope) })
		if held && !(live && newest > version) || !live && !t.pending(scope) {
			t.lose(at)
		}
	}
	for at, stamp := range t.stamps {
		if stamp == r.stamp {
			t.changes.changed = append(t.changes.changed, int32(at))
		}
	}
}
