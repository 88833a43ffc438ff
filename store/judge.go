package store

import (
	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// What a transaction may change, and all of a frame's together, in bytes: SQLite
// takes no value, and so no entry, of more than 1,000,000,000.
const (
	maxTransactionSize = 64 << 20
	maxFrameSize       = 512 << 20
)

// judge looks for what COMMIT could still refuse, or the log not hold.
func (f *Frame) judge(mark sqlite.Mark) (*wire.Refusal, error) {
	s := f.s
	if s.virtualTables {
		// Full-text indexes write their tables when a savepoint begins. Now, so
		// that it is part of this transaction.
		if err := s.flushVirtualTables(); err != nil {
			return nil, err
		}
	}
	size := s.capture.Size(mark)
	switch {
	case s.w.DeferredForeignKeys():
		return wire.Refuse(wire.CodeConstraint, "FOREIGN KEY constraint failed: a row refers to one that is not there at the end of the transaction"), nil
	case s.capture.Unknown():
		return wire.Refuse(wire.CodeConstraint, "a trigger wrote to a table of SQLite's own, which the hub does not carry"), nil
	}
	if refusal := tooLarge(size, f.size); refusal != nil {
		return refusal, nil
	}
	if refusal, err := s.judgeVirtual(mark); refusal != nil || err != nil {
		return refusal, err
	}
	if !s.capture.Suspect() {
		return nil, nil
	}
	return f.judgeValues(mark)
}

// tooLarge refuses a transaction that changes so many bytes, in a frame that has
// others already.
func tooLarge(size, others int) *wire.Refusal {
	switch {
	case size > maxTransactionSize:
		return wire.Refuse(wire.CodeTooLarge, "the transaction changes %d bytes, the most is %d", size, maxTransactionSize)
	case others+size > maxFrameSize:
		return wire.Refuse(wire.CodeUnavailable, "the frame is full: send the transaction again")
	default:
		return nil
	}
}

func (s *Store) flushVirtualTables() error {
	if err := s.sql.savepoint.Run(); err != nil {
		return err
	}
	return s.sql.release.Run()
}

// judgeValues refuses what SQL takes and devices can't be told: a row without a
// key, infinities, which SQL makes of 1e308 * 10, and texts that are not UTF-8,
// which it makes of blobs. In a table that devices don't see they may be, and
// what was there before the hub may go: the entry is told.
func (f *Frame) judgeValues(mark sqlite.Mark) (refusal *wire.Refusal, err error) {
	tables := f.s.Schema().Tables
	end := Entry{} // what the transaction leaves: on its way it may do what it likes
	err = f.s.capture.Each(mark, func(ch *sqlite.Change) {
		t := tables[ch.Table]
		if refusal == nil && t.Synced && ch.Kind != sqlite.Deleted {
			refusal = t.judgeKey(ch.Values) // without one, even on the way, rows can't be told apart
		}
		if refusal == nil {
			end.change(t).fold(ch, 0)
		}
	})
	for _, c := range end.Tables {
		for i := range c.Rows {
			if refusal == nil {
				refusal = f.judgeRow(c, i)
			}
		}
	}
	return refusal, err
}

func (t *Table) judgeKey(values []wire.Value) *wire.Refusal {
	for i := range t.Key {
		if values[i].IsNull() {
			return wire.Refuse(wire.CodeConstraint, "table %q: the key column %q must not be NULL", t.Name, t.Columns[i].Name)
		}
	}
	return nil
}

func (f *Frame) judgeRow(c *Change, i int) *wire.Refusal {
	row := &c.Rows[i]
	if !row.Scope.Valid() {
		f.entry.change(c.Table).Odd = true
	}
	for place, v := range c.Images.Row(i) {
		switch {
		case v.Valid():
		case c.Table.Synced && row.After:
			return c.Table.untellable(place, v)
		default:
			f.entry.change(c.Table).Odd = true
		}
	}
	return nil
}

func isOdd(v wire.Value) bool { return !v.Valid() }

func (t *Table) untellable(place int, v wire.Value) *wire.Refusal {
	what := "a text that is not UTF-8"
	if v.Kind() == wire.Real {
		what = "an infinity"
	}
	return wire.Refuse(wire.CodeConstraint, "table %q: column %q would hold %s", t.Name, t.Columns[place].Name, what)
}
