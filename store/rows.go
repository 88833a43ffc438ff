package store

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

var errRefused = errors.New("SQL refused a row of a table that nothing in SQL looks at")

// maxRowsKept is how many rows of plain tables are held in memory, about; those
// used longest ago go first.
var maxRowsKept = 1 << 18 // changed by tests alone

// A memRow is a row of a plain table as the last accepted transaction left it.
type memRow struct {
	image   []wire.Value // of a row that is not there, the key alone counts
	there   bool
	dirty   bool   // SQL has something else
	merging bool   // or gets it, beside the frames
	odd     bool   // it has a value that only an SQL writer can have left: SQL runs what touches it
	frame   uint64 // the frame that touched it last
	at      int32  // its place in that frame's entry
}

// memTable is the rows of one plain table that are in memory. Two generations
// make the oldest easy to find: what is used moves to the young one, and when
// that is full the other goes.
type memTable struct {
	table      *Table
	all        []int // every place
	young, old keyMap[*memRow]
	dirty      []*memRow
	counts     *counts // nil: nobody has asked
	uncounted  bool    // SQL is to count
}

// rows is what is held of all plain tables. SQL has the same once flush has
// written what is dirty. It belongs to the open transaction: another program
// can't write while that is open, and what one has written is taken up before anything
// else (takeup.go).
type rows struct {
	tables  map[int]*memTable
	young   int   // rows in all young generations
	version int64 // of the file, as SQLite counts what others commit
	undo    undo
}

func (r *rows) table(t *Table) *memTable {
	m := r.tables[t.ID]
	if m == nil {
		m = &memTable{table: t, all: wirePlaces(len(t.Columns)), young: newKeyMap[*memRow](t, 0)}
		if r.tables == nil {
			r.tables = map[int]*memTable{}
		}
		r.tables[t.ID] = m
	}
	return m
}

// drop forgets a table that another program has written; SQL has all of it.
func (r *rows) drop(t *Table) {
	if m := r.tables[t.ID]; m != nil {
		r.young -= m.young.len()
		delete(r.tables, t.ID)
	}
}

// markOdd says that a row of a plain table has a value that only an SQL writer can
// have left.
func (r *rows) markOdd(n *notedRow) {
	if m := r.tables[n.table.ID]; m != nil && n.table.plain != nil {
		if row := m.find(r, n.table.key(n.key)); row != nil {
			row.odd = true
		}
	}
}

// dropMerged forgets what SQL has of a table.
func (r *rows) dropMerged(t *Table) {
	m := r.tables[t.ID]
	if m == nil {
		return
	}
	r.drop(t)
	anew := r.table(t)
	anew.dirty = m.dirty
	anew.keepUnmerged(r, m.old)
	anew.keepUnmerged(r, m.young)
}

// keepUnmerged keeps what SQL does not have yet of a generation that goes.
func (m *memTable) keepUnmerged(r *rows, generation keyMap[*memRow]) {
	generation.each(func(k rowKey, row *memRow) {
		if row.dirty || row.merging {
			m.keep(r, k, row)
		}
	})
}

// forget drops everything, also what SQL does not have.
func (r *rows) forget() { *r = rows{version: r.version} }

// unwritten returns how many rows SQL does not have as they are.
func (r *rows) unwritten() int {
	n := 0
	for _, m := range r.tables {
		n += len(m.dirty)
	}
	return n
}

// distrust finds out whether another program has written to the file since the last
// transaction, which has just been followed by a new one.
func (s *Store) distrust() error {
	row, _, err := s.sql.foreign.Fetch(nil, 1, 64)
	s.sql.foreign.Reset()
	if err != nil {
		return err
	}
	if v := row[0].Int64(); v != s.rows.version {
		s.rows.version, s.written = v, true
	}
	return nil
}

// find returns the row with that key if it is in memory.
func (m *memTable) find(r *rows, k rowKey) *memRow {
	if row, ok := m.young.get(k); ok {
		return row
	}
	row, ok := m.old.get(k)
	if ok {
		m.keep(r, k, row)
	}
	return row
}

func (m *memTable) keep(r *rows, k rowKey, row *memRow) {
	m.young.set(k, row)
	r.young++
}

// age makes the young generation the old one when it is full. What is dirty is
// kept by the list of the dirty, and must be flushed before it can go, or stays young
// where that takes a merge. It is for between frames: the entry of one under way points
// to the rows it touched.
func (s *Store) age() error {
	if s.rows.young < maxRowsKept/2 {
		return nil
	}
	if !s.opts.MVSQLite {
		if err := s.flush(); err != nil {
			return err
		}
	}
	s.rows.young = 0
	for _, m := range s.rows.tables {
		older := m.old
		m.old, m.young = m.young, newKeyMap[*memRow](m.table, 0)
		m.keepUnmerged(&s.rows, older)
	}
	return nil
}

