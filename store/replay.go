package store

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// replay writes the after-images of entries from to to into the game database,
// inside the caller's transaction. Triggers, foreign keys, CHECKs and the change
// capture are off: what they did is in the images. It is idempotent, and nothing
// in SQL can refuse it: a row that stands in the way by another UNIQUE key was
// changed by one of these entries too, and is written again in its turn.
//
// What other programs have noted and no entry has taken up came after all of the
// entries, for it is the first thing in the next one: it is done again on top.
func (s *Store) replay(from, to uint64) (err error) {
	if from > to {
		return nil
	}
	defer func() {
		if e := s.enforce(true); err == nil {
			err = e
		}
	}()
	if err := s.enforce(false); err != nil {
		return err
	}
	later, err := s.readNotes(math.MaxInt - 1)
	if err != nil {
		return err
	}
	for _, r := range later.rows {
		if err := s.readImage(r); err != nil {
			return err
		}
	}
	entries, err := s.replayEntries(from, to, len(later.rows) > 0)
	if err != nil || len(later.rows) == 0 {
		return err
	}
	return s.redo(later, entries)
}

// replayEntries returns the entries, if they are to be kept.
func (s *Store) replayEntries(from, to uint64, keep bool) (entries []*Entry, err error) {
	s.capture.Pause()
	defer s.capture.Resume()
	writers := map[string]*replayWriter{}
	defer func() {
		for _, w := range writers {
			w.close()
		}
	}()
	for v := from; v <= to; v++ {
		e, err := s.Entry(v)
		if err != nil {
			return nil, err
		}
		if keep {
			entries = append(entries, e)
		}
		for _, c := range e.Tables {
			if err := s.replayChange(writers, c); err != nil {
				return nil, fmt.Errorf("replay entry %d of the frame log into table %q: %w", v, c.Table.Name, err)
			}
		}
		if err := replaySequences(s.w, e); err != nil {
			return nil, fmt.Errorf("replay entry %d of the frame log: %w", v, err)
		}
	}
	return entries, nil
}

// enforce switches what SQL enforces on the connection on or off.
func (s *Store) enforce(on bool) error {
	if err := s.w.Config(sqlite.EnableTriggers, on); err != nil {
		return err
	}
	if err := s.w.Config(sqlite.EnableForeignKeys, on); err != nil {
		return err
	}
	if on {
		return s.w.Exec("PRAGMA ignore_check_constraints = OFF")
	}
	return s.w.Exec("PRAGMA ignore_check_constraints = ON")
}

// A replayWriter writes the rows of one table that have values for the same
// places.
type replayWriter struct {
	at             []int // places written, the key first
	key            int
	update, insert *sqlite.Stmt
	erase          *sqlite.Stmt
}

func (s *Store) replayChange(writers map[string]*replayWriter, c *Change) error {
	w, err := s.replayWriter(writers, c.Table, c.writtenPlaces())
	if err != nil {
		return err
	}
	for i := range c.Rows {
		if err := w.write(c.Images.Row(i), c.Rows[i].After); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) replayWriter(writers map[string]*replayWriter, t *Table, places []int) (*replayWriter, error) {
	id := fmt.Sprint(t.ID, places)
	w := writers[id]
	if w == nil {
		var err error
		if w, err = newReplayWriter(s.w, t, places); err != nil {
			return nil, err
		}
		writers[id] = w
	}
	return w, nil
}

// writtenPlaces returns the places of the columns that are stored and that the
// images have values for, the key first.
func (c *Change) writtenPlaces() []int {
	var places []int
	for i := range c.Table.Columns {
		if (c.have == nil || slices.Contains(c.have, i)) && !c.Table.Columns[i].Generated {
			places = append(places, i)
		}
	}
	return places
}

// loose says whether keys that differ can be equal in this column, so that an
// update may change a row's key and leave it the same row.
func (c *Column) loose() bool { return c.collation != collateBinary || c.affinity == affinityBlob }

func newReplayWriter(c *sqlite.Conn, t *Table, places []int) (*replayWriter, error) {
	w := &replayWriter{at: places, key: t.Key}
	var names, params, sets []string
	for i, place := range places {
		names = append(names, quote(t.Columns[place].Name))
		params = append(params, fmt.Sprintf("?%d", i+1))
		if i >= t.Key || t.Columns[place].loose() {
			sets = append(sets, names[i]+" = "+params[i])
		}
	}
	var err error
	if len(sets) > 0 {
		if w.update, err = c.Prepare(fmt.Sprintf("UPDATE OR REPLACE %s SET %s WHERE %s",
			quote(t.Name), strings.Join(sets, ", "), t.whereKey())); err != nil {
			return nil, err
		}
	}
	if w.insert, err = c.Prepare(fmt.Sprintf("INSERT OR REPLACE INTO %s (%s) VALUES (%s)",
		quote(t.Name), strings.Join(names, ", "), strings.Join(params, ", "))); err != nil {
		return nil, err
	}
	w.erase, err = c.Prepare(fmt.Sprintf("DELETE FROM %s WHERE %s", quote(t.Name), t.whereKey()))
	return w, err
}

// write updates first, so that a row that is there keeps its rowid.
func (w *replayWriter) write(image []wire.Value, after bool) error {
	if !after {
		return w.erase.RunWith(image[:w.key]...)
	}
	if set, err := w.set(image); set || err != nil {
		return err
	}
	return w.insert.RunWith(w.values(image)...)
}

// set updates the row, if it is there, and says whether it is.
func (w *replayWriter) set(image []wire.Value) (there bool, err error) {
	if w.update == nil {
		return false, nil
	}
	changed, err := w.update.Changes(w.values(image)...)
	return changed > 0, err
}

func (w *replayWriter) values(image []wire.Value) []wire.Value {
	values := make([]wire.Value, len(w.at))
	for i, place := range w.at {
		values[i] = image[place]
	}
	return values
}

func (w *replayWriter) close() {
	for _, s := range []*sqlite.Stmt{w.update, w.insert, w.erase} {
		if s != nil {
			s.Close()
		}
	}
}
