package rules

import "framehub/session/wire"

// Rows is an op on rows, with what each of them finds.
type Rows struct {
	Op     wire.OpKind
	Block  *wire.Block
	Before [][]wire.Value // by column; nil: there is no such row

	// Owned returns how many rows of the table a user owns before the op. It is
	// asked only where max-owned is set, and may be nil elsewhere.
	Owned func(user string) (int, error)
}

// Looks says whether [Compiled.CheckRows] has anything to look at.
func (c *Compiled) Looks(who *Who, table int, op wire.OpKind) bool {
	t := c.tables[table]
	return t != nil && who.bound() && (t.scope >= 0 || t.owner >= 0 && op != wire.OpExpect)
}

// CheckRows says why an op may not be done, by the rules that look at rows as they
// are: whose they are, how many he owns, in which scope they are. It is asked after
// [Compiled.Check] has passed the transaction, for each op in their order. A row
// that is not there is for others to refuse.
func (c *Compiled) CheckRows(who *Who, rows *Rows) (*wire.Refusal, error) {
	if !c.Looks(who, rows.Block.Table, rows.Op) {
		return nil, nil
	}
	k := rowCheck{
		Rows: rows, t: c.tables[rows.Block.Table], who: who,
		creates: rows.Op == wire.OpPut || rows.Op == wire.OpInsert,
	}
	k.owners = k.t.owner >= 0 && rows.Op != wire.OpExpect
	if k.owners {
		k.owner = place(rows.Block, k.t.owner)
	}
	if k.t.scope >= 0 {
		k.scope, k.scopes = place(rows.Block, k.t.scope), who.Scopes[k.t.name]
	}
	for i, before := range rows.Before {
		r := k.checkScope(before)
		if r == nil && k.owners {
			var err error
			if r, err = k.checkOwner(i, before); err != nil {
				return nil, err
			}
		}
		if r != nil {
			r.Row = i
			return r, nil
		}
	}
	return nil, nil
}

// A rowCheck is what is the same for all rows of an op.
type rowCheck struct {
	*Rows
	t   *compiledTable
	who *Who

	creates      bool           // the op makes rows that are not there
	owners       bool           // it asks whose rows are
	owner, scope int            // places in the block, -1: it does not name them
	scopes       []wire.Value   // of the token
	owned        map[string]int // with what the op itself brings
}

func (k *rowCheck) checkScope(before []wire.Value) *wire.Refusal {
	t := k.t
	switch {
	case t.scope < 0:
		return nil
	case before != nil && !sees(k.scopes, before[t.scope]):
		return wire.Refuse(wire.CodeForbidden, "the row of table %q is in a scope that is not one of the token's: %s", t.name, k.who.scopeList(t.name))
	case before == nil && k.creates && k.scope < 0:
		return wire.Refuse(wire.CodeForbidden, "a new row of table %q must name its scope, column %q: one of the token's, %s", t.name, t.columns[t.scope].name, k.who.scopeList(t.name))
	default:
		return nil
	}
}

func (k *rowCheck) checkOwner(i int, before []wire.Value) (*wire.Refusal, error) {
	t, who := k.t, k.who
	creates := before == nil && k.creates
	if before != nil && !is(before[t.owner], who.User) {
		return wire.Refuse(wire.CodeNotOwner, "the row of table %q belongs to somebody else (column %q)", t.name, t.columns[t.owner].name), nil
	}
	var to wire.Value
	gives := false
	if k.owner >= 0 && k.Op != wire.OpDelete {
		to = k.Block.Value(k.owner, i)
		gives = !is(to, who.User)
	}
	switch {
	case before == nil && !creates:
		return nil, nil
	case gives && (creates || !t.mayGive(who)):
		return wire.Refuse(wire.CodeNotOwner, "column %q of table %q is who owns a row: it must be %q here, not %s", t.columns[t.owner].name, t.name, who.User, to), nil
	case !gives && !creates, t.maxOwned == 0:
		return nil, nil
	case gives && to.Kind() != wire.Text:
		return nil, nil // nobody's
	case gives:
		return k.another(to.Bytes())
	default:
		return k.another(who.User)
	}
}

// another counts a row that a user is about to own, or says why he may not.
func (k *rowCheck) another(user string) (*wire.Refusal, error) {
	n, known := k.owned[user]
	if !known {
		var err error
		if n, err = k.Owned(user); err != nil {
			return nil, err
		}
		if k.owned == nil {
			k.owned = map[string]int{}
		}
	}
	if n >= k.t.maxOwned {
		return wire.Refuse(wire.CodeConstraint, "%q owns %d rows of table %q, the most is %d (max-owned)", user, n, k.t.name, k.t.maxOwned), nil
	}
	k.owned[user] = n + 1
	return nil, nil
}

func is(v wire.Value, user string) bool {
	return user != "" && v.Kind() == wire.Text && v.Bytes() == user
}
