package hub

import (
	"framehub/rules"
	"framehub/session/wire"
	"framehub/store"
)

// A guard judges the ops of a transaction by the rows that they find: whose they
// are, and in which scope. It implements [store.Guard].
type guard struct {
	frame *store.Frame
	book  *book
	who   *rules.Who
}

// Watches implements store.Guard.
func (g *guard) Watches(t *store.Table, kind wire.OpKind) bool {
	return g.book.Looks(g.who, t.ID, kind)
}

// Check implements store.Guard.
func (g *guard) Check(t *store.Table, kind wire.OpKind, b *wire.Block, before []store.BeforeRow) *wire.Refusal {
	row := rules.Row{Table: t.ID, Op: kind, Columns: b.Columns}
	owned := map[string]int{} // with what the op itself brings
	asked := ""
	if at := g.book.OwnerColumn(t.ID); at >= 0 {
		row.Owned = func(user string) (int, error) {
			asked = user
			if n, known := owned[user]; known {
				return n, nil
			}
			n, err := g.frame.Count(t, at, wire.TextValue(user))
			owned[user] = int(n)
			return int(n), err
		}
	}
	for i := range b.N {
		row.Before, row.Values, asked = before[i], b.Row(row.Values[:0], i), ""
		refused, err := g.book.CheckRow(g.who, &row)
		switch {
		case err != nil:
			return wire.Refuse(wire.CodeUnavailable, "the rows that %q owns could not be counted", asked)
		case refused != nil:
			refused.Row = i
			return refused
		case asked != "":
			owned[asked]++
		}
	}
	return nil
}
