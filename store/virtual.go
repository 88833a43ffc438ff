package store

import (
	"fmt"
	"strings"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// Virtual generated columns are not stored, so the capture does not have them:
// they are read, at the end of each transaction to judge them, and at the end of
// the frame for its entry.

// judgeVirtual refuses rows whose virtual columns SQL can't compute, or computes
// what devices can't be told.
func (s *Store) judgeVirtual(mark sqlite.Mark) (refusal *wire.Refusal, err error) {
	if !s.virtualColumns {
		return nil, nil
	}
	tables := s.Schema().Tables
	each := s.capture.Each(mark, func(ch *sqlite.Change) {
		t := tables[ch.Table]
		if refusal == nil && err == nil && ch.Kind != sqlite.Deleted && t.Synced && len(t.virtual) > 0 {
			refusal, err = s.judgeVirtualRow(t, ch.Values[:t.Key])
		}
	})
	if err == nil {
		err = each
	}
	return refusal, err
}

func (s *Store) judgeVirtualRow(t *Table, key []wire.Value) (*wire.Refusal, error) {
	sel, err := s.virtualSelect(t)
	if err != nil {
		return nil, err
	}
	row, err := fetchRow(sel, key)
	switch {
	case err != nil && refuses(sqlite.CodeOf(err)):
		return wire.Refuse(wire.CodeConstraint, "table %q: a generated column can't be computed: %s", t.Name, words(err)), nil
	case err != nil:
		return nil, err
	}
	for i := range row { // none, where the transaction has deleted it since
		if !row[i].Valid() {
			return t.untellable(t.virtual[i], row[i]), nil
		}
	}
	return nil, nil
}

func fetchRow(sel *sqlite.Stmt, key []wire.Value) ([]wire.Value, error) {
	if err := sel.Bind(key...); err != nil {
		return nil, err
	}
	row, _, err := sel.Fetch(nil, 1, 1<<30)
	sel.Reset()
	return row, err
}

// readVirtual fills in the virtual columns of the rows that a frame changed.
// Which of them changed is not known: the masks have all.
func (s *Store) readVirtual(e *Entry) error {
	for _, c := range e.Tables {
		if len(c.Table.virtual) == 0 || !c.Table.Synced {
			continue
		}
		sel, err := s.virtualSelect(c.Table)
		if err != nil {
			return err
		}
		for i := range c.Rows {
			if !c.Rows[i].After {
				continue
			}
			image := c.Images.Row(i)
			row, err := fetchRow(sel, image[:c.Table.Key])
			if err != nil {
				return fmt.Errorf("read the generated columns of table %q: %w", c.Table.Name, err)
			}
			for j, place := range c.Table.virtual {
				image[place] = row[j]
				c.Rows[i].Mask |= MaskBit(place)
			}
		}
	}
	return nil
}

func (s *Store) virtualSelect(t *Table) (*sqlite.Stmt, error) {
	if sel := s.virtual[t.ID]; sel != nil {
		return sel, nil
	}
	var names []string
	for _, place := range t.virtual {
		names = append(names, quote(t.Columns[place].Name))
	}
	sel, err := s.w.Prepare(fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(names, ", "), quote(t.Name), t.whereKey()))
	if err != nil {
		return nil, err
	}
	if s.virtual == nil {
		s.virtual = map[int]*sqlite.Stmt{}
	}
	s.virtual[t.ID] = sel
	return sel, nil
}
