package hub

import (
	"cmp"
	"slices"

	"framehub/session/wire"
	"framehub/store"
)

// A credit says that a transaction wrote a row.
type credit struct {
	writer int32 // in the list that goes with the deltas, which is in the order of commits
	row    int32 // in the delta's rows
}

// credits appends those of a row of a change, with the change's writers from base on.
func credits(dst []credit, c *store.Change, i int, base, row int32) []credit {
	dst = append(dst, credit{base + c.Rows[i].By, row})
	for _, w := range c.Also[int32(i)] {
		dst = append(dst, credit{base + w, row})
	}
	return dst
}

// credited leaves of a table's credits those of rows that are told.
func credited(credits []credit, told []bool) []credit {
	return slices.DeleteFunc(credits, func(c credit) bool { return !told[c.row] })
}

// A byline is the rows of one table that one transaction wrote.
type byline struct {
	writer int32
	delta  *delta
	rows   []int32
}

// bylines returns whose the rows of deltas are, in the order of commits.
func bylines(deltas []delta) (all []byline) {
	for i := range deltas {
		d := &deltas[i]
		slices.SortStableFunc(d.credits, func(a, b credit) int { return cmp.Compare(a.writer, b.writer) })
		for _, c := range d.credits {
			if last := len(all) - 1; last < 0 || all[last].delta != d || all[last].writer != c.writer {
				all = append(all, byline{writer: c.writer, delta: d})
			}
			line := &all[len(all)-1]
			line.rows = append(line.rows, c.row)
		}
	}
	slices.SortStableFunc(all, func(a, b byline) int { return cmp.Compare(a.writer, b.writer) })
	return all
}

// addAuthors encodes who wrote what is told.
func (p *packer) addAuthors(deltas []delta, writers []store.Writer) {
	for _, line := range bylines(deltas) {
		p.addAuthor(line, &writers[line.writer])
	}
}

// addAuthor encodes the keys that a transaction wrote, in more than one author
// where they don't fit one message. A key that fits none is left out, as its row is.
func (p *packer) addAuthor(line byline, w *store.Writer) {
	d := line.delta
	author := wire.AppendAuthor(nil, w.Device[:], w.Seq, d.table.ID, d.table.Key, d.rows, line.rows)
	switch half := len(line.rows) / 2; {
	case len(author) <= p.room:
		if len(author) > p.room-p.size {
			p.next()
		}
		p.now.authors = append(p.now.authors, author)
		p.size += len(author)
	case half > 0:
		p.addAuthor(byline{line.writer, d, line.rows[:half]}, w)
		p.addAuthor(byline{line.writer, d, line.rows[half:]}, w)
	}
}
