package rules

import (
	"cmp"
	"fmt"
	"slices"

	"framehub/session/wire"
)

// A Table is what rules must know of a table of the schema.
type Table struct {
	Number  int // on the wire
	Name    string
	Columns []Column // key columns first; their place is their number on the wire
	Key     int      // number of key columns
	Scope   int      // place of the scope column, -1: none
	Own     bool     // it is the hub's, whom alone it is written by
	Alone   string   // why other programs can't write it with SQL; "": they can
}

// A Column of a [Table].
type Column struct {
	Name      string
	Type      string // "INTEGER", "REAL", "TEXT", "BLOB" or "ANY"
	Generated bool   // by SQL; no op sets it
}

// A Compiled is rules brought together with a schema, for read loops to ask.
type Compiled struct {
	open   bool // no rules: everything is allowed
	tables map[int]*compiledTable
	events map[string]*eventRules
	limits Limits
}

type compiledTable struct {
	name     string
	key      int
	own      bool
	rules    *tableRules
	columns  []compiledColumn
	free     bool // no column has a rule
	scope    int  // place of the scope column where scopes = "token", else -1
	owner    int  // place of the owner column, -1: none
	maxOwned int
	position [2]int // places of the columns of map; -1: none
}

type access uint8

const (
	accessAll access = iota
	accessTrusted
	accessNone
)

type compiledColumn struct {
	name      string
	access    access
	precision *precision
	text      *textRule
	blob      int // most bytes, 0: no rule
}

// ruled says whether something must be looked at where the column is written.
func (c *compiledColumn) ruled() bool {
	return c.access != accessAll || c.precision != nil || c.text != nil || c.blob != 0
}

// Compile brings the rules together with the tables that devices may see, and
// returns what in them can't be. A table with a mistake is closed to everyone;
// one without rules may be read by everyone and written by nobody.
func (s *Set) Compile(tables []Table) (*Compiled, Mistakes) {
	c := &Compiled{open: s == nil, tables: map[int]*compiledTable{}, events: map[string]*eventRules{}, limits: s.Limits()}
	var mistakes Mistakes
	rules := map[string]*tableRules{}
	if s != nil {
		names := make([]string, len(tables))
		for i := range tables {
			names[i] = tables[i].Name
		}
		for _, r := range s.events {
			c.events[r.name] = r
		}
		for _, t := range s.tables {
			rules[t.name] = t
			if !slices.Contains(names, t.name) {
				mistakes.add(t.line, "there is no table %q that devices see: %s", t.name, suggest(t.name, names))
			}
		}
	}
	for i := range tables {
		t := &tables[i]
		r := rules[t.Name]
		if r == nil {
			r = &tableRules{name: t.Name, read: who{roles: everyone}}
		}
		compiled, wrong := compileTable(r, t)
		if len(wrong) > 0 {
			compiled.rules = &tableRules{name: t.Name}
		}
		mistakes = append(mistakes, wrong...)
		c.tables[t.Number] = compiled
	}
	return c, mistakes.sorted()
}

// A compiler brings the rules of one table together with it.
type compiler struct {
	Mistakes
	t   *Table
	out *compiledTable
}

