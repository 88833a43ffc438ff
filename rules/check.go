package rules

import (
	"framehub/session/wire"
)

// needs has the rights that an op takes. A put may turn out to be either.
var needs = [...]wire.Rights{
	wire.OpPut: wire.RightInsert | wire.RightUpdate, wire.OpInsert: wire.RightInsert, wire.OpUpdate: wire.RightUpdate,
	wire.OpDelete: wire.RightDelete, wire.OpAdd: wire.RightUpdate, wire.OpTouch: wire.RightUpdate, wire.OpExpect: wire.RightRead,
}

// Check says why a transaction may not be, by all that can be told without the
// rows; nil: it may. Values that a rule mends are mended in place, and the owner
// filled in. The transaction's blocks are in the numbers of the schema that the
// rules were compiled with; what that does not know is left for others to refuse.
func (c *Compiled) Check(who *Who, w *wire.Write) *wire.Refusal {
	if roleOf(who.Role) == observer {
		return wire.Refuse(wire.CodeForbidden, "the role %q only reads", who.Role)
	}
	for i := range w.Ops {
		if r := c.checkOp(who, &w.Ops[i]); r != nil {
			r.Op = i
			return r
		}
	}
	return nil
}

func (c *Compiled) checkOp(who *Who, op *wire.Op) *wire.Refusal {
	b := &op.Block
	t := c.tables[b.Table]
	if t == nil || int(op.Kind) >= len(needs) {
		return nil
	}
	need := needs[op.Kind]
	if have := c.Rights(who.Role, b.Table); have&need != need {
		return t.forbid(who, op.Kind, have)
	}
	if op.Kind == wire.OpDelete || op.Kind == wire.OpExpect {
		return nil
	}
	e := editor{block: b}
	if !t.free {
		for i, n := range b.Columns {
			if n >= len(t.columns) {
				return nil
			}
			if col := &t.columns[n]; col.ruled() {
				if r := t.checkColumn(who, op.Kind, &e, i, col); r != nil {
					return r
				}
			}
		}
	}
	if !who.bound() {
		return nil
	}
	if r := t.checkOwner(who, op.Kind, &e); r != nil {
		return r
	}
	return t.checkScope(who, op.Kind, b)
}

func (t *compiledTable) forbid(who *Who, kind wire.OpKind, have wire.Rights) *wire.Refusal {
	if kind == wire.OpPut && have&(wire.RightInsert|wire.RightUpdate) != 0 {
		return wire.Refuse(wire.CodeForbidden, "a put in table %q takes the rights to insert and to update, the role %q has one of them only: use insert, update or touch", t.name, who.Role)
	}
	return wire.Refuse(wire.CodeForbidden, "the role %q may not %s in table %q", who.Role, kind, t.name)
}

func (t *compiledTable) checkColumn(who *Who, kind wire.OpKind, e *editor, i int, col *compiledColumn) *wire.Refusal {
	isKey := e.block.Columns[i] < t.key
	switch {
	case isKey && kind != wire.OpPut && kind != wire.OpInsert:
		return nil // it names a row that has passed, or is not there
	case !col.access.allows(who.Role):
		whose := "nobody sets it but SQL itself"
		if col.access == accessTrusted {
			whose = "only the game's server sets it"
		}
		return wire.Refuse(wire.CodeReadOnly, "column %q of table %q: %s", col.name, t.name, whose)
	case col.precision != nil:
		return col.precision.fix(e, i, t.name, col.name)
	case col.text != nil:
		return t.checkTexts(e, i, col, isKey)
	case col.blob != 0:
		return t.checkSizes(e.block, i, col)
	}
	return nil
}

func (t *compiledTable) checkSizes(b *wire.Block, i int, col *compiledColumn) *wire.Refusal {
	if b.Cols[i].Form != wire.Cells {
		return nil
	}
	for row, c := range b.Cells[b.Cols[i].At : b.Cols[i].At+b.N] {
		if (c.Kind == wire.Blob || c.Kind == wire.Text) && int64(c.Len) > int64(col.blob) {
			return refuseRow(wire.CodeTooLarge, row, "column %q of table %q takes %d bytes at most (blob max), this are %d", col.name, t.name, col.blob, c.Len)
		}
	}
	return nil
}

// checkOwner fills in who owns new rows, and refuses what names somebody else.
func (t *compiledTable) checkOwner(who *Who, kind wire.OpKind, e *editor) *wire.Refusal {
	if t.owner < 0 {
		return nil
	}
	name := t.columns[t.owner].name
	if who.User == "" {
		return wire.Refuse(wire.CodeNotOwner, "table %q has owners, and the token names no user", t.name)
	}
	i := place(e.block, t.owner)
	creates := kind == wire.OpPut || kind == wire.OpInsert
	switch {
	case i < 0 && creates && t.owner >= t.key:
		e.addText(t.owner, who.User)
		return nil
	case i < 0:
		return nil
	case kind == wire.OpAdd && t.owner >= t.key:
		return wire.Refuse(wire.CodeNotOwner, "column %q of table %q is who owns a row: nothing can be added to it", name, t.name)
	case kind != wire.OpInsert && t.mayGive(who):
		return nil // CheckRows knows whose the row is
	}
	for row := range e.block.N {
		if v := e.block.Value(i, row); v.Kind() != wire.Text || v.Bytes() != who.User {
			return refuseRow(wire.CodeNotOwner, row, "column %q of table %q is who owns a row: it must be %q, or be left out, not %s", name, t.name, who.User, v)
		}
	}
	return nil
}

func (t *compiledTable) mayGive(who *Who) bool { return t.rules.give.roles&roleOf(who.Role) != 0 }

// checkScope refuses rows that would be put in a scope that is not the token's.
func (t *compiledTable) checkScope(who *Who, kind wire.OpKind, b *wire.Block) *wire.Refusal {
	if t.scope < 0 {
		return nil
	}
	name := t.columns[t.scope].name
	i := place(b, t.scope)
	switch {
	case i < 0 && kind == wire.OpInsert:
		return wire.Refuse(wire.CodeForbidden, "an insert into table %q must name its scope, column %q: one of the token's, %s", t.name, name, who.scopeList(t.name))
	case i < 0:
		return nil
	case kind == wire.OpAdd && t.scope >= t.key:
		return wire.Refuse(wire.CodeForbidden, "column %q of table %q is the scope of a row: set it, nothing can be added to it", name, t.name)
	}
	for row := range b.N {
		if v := b.Value(i, row); !who.sees(t.name, v) {
			return refuseRow(wire.CodeForbidden, row, "the scope %s of table %q (column %q) is not one of the token's: %s", v, t.name, name, who.scopeList(t.name))
		}
	}
	return nil
}

// place returns where in a block a column is, -1: it is not.
func place(b *wire.Block, column int) int {
	for i, n := range b.Columns {
		if n == column {
			return i
		}
	}
	return -1
}

func refuseRow(code wire.Code, row int, format string, args ...any) *wire.Refusal {
	r := wire.Refuse(code, format, args...)
	r.Row = row
	return r
}
