package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// A noted row is one that other programs have changed since the last frame.
type notedRow struct {
	table *Table
	key   []wire.Value
	there bool       // there was a row before
	sure  bool       // that is certain
	made  bool       // one was made: what there is now is another row
	mask  uint64     // places that were set
	scope wire.Value // the scope column's before

	image []wire.Value // as it is now, in the order of Table.captured; nil: there is none
}

// maxNoted is how many rows another program may change between two frames, and
// maxNotedSize how large they may be, to be told row by row: beyond, their tables are taken for
// another content, which is snapshotted. Both are changed by tests alone.
var (
	maxNoted     = 1 << 18
	maxNotedSize = 64 << 20
)

// notes is what other programs have changed, in the order in which they did.
type notes struct {
	most  int // rows that are kept, but for one more
	rows  []*notedRow
	last  int64          // the last note that was read
	alone map[int]*Table // tables that only the hub should write
	odd   map[int]*Table // tables in which rows have no key
	index map[int]*keyMap[*notedRow]
}

// Written says whether another program has written to the game database since the
// last frame began. It costs a few microseconds, and no disk.
func (s *Store) Written() (bool, error) {
	if s.written || s.broken || s.w == nil {
		return s.written, nil
	}
	if s.opts.MVSQLite {
		return s.writtenBeside()
	}
	if s.open.begun { // and nobody else can
		return false, nil
	}
	return s.foreignVersion()
}

// foreignVersion says whether anybody else has committed since the frame loop's last
// transaction began.
func (s *Store) foreignVersion() (bool, error) {
	row, _, err := s.sql.foreign.Fetch(nil, 1, 64)
	s.sql.foreign.Reset()
	if err != nil {
		return false, explain(s.opts.Path, err)
	}
	return row[0].Int64() != s.rows.version, nil
}

// writtenBeside is Written where others can write at any time; it looks often enough. A
// merge of the hub's own looks the same.
func (s *Store) writtenBeside() (bool, error) {
	if time.Since(s.lag.looked) < s.opts.MergeEvery || s.lag.claimed {
		return false, nil
	}
	if err := s.lookAnew(); err != nil {
		return false, explain(s.opts.Path, err)
	}
	s.lag.looked = time.Now()
	return s.foreignVersion()
}

// besideFrames is how many frames after another program has written are merged at once
// even where that is dear: while they are not, no other program can write.
const besideFrames = 600

// takeUp makes what other programs have written the first thing in the frame: they
// committed it before the frame had the database to itself.
func (f *Frame) takeUp() error {
	s := f.s
	if !s.written {
		return nil
	}
	n, err := s.readNotes(maxNoted)
	if err != nil {
		return err
	}
	if n.last == s.taken && !s.opts.MVSQLite {
		s.rows.forget() // what was written was not noted, and may be anything
		lost, err := s.notesLost()
		if err != nil {
			return err
		}
		if lost {
			s.open = openTx{}
			return errors.Join(ErrSchemaChanged, s.w.Exec(`ROLLBACK`)) // which finds it too
		}
	}
	small, err := s.readImages(n.rows)
	if err != nil {
		return err
	}
	if !small {
		return s.takeAnew(n)
	}
	by, changed := int32(len(f.entry.Writers)), false
	for _, r := range n.rows {
		if f.foldNoted(r, by) {
			changed = true
			s.stats.Taken.Add(1)
		}
	}
	f.entry.Foreign = s.foreignTables(n)
	if changed {
		s.beside = besideFrames
	}
	if changed || len(f.entry.Foreign) > 0 {
		f.entry.Writers = append(f.entry.Writers, Writer{})
	}
	if n.last > s.taken {
		f.entry.taken = n.last
		if s.opts.MVSQLite {
			s.lag.unnote = n.last // the next merge does it
		} else if err := s.sql.unnote.RunWith(wire.IntegerValue(n.last)); err != nil {
			return err
		}
	}
	s.report(n)
	s.written = false
	return nil
}

// keyless says whether values, of which the first are the key, are those of a row that
// devices can't tell from others.
func (t *Table) keyless(values []wire.Value) bool {
	return t.Synced && !t.intKey && slices.ContainsFunc(values[:t.Key], func(v wire.Value) bool { return v.IsNull() || !v.Valid() })
}

