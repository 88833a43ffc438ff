package store

import (
	"slices"
	"sync"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// An Entry is what one frame committed: an entry of the frame log, in memory.
// It is not changed once the frame is committed.
type Entry struct {
	Version uint64
	Time    time.Time
	Schema  *Schema   // it was committed under
	Reshape bool      // it is a change of the schema, to Schema
	Tables  []*Change // in the order they were first touched
	Writers []Writer
	Refused []Outcome
	Owners  []Owner // of devices that were nobody's

	// Tables that only the hub should write and that another program has written since
	// the version before: what it changed in them is in no entry.
	Foreign []*Table

	size      int  // bytes in the log
	isLight   bool // it has no values any more (recent.go)
	byTable   map[int]*Change
	taken     int64        // being made: the last note of other programs' that it takes up; 0: none
	sequences []wire.Value // sqlite_sequence after, (name, seq) a row; nil: as it was
	hints     map[int]int  // being made: rows that each table had in the last entry
}

// A Writer is a transaction that was accepted, in the order of arrival.
type Writer struct {
	Device Device // the nil device: the hub itself
	Seq    uint64 // 0: it settles no number, for it is the hub's, or a last will
}

// An Outcome is a transaction that was refused.
type Outcome struct { //nolint:errname // it is what became of a transaction, and no error
	Device Device
	wire.Rejected
}

// An Owner is a user that a device belongs to from a version on.
type Owner struct {
	Device Device
	User   string
}

// A Device is the UUID that a device keeps.
type Device [16]byte

// A Change is what a frame changed in one table, a row once, however often it
// was touched.
type Change struct {
	Table  *Table
	Rows   []Row
	Images wire.Grid // a row each: every column of what is there after; of a deleted row the key only
	Also   map[int32][]int32
	Odd    bool // some values, which another program has left, may be none of the protocol's: see [wire.Value.Valid]

	indexed sync.Once
	index   keyMap[int32] // made when it is first asked for
	mem     []*memRow     // of a plain table, until the frame is committed: whose rows these are
	hint    int           // how many rows there may be
	have    []int         // read from the log: the places that the images have values for; -1: a column that is gone
}

// A Row is one row's change, relative to what was there before the frame.
type Row struct {
	Before bool       // there was a row
	After  bool       // there is one
	Reborn bool       // it was deleted in between: what is there after is another row
	Mask   uint64     // which columns were changed on the way, bit 63: any from 63 on, and virtual generated ones; all ones for a row that is new
	Scope  wire.Value // the scope column's value before
	By     int32      // the writer that touched it first, an index of Entry.Writers; Change.Also has others
}

// allColumns is the mask of a row that is new.
const allColumns = ^uint64(0)

// MaskBit returns the bit that stands for the column at a place.
func MaskBit(place int) uint64 { return 1 << min(place, 63) }

// Change returns what the entry changed in a table, or nil.
func (e *Entry) Change(table int) *Change { return e.byTable[table] }

// RowCount returns the number of rows changed.
func (e *Entry) RowCount() int {
	n := 0
	for _, c := range e.Tables {
		n += len(c.Rows)
	}
	return n
}

func (e *Entry) change(t *Table) *Change {
	if c := e.byTable[t.ID]; c != nil {
		return c
	}
	c := &Change{Table: t, Images: wire.Grid{Stride: len(t.Columns)}, hint: e.hints[t.ID]}
	if e.byTable == nil {
		e.byTable = map[int]*Change{}
	}
	e.byTable[t.ID] = c
	e.Tables = append(e.Tables, c)
	return c
}

// find returns the row with that key, or nil.
func (c *Change) find(k rowKey) (int32, *Row) {
	c.indexed.Do(c.makeIndex)
	if i, ok := c.index.get(k); ok {
		return i, &c.Rows[i]
	}
	return -1, nil
}

func (c *Change) makeIndex() {
	c.index = newKeyMap[int32](c.Table, max(len(c.Rows), c.hint))
	for i := range c.Rows {
		c.index.set(c.Table.key(c.Images.Row(i)), int32(i))
	}
}

// fold takes up one captured change.
func (c *Change) fold(ch *sqlite.Change, by int32) {
	t := c.Table
	key := ch.Values
	if t.rowid != "" {
		key = []wire.Value{wire.IntegerValue(ch.RowID)}
	}
	k := t.key(key)
	i, row := c.find(k)
	if row == nil {
		i = int32(len(c.Rows))
		c.reserve()
		c.Rows = append(c.Rows, Row{Before: ch.Kind != sqlite.Inserted, After: ch.Kind != sqlite.Inserted, Scope: ch.Scope, By: by})
		c.Images.Values = append(c.Images.Values, make([]wire.Value, c.Images.Stride)...)
		c.index.set(k, i)
		row = &c.Rows[i]
	} else if row.By != by {
		c.also(i, by)
	}
	image := c.Images.Row(int(i))
	switch ch.Kind {
	case sqlite.Inserted:
		row.Reborn = row.Before
		row.After, row.Mask = true, allColumns
	case sqlite.Updated:
		row.Mask |= t.places(ch.Mask)
	case sqlite.Deleted:
		row.After, row.Reborn, row.Mask = false, false, 0
		clear(image)
		copy(image, key[:t.Key])
		return
	}
	c.store(image, ch)
}

// reserve makes room at the first row for as many as there may be.
func (c *Change) reserve() {
	if c.Rows == nil && c.hint > 0 {
		c.Rows = make([]Row, 0, c.hint)
		c.Images.Values = make([]wire.Value, 0, c.hint*c.Images.Stride)
	}
}

func (c *Change) store(image []wire.Value, ch *sqlite.Change) {
	if c.Table.rowid != "" {
		image[0] = wire.IntegerValue(ch.RowID)
	}
	for i, place := range c.Table.captured {
		image[place] = ch.Values[i]
	}
}

func (c *Change) also(row, by int32) {
	if slices.Contains(c.Also[row], by) {
		return
	}
	if c.Also == nil {
		c.Also = map[int32][]int32{}
	}
	c.Also[row] = append(c.Also[row], by)
}

// places turns a mask of captured columns into one of places.
func (t *Table) places(mask uint64) uint64 {
	if len(t.captured) == len(t.Columns) {
		return mask
	}
	var out uint64
	for i, place := range t.captured {
		if mask&MaskBit(i) != 0 {
			out |= MaskBit(place)
		}
	}
	return out
}