func compileTable(r *tableRules, t *Table) (*compiledTable, Mistakes) {
	c := &compiler{t: t, out: &compiledTable{
		name: t.Name, key: t.Key, own: t.Own, rules: r, columns: make([]compiledColumn, len(t.Columns)), scope: -1, owner: -1, maxOwned: r.maxOwned, position: [2]int{-1, -1},
	}}
	for i := range t.Columns {
		c.out.columns[i].name = t.Columns[i].Name
	}
	if t.Own {
		c.ownTable(r)
	}
	if r.shared != 0 && t.Alone != "" {
		c.add(r.shared, "writers = \"sql\": SQL can't share table %q with the hub: %s", t.Name, t.Alone)
	}
	if at := c.find(r.scope, "scope"); at >= 0 && r.byToken {
		c.out.scope = at
	}
	c.owner(r)
	for _, one := range r.readOnly {
		if at := c.settable(one, "read-only", true); at >= 0 {
			c.out.columns[at].access = accessNone
		}
	}
	for _, one := range r.serverOnly {
		if at := c.settable(one, "server-only", true); at >= 0 {
			c.out.columns[at].access = accessTrusted
		}
	}
	c.position(r)
	for _, one := range r.precision {
		if at := c.settable(one.column, "precision", true); at >= 0 && c.holds(at, one.column, "precision", "numbers", "REAL", "ANY") {
			c.out.columns[at].precision = newPrecision(one.step)
		}
	}
	for _, one := range r.texts {
		if at := c.settable(one.column, "text", false); at >= 0 && c.holds(at, one.column, "text", "texts", "TEXT", "ANY") {
			if c.out.columns[at].precision != nil {
				c.add(one.line, "column %q of table %q has a precision, which is for numbers, and text rules: leave one of them out", one.name, t.Name)
			}
			c.out.columns[at].text = one
		}
	}
	for _, one := range r.blobs {
		if at := c.settable(one.column, "blob", false); at >= 0 && c.holds(at, one.column, "blob", "blobs", "BLOB", "ANY") {
			if col := &c.out.columns[at]; col.precision != nil || col.text != nil {
				c.add(one.line, "column %q of table %q has a blob rule, and a precision or text rules, which take no blobs: leave one of them out", one.name, t.Name)
			}
			c.out.columns[at].blob = one.max
		}
	}
	c.out.free = !slices.ContainsFunc(c.out.columns, func(col compiledColumn) bool { return col.ruled() })
	return c.out, c.Mistakes
}

// ownTable finds rules for a table of the hub's, which can be read, and no more.
func (c *compiler) ownTable(r *tableRules) {
	for _, line := range []int{r.insert.line, r.update.line, r.remove.line, r.give.line, r.scope.line, r.owner.line, r.maxOwnedLine, r.scopesLine, r.onGone} {
		if line != 0 {
			c.add(line, "table %q is the hub's own, which nobody else writes: the only rule for it is read", c.t.Name)
		}
	}
}

// position finds the columns that say where a row is.
func (c *compiler) position(r *tableRules) {
	at := [2]int{-1, -1}
	for i, one := range r.position {
		if at[i] = c.find(one, "map"); at[i] < 0 || !c.holds(at[i], one, "map", "numbers", "REAL", "INTEGER", "ANY") {
			return
		}
	}
	c.out.position = at
}

func (c *compiler) owner(r *tableRules) {
	at := c.settable(r.owner, "owner", false)
	if at < 0 || !c.holds(at, r.owner, "owner", "the user's name", "TEXT", "ANY") {
		return
	}
	if at < c.t.Key && r.give.line != 0 {
		c.add(r.give.line, "give has no meaning for table %q: its owner column %q is part of the key, which never changes", c.t.Name, r.owner.name)
	}
	c.out.owner = at
}

// find returns the place of a column that a rule names, -1 where it names none
// or one that is not there.
func (c *compiler) find(col column, rule string) int {
	if col.name == "" {
		return -1
	}
	names := make([]string, len(c.t.Columns))
	for i := range c.t.Columns {
		names[i] = c.t.Columns[i].Name
	}
	at := slices.Index(names, col.name)
	if at < 0 {
		c.add(col.line, "%s: table %q has no column %q: %s", rule, c.t.Name, col.name, suggest(col.name, names))
	}
	return at
}

// settable finds a column that ops can set, and where a rule can't be on part of
// the key, one that is not.
func (c *compiler) settable(col column, rule string, notKey bool) int {
	at := c.find(col, rule)
	switch {
	case at < 0:
	case c.t.Columns[at].Generated:
		c.add(col.line, "%s: column %q of table %q is generated by SQL, nobody sets it: take it out", rule, col.name, c.t.Name)
		return -1
	case notKey && at < c.t.Key:
		c.add(col.line, "%s: column %q of table %q is part of the key, which every write must name: take it out", rule, col.name, c.t.Name)
		return -1
	}
	return at
}

// holds says whether a column has one of the types, of which a rule speaks.
func (c *compiler) holds(at int, col column, rule, what string, types ...string) bool {
	kind := c.t.Columns[at].Type
	if slices.Contains(types, kind) {
		return true
	}
	c.add(col.line, "%s: column %q of table %q is %s, the rule is for %s: its column must be %s", rule, col.name, c.t.Name, kind, what, types[0])
	return false
}

