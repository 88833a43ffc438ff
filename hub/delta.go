package hub

import (
	"math/bits"
	"slices"

	"framehub/session/wire"
	"framehub/store"
)

// A delta is what an audience, or one session, is to be told of one table.
type delta struct {
	table   *store.Table
	rows    wire.Grid // images; the picks point into it
	changed []picked  // rows that carry the same columns
	removed []int32   // rows of which only the key counts
	credits []credit  // whose those rows are; nil where it isn't told
}

type picked struct {
	columns []int
	rows    []int32
}

// deltasOf returns what one entry changed for interests that all have what came
// before it, with authors also whose transactions did, of e.Writers.
func deltasOf(e *store.Entry, wants map[int]*interest, authors bool) []delta {
	var out []delta
	for _, c := range e.Tables {
		n := wants[c.Table.ID]
		if n == nil {
			continue
		}
		d := delta{table: c.Table, rows: validImages(c)}
		groups := grouping{table: c.Table}
		for i := range c.Rows {
			r := &c.Rows[i]
			if c.Odd && !validKey(c.Table, c.Images.Row(i)) {
				continue
			}
			before := r.Before && (n.all || n.wants(r.Scope))
			after := r.After && (n.all || n.wants(c.Images.Values[i*c.Images.Stride+c.Table.Scope]))
			switch {
			case after && before: // of a row that was deleted in between, the mask has every column
				groups.add(r.Mask, int32(i))
			case after:
				groups.add(whole, int32(i))
			case before:
				d.removed = append(d.removed, int32(i))
			default:
				continue
			}
			if authors {
				d.credits = credits(d.credits, c, i, 0, int32(i))
			}
		}
		if d.changed = groups.picks(); len(d.changed)+len(d.removed) > 0 {
			out = append(out, d)
		}
	}
	return out
}

// whole is the mask of a row of which every column is told.
const whole = ^uint64(0)

// grouping sorts rows by which columns they carry, in the order of the first of each.
type grouping struct {
	table  *store.Table
	masks  []uint64
	groups [][]int32
	last   int
}

func (g *grouping) add(mask uint64, row int32) {
	if g.last >= len(g.masks) || g.masks[g.last] != mask {
		if g.last = slices.Index(g.masks, mask); g.last < 0 {
			g.last = len(g.masks)
			g.masks, g.groups = append(g.masks, mask), append(g.groups, nil)
		}
	}
	g.groups[g.last] = append(g.groups[g.last], row)
}

func (g *grouping) picks() []picked {
	var out []picked
	for i, mask := range g.masks {
		out = append(out, picked{columns: columnsOf(g.table, mask), rows: g.groups[i]})
	}
	return out
}

// columnsOf returns the places of the key and of the columns in a mask.
func columnsOf(t *store.Table, mask uint64) []int {
	columns := make([]int, 0, t.Key+bits.OnesCount64(mask))
	for i := range t.Columns {
		if i < t.Key || mask&store.MaskBit(i) != 0 {
			columns = append(columns, i)
		}
	}
	return columns
}

// A merger brings together what several entries, in order, changed: the latest
// of each row counts.
type merger struct {
	wants   map[int]*interest
	tables  []*tableMerge
	byID    map[int]*tableMerge
	authors bool           // who wrote is told
	writers []store.Writer // with authors: of all entries, in their order
}

type tableMerge struct {
	want  *interest
	index map[store.Key]int32
	rows  []mergedRow
	grid  wire.Grid

	credits []credit // with authors; the writers are the merger's
}

type mergedRow struct {
	held  bool // the device had it at the beginning, or may have
	whole bool // it is not the row that the device had: every column is told
	now   bool // it is there, and wanted, after the last entry
	mask  uint64
}

func newMerger(wants map[int]*interest, authors bool) *merger {
	return &merger{wants: wants, byID: map[int]*tableMerge{}, authors: authors}
}

// add takes up an entry.
func (m *merger) add(e *store.Entry) {
	base := int32(len(m.writers))
	if m.authors {
		m.writers = append(m.writers, e.Writers...)
	}
	for _, c := range e.Tables {
		n := m.wants[c.Table.ID]
		if n == nil || n.at >= e.Version {
			continue
		}
		t := m.byID[c.Table.ID]
		if t == nil {
			t = &tableMerge{want: n, index: map[store.Key]int32{}, grid: wire.Grid{Stride: c.Images.Stride}}
			m.byID[c.Table.ID] = t
			m.tables = append(m.tables, t)
		}
		images := validImages(c)
		for i := range c.Rows {
			if c.Odd && !validKey(c.Table, c.Images.Row(i)) {
				continue
			}
			if at, visible := t.add(c, i, images.Row(i)); visible && m.authors {
				t.credits = credits(t.credits, c, i, base, at)
			}
		}
	}
}

// add takes up a row, of which image may be told, and returns its place, and whether it was to be seen before
// the entry or is after it.
func (t *tableMerge) add(c *store.Change, i int, image []wire.Value) (at int32, visible bool) {
	r, n := &c.Rows[i], t.want
	before := r.Before && (n.all || n.wants(r.Scope))
	after := r.After && (n.all || n.wants(c.Images.Row(i)[c.Table.Scope]))
	k := c.Table.KeyOf(image)
	at, seen := t.index[k]
	if !seen {
		if !before && !after {
			return 0, false
		}
		at = int32(len(t.rows))
		t.index[k] = at
		t.rows = append(t.rows, mergedRow{held: before, whole: n.mixed})
		t.grid.Values = append(t.grid.Values, image...)
	}
	row := &t.rows[at]
	row.held = row.held || n.mixed && before
	row.whole = row.whole || !before || !after
	row.now = after
	row.mask |= r.Mask
	if r.After {
		copy(t.grid.Row(int(at)), image)
	}
	return at, before || after
}

// deltas returns what all entries together changed.
func (m *merger) deltas() []delta {
	var out []delta
	for _, t := range m.tables {
		d := delta{table: t.want.table, rows: t.grid}
		groups := grouping{table: t.want.table}
		told := make([]bool, len(t.rows))
		for i := range t.rows {
			switch r := &t.rows[i]; {
			case r.now && r.whole:
				groups.add(whole, int32(i))
			case r.now:
				groups.add(r.mask, int32(i))
			case r.held:
				d.removed = append(d.removed, int32(i))
			}
			told[i] = t.rows[i].now || t.rows[i].held
		}
		d.credits = credited(t.credits, told)
		if d.changed = groups.picks(); len(d.changed)+len(d.removed) > 0 {
			out = append(out, d)
		}
	}
	return out
}
