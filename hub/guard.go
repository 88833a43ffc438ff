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
	asked := ""
	rows := rules.Rows{Op: kind, Block: b, Before: before, Owned: func(user string) (int, error) {
		asked = user
		n, err := g.frame.Count(t, g.book.OwnerColumn(t.ID), wire.TextValue(user))
		return int(n), err
	}}
	refused, err := g.book.CheckRows(g.who, &rows)
	if err != nil {
		return wire.Refuse(wire.CodeUnavailable, "the rows that %q owns could not be counted", asked)
	}
	return refused
}