// load brings every row that a block names into memory, appends them to rows, and
// says whether one of them is odd.
func (s *Store) load(t *Table, b *wire.Block, rows []*memRow) (_ []*memRow, odd bool, err error) {
	m := s.rows.table(t)
	var missing []int32
	var key []wire.Value
	first := len(rows)
	for i := range b.N {
		key = t.plainKeyOf(b, i, key[:0])
		r := m.find(&s.rows, t.key(key))
		rows = append(rows, r)
		if r == nil {
			missing = append(missing, int32(i))
		} else if r.odd {
			odd = true
		}
	}
	if len(missing) == 0 {
		return rows, odd, nil
	}
	stmts, err := s.stmts.get(t, m.all)
	if err != nil {
		return rows, odd, err
	}
	const batch = 1024
	for part := range slices.Chunk(missing, batch) {
		err := s.w.Read(stmts, b, t.Key, part, func(i int, found bool, rest []wire.Value) {
			row := &memRow{image: make([]wire.Value, len(t.Columns)), there: found}
			t.plainKeyOf(b, int(part[i]), row.image[:0])
			copy(row.image[t.Key:], rest)
			row.odd = slices.ContainsFunc(row.image, isOdd)
			odd = odd || row.odd
			k := t.key(row.image)
			if known, twice := m.young.get(k); twice {
				row = known
			} else {
				m.keep(&s.rows, k, row)
			}
			rows[first+int(part[i])] = row
		})
		if err != nil {
			return rows, odd, fmt.Errorf("read rows of table %q: %w", t.Name, err)
		}
	}
	return rows, odd, nil
}

// plainKeyOf appends the key of a block's row as it is stored; its values have
// been found to be exact.
func (t *Table) plainKeyOf(b *wire.Block, row int, dst []wire.Value) []wire.Value {
	for i := range t.Key {
		v, _ := t.Columns[i].exact(b.Value(i, row))
		dst = append(dst, v.Clone())
	}
	return dst
}

func (m *memTable) mark(row *memRow) {
	if !row.dirty {
		row.dirty = true
		m.dirty = append(m.dirty, row)
	}
}

// flush writes to SQL what it does not have yet of plain tables. Nothing in SQL
// looks at them, so that the change capture need not either.
func (s *Store) flush() error {
	if err := s.claim(); err != nil {
		return err
	}
	for _, m := range s.rows.tables {
		if err := s.flushTable(m, m.dirty, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// flushAhead does some of a flush that is to come, until end, about: what the
// last frame did not touch, and so is not likely to change again before.
func (s *Store) flushAhead(end time.Time) error {
	start := time.Now()
	for _, m := range s.rows.tables {
		before := len(m.dirty)
		s.cold = s.cold[:0]
		for _, row := range m.dirty {
			if row.frame != s.begun {
				s.cold = append(s.cold, row)
			}
		}
		if err := s.flushTable(m, s.cold, end); err != nil {
			return err
		}
		s.open.ahead += before - len(m.dirty)
	}
	clear(s.cold)
	s.open.aheadTook += time.Since(start)
	return nil
}

// flushTable flushes rows of a table; with an end not all of them, where time is short.
func (s *Store) flushTable(m *memTable, rows []*memRow, end time.Time) error {
	if len(rows) == 0 {
		return nil
	}
	s.capture.Pause()
	defer s.capture.Resume()
	err := s.writer.put(m.table, rows, func(part []*memRow) bool {
		for _, row := range part {
			row.dirty = false
		}
		return end.IsZero() || time.Now().Before(end)
	})
	m.dirty = slices.DeleteFunc(m.dirty, func(row *memRow) bool { return !row.dirty })
	return err
}

// takeCaptured brings memory up to what SQL did to a plain table by itself, and
// returns the row as it now is.
func (m *memTable) takeCaptured(r *rows, ch *sqlite.Change) *memRow {
	k := m.table.key(ch.Values)
	row := m.find(r, k)
	if row == nil {
		row = &memRow{image: make([]wire.Value, len(m.table.Columns))}
		m.keep(r, k, row)
		if ch.Kind != sqlite.Inserted && m.counts != nil {
			m.uncount() // what it counted for is not known
		}
	}
	m.changing(row, func() {
		row.there, row.odd = ch.Kind != sqlite.Deleted, false // judged
		clear(row.image)
		copy(row.image, ch.Values)
	})
	return row
}
