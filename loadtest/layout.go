package loadtest

import (
	"fmt"

	"framehub/session"
	"framehub/session/wire"
)

// A layout says where a table has what the load writes: the columns of [written]
// after the key, each by its number. Its stamp column holds when a write was meant
// to be sent, in µs since the run began, and so rises with each write of a
// row; that is how an observer knows how old what it sees is.
type layout struct {
	schema  uint64 // the schema's version
	table   *wire.SchemaTable
	columns []int // the key, then those of written
	names   []string
}

// written are the columns that a write names beside the key. A table may do
// without the last one.
var written = []struct{ name, kind string }{
	{"x", "REAL"}, {"y", "REAL"}, {"heading", "REAL"}, {"speed", "REAL"}, {"score", "INTEGER"}, {"zone", "INTEGER"},
}

const stampColumn = "score"

// newLayout finds the columns in the schema that a session was told.
func newLayout(s *wire.Schema, name string) (*layout, error) {
	for i := range s.Tables {
		t := &s.Tables[i]
		if t.Name != name {
			continue
		}
		l := &layout{schema: s.Version, table: t}
		return l, l.findColumns()
	}
	return nil, fmt.Errorf("the hub has no table %q: name another with --table, or give the hub the schema of the example city", name)
}

// zoned says whether the table has a column for the zone.
func (l *layout) zoned() bool { return len(l.columns) == 1+len(written) }

func (l *layout) findColumns() error {
	if key := l.table.Columns[0]; l.table.KeyLength != 1 || key.Type != "INTEGER" && key.Type != "ANY" {
		return fmt.Errorf("the load writes to a table whose key is one INTEGER, that of table %q isn't", l.table.Name)
	}
	l.columns = []int{0}
	for _, want := range written {
		number := column(l.table, want.name)
		if number < 0 && want.name == "zone" {
			continue
		}
		if number < 0 || l.table.Columns[number].Type != want.kind && l.table.Columns[number].Type != "ANY" {
			return fmt.Errorf("the load writes the column %q, of type %s, and table %q has none", want.name, want.kind, l.table.Name)
		}
		l.columns = append(l.columns, number)
	}
	for _, c := range l.columns {
		l.names = append(l.names, l.table.Columns[c].Name)
	}
	return nil
}

// column returns a column's number, -1 where there is none.
func column(t *wire.SchemaTable, name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// values returns what a write with that stamp makes of a row's columns.
func (l *layout) values(dst []wire.Value, p *place, stamp int64) []wire.Value {
	all := [...]wire.Value{
		wire.IntegerValue(p.id), wire.RealValue(p.x), wire.RealValue(p.y), wire.RealValue(p.heading), wire.RealValue(p.speed),
		wire.IntegerValue(stamp), wire.IntegerValue(p.zone()),
	}
	return append(dst, all[:len(l.columns)]...)
}

// A scratch is what is used again for each write that is encoded.
type scratch struct {
	values    []wire.Value
	block, op []byte
}

// op returns a write's one op, valid until the next one.
func (l *layout) op(s *scratch, kind wire.OpKind, places []place, stamp int64) []byte {
	columns := l.columns
	if kind == wire.OpDelete {
		columns = columns[:1]
	}
	s.values = s.values[:0]
	for i := range places {
		s.values = l.values(s.values, &places[i], stamp)
	}
	grid := wire.Grid{Stride: len(l.columns), Values: s.values}
	s.block = wire.AppendBlock(s.block[:0], l.table.Number, columns, nil, grid, nil)
	s.op = wire.AppendOp(s.op[:0], kind, s.block)
	return s.op
}

// tx returns a write by names.
func (l *layout) tx(kind wire.OpKind, places []place, stamp int64) *session.Tx {
	rows := make([][]wire.Value, len(places))
	for i := range places {
		rows[i] = l.values(nil, &places[i], stamp)
	}
	switch kind {
	case wire.OpDelete:
		for i := range rows {
			rows[i] = rows[i][:1]
		}
		return new(session.Tx).Delete(l.table.Name, l.names[:1], rows...)
	case wire.OpPut:
		return new(session.Tx).Put(l.table.Name, l.names, rows...)
	default:
		return new(session.Tx).Touch(l.table.Name, l.names, rows...)
	}
}
