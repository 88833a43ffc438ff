package store

import (
	"fmt"
	"math"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// usedUp judges a transaction that failed with SQLITE_FULL. Besides a full disk that
// is a table whose AUTOINCREMENT has given out the last number there is, which any
// device can give to a row of its own: then the transaction alone is refused, and
// undone. Otherwise the error is what it was.
func (f *Frame) usedUp(full error) (*wire.Refusal, error) {
	s := f.s
	table := ""
	err := s.capture.Each(sqlite.Mark{}, func(ch *sqlite.Change) {
		if ch.RowID == math.MaxInt64 && ch.Kind != sqlite.Deleted {
			table = s.Schema().Tables[ch.Table].Name
		}
	})
	s.capture.Rewind(sqlite.Mark{})
	switch {
	case err != nil:
	case s.w.AutoCommit():
		err = f.rerun() // SQLite has rolled back all that was open
	default:
		if err = s.sql.rollbackTo.Run(); err == nil {
			err = s.sql.release.Run()
		}
	}
	if err == nil && table == "" {
		table, err = s.lastNumberGiven()
	}
	if err != nil {
		return nil, fmt.Errorf("%w; undo it: %w", full, err)
	}
	if table == "" {
		return nil, full
	}
	return wire.Refuse(wire.CodeConstraint, "table %q has no number left for a new row: its AUTOINCREMENT has given out the last, %d", table, math.MaxInt64), nil
}

// lastNumberGiven returns a table whose AUTOINCREMENT has no more numbers, or "".
func (s *Store) lastNumberGiven() (string, error) {
	all, err := s.sequencesNow()
	for i := 0; i+1 < len(all); i += 2 {
		if all[i+1] == wire.IntegerValue(math.MaxInt64) {
			return all[i].Bytes(), err
		}
	}
	return "", err
}
