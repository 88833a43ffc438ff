package store

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"framehub/session/wire"
)

// The hub's own tables whose rows are in versions like any other: devices see the
// first, and nobody but the hub writes either.
const (
	SessionTable = "framehub_session" // who is here
	WillTable    = "_framehub_will"   // what is to be done when a device has gone
)

// ownTables makes them, with [Options.Presence].
const ownTables = `
CREATE TABLE IF NOT EXISTS framehub_session(
	device BLOB PRIMARY KEY, user TEXT, role TEXT NOT NULL, since INTEGER NOT NULL, state TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _framehub_will(device BLOB PRIMARY KEY, will BLOB NOT NULL, who BLOB NOT NULL) STRICT, WITHOUT ROWID;
`

// dropOwnTables takes them away again: what they said of who is here would be a lie.
const dropOwnTables = `
DROP TABLE IF EXISTS framehub_session;
DROP TABLE IF EXISTS _framehub_will;
`

func ownTable(name string) bool { return name == SessionTable || name == WillTable }

// checkOwn refuses a database that has a table of its own under the name of the
// hub's.
func checkOwn(tables []*Table) error {
	for _, t := range tables {
		if t.Name != SessionTable {
			continue
		}
		names := make([]string, len(t.Columns))
		for i := range names {
			names[i] = t.Columns[i].Name
		}
		if !slices.Equal(names, []string{"device", "user", "role", "since", "state"}) || !t.Synced {
			return fmt.Errorf("the table %s of the game database is not the hub's: that name is taken, rename the table", SessionTable)
		}
	}
	return nil
}

// Keep writes rows of one of the hub's own tables, as they come in a grid of all
// its columns, and deletes those with the keys of gone, a grid of its key columns:
// one transaction, of the nil device, which settles no number and which no guard
// judges. It is refused only where the game's own SQL, a trigger, has a say in it.
func (f *Frame) Keep(t *Table, rows, gone wire.Grid) (*wire.Refusal, error) {
	var ops []wire.Op
	for _, op := range []struct {
		kind wire.OpKind
		grid wire.Grid
	}{{wire.OpDelete, gone}, {wire.OpPut, rows}} {
		if op.grid.Rows() == 0 {
			continue
		}
		b, err := t.block(op.grid)
		if err != nil {
			return nil, err
		}
		ops = append(ops, wire.Op{Kind: op.kind, Block: b})
	}
	if len(ops) == 0 {
		return nil, nil
	}
	return f.transact(Device{}, f.write(ops...), true, nil)
}

// Delete deletes the rows with keys of a table, for a device: one transaction,
// which settles no number and which no guard judges.
func (f *Frame) Delete(d Device, t *Table, keys wire.Grid) (*wire.Refusal, error) {
	b, err := t.block(keys)
	if err != nil {
		return nil, err
	}
	return f.transact(d, f.write(wire.Op{Kind: wire.OpDelete, Block: b}), false, nil)
}

func (f *Frame) write(ops ...wire.Op) *wire.Write {
	return &wire.Write{SchemaVersion: f.s.Schema().Version, Ops: ops}
}

// block returns the rows of a grid of a table's first columns as a block.
func (t *Table) block(g wire.Grid) (wire.Block, error) {
	b, err := wire.DecodeBlock(wire.AppendBlock(nil, t.ID, rangeOf(0, g.Stride), nil, g, nil), math.MaxInt)
	if err != nil {
		return b, fmt.Errorf("rows of table %q: %w", t.Name, err)
	}
	return b, nil
}

// Find returns the rows with keys of a table, as they are in the frame at this
// moment; nil for those that are not there. They are good until the next call.
func (f *Frame) Find(t *Table, keys wire.Grid) ([]BeforeRow, error) {
	if err := f.usable(); err != nil {
		return nil, err
	}
	b, err := t.block(keys)
	if err != nil {
		return nil, err
	}
	rows, err := f.find(&resolvedOp{kind: wire.OpExpect, block: &b, table: t})
	if err != nil {
		f.s.broken = true
	}
	return rows, explain(f.s.opts.Path, err)
}

func (f *Frame) find(op *resolvedOp) ([]BeforeRow, error) {
	if op.table.plain != nil {
		rows, _, err := f.s.load(op.table, op.block, nil)
		return images(rows), err
	}
	before, refusal, err := f.s.readBefore(op)
	if refusal != nil {
		return nil, refusal
	}
	return before, err
}

// KeysWhere returns the keys of the rows that have a value in a column at this
// moment, as [Frame.Count] compares it.
func (f *Frame) KeysWhere(t *Table, column int, v wire.Value) (wire.Grid, error) {
	if err := f.usable(); err != nil {
		return wire.Grid{}, err
	}
	g, err := f.s.keysWhere(t, column, v)
	if err != nil {
		f.s.broken = true
		err = fmt.Errorf("look for rows of table %q: %w", t.Name, err)
	}
	return g, explain(f.s.opts.Path, err)
}

func (s *Store) keysWhere(t *Table, column int, v wire.Value) (wire.Grid, error) {
	g := wire.Grid{Stride: t.Key}
	if err := s.flushFor(t); err != nil {
		return g, err
	}
	names := make([]string, t.Key)
	for i := range names {
		names[i] = quote(t.Columns[i].Name)
	}
	sel, err := s.byValue(&s.keys, t, column, strings.Join(names, ", "))
	if err != nil {
		return g, err
	}
	if err := sel.Bind(v); err != nil {
		return g, err
	}
	defer sel.Reset()
	for done := false; !done; {
		if g.Values, done, err = sel.Fetch(g.Values, batchRows, batchBytes); err != nil {
			return g, err
		}
	}
	return g, nil
}
