package store

import (
	"database/sql/driver"
	"fmt"
	"slices"

	"framehub/session/wire"
)

// maxCounted is how many texts of a column are counted in memory.
var maxCounted = 1 << 18 // changed by tests alone

// counts is how many rows of a plain table have each text in a column: rules ask
// for that with each row that somebody makes. It is read from the table when it is
// first asked for and follows what runs in memory; what SQL does to the table by
// itself is followed too, as long as memory has the rows. It goes with the memory
// of its table.
type counts struct {
	column int
	of     map[string]int64
}

// CountIndex returns the statement that makes the index by which [Frame.Count] finds
// rows; "" where it needs none, or has one.
func (t *Table) CountIndex(column int) string {
	if t.plain != nil && t.Columns[column].Type == "TEXT" || slices.Contains(t.indexed, column) {
		return ""
	}
	name := t.Columns[column].Name
	return fmt.Sprintf("CREATE INDEX %s ON %s(%s COLLATE BINARY)", quote(t.Name+"_by_"+name), quote(t.Name), quote(name))
}

// text returns what a row counts for.
func (c *counts) text(r *memRow) (text string, ok bool) {
	if !r.there || r.image[c.column].Kind() != wire.Text {
		return "", false
	}
	return r.image[c.column].Bytes(), true
}

// shift takes a row from what it counted for to what it counts for now.
func (c *counts) shift(was string, counted bool, r *memRow) {
	is, counts := c.text(r)
	if was == is && counted == counts {
		return
	}
	if counted {
		if c.of[was]--; c.of[was] == 0 {
			delete(c.of, was)
		}
	}
	if counts {
		c.of[is]++
	}
}

// changing calls change, which may change a row, and counts what it did.
func (m *memTable) changing(r *memRow, change func()) {
	if m.counts == nil {
		change()
		return
	}
	was, counted := m.counts.text(r)
	change()
	m.counts.shift(was, counted, r)
	if len(m.counts.of) > maxCounted {
		m.uncount()
	}
}

// uncount gives counting in memory up, until all of the table is forgotten.
func (m *memTable) uncount() { m.counts, m.uncounted = nil, true }

// countInMemory returns how many rows of a table have a text in a column; false: SQL
// has to count them.
func (s *Store) countInMemory(t *Table, column int, v wire.Value) (n int64, ok bool, err error) {
	if t.plain == nil || t.Columns[column].Type != "TEXT" || v.Kind() != wire.Text {
		return 0, false, nil
	}
	m := s.rows.table(t)
	if m.counts == nil || m.counts.column != column {
		if m.uncounted {
			return 0, false, nil
		}
		if err := s.readCounts(m, column); err != nil {
			return 0, false, err
		}
	}
	if m.counts == nil {
		return 0, false, nil
	}
	return m.counts.of[v.Bytes()], true, nil
}

// loadCounted brings the rows that ops name of tables that are counted into memory,
// so that it is known what they counted for when SQL has changed them.
func (s *Store) loadCounted(ops []resolvedOp) error {
	for i := range ops {
		op := &ops[i]
		m := s.rows.tables[op.table.ID]
		if m == nil || m.counts == nil || op.kind == wire.OpExpect || !op.exactKeys() {
			continue
		}
		if _, _, err := s.load(op.table, op.block, nil); err != nil {
			return err
		}
	}
	return nil
}

// exactKeys says whether the op's keys are stored as they come.
func (op *resolvedOp) exactKeys() bool {
	for at := range op.table.Key {
		if !op.table.Columns[op.block.Columns[at]].takes(op.block, at) {
			return false
		}
	}
	return true
}

// readCounts counts all rows of a table.
func (s *Store) readCounts(m *memTable, column int) error {
	if err := s.flushFor(m.table); err != nil {
		return err
	}
	c := &counts{column: column, of: map[string]int64{}}
	name := quote(m.table.Columns[column].Name)
	err := s.w.Query(fmt.Sprintf("SELECT %s, count(*) FROM %s WHERE typeof(%s) = 'text' GROUP BY 1 COLLATE BINARY LIMIT %d", name, quote(m.table.Name), name, maxCounted+1),
		nil, func(row []driver.Value) error {
			c.of[text(row[0])] = number64(row[1])
			return nil
		})
	if err != nil {
		return err
	}
	if m.counts = c; len(c.of) > maxCounted {
		m.uncount()
	}
	return nil
}
