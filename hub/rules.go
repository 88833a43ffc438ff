package hub

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"framehub/rules"
	"framehub/session/wire"
	"framehub/store"
)

// A book is the rules as they apply to a schema. It is never changed once made.
type book struct {
	set    *rules.Set
	schema *store.Schema
	*rules.Compiled
}

// SetRules puts rules in force, nil for none: then everything is allowed. What is
// read from then on is written by them. Sessions whose role has lost the right to
// read a table, or all of one, end with [wire.CloseForbidden]; the others go on,
// and are told the schema with their new rights. Rules that do not fit the schema
// are refused, and those before stay.
func (h *Hub) SetRules(set *rules.Set) error {
	if err := h.setRules(set); err != nil {
		return err
	}
	for _, advice := range h.Advice(set) {
		h.opts.Log.Warn("a rule is slow without an index", "advice", advice)
	}
	return nil
}

// CheckRules returns what in rules does not fit the schema.
func (h *Hub) CheckRules(set *rules.Set) rules.Mistakes {
	_, mistakes := set.Compile(RuleTables(h.store.Schema().Tables))
	return mistakes
}

// Advice returns what would make rules cheaper with the schema as it is.
func (h *Hub) Advice(set *rules.Set) []string { return Advice(set, h.store.Schema().Tables) }

func (h *Hub) setRules(set *rules.Set) error {
	h.reforming.Lock()
	defer h.reforming.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	schema := h.store.Schema()
	compiled, mistakes := set.Compile(RuleTables(schema.Tables))
	if err := mistakes.Err(); err != nil {
		return err
	}
	is := &book{set, schema, compiled}
	h.rules.Store(is)
	if h.toldBook.schema != schema {
		return nil // sessions are told both, when the frame loop has taken up the schema
	}
	told := is.since(h.toldBook)
	h.toldBook = is
	for c := range h.clients {
		c.follow(told)
	}
	return nil
}

// A reform is the change from one book to another, as sessions are told of it.
type reform struct {
	was, is *book
	news    map[string][]byte // by role: the schema as a message, nil where it is as before
}

func (b *book) since(was *book) *reform { return &reform{was: was, is: b, news: map[string][]byte{}} }

// schema returns what sessions of a role are to be sent, if anything.
func (r *reform) schema(role string) []byte {
	msg, ok := r.news[role]
	if !ok {
		msg = r.is.schemaFor(role).Append(nil)
		if bytes.Equal(msg, r.was.schemaFor(role).Append(nil)) {
			msg = nil
		}
		r.news[role] = msg
	}
	return msg
}

// follow takes a session from one book to another: it is told what it may now, or
// ended when what it reads was taken from it. Called with Hub.mu held.
func (c *client) follow(r *reform) {
	if r.was == r.is {
		return
	}
	msg := r.schema(c.who.Role)
	switch lost := r.was.Lost(r.is.Compiled, &c.who); {
	case lost != "":
		c.sess.End(wire.Goodbye{Code: wire.CloseForbidden, Text: lost})
	case len(msg) > c.form.max:
		c.sess.End(schemaTooLarge(len(msg), c.form.max))
	case msg != nil:
		c.say(msg)
	}
}

// book returns the rules as they apply to the present schema. Where that has
// changed, a table whose rules no longer fit is closed.
func (h *Hub) book() *book {
	b, schema := h.rules.Load(), h.store.Schema()
	if b.schema == schema {
		return b
	}
	compiled, mistakes := b.set.Compile(RuleTables(schema.Tables))
	now := &book{b.set, schema, compiled}
	if !h.rules.CompareAndSwap(b, now) {
		return h.book()
	}
	if err := mistakes.Err(); err != nil {
		h.opts.Log.Error("rules do not fit the schema any longer, their tables are closed", "err", err)
	}
	return now
}

// RuleTables returns what rules must know of the tables that devices see.
func RuleTables(tables []*store.Table) []rules.Table {
	var out []rules.Table
	for _, t := range tables {
		if !t.Synced {
			continue
		}
		r := rules.Table{Number: t.ID, Name: t.Name, Key: t.Key, Scope: t.Scope, Own: t.Own, Alone: t.WhyAlone()}
		for i := range t.Columns {
			c := &t.Columns[i]
			r.Columns = append(r.Columns, rules.Column{Name: c.Name, Type: c.Type, Generated: !c.Writable()})
		}
		out = append(out, r)
	}
	return out
}

// Advice returns what would make rules cheaper, for operators: an index where they
// count rows that SQL has to look for.
func Advice(set *rules.Set, tables []*store.Table) (all []string) {
	for table, owner := range set.Counted() {
		i := slices.IndexFunc(tables, func(t *store.Table) bool { return t.Name == table })
		if i < 0 || tables[i].Column(owner) < 0 {
			continue
		}
		if index := tables[i].CountIndex(tables[i].Column(owner)); index != "" {
			all = append(all, fmt.Sprintf("max-owned of table %q looks at all its rows for each row that somebody makes, without this index: %s;", table, index))
		}
	}
	slices.Sort(all)
	return all
}

// check says why a transaction may not be, and mends it where rules say how.
func (c *client) check(w *wire.Write, size int) *wire.Refusal {
	b := c.hub.book()
	if refused := c.hub.store.Modernize(b.schema, w); refused != nil { // the columns are those that b knows
		return refused
	}
	rows := 0
	for i := range w.Ops {
		rows += w.Ops[i].Block.N
	}
	if refused := c.limiter().Write(b.Limits(c.who.Role), time.Now(), rows, size); refused != nil {
		return refused
	}
	return b.Check(&c.who, w)
}

// mayRead says why a session may not have a subscription.
func (b *book) mayRead(who *rules.Who, s *sub) *wire.Refusal {
	return b.MayRead(who, s.table.ID, s.scoped, s.scopes)
}

// defaultSubs are those of a hello that has none: every table of the game's that may
// be read, or the token's scopes of it.
func (b *book) defaultSubs(who *rules.Who) (subs []wire.Sub) {
	for _, t := range b.schema.Tables {
		if !t.Synced || !wire.ByDefault(t.Name, b.Rights(who.Role, t.ID)) {
			continue
		}
		s := wire.Sub{Table: t.ID}
		if at := b.ByToken(who, t.ID); at >= 0 {
			s.Scoped = true
			for _, v := range who.Scopes[t.Name] {
				if fits(v, t.Columns[at].Type) {
					s.Scopes = append(s.Scopes, v)
				}
			}
		}
		subs = append(subs, s)
	}
	return subs
}
