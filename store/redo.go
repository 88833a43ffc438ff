package store

import (
	"errors"
	"fmt"
	"slices"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// redo does again what other programs have changed, on rows that entries have been
// written over: as SQL, of which the capture tells what it did
// this time. The notes become those of that, so that the next frame takes it up as if
// it had only now been written.
func (s *Store) redo(n *notes, entries []*Entry) error {
	writers := map[string]*replayWriter{}
	defer func() {
		for _, w := range writers {
			w.close()
		}
	}()
	for _, r := range n.rows {
		if err := s.redoRow(writers, r); err != nil {
			return fmt.Errorf("do again what another program did to table %q: %w", r.table.Name, err)
		}
	}
	return s.renote(n, entries)
}

func (s *Store) redoRow(writers map[string]*replayWriter, r *notedRow) error {
	t := r.table
	if r.idle() {
		return nil
	}
	if r.image == nil {
		return s.redoWith(writers, t, nil, func(w *replayWriter) error { return w.erase.RunWith(r.key...) })
	}
	image := make([]wire.Value, len(t.Columns))
	copy(image, r.key)
	for i, place := range t.captured {
		image[place] = r.image[i]
	}
	write := func(w *replayWriter) error { return w.write(image, true) }
	if !r.there || r.made {
		return s.redoWith(writers, t, nil, write)
	}
	// Of a row that was only set, what was set; all of it where an entry has deleted it.
	return s.redoWith(writers, t, r, func(w *replayWriter) error {
		changed, err := w.set(image)
		if err != nil || changed {
			return err
		}
		return s.redoWith(writers, t, nil, write)
	})
}

// redoWith lends the writer for the columns that were set, nil for all.
func (s *Store) redoWith(writers map[string]*replayWriter, t *Table, set *notedRow, do func(*replayWriter) error) error {
	var places []int
	for i := range t.Columns {
		c := &t.Columns[i]
		if !c.Generated && (i < t.Key || set == nil || set.mask&MaskBit(i) != 0) {
			places = append(places, i)
		}
	}
	w, err := s.replayWriter(writers, t, places)
	if err != nil {
		return err
	}
	return do(w)
}

// renote replaces the notes: by what the capture has recorded, and before that those
// of rows that none of the entries changed, which are as the other program left them.
func (s *Store) renote(n *notes, entries []*Entry) error {
	if err := s.w.Exec("DELETE FROM "+changeTable+" WHERE id > ?", s.taken); err != nil { // the last that was taken stays: see changeTable
		return err
	}
	w, err := s.newNoteWriter(n.last)
	if err != nil {
		return err
	}
	defer w.insert.Close()
	s.capture.Pause()
	defer s.capture.Resume()
	again := map[*notedRow]bool{}
	err = s.capture.Each(sqlite.Mark{}, func(ch *sqlite.Change) {
		if r := n.find(s.Schema().Tables[ch.Table], ch); r != nil {
			again[r] = true
		}
	})
	for _, r := range n.rows {
		if !slices.ContainsFunc(entries, r.changedIn) {
			w.row(r, again[r])
		}
	}
	if err == nil {
		err = s.capture.Each(sqlite.Mark{}, func(ch *sqlite.Change) { w.change(s.Schema().Tables[ch.Table], ch) })
	}
	s.capture.Rewind(sqlite.Mark{})
	return errors.Join(err, w.err)
}

// changedIn says whether an entry changed the row.
func (r *notedRow) changedIn(e *Entry) bool {
	c := e.Change(r.table.ID)
	if c == nil {
		return false
	}
	_, row := c.find(r.table.key(r.key))
	return row != nil
}

// capturedKey returns the key of a row that the capture recorded.
func (t *Table) capturedKey(ch *sqlite.Change) []wire.Value {
	if t.rowid != "" {
		return []wire.Value{wire.IntegerValue(ch.RowID)}
	}
	return ch.Values[:t.Key]
}

func (n *notes) find(t *Table, ch *sqlite.Change) *notedRow {
	m := n.index[t.ID]
	if m == nil {
		return nil
	}
	r, _ := m.get(t.key(t.capturedKey(ch)))
	return r
}

// A noteWriter writes notes.
type noteWriter struct {
	insert *sqlite.Stmt
	keys   int
	last   int64
	err    error // the first
}

func (s *Store) newNoteWriter(last int64) (*noteWriter, error) {
	insert, err := s.w.Prepare(fmt.Sprintf("INSERT INTO %s(id, tbl, what, scope, %s) VALUES (?1, ?2, ?3, ?4%s)",
		changeTable, noteKeys(s.noteKeys), params(5, s.noteKeys)))
	return &noteWriter{insert: insert, keys: s.noteKeys, last: last}, err
}

func (w *noteWriter) note(t *Table, what int, scope wire.Value, key []wire.Value) {
	if w.err != nil {
		return
	}
	w.last++
	values := make([]wire.Value, 4+w.keys)
	values[0], values[1], values[2], values[3] = wire.IntegerValue(w.last), wire.IntegerValue(int64(t.ID)), wire.IntegerValue(int64(what)), scope
	copy(values[4:], key)
	w.err = w.insert.RunWith(values...)
}

// row notes again what was noted of a row; again: what the capture recorded of it
// follows.
func (w *noteWriter) row(r *notedRow, again bool) {
	if r.there && (again || r.made || r.image == nil) {
		w.note(r.table, noteThere, r.scope, r.key)
	}
	switch {
	case again:
	case r.made:
		w.note(r.table, noteMade, wire.Value{}, r.key)
	default:
		w.set(r.table, r.mask, r.scope, r.key)
	}
}

// set notes that the columns in a mask of places were set.
func (w *noteWriter) set(t *Table, mask uint64, scope wire.Value, key []wire.Value) {
	for i := t.Key; i < len(t.Columns); i++ {
		if mask&MaskBit(i) != 0 {
			w.note(t, t.Columns[i].ID, scope, key)
		}
	}
}

// change notes what the capture recorded.
func (w *noteWriter) change(t *Table, ch *sqlite.Change) {
	key := t.capturedKey(ch)
	switch ch.Kind {
	case sqlite.Inserted:
		w.note(t, noteMade, wire.Value{}, key)
	case sqlite.Deleted:
		w.note(t, noteThere, ch.Scope, key)
	case sqlite.Updated:
		w.set(t, t.places(ch.Mask), ch.Scope, key)
	}
}

// params returns n parameters, from a number on.
func params(from, n int) (list string) {
	for i := range n {
		list += fmt.Sprintf(", ?%d", from+i)
	}
	return list
}
