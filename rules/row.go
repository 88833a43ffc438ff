package rules

import "framehub/session/wire"

// A Row is an op on one row, with the row as it is before.
type Row struct {
	Table   int
	Op      wire.OpKind
	Before  []wire.Value // by column; nil: there is no such row
	Columns []int        // that the op names, the key's first
	Values  []wire.Value // theirs

	// Owned returns how many rows of the table a user owns now. It is asked only
	// where max-owned is set, and may be nil elsewhere.
	Owned func(user string) (int, error)
}

// Looks says whether [Compiled.CheckRow] has anything to look at.
func (c *Compiled) Looks(who *Who, table int, op wire.OpKind) bool {
	t := c.tables[table]
	return t != nil && who.bound() && (t.scope >= 0 || t.owner >= 0 && op != wire.OpExpect)
}

// CheckRow says why an op may not be done on a row, by the rules that look at the
// row as it is: whose it is, how many he owns, in which scope it is. It is asked
// after [Compiled.Check] has passed the transaction, for each row of each op in
// their order. A row that is not there is for others to refuse.
func (c *Compiled) CheckRow(who *Who, row *Row) (*wire.Refusal, error) {
	if !c.Looks(who, row.Table, row.Op) {
		return nil, nil
	}
	t := c.tables[row.Table]
	if r := t.checkRowScope(who, row); r != nil || t.owner < 0 || row.Op == wire.OpExpect {
		return r, nil
	}
	return t.checkRowOwner(who, row)
}

// creates says whether the op makes the row.
func (r *Row) creates() bool {
	return r.Before == nil && (r.Op == wire.OpInsert || r.Op == wire.OpPut)
}

// value returns what the op gives a column.
func (r *Row) value(column int) (wire.Value, bool) {
	for i, n := range r.Columns {
		if n == column && i < len(r.Values) {
			return r.Values[i], true
		}
	}
	return wire.Value{}, false
}

func (t *compiledTable) checkRowScope(who *Who, row *Row) *wire.Refusal {
	if t.scope < 0 {
		return nil
	}
	if row.Before != nil && !who.sees(t.name, row.Before[t.scope]) {
		return wire.Refuse(wire.CodeForbidden, "the row of table %q is in a scope that is not one of the token's: %s", t.name, who.scopeList(t.name))
	}
	if _, named := row.value(t.scope); row.creates() && !named {
		return wire.Refuse(wire.CodeForbidden, "a new row of table %q must name its scope, column %q: one of the token's, %s", t.name, t.columns[t.scope].name, who.scopeList(t.name))
	}
	return nil
}

func (t *compiledTable) checkRowOwner(who *Who, row *Row) (*wire.Refusal, error) {
	if row.Before != nil && !is(row.Before[t.owner], who.User) {
		return wire.Refuse(wire.CodeNotOwner, "the row of table %q belongs to somebody else (column %q)", t.name, t.columns[t.owner].name), nil
	}
	to, named := row.value(t.owner)
	gives := named && row.Op != wire.OpDelete && !is(to, who.User)
	switch {
	case row.Before == nil && !row.creates():
		return nil, nil
	case gives && (row.Before == nil || !t.mayGive(who)):
		return wire.Refuse(wire.CodeNotOwner, "column %q of table %q is who owns a row: it must be %q here, not %s", t.columns[t.owner].name, t.name, who.User, to), nil
	case !gives && !row.creates(), t.maxOwned == 0:
		return nil, nil
	}
	user := who.User
	if gives {
		if to.Kind() != wire.Text {
			return nil, nil // nobody's
		}
		user = to.Bytes()
	}
	n, err := row.Owned(user)
	if err != nil {
		return nil, err
	}
	if n >= t.maxOwned {
		return wire.Refuse(wire.CodeConstraint, "%q owns %d rows of table %q, the most is %d (max-owned)", user, n, t.name, t.maxOwned), nil
	}
	return nil, nil
}

func is(v wire.Value, user string) bool {
	return user != "" && v.Kind() == wire.Text && v.Bytes() == user
}
