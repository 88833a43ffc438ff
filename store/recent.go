package store

import (
	"sync"
	"sync/atomic"
)

// The most that recent holds: entries, rows in them, and bytes of them in the log.
const (
	recentEntries = 1024
	recentRows    = 1 << 18
	recentBytes   = 32 << 20
)

// recent is the last entries, in memory: what transactions with a base are
// checked against, and what sessions a little behind catch up from. It is a
// window of the log, rebuilt from it at start.
type recent struct {
	floor atomic.Uint64 // the oldest version in the log

	mu      sync.RWMutex
	entries []*Entry // in order, without gaps
	rows    int
	bytes   int
	next    uint64 // the version after the newest, also when there is none
}

func (r *recent) init() { r.next = 1 }

func (r *recent) add(e *Entry, floor uint64) {
	r.floor.Store(floor)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, e)
	r.rows += e.RowCount()
	r.bytes += e.size
	r.next = e.Version + 1
	drop := 0
	for len(r.entries)-drop > recentEntries || (r.rows > recentRows || r.bytes > recentBytes) && len(r.entries)-drop > 1 {
		r.rows -= r.entries[drop].RowCount()
		r.bytes -= r.entries[drop].size
		r.entries[drop] = nil
		drop++
	}
	r.entries = r.entries[drop:]
}

// reset forgets all, and goes on after version.
func (r *recent) reset(version, floor uint64) {
	r.floor.Store(floor)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries, r.rows, r.bytes, r.next = nil, 0, 0, version+1
}

func (r *recent) get(version uint64) *Entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	first := r.next - uint64(len(r.entries))
	if version < first || version >= r.next {
		return nil
	}
	return r.entries[version-first]
}

// oldest returns the version whose successors are all here.
func (r *recent) oldest() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.next - uint64(len(r.entries)) - 1
}

// covers says whether everything from version on is here.
func (r *recent) covers(version uint64) bool { return version > r.oldest() }

func (r *recent) changedByOther(t *Table, k rowKey, d Device, after uint64) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for i := len(r.entries) - 1; i >= 0 && r.entries[i].Version > after; i-- {
		if r.entries[i].changedByOther(t, k, d) {
			return true
		}
	}
	return false
}

// Entry returns what a version committed. ErrGone: the log no longer has it.
func (s *Store) Entry(version uint64) (*Entry, error) {
	if e := s.recent.get(version); e != nil {
		return e, nil
	}
	b, found, err := s.log.read(version)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrGone
	}
	return decodeEntry(version, []byte(b), s.Schema())
}

// loadRecent reads the end of the log into memory.
func (s *Store) loadRecent() error {
	last := s.log.last
	from := s.log.first
	if last > recentEntries && from < last-recentEntries+1 {
		from = last - recentEntries + 1
	}
	s.recent.reset(from-1, s.log.first)
	for v := from; v <= last; v++ {
		e, err := s.Entry(v)
		if err != nil {
			return err
		}
		s.recent.add(e, s.log.first)
	}
	return nil
}
