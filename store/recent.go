package store

import (
	"slices"
	"sync"
	"sync/atomic"

	"framehub/session/wire"
)

// The most that recent holds: entries, rows in them, and bytes of them in the log.
const (
	recentEntries = 1024
	recentRows    = 1 << 18
	recentBytes   = 32 << 20
	recentHeavy   = 8 << 20 // of heavy ones with their values
)

// What makes an entry heavy: it is large, and so are its rows.
const (
	heavyEntry = 64 << 10
	heavyRow   = 4 << 10
)

// recent is the last entries, in memory: what transactions with a base are
// checked against, and what sessions a little behind catch up from. It is a
// window of the log, rebuilt from it at start.
//
// Of large values, as an export of a game's files writes them, only the newest are kept:
// of heavy entries before those there is which rows they changed, which takes next to
// nothing, so that they neither fill the memory nor push the others out.
type recent struct {
	floor atomic.Uint64 // the oldest version in the log

	mu      sync.RWMutex
	entries []*Entry // in order, without gaps
	rows    int
	bytes   int
	heavy   []*Entry // those that have their values, in order
	weight  int      // their bytes
	next    uint64   // the version after the newest, also when there is none
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
	if e.isHeavy() {
		r.heavy, r.weight = append(r.heavy, e), r.weight+e.size
		r.lighten()
	}
	drop := 0
	for len(r.entries)-drop > recentEntries || (r.rows > recentRows || r.bytes > recentBytes) && len(r.entries)-drop > 1 {
		r.rows -= r.entries[drop].RowCount()
		r.bytes -= r.entries[drop].size
		r.entries[drop] = nil
		drop++
	}
	r.entries = r.entries[drop:]
}

// lighten takes the values of the oldest heavy entries away, until there are few enough.
// Those behind them are newer, so that an entry which is dropped was lightened before.
func (r *recent) lighten() {
	for r.weight > recentHeavy && len(r.heavy) > 1 {
		e := r.heavy[0]
		r.heavy[0] = nil
		r.heavy, r.weight = r.heavy[1:], r.weight-e.size
		first := r.next - uint64(len(r.entries))
		if e.Version < first {
			continue
		}
		light := e.light()
		r.bytes -= e.size - light.size
		r.entries[e.Version-first] = light
	}
}

// isHeavy says whether the entry's values are what it is large for.
func (e *Entry) isHeavy() bool { return e.size > heavyEntry && e.size > heavyRow*e.RowCount() }

// light returns an entry that only knows which rows were changed, and by whom.
func (e *Entry) light() *Entry {
	const perRow = 128 // bytes, about
	l := &Entry{Version: e.Version, Writers: e.Writers, byTable: map[int]*Change{}, size: perRow * e.RowCount(), isLight: true}
	for _, c := range e.Tables {
		c.indexed.Do(c.makeIndex)
		known := &Change{Table: c.Table, Rows: slices.Clone(c.Rows), Also: c.Also, index: c.index}
		known.indexed.Do(func() {})
		for i := range known.Rows {
			known.Rows[i].Scope = wire.Value{}
		}
		l.Tables = append(l.Tables, known)
		l.byTable[c.Table.ID] = known
	}
	return l
}

// reset forgets all, and goes on after version.
func (r *recent) reset(version, floor uint64) {
	r.floor.Store(floor)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries, r.rows, r.bytes, r.next = nil, 0, 0, version+1
	r.heavy, r.weight = nil, 0
}

// get returns an entry that is here with all its values, or nil.
func (r *recent) get(version uint64) *Entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	first := r.next - uint64(len(r.entries))
	if version < first || version >= r.next {
		return nil
	}
	if e := r.entries[version-first]; !e.isLight {
		return e
	}
	return nil
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
