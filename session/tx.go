package session

import (
	"fmt"
	"slices"

	"framehub/session/wire"
)

// A Tx is a transaction by the names of tables and columns. It is put into
// numbers when it is sent, so that it outlives a change of the schema. The zero
// Tx is empty. It must not be changed after it was submitted.
type Tx struct {
	ops     []txOp
	base    uint64
	baseSet bool
	err     error // the first that was met in making it
}

type txOp struct {
	kind    wire.OpKind
	table   string
	columns []string
	rows    wire.Grid
}

// Put sets the named columns of rows, or inserts the rows where there are none.
// Each row has a value for each of columns, which name all key columns, in any
// order; so it is with the ops below.
func (t *Tx) Put(table string, columns []string, rows ...[]wire.Value) *Tx {
	return t.op(wire.OpPut, table, columns, rows)
}

// Insert inserts rows; one that exists refuses the transaction.
func (t *Tx) Insert(table string, columns []string, rows ...[]wire.Value) *Tx {
	return t.op(wire.OpInsert, table, columns, rows)
}

// Update sets the named columns of rows; one that doesn't exist refuses the transaction.
func (t *Tx) Update(table string, columns []string, rows ...[]wire.Value) *Tx {
	return t.op(wire.OpUpdate, table, columns, rows)
}

// Delete deletes rows by their keys, which is all that columns name.
func (t *Tx) Delete(table string, columns []string, rows ...[]wire.Value) *Tx {
	return t.op(wire.OpDelete, table, columns, rows)
}

// Add adds numbers to the named columns of rows.
func (t *Tx) Add(table string, columns []string, rows ...[]wire.Value) *Tx {
	return t.op(wire.OpAdd, table, columns, rows)
}

// Touch sets the named columns of the rows that exist, and skips the others.
func (t *Tx) Touch(table string, columns []string, rows ...[]wire.Value) *Tx {
	return t.op(wire.OpTouch, table, columns, rows)
}

// Expect refuses the transaction unless each row has exactly these values.
func (t *Tx) Expect(table string, columns []string, rows ...[]wire.Value) *Tx {
	return t.op(wire.OpExpect, table, columns, rows)
}

// Base refuses the transaction if any row of it was changed after a version by
// anyone else.
func (t *Tx) Base(version uint64) *Tx {
	t.base, t.baseSet = version, true
	return t
}

func (t *Tx) op(kind wire.OpKind, table string, columns []string, rows [][]wire.Value) *Tx {
	op := txOp{kind: kind, table: table, columns: slices.Clone(columns), rows: wire.Grid{Stride: len(columns)}}
	if distinct := slices.Compact(slices.Sorted(slices.Values(columns))); len(distinct) < max(1, len(columns)) && t.err == nil {
		t.err = fmt.Errorf("table %q: the columns %q are none, or name one twice", table, columns)
	}
	for _, row := range rows {
		if len(row) != len(columns) && t.err == nil {
			t.err = fmt.Errorf("table %q: a row of %d values for %d columns", table, len(row), len(columns))
		}
		for i, v := range row {
			if err := wire.CheckValue(v); err != nil && t.err == nil {
				t.err = fmt.Errorf("table %q: value %d of a row: %w", table, i, err)
			}
		}
		op.rows.Values = append(op.rows.Values, row...)
	}
	t.ops = append(t.ops, op)
	return t
}

// encode returns the transaction in the numbers of a schema, or why it can't be done.
func (t *Tx) encode(s *wire.Schema, seq uint64) ([]byte, *wire.Refusal) {
	ops, refused := t.encodeOps(s)
	if refused != nil {
		return nil, refused
	}
	return wire.AppendWrite(nil, wire.WriteHeader{Seq: seq, Base: t.base, BaseSet: t.baseSet, SchemaVersion: s.Version}, ops), nil
}

func (t *Tx) encodeOps(s *wire.Schema) ([][]byte, *wire.Refusal) {
	ops := make([][]byte, len(t.ops))
	for i := range t.ops {
		block, refused := t.ops[i].block(s)
		if refused != nil {
			refused.Op = i
			return nil, refused
		}
		ops[i] = wire.AppendOp(nil, t.ops[i].kind, block)
	}
	return ops, nil
}

// block encodes the rows with key columns first, in key order.
func (o *txOp) block(s *wire.Schema) ([]byte, *wire.Refusal) {
	i := slices.IndexFunc(s.Tables, func(t wire.SchemaTable) bool { return t.Name == o.table })
	if i < 0 {
		return nil, wire.Refuse(wire.CodeUnknownTable, "there is no table %q", o.table)
	}
	t := &s.Tables[i]
	var columns, at []int
	for c := range t.Columns {
		place := slices.Index(o.columns, t.Columns[c].Name)
		if place >= 0 {
			columns, at = append(columns, c), append(at, place)
		} else if c < t.KeyLength {
			return nil, wire.Refuse(wire.CodeUnknownColumn, "table %q: the key column %q is missing", t.Name, t.Columns[c].Name)
		}
	}
	for _, name := range o.columns {
		if !slices.ContainsFunc(t.Columns, func(c wire.SchemaColumn) bool { return c.Name == name }) {
			return nil, wire.Refuse(wire.CodeUnknownColumn, "table %q has no column %q", t.Name, name)
		}
	}
	return wire.AppendBlock(nil, t.Number, columns, at, o.rows, nil), nil
}

// Values makes values of Go's: nil, bool (1 or 0), the integers, floats, string,
// []byte and [wire.Value]. What is none of them, or too large for INTEGER, becomes
// undefined, which no transaction takes.
func Values(values ...any) []wire.Value {
	out := make([]wire.Value, len(values))
	for i, v := range values {
		out[i] = valueOf(v)
	}
	return out
}

func valueOf(v any) wire.Value {
	switch v := v.(type) {
	case nil:
		return wire.Value{}
	case bool:
		if v {
			return wire.IntegerValue(1)
		}
		return wire.IntegerValue(0)
	case string:
		return wire.TextValue(v)
	case []byte:
		return wire.BlobValue(v)
	case wire.Value:
		return v
	case float32:
		return wire.RealValue(float64(v))
	case float64:
		return wire.RealValue(v)
	default:
		return integerOf(v)
	}
}

func integerOf(v any) wire.Value {
	switch v := v.(type) {
	case int:
		return wire.IntegerValue(int64(v))
	case int8:
		return wire.IntegerValue(int64(v))
	case int16:
		return wire.IntegerValue(int64(v))
	case int32:
		return wire.IntegerValue(int64(v))
	case int64:
		return wire.IntegerValue(v)
	case uint8:
		return wire.IntegerValue(int64(v))
	case uint16:
		return wire.IntegerValue(int64(v))
	case uint32:
		return wire.IntegerValue(int64(v))
	case uint64:
		if v <= 1<<63-1 {
			return wire.IntegerValue(int64(v))
		}
	case uint:
		return integerOf(uint64(v))
	}
	return wire.UndefinedValue()
}
