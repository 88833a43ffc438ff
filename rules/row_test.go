package rules_test

import (
	"errors"
	"strings"
	"testing"

	"framehub/rules"
	"framehub/session/wire"
)

// row makes a row of thing.
func row(zone int64, owner wire.Value) []wire.Value {
	return []wire.Value{num(1), num(zone), re(0), re(0), owner, {}, num(0), {}, {}}
}

func TestCheckRow(t *testing.T) {
	c := compile(t, everything)
	hers, his, nobodys := row(1, text("alice")), row(1, text("bob")), row(1, wire.Value{})
	for label, tc := range map[string]struct {
		who     ruler
		kind    wire.OpKind
		before  []wire.Value
		columns []int
		values  []wire.Value
		owned   int
		code    wire.Code
		says    string
	}{
		"her row":                     {alice, wire.OpUpdate, hers, []int{id, x}, []wire.Value{num(1), re(1)}, 9, "", ""},
		"his row":                     {alice, wire.OpUpdate, his, []int{id, x}, []wire.Value{num(1), re(1)}, 0, wire.CodeNotOwner, "belongs"},
		"his row, put":                {alice, wire.OpPut, his, []int{id, x, owner}, []wire.Value{num(1), re(1), text("alice")}, 0, wire.CodeNotOwner, "belongs"},
		"his row, deleted":            {alice, wire.OpDelete, his, []int{id}, []wire.Value{num(1)}, 0, wire.CodeNotOwner, "belongs"},
		"his row, touched":            {alice, wire.OpTouch, his, []int{id, x}, []wire.Value{num(1), re(1)}, 0, wire.CodeNotOwner, "belongs"},
		"his row, added to":           {alice, wire.OpAdd, his, []int{id, x}, []wire.Value{num(1), re(1)}, 0, wire.CodeNotOwner, "belongs"},
		"his row, expected":           {alice, wire.OpExpect, his, []int{id, x}, []wire.Value{num(1), re(1)}, 0, "", ""},
		"nobody's row":                {alice, wire.OpUpdate, nobodys, []int{id, x}, []wire.Value{num(1), re(1)}, 0, wire.CodeNotOwner, "belongs"},
		"his row, by the server":      {server, wire.OpUpdate, his, []int{id, x}, []wire.Value{num(1), re(1)}, 0, "", ""},
		"his row, without tokens":     {nobody, wire.OpUpdate, his, []int{id, x}, []wire.Value{num(1), re(1)}, 0, "", ""},
		"nobody's row, by no user":    {ruler{Role: "device", Scopes: alice.Scopes}, wire.OpUpdate, nobodys, []int{id}, []wire.Value{num(1)}, 0, wire.CodeNotOwner, "belongs"},
		"no row":                      {alice, wire.OpTouch, nil, []int{id, x}, []wire.Value{num(1), re(1)}, 9, "", ""},
		"no row, deleted":             {alice, wire.OpDelete, nil, []int{id}, []wire.Value{num(1)}, 9, "", ""},
		"a new row":                   {alice, wire.OpInsert, nil, []int{id, zone, owner}, []wire.Value{num(1), num(1), text("alice")}, 1, "", ""},
		"a new row too many":          {alice, wire.OpInsert, nil, []int{id, zone, owner}, []wire.Value{num(1), num(1), text("alice")}, 2, wire.CodeConstraint, "max-owned"},
		"a put row too many":          {alice, wire.OpPut, nil, []int{id, zone, owner}, []wire.Value{num(1), num(1), text("alice")}, 2, wire.CodeConstraint, "max-owned"},
		"a put row for him":           {alice, wire.OpPut, nil, []int{id, zone, owner}, []wire.Value{num(1), num(1), text("bob")}, 0, wire.CodeNotOwner, `"alice"`},
		"handed on":                   {alice, wire.OpUpdate, hers, []int{id, owner}, []wire.Value{num(1), text("bob")}, 1, "", ""},
		"handed on to who has enough": {alice, wire.OpUpdate, hers, []int{id, owner}, []wire.Value{num(1), text("bob")}, 2, wire.CodeConstraint, `"bob"`},
		"handed on to nobody":         {alice, wire.OpUpdate, hers, []int{id, owner}, []wire.Value{num(1), {}}, 9, "", ""},
		"a row in another scope":      {alice, wire.OpUpdate, row(7, text("alice")), []int{id, x}, []wire.Value{num(1), re(1)}, 0, wire.CodeForbidden, "scope"},
		"a row expected elsewhere":    {alice, wire.OpExpect, row(7, text("alice")), []int{id, x}, []wire.Value{num(1), re(1)}, 0, wire.CodeForbidden, "scope"},
		"a new row in no scope":       {alice, wire.OpPut, nil, []int{id, owner}, []wire.Value{num(1), text("alice")}, 0, wire.CodeForbidden, `"zone"`},
	} {
		t.Run(label, func(t *testing.T) {
			r, err := c.CheckRow(&tc.who, &rules.Row{
				Table: 1, Op: tc.kind, Before: tc.before, Columns: tc.columns, Values: tc.values,
				Owned: func(string) (int, error) { return tc.owned, nil },
			})
			switch {
			case err != nil:
				t.Fatal(err)
			case (r == nil) != (tc.code == ""):
				t.Fatalf("refused: %v, want %q", r, tc.code)
			case r != nil && (r.Code != tc.code || !strings.Contains(r.Text, tc.says)):
				t.Fatalf("refused: %v, want %s and %q", r, tc.code, tc.says)
			}
		})
	}
}

func TestCheckRowWithoutGive(t *testing.T) {
	c := compile(t, "[tables.thing]\nowner = \"owner\"\nupdate = \"all\"")
	r, err := c.CheckRow(&alice, &rules.Row{Table: 1, Op: wire.OpUpdate, Before: row(1, text("alice")), Columns: []int{id, owner}, Values: []wire.Value{num(1), text("bob")}})
	if err != nil || r == nil || r.Code != wire.CodeNotOwner {
		t.Fatalf("refused: %v, %v", r, err)
	}
	w := tx(wire.OpUpdate, block(t, 1, []int{id, owner}, num(1), text("bob")))
	if r := c.Check(&alice, w); r == nil || r.Code != wire.CodeNotOwner {
		t.Fatalf("refused: %v", r)
	}
}

func TestCheckRowFailsWithItsCount(t *testing.T) {
	failure := errors.New("the disk is gone")
	_, err := compile(t, everything).CheckRow(&alice, &rules.Row{
		Table: 1, Op: wire.OpPut, Columns: []int{id, zone, owner}, Values: []wire.Value{num(1), num(1), text("alice")},
		Owned: func(string) (int, error) { return 0, failure },
	})
	if !errors.Is(err, failure) {
		t.Fatalf("the error is %v", err)
	}
}