// takeAnew gives up telling what was noted row by row: Reshape is to take the tables for
// another content.
func (s *Store) takeAnew(n *notes) error {
	s.anew, s.anewTo = map[int]bool{}, n.last
	names := map[string]bool{}
	for id := range n.index {
		s.anew[id] = true
		names[s.Schema().ByID(id).Name] = true
	}
	s.opts.Log.Warn("another program changed more at once than a version holds: devices that are subscribed to these tables get all of their rows anew",
		"tables", slices.Sorted(maps.Keys(names)), "rows", len(n.rows))
	s.open = openTx{}
	return errors.Join(ErrSchemaChanged, s.w.Exec(`ROLLBACK`))
}

// foreignTables returns the tables that only the hub should write and that another program
// has, or may have: for tables that are part of a virtual one SQLite runs no triggers.
func (s *Store) foreignTables(n *notes) []*Table {
	noted := n.last > s.taken
	var all []*Table
	for _, t := range s.Schema().Tables {
		if n.alone[t.ID] != nil || t.shadow && (noted || !s.opts.MVSQLite) { // there the hub's own merges look like others' writes
			all = append(all, t)
		}
	}
	return all
}

// report tells of what was written and has no version.
func (s *Store) report(n *notes) {
	for _, t := range n.alone {
		s.stats.Foreign.Add(1)
		if s.opts.MVSQLite {
			s.rows.dropMerged(t)
		} else {
			s.rows.drop(t)
		}
		s.opts.Log.Error("another program wrote to a table that only the hub writes: devices don't see what it changed; "+
			"give the table writers = \"sql\", or let the hub write it", "table", t.Name)
	}
	for _, t := range n.odd {
		s.stats.Foreign.Add(1)
		s.opts.Log.Error("another program wrote rows whose key is NULL, or no text in UTF-8: devices don't see them", "table", t.Name)
	}
}

// readNotes reads what other programs noted since the last time; of more than most rows
// only their tables.
func (s *Store) readNotes(most int) (*notes, error) {
	n := &notes{most: most, last: s.taken, alone: map[int]*Table{}, odd: map[int]*Table{}, index: map[int]*keyMap[*notedRow]{}}
	stride := 4 + s.noteKeys
	if err := s.notes.Bind(wire.IntegerValue(s.taken)); err != nil {
		return nil, err
	}
	var values []wire.Value
	for done := false; !done; {
		var err error
		if values, done, err = s.notes.Fetch(values[:0], batchRows, batchBytes); err != nil {
			return nil, fmt.Errorf("read what other programs changed: %w", err)
		}
		for at := 0; at < len(values); at += stride {
			n.add(s.Schema(), values[at:at+stride])
		}
	}
	return n, nil
}

// add takes up a note: its id, table, what it says, the scope before, the key.
func (n *notes) add(schema *Schema, note []wire.Value) {
	n.last = note[0].Int64()
	t := schema.ByID(int(note[1].Int64()))
	if t == nil {
		return // a table that is gone, or was made anew: that is a change of the schema
	}
	what := note[2].Int64()
	if what == noteAlone {
		n.alone[t.ID] = t
		return
	}
	key := note[4 : 4+t.Key]
	if t.keyless(key) {
		n.odd[t.ID] = t
		return
	}
	if r := n.row(t, key); r != nil {
		r.note(what, note[3])
	}
}

// row returns the row with that key, nil where there are too many already.
func (n *notes) row(t *Table, key []wire.Value) *notedRow {
	m := n.index[t.ID]
	if m == nil {
		index := newKeyMap[*notedRow](t, 0)
		m = &index
		n.index[t.ID] = m
	}
	k := t.key(key)
	r, ok := m.get(k)
	if !ok {
		if len(n.rows) > n.most {
			return nil
		}
		r = &notedRow{table: t, key: slices.Clone(key)}
		m.set(k, r)
		n.rows = append(n.rows, r)
	}
	return r
}

