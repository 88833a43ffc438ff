package store

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// A Guard judges ops by the rows that they are about: who may change which. It
// is asked by the goroutine that applies, and may use the frame for
// [Frame.Count] alone.
//
// It is not asked about what SQL does beside an op: triggers, foreign keys'
// actions, a REPLACE of another row.
type Guard interface {
	// Watches says whether Check is to see ops of a kind on a table. Those that
	// nobody watches cost nothing.
	Watches(t *Table, kind wire.OpKind) bool

	// Check judges an op just before it runs, and returns why the transaction is
	// refused, or nil. A refusal says which row; the op is filled in. Before has
	// what each row of the block finds: what the transactions and ops before it
	// left, also for a key that the block has twice. It is good for the call, and
	// must not be changed.
	Check(t *Table, kind wire.OpKind, b *wire.Block, before []BeforeRow) *wire.Refusal
}

// A BeforeRow is a row as SQL has it, its values by their columns' places; nil:
// there is none.
type BeforeRow = []wire.Value

func (f *Frame) watched(op *resolvedOp) bool {
	return f.guard != nil && f.guard.Watches(op.table, op.kind)
}

// check lets the guard judge an op of the transaction.
func (f *Frame) check(i int, op *resolvedOp, before []BeforeRow) (*wire.Refusal, error) {
	refusal := f.guard.Check(op.table, op.kind, op.block, before)
	if f.failed != nil || refusal == nil {
		return nil, f.failed
	}
	told := *refusal
	told.Op, told.Text = i, strings.ToValidUTF8(told.Text, "\ufffd") // the log's entries take no other
	return &told, nil
}

// checkPlain lets the guard judge an op that runs in memory, on rows.
func (f *Frame) checkPlain(i int, op *resolvedOp, rows []*memRow) (*wire.Refusal, error) {
	if !f.watched(op) {
		return nil, nil
	}
	return f.check(i, op, images(rows[:op.block.N]))
}

// images returns rows as guards see them.
func images(rows []*memRow) []BeforeRow {
	before := make([]BeforeRow, len(rows))
	for i, r := range rows {
		if r.there {
			before[i] = r.image
		}
	}
	return before
}

// checkSQL lets the guard judge an op that runs in SQL.
func (f *Frame) checkSQL(i int, op *resolvedOp) (*wire.Refusal, error) {
	if !f.watched(op) {
		return nil, nil
	}
	before, refusal, err := f.s.readBefore(op)
	if err != nil {
		return nil, err
	}
	if refusal != nil {
		refusal.Op = i
		return refusal, nil
	}
	return f.check(i, op, before)
}

// readBefore reads the rows that an op is about, as far as a transaction may
// change as much; it refuses more, and what SQL can't compute.
func (s *Store) readBefore(op *resolvedOp) (before []BeforeRow, _ *wire.Refusal, err error) {
	t, b := op.table, op.block
	sel, err := s.wholeRow(t)
	if err != nil {
		return nil, nil, err
	}
	const batch = 64 // rows that may be in memory beyond what is allowed
	before = make([]BeforeRow, b.N)
	part := make([]int32, 0, batch)
	size := 0
	for at := 0; at < b.N; at += batch {
		part = part[:0]
		for row := at; row < min(at+batch, b.N); row++ {
			part = append(part, int32(row))
		}
		values := make([]wire.Value, 0, len(part)*len(t.Columns))
		err := s.w.Read(&sqlite.Stmts{Select: sel}, b, t.Key, part, func(i int, found bool, row []wire.Value) {
			if found {
				values = append(values, row...)
				before[at+i] = values[len(values)-len(row):]
				size += sizeOf(row)
			}
		})
		switch {
		case err != nil && refuses(sqlite.CodeOf(err)):
			return nil, wire.Refuse(wire.CodeConstraint, "table %q: a generated column can't be computed: %s", t.Name, words(err)), nil
		case err != nil:
			return nil, nil, fmt.Errorf("read rows of table %q: %w", t.Name, err)
		case size > maxTransactionSize:
			return nil, wire.Refuse(wire.CodeTooLarge, "the op is about rows of more than %d bytes together, which is the most", maxTransactionSize), nil
		}
	}
	return before, nil, nil
}

// wholeRow returns the statement that reads a row by its key.
func (s *Store) wholeRow(t *Table) (*sqlite.Stmt, error) {
	if sel := s.whole[t.ID]; sel != nil {
		return sel, nil
	}
	names := make([]string, len(t.Columns))
	for i := range names {
		names[i] = quote(t.Columns[i].Name)
	}
	sel, err := s.w.Prepare(fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(names, ", "), quote(t.Name), t.whereKey()))
	if err != nil {
		return nil, err
	}
	if s.whole == nil {
		s.whole = map[int]*sqlite.Stmt{}
	}
	s.whole[t.ID] = sel
	return sel, nil
}

// valueOf names a statement about the rows that have a value in a column.
type valueOf struct{ table, column int }

// Count returns how many rows of a table have a value in a column at this moment,
// texts byte for byte; NULL counts NULLs. Texts of a plain table are counted in
// memory, which looks at all rows once. Otherwise SQL looks at every row each time,
// unless the column has an index ([Table.CountIndex]), and is given first what has
// changed of a plain table since it was last. An error fails the frame, and is
// Apply's too where a guard gets it; but not one of a generated column that SQL
// can't compute.
func (f *Frame) Count(t *Table, column int, v wire.Value) (int64, error) {
	if err := f.usable(); err != nil {
		return 0, err
	}
	n, err := f.count(t, column, v)
	if err == nil {
		return n, nil
	}
	err = fmt.Errorf("count rows of table %q: %w", t.Name, err)
	if !refuses(sqlite.CodeOf(err)) {
		f.s.broken, f.failed = true, err
	}
	return 0, explain(f.s.opts.Path, err)
}

func (f *Frame) count(t *Table, column int, v wire.Value) (int64, error) {
	s := f.s
	if f.inMemory {
		if n, ok, err := s.countInMemory(t, column, v); ok || err != nil {
			return n, err
		}
	}
	if err := s.flushFor(t); err != nil {
		return 0, err
	}
	sel, err := s.byValue(&s.counts, t, column, "count(*)")
	if err != nil {
		return 0, err
	}
	row, err := fetchRow(sel, []wire.Value{v})
	if err != nil {
		return 0, err
	}
	return row[0].Int64(), nil
}

// flushFor gives SQL what has changed in a table, which is to be looked at.
func (s *Store) flushFor(t *Table) error {
	m := s.rows.tables[t.ID]
	if m == nil {
		return nil
	}
	return errors.Join(s.claim(), s.flushTable(m, m.dirty, time.Time{}))
}

// byValue returns the statement that selects something of the rows that have a
// value in a column.
func (s *Store) byValue(known *map[valueOf]*sqlite.Stmt, t *Table, column int, what string) (*sqlite.Stmt, error) {
	id := valueOf{t.ID, column}
	if sel := (*known)[id]; sel != nil {
		return sel, nil
	}
	sel, err := s.w.Prepare(fmt.Sprintf("SELECT %s FROM %s WHERE %s IS ?1 COLLATE BINARY", what, quote(t.Name), quote(t.Columns[column].Name)))
	if err != nil {
		return nil, err
	}
	if *known == nil {
		*known = map[valueOf]*sqlite.Stmt{}
	}
	(*known)[id] = sel
	return sel, nil
}
