package hub

import (
	"slices"

	"framehub/session/wire"
	"framehub/store"
)

// A database may hold what is no value of the protocol: an infinity, or a text that is
// not UTF-8. The store refuses what would make one; other programs' SQL may have.
// Devices are told NULL in its place, and not of rows with such a key.

// validRows makes NULL of what is no value in the rows of a grid, and returns which
// rows have a key.
func validRows(t *store.Table, g wire.Grid) []int32 {
	rows := make([]int32, 0, g.Rows())
	for i := range g.Rows() {
		if row := g.Row(i); validKey(t, row) {
			makeValid(row)
			rows = append(rows, int32(i))
		}
	}
	return rows
}

func validKey(t *store.Table, row []wire.Value) bool {
	return !slices.ContainsFunc(row[:t.Key], func(v wire.Value) bool { return !v.Valid() })
}

func makeValid(row []wire.Value) {
	for i := range row {
		if !row[i].Valid() {
			row[i] = wire.Value{}
		}
	}
}

// validImages returns a change's images as devices may be told them.
func validImages(c *store.Change) wire.Grid {
	g := c.Images
	if c.Odd {
		g.Values = slices.Clone(g.Values)
		makeValid(g.Values)
	}
	return g
}
