package store

import (
	"time"

	"framehub/store/internal/sqlite"
)

// Recover puts right what failed: it finds out what became of an append of
// unknown outcome, undoes what the log does not have, and replays what the game
// database lacks. The entry is that of the append, if it took place after all; it
// is returned once, also beside an error. [ErrSchemaChanged]: [Store.Reshape] comes
// first, then Recover again.
func (s *Store) Recover() (*Entry, error) {
	if !s.broken && s.frame == nil { // a frame that nobody ended is lost as well
		return nil, nil
	}
	s.stats.Recoveries.Add(1)
	late, err := s.settleLimbo()
	if err != nil {
		return nil, explain(s.opts.Path, err)
	}
	if err := s.rebuildTx(); err != nil {
		return late, explain(s.opts.Path, err)
	}
	s.broken = false
	return late, nil
}

func (s *Store) settleLimbo() (*Entry, error) {
	e := s.limbo
	if e == nil {
		return nil, nil
	}
	there, err := s.log.settle(e.Version, s.limboBytes)
	if err != nil {
		return nil, err
	}
	s.limbo, s.limboBytes = nil, nil
	if !there {
		return nil, nil
	}
	s.committed(e)
	return e, nil
}

// rebuildTx rolls the game database back to what it has merged, and replays the rest.
func (s *Store) rebuildTx() error {
	s.frame = nil
	if err := s.endLag(); err != nil {
		s.opts.Log.Warn("what a merge has not done is done again", "err", err)
	}
	if !s.w.AutoCommit() {
		if err := s.w.Exec(`ROLLBACK`); err != nil && !s.w.AutoCommit() {
			return err
		}
	}
	s.open, s.sequences = openTx{}, nil
	s.rows.forget()
	s.written = true
	if s.capture == nil { // a Reshape that has failed is to come first
		return ErrSchemaChanged
	}
	s.capture.Rewind(sqlite.Mark{})
	if err := s.beginTx(); err != nil {
		return err
	}
	if err := s.replay(s.merged.Load()+1, s.version.Load()); err != nil {
		return err
	}
	return s.commitTx(time.Now())
}
