package store

import (
	"math"
	"slices"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// allPlain says whether a transaction can run in memory.
func allPlain(ops []resolvedOp) bool {
	for i := range ops {
		op := &ops[i]
		if op.table.plain == nil {
			return false
		}
		for at, place := range op.block.Columns {
			col := &op.table.Columns[place]
			adds := op.kind == wire.OpAdd && at >= op.table.Key && col.Type != "INTEGER" && col.Type != "REAL"
			asked := op.kind == wire.OpExpect && at >= op.table.Key // only compared
			if adds || !asked && !col.takes(op.block, at) {
				return false
			}
		}
	}
	return true
}

// loadPlain brings the rows of a transaction on plain tables into memory: those
// of all ops, one after the other, in loaded. It says whether the transaction can
// run there.
func (s *Store) loadPlain(ops []resolvedOp) (ok bool, err error) {
	ok = true
	s.loaded = s.loaded[:0]
	for i := range ops {
		var odd bool
		if s.loaded, odd, err = s.load(ops[i].table, ops[i].block, s.loaded); err != nil {
			return false, err
		}
		ok = ok && !odd
	}
	return ok, nil
}

// runPlain runs a transaction on plain tables in memory.
func (f *Frame) runPlain(d Device, seq uint64, ops []resolvedOp) (*wire.Refusal, error) {
	s := f.s
	f.inMemory = true
	defer func() { f.inMemory = false }()
	p := plainRun{f: f, by: int32(len(f.entry.Writers)), undo: &s.rows.undo, size: f.size, rows: s.loaded}
	p.undo.begin(f.entry)
	for i := range ops {
		refusal, err := f.checkPlain(i, &ops[i], p.rows)
		if err != nil {
			return nil, err
		}
		if refusal == nil {
			refusal = p.op(i, &ops[i])
		}
		if refusal != nil {
			p.undo.roll(f, p.by)
			return refusal, nil
		}
	}
	if refusal := tooLarge(p.size-f.size, f.size); refusal != nil {
		p.undo.roll(f, p.by)
		return refusal, nil
	}
	f.size = p.size
	f.entry.Writers = append(f.entry.Writers, Writer{Device: d, Seq: seq})
	return nil, nil
}

// A plainRun is one transaction as it runs in memory.
type plainRun struct {
	f    *Frame
	by   int32
	undo *undo
	size int
	rows []*memRow // of the ops that have not run

	table  *memTable
	change *Change
}

// op runs the transaction's op i on every row of its block.
func (p *plainRun) op(i int, op *resolvedOp) *wire.Refusal {
	p.table = p.f.s.rows.table(op.table)
	p.change = p.f.entry.change(op.table)
	for row := range op.block.N {
		var refusal *wire.Refusal
		p.table.changing(p.rows[row], func() { refusal = p.row(op, row, p.rows[row]) })
		if refusal != nil {
			refusal.Op, refusal.Row = i, row
			return refusal
		}
	}
	p.rows = p.rows[op.block.N:]
	return nil
}

func (p *plainRun) row(op *resolvedOp, row int, r *memRow) *wire.Refusal {
	switch op.kind {
	case wire.OpPut:
		if !r.there {
			return p.insert(op, row, r)
		}
		return p.set(op, row, r)
	case wire.OpInsert:
		if r.there {
			return op.refusal(row, sqlite.Exists, nil)
		}
		return p.insert(op, row, r)
	case wire.OpUpdate:
		if !r.there {
			return op.refusal(row, sqlite.Missing, nil)
		}
		return p.set(op, row, r)
	case wire.OpDelete:
		p.erase(r)
		return nil
	case wire.OpAdd:
		if !r.there {
			return op.refusal(row, sqlite.Missing, nil)
		}
		return p.add(op, row, r)
	case wire.OpTouch:
		if !r.there {
			return nil
		}
		return p.set(op, row, r)
	default:
		return p.expect(op, row, r)
	}
}

// touch makes sure that the frame's entry has the row, and that it can be undone.
func (p *plainRun) touch(r *memRow) *Row {
	p.undo.save(p.f, p.change, r)
	p.table.mark(r)
	row, first := p.f.entryRow(p.change, r, p.by)
	if first {
		row.Before, row.After = r.there, r.there
		if at := p.change.Table.Scope; at >= 0 && r.there {
			row.Scope = r.image[at]
		}
		p.size += sizeOf(r.image)
	}
	return row
}

func (p *plainRun) set(op *resolvedOp, row int, r *memRow) *wire.Refusal {
	var touched *Row
	for at := op.table.Key; at < len(op.block.Columns); at++ {
		place := op.block.Columns[at]
		v, _ := op.table.Columns[place].exact(op.block.Value(at, row))
		if v.IsNull() && op.table.Columns[place].NotNull {
			return op.table.notNull(place)
		}
		if v == r.image[place] {
			continue
		}
		if touched == nil {
			touched = p.touch(r)
		}
		touched.Mask |= MaskBit(place)
		p.size += v.Len()
		r.image[place] = v.Clone()
	}
	return nil
}

func (p *plainRun) insert(op *resolvedOp, row int, r *memRow) *wire.Refusal {
	image := make([]wire.Value, len(r.image))
	copy(image, op.table.plain.fresh)
	copy(image, r.image[:op.table.Key])
	for at := op.table.Key; at < len(op.block.Columns); at++ {
		place := op.block.Columns[at]
		v, _ := op.table.Columns[place].exact(op.block.Value(at, row))
		image[place] = v.Clone()
	}
	for place := range image {
		if image[place].IsNull() && op.table.Columns[place].NotNull {
			return op.table.notNull(place)
		}
	}
	entry := p.touch(r)
	r.image, r.there = image, true
	p.size += sizeOf(image)
	entry.Reborn = entry.Before
	entry.After, entry.Mask = true, allColumns
	return nil
}

func (t *Table) notNull(place int) *wire.Refusal {
	return wire.Refuse(wire.CodeConstraint, "table %q: NOT NULL constraint failed: %s.%s", t.Name, t.Name, t.Columns[place].Name)
}

func (p *plainRun) erase(r *memRow) {
	if !r.there {
		return
	}
	entry := p.touch(r)
	r.there = false
	entry.After, entry.Reborn, entry.Mask = false, false, 0
}

func (p *plainRun) add(op *resolvedOp, row int, r *memRow) *wire.Refusal {
	var touched *Row
	for at := op.table.Key; at < len(op.block.Columns); at++ {
		place := op.block.Columns[at]
		delta, _ := op.table.Columns[place].exact(op.block.Value(at, row))
		if delta.IsNull() {
			return op.refusal(row, sqlite.BadType, nil)
		}
		v, ok := sum(r.image[place], delta)
		if !ok {
			return op.refusal(row, sqlite.Overflow, nil)
		}
		if v == r.image[place] {
			continue
		}
		if touched == nil {
			touched = p.touch(r)
		}
		touched.Mask |= MaskBit(place)
		r.image[place] = v
	}
	return nil
}

// sum adds two numbers of one column, where NULL counts as 0; false: the result
// is out of range.
func sum(have, delta wire.Value) (wire.Value, bool) {
	if have.IsNull() {
		return delta, true
	}
	if have.Kind() == wire.Integer {
		a, b := have.Int64(), delta.Int64()
		c := a + b
		return wire.IntegerValue(c), (c > a) == (b > 0)
	}
	f := have.Float64() + delta.Float64()
	if f == 0 {
		f = 0 // without a sign
	}
	return wire.RealValue(f), !math.IsInf(f, 0)
}

func (p *plainRun) expect(op *resolvedOp, row int, r *memRow) *wire.Refusal {
	for at := op.table.Key; at < len(op.block.Columns); at++ {
		want, have := op.block.Value(at, row), r.image[op.block.Columns[at]]
		if !r.there || want != have && !wire.SameNumber(want, have) {
			return op.refusal(row, sqlite.Conflict, nil)
		}
	}
	return nil
}

// entryRow returns the row's change in the frame's entry, and whether this is
// the first.
func (f *Frame) entryRow(c *Change, r *memRow, by int32) (row *Row, first bool) {
	if r.frame == f.seq {
		if row = &c.Rows[r.at]; row.By != by {
			c.also(r.at, by)
		}
		return row, false
	}
	r.frame, r.at = f.seq, int32(len(c.Rows))
	c.Rows = append(c.Rows, Row{By: by})
	c.mem = append(c.mem, r)
	return &c.Rows[r.at], true
}

// foldPlain takes up what SQL did to a row of a plain table.
func (f *Frame) foldPlain(c *Change, ch *sqlite.Change, by int32) {
	r := f.s.rows.table(c.Table).takeCaptured(&f.s.rows, ch)
	row, first := f.entryRow(c, r, by)
	if first {
		row.Before = ch.Kind != sqlite.Inserted
		row.Scope = ch.Scope
	}
	switch ch.Kind {
	case sqlite.Inserted:
		row.Reborn = row.Before
		row.After, row.Mask = true, allColumns
	case sqlite.Updated:
		row.After = true
		row.Mask |= ch.Mask
	case sqlite.Deleted:
		row.After, row.Reborn, row.Mask = false, false, 0
	}
}

// settleTables ends the making of an entry: it leaves out the tables that were
// only looked at, and takes the images out of memory.
func (e *Entry) settleTables() {
	e.Tables = slices.DeleteFunc(e.Tables, func(c *Change) bool {
		if len(c.Rows) == 0 {
			delete(e.byTable, c.Table.ID)
		}
		return len(c.Rows) == 0
	})
	for _, c := range e.Tables {
		c.settleImages()
	}
}

// settleImages copies what memory has of the rows that a frame touched into its
// entry, which does not change after.
func (c *Change) settleImages() {
	if c.mem == nil {
		return
	}
	c.Images.Values = make([]wire.Value, len(c.mem)*c.Images.Stride)
	for i, r := range c.mem {
		if image := c.Images.Row(i); r.there {
			copy(image, r.image)
		} else {
			copy(image, r.image[:c.Table.Key])
		}
	}
	c.mem = nil
}

func sizeOf(image []wire.Value) int {
	n := 0
	for i := range image {
		n += image[i].Size()
	}
	return n
}

// undo is how memory was before the transaction that runs.
type undo struct {
	entry  *Entry
	tables int   // of entry.Tables
	lens   []int // of their Rows
	saved  []savedRow
	values []wire.Value
}

type savedRow struct {
	row    *memRow
	change *Change
	there  bool
	frame  uint64
	image  int // place in values
	entry  Row // where frame is the present one
}

func (u *undo) begin(e *Entry) {
	u.entry, u.tables = e, len(e.Tables)
	u.lens = u.lens[:0]
	for _, c := range e.Tables {
		u.lens = append(u.lens, len(c.Rows))
	}
	clear(u.saved)
	clear(u.values)
	u.saved, u.values = u.saved[:0], u.values[:0]
}

// save notes how a row is. A row that is touched again is saved again: going
// back from the end restores the first.
func (u *undo) save(f *Frame, c *Change, r *memRow) {
	s := savedRow{row: r, change: c, there: r.there, frame: r.frame, image: len(u.values)}
	if r.frame == f.seq {
		s.entry = c.Rows[r.at]
	}
	u.values = append(u.values, r.image...)
	u.saved = append(u.saved, s)
}

// roll brings memory and the entry back. SQL may have been given rows on the way,
// by a count.
func (u *undo) roll(f *Frame, by int32) {
	for i := len(u.saved) - 1; i >= 0; i-- {
		s, m := &u.saved[i], f.s.rows.table(u.saved[i].change.Table)
		m.changing(s.row, func() {
			copy(s.row.image, u.values[s.image:s.image+len(s.row.image)])
			s.row.there, s.row.frame = s.there, s.frame
		})
		m.mark(s.row)
		if s.frame == f.seq {
			s.change.Rows[s.row.at] = s.entry
			s.change.alone(s.row.at, by)
		}
	}
	for _, c := range u.entry.Tables[u.tables:] {
		delete(u.entry.byTable, c.Table.ID)
	}
	u.entry.Tables = u.entry.Tables[:u.tables]
	for i, c := range u.entry.Tables {
		c.Rows = c.Rows[:u.lens[i]]
		if c.mem != nil {
			c.mem = c.mem[:u.lens[i]]
		}
	}
}

// alone takes a writer off a row's list.
func (c *Change) alone(row, by int32) {
	if list := c.Also[row]; len(list) > 0 && list[len(list)-1] == by {
		c.Also[row] = list[:len(list)-1]
		if len(list) == 1 {
			delete(c.Also, row)
		}
	}
}
