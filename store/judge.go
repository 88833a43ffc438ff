package store

import (
	"unicode/utf8"

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
	case size > maxTransactionSize:
		return wire.Refuse(wire.CodeTooLarge, "the transaction changes %d bytes, the most is %d", size, maxTransactionSize), nil
	case f.size+size > maxFrameSize:
		return wire.Refuse(wire.CodeUnavailable, "the frame is full: send the transaction again"), nil
	}
	if refusal, err := s.judgeVirtual(mark); refusal != nil || err != nil {
		return refusal, err
	}
	if !s.capture.Suspect() {
		return nil, nil
	}
	var refusal *wire.Refusal
	tables := s.Schema().Tables
	err := s.capture.Each(mark, func(ch *sqlite.Change) {
		if refusal == nil {
			refusal = f.judgeValues(tables[ch.Table], ch)
		}
	})
	return refusal, err
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
func (f *Frame) judgeValues(t *Table, ch *sqlite.Change) *wire.Refusal {
	if !tellable(ch.Scope) {
		f.entry.odd = true
	}
	refused := t.Synced && ch.Kind != sqlite.Deleted
	for i, v := range ch.Values {
		place := t.captured[i]
		switch {
		case refused && place < t.Key && v.IsNull():
			return wire.Refuse(wire.CodeConstraint, "table %q: the key column %q must not be NULL", t.Name, t.Columns[place].Name)
		case tellable(v):
		case refused:
			return t.untellable(place, v)
		default:
			f.entry.odd = true
		}
	}
	return nil
}

// tellable says whether the protocol, and so the blocks of the log, can carry v.
func tellable(v wire.Value) bool {
	return v.Finite() && (v.Kind() != wire.Text || utf8.ValidString(v.Bytes()))
}

func (t *Table) untellable(place int, v wire.Value) *wire.Refusal {
	what := "a text that is not UTF-8"
	if v.Kind() == wire.Real {
		what = "an infinity"
	}
	return wire.Refuse(wire.CodeConstraint, "table %q: column %q would hold %s", t.Name, t.Columns[place].Name, what)
}
