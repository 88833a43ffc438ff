package store

import (
	"framehub/session/wire"
)

// conflict refuses a transaction that was decided on a version since which
// somebody else changed a row that it touches or expects.
func (f *Frame) conflict(d Device, w *wire.Write, ops []resolvedOp) *wire.Refusal {
	for i := range ops {
		if refusal := ops[i].checkKeys(); refusal != nil {
			refusal.Op = i
			return refusal
		}
	}
	if !w.BaseSet {
		return nil
	}
	s := f.s
	switch {
	case w.Base > s.version.Load():
		return wire.Refuse(wire.CodeStale, "base is version %d, the hub is at %d", w.Base, s.version.Load())
	case !s.recent.covers(w.Base + 1):
		return wire.Refuse(wire.CodeStale, "base is version %d, the hub remembers changes since %d only", w.Base, s.recent.oldest())
	}
	var key []wire.Value
	for i := range ops {
		op := &ops[i]
		for row := range op.block.N {
			key, _ = op.table.storedKey(op.block, row, key[:0])
			k := op.table.key(key)
			if f.changedByOther(op.table, k, d) || s.recent.changedByOther(op.table, k, d, w.Base) {
				refusal := wire.Refuse(wire.CodeConflict, "table %q: the row with the key %s was changed after version %d", op.table.Name, op.keyText(row), w.Base)
				refusal.Op, refusal.Row = i, row
				return refusal
			}
		}
	}
	return nil
}

// checkKeys refuses keys that can't be the key's type: SQL would find nothing
// under them, or put something else there.
func (op *resolvedOp) checkKeys() *wire.Refusal {
	if op.table.plainKey(op.block) {
		return nil
	}
	var key []wire.Value
	for row := range op.block.N {
		var refusal *wire.Refusal
		if key, refusal = op.table.storedKey(op.block, row, key[:0]); refusal != nil {
			return refusal
		}
		if refusal := op.table.keyFits(key, row); refusal != nil {
			return refusal
		}
	}
	return nil
}

// MaxKey is the most bytes that the texts and blobs of a key may have together.
// A key can't be left out of a message about its row, and the smallest that a
// device may ask for has 1 KiB.
const MaxKey = 512

func (t *Table) keyFits(key []wire.Value, row int) *wire.Refusal {
	n := 0
	for _, v := range key {
		n += v.Len()
	}
	if n <= MaxKey {
		return nil
	}
	refusal := wire.Refuse(wire.CodeTooLarge, "a key of table %q has %d bytes, the most is %d", t.Name, n, MaxKey)
	refusal.Row = row
	return refusal
}

// plainKey says whether the block's form alone shows that its keys are integers
// for an integer key.
func (t *Table) plainKey(b *wire.Block) bool {
	return t.intKey && b.Cols[0].Form != wire.Cells && b.Cols[0].Form != wire.Float32 && b.Cols[0].Form != wire.Float64
}

// changedByOther says whether the entry changed the row by another device.
func (e *Entry) changedByOther(t *Table, k rowKey, d Device) bool {
	c := e.Change(t.ID)
	if c == nil {
		return false
	}
	i, row := c.find(k)
	return row != nil && e.writtenByOther(c, i, row, d)
}

// changedByOther says whether the frame under way has changed the row by another
// device.
func (f *Frame) changedByOther(t *Table, k rowKey, d Device) bool {
	if t.plain == nil {
		return f.entry.changedByOther(t, k, d)
	}
	r := f.s.rows.table(t).find(&f.s.rows, k)
	if r == nil || r.frame != f.seq {
		return false
	}
	c := f.entry.Change(t.ID)
	return f.entry.writtenByOther(c, r.at, &c.Rows[r.at], d)
}

func (e *Entry) writtenByOther(c *Change, i int32, row *Row, d Device) bool {
	if e.Writers[row.By].Device != d {
		return true
	}
	for _, w := range c.Also[i] {
		if e.Writers[w].Device != d {
			return true
		}
	}
	return false
}
