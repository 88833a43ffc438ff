package store

import (
	"slices"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// SQLite's own table sqlite_sequence says which numbers AUTOINCREMENT has given
// out. Its changes are not captured, and rows do not tell them: a row may be gone
// in the frame that made it. So a frame's entry has all of it where it differs.

// readSequences adds sqlite_sequence to an entry, if it has changed.
func (s *Store) readSequences(e *Entry) error {
	if s.sql.sequences == nil {
		return nil
	}
	now, err := s.sequencesNow()
	if err != nil {
		return err
	}
	if s.sequences == nil || !slices.Equal(now, s.sequences) {
		e.sequences = now
	}
	return nil
}

// sequencesNow returns sqlite_sequence as it is: names and numbers in turn. It is
// not nil: that it is empty is a change too.
func (s *Store) sequencesNow() ([]wire.Value, error) {
	now := []wire.Value{}
	if s.sql.sequences == nil {
		return now, nil
	}
	for done := false; !done; {
		var err error
		if now, done, err = s.sql.sequences.Fetch(now, batchRows, batchBytes); err != nil {
			return nil, err
		}
	}
	return now, nil
}

// replaySequences puts an entry's sqlite_sequence in place.
func replaySequences(c *sqlite.Conn, e *Entry) error {
	if e.sequences == nil {
		return nil
	}
	if err := c.Exec(`DELETE FROM sqlite_sequence`); err != nil {
		return err
	}
	insert, err := c.Prepare(`INSERT INTO sqlite_sequence(name, seq) VALUES (?1, ?2)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for i := 0; i < len(e.sequences); i += 2 {
		if err := insert.RunWith(e.sequences[i], e.sequences[i+1]); err != nil {
			return err
		}
	}
	return nil
}
