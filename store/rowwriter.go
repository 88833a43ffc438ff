package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// A rowWriter writes rows of plain tables, as memory has them, into the game database.
type rowWriter struct {
	conn  *sqlite.Conn
	stmts *statements

	flat  wire.Block // scratch
	order []rowOrder // the same
}

// put writes rows of a table, those that lie near each other in the file one after the
// other, in batches, and goes on while then says so.
func (w *rowWriter) put(t *Table, rows []*memRow, then func(part []*memRow) bool) error {
	const batch = 1024
	all := wirePlaces(len(t.Columns))
	w.sort(rows)
	for part := range slices.Chunk(rows, batch) {
		if err := errors.Join(w.write(t, all, part, true), w.write(t, all, part, false)); err != nil {
			return fmt.Errorf("merge rows into table %q: %w", t.Name, err)
		}
		if !then(part) {
			break
		}
	}
	return nil
}

// sort sorts rows by their keys, as far as the first number in those goes.
func (w *rowWriter) sort(rows []*memRow) {
	w.order = w.order[:0]
	for _, row := range rows {
		w.order = append(w.order, rowOrder{row.image[0].Int64(), row}) // beside the row: comparing does not go after it
	}
	slices.SortFunc(w.order, func(a, b rowOrder) int { return cmp.Compare(a.key, b.key) })
	for i := range w.order {
		rows[i] = w.order[i].row
	}
	clear(w.order)
}

type rowOrder struct {
	key int64
	row *memRow
}

// write puts those of the rows that are there, or deletes those that are not.
func (w *rowWriter) write(t *Table, columns []int, part []*memRow, there bool) error {
	op := wire.OpPut
	if !there {
		op, columns = wire.OpDelete, columns[:t.Key]
	}
	b := wire.Block{Table: t.ID, Columns: columns, Cols: w.flat.Cols[:0], Cells: w.flat.Cells[:0], Data: w.flat.Data[:0]}
	for i := range columns {
		b.Cols = append(b.Cols, wire.Column{Form: wire.Cells, At: len(b.Cells)})
		b.N = 0
		for _, row := range part {
			if row.there == there {
				b.Cells, b.Data = wire.Flatten(b.Cells, b.Data, row.image[i:i+1])
				b.N++
			}
		}
	}
	w.flat = b
	if b.N == 0 {
		return nil
	}
	stmts, err := w.stmts.get(t, columns)
	if err != nil {
		return err
	}
	row, code, err := w.conn.Write(op, stmts, &b, t.Key)
	if code != 0 {
		return fmt.Errorf("row %d of %d, code %d: %w", row, b.N, code, cmp.Or(err, errRefused))
	}
	return nil
}

func wirePlaces(n int) []int {
	places := make([]int, n)
	for i := range places {
		places[i] = i
	}
	return places
}