// note takes up what a note says of the row.
//
// A trigger of the game's may have run before the hub's, and set something of a row
// that had just been made. So where it was set first, what comes next decides
// whether it was there.
func (r *notedRow) note(what int64, scope wire.Value) {
	if !r.sure && !r.there && what != noteMade {
		r.there, r.scope = true, scope
	}
	switch what {
	case noteThere:
		r.sure = true
	case noteMade:
		if !r.sure {
			r.there, r.scope = false, wire.Value{}
		}
		r.sure, r.made = true, true
	default:
		r.mask |= r.table.maskOf(int(what))
	}
}

// idle says whether nothing has become of the row: it might have been replaced, and
// was not.
func (r *notedRow) idle() bool { return r.image != nil && r.there && !r.made && r.mask == 0 }

// maskOf returns the mask of a column with that id, and with it of those that are
// computed.
func (t *Table) maskOf(column int) (mask uint64) {
	for i := range t.Columns {
		if t.Columns[i].ID == column || t.Columns[i].Generated {
			mask |= MaskBit(i)
		}
	}
	return mask
}

// readImages reads the rows as they are now, until they are too many, or too large, to
// be told.
func (s *Store) readImages(rows []*notedRow) (small bool, err error) {
	if len(rows) > maxNoted {
		return false, nil
	}
	size := 0
	for _, r := range rows {
		if err := s.readImage(r); err != nil {
			return false, err
		}
		if size += sizeOf(r.image); size > maxNotedSize {
			return false, nil
		}
	}
	return true, nil
}

func (s *Store) readImage(r *notedRow) error {
	sel, err := s.storedRow(r.table)
	if err != nil {
		return err
	}
	row, err := fetchRow(sel, r.key)
	if err != nil {
		return fmt.Errorf("read a row of table %q: %w", r.table.Name, err)
	}
	if len(row) > 0 {
		r.image = row
	}
	return nil
}

// storedRow returns the statement that reads what is stored of a row by its key.
func (s *Store) storedRow(t *Table) (*sqlite.Stmt, error) {
	if sel := s.stored[t.ID]; sel != nil {
		return sel, nil
	}
	names := make([]string, len(t.captured))
	for i, place := range t.captured {
		names[i] = quote(t.Columns[place].Name)
	}
	sel, err := s.w.Prepare(fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(names, ", "), quote(t.Name), t.whereKey()))
	if err != nil {
		return nil, err
	}
	if s.stored == nil {
		s.stored = map[int]*sqlite.Stmt{}
	}
	s.stored[t.ID] = sel
	return sel, nil
}

// foldNoted takes a row into the entry, as a transaction of the hub's that did the
// same would have, and says whether it was changed.
func (f *Frame) foldNoted(r *notedRow, by int32) (changed bool) {
	now := r.image != nil
	f.size += sizeOf(r.image)
	if r.there && (r.made || !now) {
		f.foldChange(r.table, r.change(sqlite.Deleted), by)
		changed = true
	}
	if now && r.made {
		f.foldChange(r.table, r.change(sqlite.Inserted), by)
		changed = true
	}
	if now && r.there && !r.made && !r.idle() {
		f.foldChange(r.table, r.change(sqlite.Updated), by)
		changed = true
	}
	if slices.ContainsFunc(r.image, isOdd) || slices.ContainsFunc(r.key, isOdd) || !r.scope.Valid() {
		f.entry.change(r.table).Odd = true
		f.s.rows.markOdd(r)
	}
	return changed
}

// change returns what happened to the row as the capture would have recorded it.
func (r *notedRow) change(kind sqlite.ChangeKind) *sqlite.Change {
	ch := &sqlite.Change{Kind: kind, Values: r.image}
	if r.table.rowid != "" {
		ch.RowID = r.key[0].Int64()
	}
	switch kind {
	case sqlite.Inserted:
	case sqlite.Updated:
		ch.Scope, ch.Mask = r.scope, r.table.capturedMask(r.mask)
	case sqlite.Deleted:
		ch.Scope, ch.Values = r.scope, r.key
	}
	return ch
}

// capturedMask turns a mask of places into one of captured columns.
func (t *Table) capturedMask(mask uint64) uint64 {
	if len(t.captured) == len(t.Columns) {
		return mask
	}
	var out uint64
	for i, place := range t.captured {
		if mask&MaskBit(place) != 0 {
			out |= MaskBit(i)
		}
	}
	return out
}
