package store

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// Commit makes the frame durable, with the refusals that are to settle with it,
// and returns its entry; nil when there was nothing to commit. When the append's
// outcome is unknown, [Store.Recover] returns the entry if it took place.
func (f *Frame) Commit(now time.Time, refused []Outcome) (*Entry, error) {
	if err := f.usable(); err != nil {
		return nil, err
	}
	s, e := f.s, f.entry
	s.frame = nil
	if len(e.Writers) == 0 && len(refused) == 0 && len(e.Owners) == 0 {
		s.taken = max(s.taken, e.taken) // notes that came to nothing
		return nil, nil
	}
	e.Version, e.Time, e.Refused = s.version.Load()+1, now.UTC().Truncate(time.Microsecond), slices.Clone(refused)
	b, err := s.complete(e)
	if err != nil {
		s.broken = true
		return nil, err
	}
	if e.taken > 0 && !s.opts.MVSQLite {
		if err := s.syncWAL(); err != nil {
			s.broken = true
			return nil, err
		}
	}
	start := time.Now()
	if err := s.log.append(e.Version, e.Time.UnixMicro(), b, e.taken, s.floor(now)); err != nil {
		s.broken, s.limbo, s.limboBytes = true, e, bytes.Clone(b)
		return nil, explain(s.log.path, fmt.Errorf("append version %d to the frame log: %w", e.Version, err))
	}
	s.stats.LogNanos.Add(uint64(time.Since(start)))
	s.stats.LogBytes.Add(uint64(len(b)))
	s.lag.bytes += len(b)
	s.committed(e)
	if err := s.sizeCache(e); err != nil {
		s.opts.Log.Warn("the cache of the game database keeps its size", "err", explain(s.opts.Path, err))
	}
	if !s.opts.MVSQLite {
		s.restartWAL(s.log.w, s.log.path, &s.wal.log)
	}
	return e, nil
}

// complete adds to an entry what is only known at its end, and encodes it: the bytes
// are good until the next one.
func (s *Store) complete(e *Entry) ([]byte, error) {
	if err := s.devices.preload(s.w, e); err != nil {
		return nil, err
	}
	e.settleTables()
	if err := s.readVirtual(e); err != nil {
		return nil, err
	}
	if err := s.readSequences(e); err != nil {
		return nil, err
	}
	return s.encoder.encode(e)
}

// committed takes note of a version that the log has.
func (s *Store) committed(e *Entry) {
	rows := e.RowCount()
	s.version.Store(e.Version)
	s.recent.add(e, s.log.first)
	s.devices.settle(e)
	s.beside = max(0, s.beside-1)
	s.taken = max(s.taken, e.taken)
	if e.sequences != nil {
		s.sequences = e.sequences
	}
	s.cost.frame(e.Time)
	s.hints = map[int]int{}
	for _, c := range e.Tables {
		s.hints[c.Table.ID] = len(c.Rows)
	}
	e.hints = nil
	s.open.frames++
	if s.open.since.IsZero() {
		s.open.since = e.Time
	}
	s.stats.Frames.Add(1)
	s.stats.Rows.Add(uint64(rows))
}
