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

func TestCheckRows(t *testing.T) {
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
			b := block(t, 1, tc.columns, tc.values...)
			r, err := c.CheckRows(&tc.who, &rules.Rows{
				Op: tc.kind, Block: &b, Before: [][]wire.Value{tc.before},
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

func TestCheckRowsWithoutGive(t *testing.T) {
	c := compile(t, "[tables.thing]\nowner = \"owner\"\nupdate = \"all\"")
	given := block(t, 1, []int{id, owner}, num(1), text("bob"))
	r, err := c.CheckRows(&alice, &rules.Rows{Op: wire.OpUpdate, Block: &given, Before: [][]wire.Value{row(1, text("alice"))}})
	if err != nil || r == nil || r.Code != wire.CodeNotOwner {
		t.Fatalf("refused: %v, %v", r, err)
	}
	w := tx(wire.OpUpdate, block(t, 1, []int{id, owner}, num(1), text("bob")))
	if r := c.Check(&alice, w); r == nil || r.Code != wire.CodeNotOwner {
		t.Fatalf("refused: %v", r)
	}
}

func TestCheckRowsFailsWithItsCount(t *testing.T) {
	failure := errors.New("the disk is gone")
	b := block(t, 1, []int{id, zone, owner}, num(1), num(1), text("alice"))
	_, err := compile(t, everything).CheckRows(&alice, &rules.Rows{
		Op: wire.OpPut, Block: &b, Before: [][]wire.Value{nil},
		Owned: func(string) (int, error) { return 0, failure },
	})
	if !errors.Is(err, failure) {
		t.Fatalf("the error is %v", err)
	}
}

// TestMaxOwnedCountsTheOp: what an op brings by itself counts, and its users are
// asked for once.
func TestMaxOwnedCountsTheOp(t *testing.T) {
	c := compile(t, everything) // at most 2
	for label, tc := range map[string]struct {
		has, rows int
		row       int // that is refused, -1: none
	}{
		"room for all":  {0, 2, -1},
		"room for one":  {1, 2, 1},
		"room for none": {2, 2, 0},
		"too many":      {0, 3, 2},
	} {
		t.Run(label, func(t *testing.T) {
			var values []wire.Value
			for i := range tc.rows {
				values = append(values, num(int64(i)), num(1), text("alice"))
			}
			b, asked := block(t, 1, []int{id, zone, owner}, values...), 0
			r, err := c.CheckRows(&alice, &rules.Rows{
				Op: wire.OpInsert, Block: &b, Before: make([][]wire.Value, tc.rows),
				Owned: func(string) (int, error) { asked++; return tc.has, nil },
			})
			if err != nil || (r != nil) != (tc.row >= 0) || r != nil && r.Row != tc.row || asked != 1 {
				t.Errorf("refused: %v, %v, asked %d times", r, err, asked)
			}
		})
	}
}
