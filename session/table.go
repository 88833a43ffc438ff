package session

import (
	"encoding/binary"
	"iter"
	"math"
	"slices"

	"framehub/session/wire"
)

// A Table is a device's copy of a table: rows in no order, found by key. It, its
// rows and their values may be read where a [Copy] may.
type Table struct {
	wire.SchemaTable

	values []wire.Value     // row after row, a value for each column
	index  map[string]int32 // a row's place by what appendKey makes of its key
	stamps []uint32         // of each row: when it was last written, for place and put
	subs   []*replicaSub    // those that are of this table
	buf    []byte           // a key; the feeder's

	changes changes // by the message that is being put in place
}

func newTable(s wire.SchemaTable) *Table {
	return &Table{SchemaTable: s, index: map[string]int32{}}
}

// A Row is a row of a [Table], and valid as long as that may be read.
type Row struct {
	Values []wire.Value // in the order of the table's columns; not to be written to
	table  *Table
}

// Get returns the value of a column, NULL where there is no such column.
// [wire.Undefined] is a value too large to have come; [Device.Fetch] gets it.
func (r Row) Get(column string) wire.Value {
	if i := r.table.Column(column); i >= 0 {
		return r.Values[i]
	}
	return wire.Value{}
}

// Key returns the values of the key columns.
func (r Row) Key() []wire.Value { return r.Values[:r.table.KeyLength:r.table.KeyLength] }

// Column returns the place of a column in each row, -1 where there is none.
func (t *Table) Column(name string) int {
	return slices.IndexFunc(t.Columns, func(c wire.SchemaColumn) bool { return c.Name == name })
}

// Len returns the number of rows.
func (t *Table) Len() int { return len(t.stamps) }

// Rows returns all rows.
func (t *Table) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for i := range t.stamps {
			if !yield(t.row(int32(i))) {
				return
			}
		}
	}
}

// Get returns the row with a key.
func (t *Table) Get(key ...wire.Value) (Row, bool) {
	if len(key) != t.KeyLength {
		return Row{}, false
	}
	var buf [64]byte
	at, ok := t.index[string(appendKey(buf[:0], key))]
	if !ok {
		return Row{}, false
	}
	return t.row(at), true
}

func (t *Table) row(i int32) Row { return Row{Values: t.at(i), table: t} }

func (t *Table) at(i int32) []wire.Value {
	n := len(t.Columns)
	return t.values[int(i)*n : (int(i)+1)*n : (int(i)+1)*n]
}

// scopeOf returns the value that says which scoped subscriptions a row is of.
func (t *Table) scopeOf(row []wire.Value) wire.Value {
	if t.Scope < 0 {
		return wire.Value{}
	}
	return row[t.Scope]
}

// find returns the place of the row with the key that stands first in a block's row.
func (t *Table) find(b *wire.Block, row int) (at int32, ok bool) {
	t.buf = t.buf[:0]
	for c := range t.KeyLength {
		t.buf = appendKeyValue(t.buf, b.Value(c, row))
	}
	at, ok = t.index[string(t.buf)]
	return at, ok
}

// add makes a row with the key that find has just looked for.
func (t *Table) add() int32 {
	at := int32(len(t.stamps))
	t.index[string(t.buf)] = at
	t.stamps = append(t.stamps, 0)
	t.values = append(t.values, make([]wire.Value, len(t.Columns))...)
	return at
}

// set writes a row's columns from a block's row.
func (t *Table) set(at int32, b *wire.Block, row int) {
	values := t.at(at)
	for i, c := range b.Columns {
		values[c] = b.Value(i, row).Clone()
	}
}

// remove takes a row away; the last one takes its place.
func (t *Table) remove(at int32) {
	last := int32(len(t.stamps) - 1)
	t.buf = appendKey(t.buf[:0], t.at(at)[:t.KeyLength])
	delete(t.index, string(t.buf))
	if at != last {
		t.buf = appendKey(t.buf[:0], t.at(last)[:t.KeyLength])
		t.index[string(t.buf)] = at
		copy(t.at(at), t.at(last))
		t.stamps[at] = t.stamps[last]
	}
	clear(t.at(last))
	t.values = t.values[:int(last)*len(t.Columns)]
	t.stamps = t.stamps[:last]
}

// appendKey appends a key such that two keys that SQL holds equal are the same bytes.
func appendKey(dst []byte, key []wire.Value) []byte {
	for _, v := range key {
		dst = appendKeyValue(dst, v)
	}
	return dst
}

func appendKeyValue(dst []byte, v wire.Value) []byte {
	v = canonical(v)
	dst = append(dst, byte(v.Kind()))
	switch v.Kind() {
	case wire.Integer:
		return binary.LittleEndian.AppendUint64(dst, uint64(v.Int64()))
	case wire.Real:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Float64()))
	case wire.Text, wire.Blob:
		return append(binary.AppendUvarint(dst, uint64(v.Len())), v.Bytes()...)
	default:
		return dst
	}
}

// canonical returns the one form of values that SQL holds equal: 1.0 is 1.
func canonical(v wire.Value) wire.Value {
	if v.Kind() == wire.Real {
		if i := wire.IntegerValue(int64(v.Float64())); wire.SameNumber(i, v) {
			return i
		}
	}
	return v
}