// Rights returns what a role may do with a table; none with one that is not known.
func (c *Compiled) Rights(role string, table int) wire.Rights {
	r := roleOf(role)
	t := c.tables[table]
	switch {
	case t == nil || r == noRole:
		return 0
	case !c.open:
		return t.rules.rights(r)
	case r == observer || t.own:
		return wire.RightRead
	default:
		return wire.RightRead | wire.RightInsert | wire.RightUpdate | wire.RightDelete
	}
}

// ReadOnly says whether a role may not set a column, although it may write the table.
func (c *Compiled) ReadOnly(role string, table, column int) bool {
	t := c.tables[table]
	return t != nil && column < len(t.columns) && !t.columns[column].access.allows(role)
}

func (a access) allows(role string) bool {
	return a == accessAll || a == accessTrusted && roleOf(role)&trusted != 0
}

// MayRead says why somebody may not subscribe to a table, nil where he may. With
// scoped it is about those scopes, else about the whole table.
func (c *Compiled) MayRead(who *Who, table int, scoped bool, scopes []wire.Value) *wire.Refusal {
	t := c.tables[table]
	switch {
	case t == nil:
		return wire.Refuse(wire.CodeUnknownTable, "there is no table with number %d", table)
	case c.Rights(who.Role, table)&wire.RightRead == 0:
		return wire.Refuse(wire.CodeForbidden, "the role %q may not read table %q", who.Role, t.name)
	case t.scope < 0 || !who.bound():
		return nil
	case !scoped:
		return wire.Refuse(wire.CodeForbidden, "table %q is read by the scopes of a token, here %s: subscribe to some of them", t.name, who.scopeList(t.name))
	}
	for _, v := range scopes {
		if !who.sees(t.name, v) {
			return wire.Refuse(wire.CodeForbidden, "the scope %s of table %q is not one of the token's: %s", v, t.name, who.scopeList(t.name))
		}
	}
	return nil
}

// ByToken returns the place of the scope column that decides which rows of a
// table somebody reads; -1: he reads all.
func (c *Compiled) ByToken(who *Who, table int) int {
	if t := c.tables[table]; t != nil && who.bound() {
		return t.scope
	}
	return -1
}

// OwnerColumn returns the place of the column that says whose a row is; -1: the
// table has no owners.
func (c *Compiled) OwnerColumn(table int) int {
	if t := c.tables[table]; t != nil {
		return t.owner
	}
	return -1
}

// Map returns the places of the columns that say where a row of a table is; ok is false
// where none do.
func (c *Compiled) Map(table int) (x, y int, ok bool) {
	t := c.tables[table]
	if t == nil || t.position[0] < 0 {
		return -1, -1, false
	}
	return t.position[0], t.position[1], true
}

// An Owned is a table whose rows go with their owner, and the place of the column
// that names him.
type Owned struct{ Table, Column int }

// GoneWithOwner returns the tables whose rows go with their owner, in the order of
// their numbers.
func (c *Compiled) GoneWithOwner() []Owned {
	var list []Owned
	for number, t := range c.tables {
		if t.rules.onGone != 0 && t.owner >= 0 {
			list = append(list, Owned{number, t.owner})
		}
	}
	slices.SortFunc(list, func(a, b Owned) int { return cmp.Compare(a.Table, b.Table) })
	return list
}

// Lost says why somebody's session must end when these rules are replaced by
// others: it reads what it then may not. "": it may stay.
func (c *Compiled) Lost(next *Compiled, who *Who) string {
	for number, t := range c.tables {
		if c.Rights(who.Role, number)&wire.RightRead == 0 {
			continue
		}
		now, there := next.tables[number]
		switch {
		case !there: // so is the table
		case next.Rights(who.Role, number)&wire.RightRead == 0:
			return fmt.Sprintf("the rules have changed: the role %q no longer reads table %q", who.Role, t.name)
		case t.scope < 0 && now.scope >= 0 && who.bound():
			return fmt.Sprintf("the rules have changed: table %q is now read by the scopes of a token", t.name)
		}
	}
	return ""
}

// Limits returns how much a device of that role may send.
func (c *Compiled) Limits(role string) Limits {
	if Trusted(role) {
		return Limits{}
	}
	return c.limits
}
