package rules_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"framehub/rules"
	"framehub/session/wire"
)

const everything = `
[tables.thing]
scope = "zone"
scopes = "token"
owner = "owner"
give = ["device"]
max-owned = 2
insert = ["device", "server"]
update = ["device", "server"]
delete = ["server"]
read-only = ["y"]
server-only = ["score"]
precision = { x = 0.001 }
text.name = { max = 8, trim = true, pattern = "[^!]*" }
blob.icon.max = 4
[tables.account]
read = ["server", "admin", "device"]
insert = ["admin"]
text.owner = { trim = true }
`

func compile(tb testing.TB, file string) *rules.Compiled {
	tb.Helper()
	set, mistakes := rules.Parse([]byte(file), nil)
	if mistakes != nil {
		tb.Fatal(mistakes)
	}
	c, mistakes := set.Compile(tables)
	if mistakes != nil {
		tb.Fatal(mistakes)
	}
	return c
}

// block makes a block of one table as it is decoded from a message.
func block(tb testing.TB, table int, columns []int, values ...wire.Value) wire.Block {
	tb.Helper()
	b, err := wire.DecodeBlock(wire.AppendBlock(nil, table, columns, nil, wire.Grid{Stride: len(columns), Values: values}, nil), 1<<20)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func tx(kind wire.OpKind, b wire.Block) *wire.Write {
	return &wire.Write{Ops: []wire.Op{{Kind: kind, Block: b}}}
}

const (
	id = iota
	zone
	x
	y
	owner
	name
	score
	icon
)

var (
	num  = wire.IntegerValue
	re   = wire.RealValue
	text = wire.TextValue

	alice  = rules.Who{User: "alice", Role: "device", Scopes: map[string][]wire.Value{"thing": {num(1), num(2)}}}
	nobody = rules.Who{Role: "device", Anyone: true}
	server = rules.Who{User: "game", Role: "server"}
)

func TestWhatIsRefused(t *testing.T) {
	rules := compile(t, everything)
	for label, tc := range map[string]struct {
		who     ruler
		kind    wire.OpKind
		table   int
		columns []int
		values  []wire.Value
		code    wire.Code // "": it passes
		row     int
		says    string
	}{
		"an insert":                     {alice, wire.OpInsert, 1, []int{id, zone}, []wire.Value{num(1), num(2)}, "", 0, ""},
		"a delete":                      {alice, wire.OpDelete, 1, []int{id}, []wire.Value{num(1)}, wire.CodeForbidden, -1, `may not delete in table "thing"`},
		"a server's delete":             {server, wire.OpDelete, 1, []int{id}, []wire.Value{num(1)}, "", 0, ""},
		"an expect":                     {alice, wire.OpExpect, 1, []int{id, y}, []wire.Value{num(1), re(1)}, "", 0, ""},
		"an insert of an admin's":       {server, wire.OpInsert, 2, []int{0}, []wire.Value{text("a")}, wire.CodeForbidden, -1, "insert"},
		"a put that may only insert":    {ruler{Role: "admin"}, wire.OpPut, 2, []int{0}, []wire.Value{text("a")}, wire.CodeForbidden, -1, "use insert"},
		"an observer's expect":          {ruler{Role: "observer"}, wire.OpExpect, 1, []int{id}, []wire.Value{num(1)}, wire.CodeForbidden, -1, "only reads"},
		"a role that is not known":      {ruler{Role: "king"}, wire.OpExpect, 1, []int{id}, []wire.Value{num(1)}, wire.CodeForbidden, -1, "king"},
		"an editor's add":               {ruler{Role: "editor"}, wire.OpAdd, 1, []int{id, x}, []wire.Value{num(1), re(1)}, wire.CodeForbidden, -1, "may not add"},
		"a read-only column":            {alice, wire.OpUpdate, 1, []int{id, y}, []wire.Value{num(1), re(1)}, wire.CodeReadOnly, -1, `"y"`},
		"a server's read-only column":   {server, wire.OpUpdate, 1, []int{id, y}, []wire.Value{num(1), re(1)}, wire.CodeReadOnly, -1, "SQL"},
		"a server-only column":          {alice, wire.OpAdd, 1, []int{id, score}, []wire.Value{num(1), num(1)}, wire.CodeReadOnly, -1, "server"},
		"a server's server-only column": {server, wire.OpAdd, 1, []int{id, score}, []wire.Value{num(1), num(1)}, "", 0, ""},
		"a text that is too long":       {nobody, wire.OpTouch, 1, []int{id, name}, []wire.Value{num(1), text("a"), num(2), text("123456789")}, wire.CodeConstraint, 1, "max"},
		"a text that does not match":    {nobody, wire.OpTouch, 1, []int{id, name}, []wire.Value{num(1), text("hi!")}, wire.CodeConstraint, 0, "pattern"},
		"a text with a control":         {nobody, wire.OpTouch, 1, []int{id, name}, []wire.Value{num(1), text("a\x1b[1m")}, wire.CodeConstraint, 0, "U+001B"},
		"a text with a C1 control":      {nobody, wire.OpTouch, 1, []int{id, name}, []wire.Value{num(1), text("a\u0085b")}, wire.CodeConstraint, 0, "U+0085"},
		"a text with two lines":         {nobody, wire.OpTouch, 1, []int{id, name}, []wire.Value{num(1), text("a\nb")}, wire.CodeConstraint, 0, "U+000A"},
		"a text turned around":          {nobody, wire.OpTouch, 1, []int{id, name}, []wire.Value{num(1), text("a\u202eb")}, wire.CodeConstraint, 0, "U+202E"},
		"a text isolated":               {nobody, wire.OpTouch, 1, []int{id, name}, []wire.Value{num(1), text("a\u2066b")}, wire.CodeConstraint, 0, "U+2066"},
		"a text with a byte order mark": {nobody, wire.OpTouch, 1, []int{id, name}, []wire.Value{num(1), text("\ufeffa")}, wire.CodeConstraint, 0, "U+FEFF"},
		"a text that is a number":       {nobody, wire.OpTouch, 1, []int{id, name}, []wire.Value{num(1), num(123456789)}, wire.CodeType, 0, "takes texts"},
		"a text that is a blob":         {nobody, wire.OpTouch, 1, []int{id, name}, []wire.Value{num(1), wire.BlobValue([]byte("a!"))}, wire.CodeType, 0, "takes texts"},
		"no text":                       {nobody, wire.OpTouch, 1, []int{id, name}, []wire.Value{num(1), {}}, "", 0, ""},
		"a number that is a text":       {nobody, wire.OpTouch, 1, []int{id, x}, []wire.Value{num(1), text("1.23456")}, wire.CodeType, 0, "takes numbers"},
		"a blob that is too large":      {nobody, wire.OpTouch, 1, []int{id, icon}, []wire.Value{num(1), wire.BlobValue(make([]byte, 4)), num(2), wire.BlobValue(make([]byte, 5))}, wire.CodeTooLarge, 1, "blob max"},
		"a blob that is a long text":    {nobody, wire.OpTouch, 1, []int{id, icon}, []wire.Value{num(1), text("12345")}, wire.CodeTooLarge, 0, "blob max"},
		"a key that is not trimmed":     {ruler{Role: "admin"}, wire.OpInsert, 2, []int{0}, []wire.Value{text(" a")}, wire.CodeConstraint, 0, "key"},
		"somebody else's row":           {alice, wire.OpInsert, 1, []int{id, zone, owner}, []wire.Value{num(1), num(1), text("bob")}, wire.CodeNotOwner, 0, `"alice"`},
		"nobody's row":                  {alice, wire.OpInsert, 1, []int{id, zone, owner}, []wire.Value{num(1), num(1), {}}, wire.CodeNotOwner, 0, `"alice"`},
		"her own row":                   {alice, wire.OpInsert, 1, []int{id, zone, owner}, []wire.Value{num(1), num(1), text("alice")}, "", 0, ""},
		"handing a row on":              {alice, wire.OpUpdate, 1, []int{id, owner}, []wire.Value{num(1), text("bob")}, "", 0, ""},
		"adding to an owner":            {alice, wire.OpAdd, 1, []int{id, owner}, []wire.Value{num(1), num(1)}, wire.CodeNotOwner, -1, "added"},
		"a user without a name":         {ruler{Role: "device"}, wire.OpTouch, 1, []int{id, x}, []wire.Value{num(1), re(1)}, wire.CodeNotOwner, -1, "no user"},
		"the server's row of somebody":  {server, wire.OpInsert, 1, []int{id, zone, owner}, []wire.Value{num(1), num(9), text("bob")}, "", 0, ""},
		"another scope":                 {alice, wire.OpUpdate, 1, []int{id, zone}, []wire.Value{num(1), num(2), num(2), num(3)}, wire.CodeForbidden, 1, "scope 3"},
		"a scope as a float":            {alice, wire.OpUpdate, 1, []int{id, zone}, []wire.Value{num(1), re(2)}, "", 0, ""},
		"an insert without its scope":   {alice, wire.OpInsert, 1, []int{id}, []wire.Value{num(1)}, wire.CodeForbidden, -1, "must name its scope"},
		"adding to a scope":             {alice, wire.OpAdd, 1, []int{id, zone}, []wire.Value{num(1), num(0)}, wire.CodeForbidden, -1, "set it"},
		"an unknown table":              {alice, wire.OpPut, 9, []int{0}, []wire.Value{num(1)}, "", 0, ""},
		"an unknown column":             {alice, wire.OpPut, 1, []int{id, 99}, []wire.Value{num(1), num(1)}, "", 0, ""},
	} {
		t.Run(label, func(t *testing.T) {
			r := rules.Check(&tc.who, tx(tc.kind, block(t, tc.table, tc.columns, tc.values...)))
			switch {
			case tc.code == "" && r != nil:
				t.Fatalf("refused: %v", r)
			case tc.code == "":
			case r == nil:
				t.Fatal("not refused")
			case r.Code != tc.code || r.Row != tc.row || !strings.Contains(r.Text, tc.says) || strings.Contains(r.Text, "%!"):
				t.Fatalf("refused: %+v, want %s, row %d, %q", r, tc.code, tc.row, tc.says)
			}
		})
	}
}

type ruler = rules.Who

// What is not refused may be mended.
func TestWhatIsMended(t *testing.T) {
	rules := compile(t, everything)
	for label, tc := range map[string]struct {
		who     ruler
		column  int
		values  []wire.Value
		want    []wire.Value
		mending string
	}{
		"spaces":      {nobody, name, []wire.Value{text(" \ta b\n"), text("c")}, []wire.Value{text("a b"), text("c")}, ""},
		"NFC":         {nobody, name, []wire.Value{text("Zoe\u0308"), {}}, []wire.Value{text("Zo\u00eb"), {}}, ""},
		"long in NFD": {nobody, name, []wire.Value{text(strings.Repeat("e\u0301", 8))}, []wire.Value{text(strings.Repeat("\u00e9", 8))}, ""},
		"float64":     {nobody, x, []wire.Value{re(0.12345), re(-0.0001), re(0.0025), re(1e300)}, []wire.Value{re(0.123), re(0), re(0.002), re(1e300)}, ""},
		"float32":     {nobody, x, []wire.Value{re(2), re(0.0625), re(0.5)}, []wire.Value{re(2), re(0.062), re(0.5)}, ""},
		"exact":       {nobody, x, []wire.Value{re(0.5), re(-0.25)}, []wire.Value{re(0.5), re(-0.25)}, ""},
		"-0":          {nobody, x, []wire.Value{re(math.Copysign(0, -1))}, []wire.Value{re(0)}, ""},
		"integers":    {nobody, x, []wire.Value{num(5), num(300)}, []wire.Value{num(5), num(300)}, ""},
		"mixed":       {nobody, x, []wire.Value{num(5), {}, re(0.0006)}, []wire.Value{num(5), {}, re(0.001)}, ""},
	} {
		t.Run(label, func(t *testing.T) {
			var values []wire.Value
			for i, v := range tc.values {
				values = append(values, num(int64(i)), v)
			}
			w := tx(wire.OpTouch, block(t, 1, []int{id, tc.column}, values...))
			if r := rules.Check(&tc.who, w); r != nil {
				t.Fatal(r)
			}
			b, err := wire.DecodeBlock(w.Ops[0].Block.Append(nil), 100) // as it goes on, and well-formed
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range tc.want {
				if got := b.Value(1, i); got != want || b.Value(0, i) != num(int64(i)) {
					t.Errorf("row %d is %v, want %v", i, got, want)
				}
			}
		})
	}
}

func TestOwnerIsFilledIn(t *testing.T) {
	rules := compile(t, everything)
	for _, kind := range []wire.OpKind{wire.OpInsert, wire.OpPut} {
		w := tx(kind, block(t, 1, []int{id, zone}, num(1), num(2), num(3), num(1)))
		who := alice
		if r := rules.Check(&who, w); r != nil {
			t.Fatal(r)
		}
		b := &w.Ops[0].Block
		if len(b.Columns) != 3 || b.Columns[2] != owner || b.Value(2, 0) != text("alice") || b.Value(2, 1) != text("alice") || b.Value(1, 0) != num(2) {
			t.Fatalf("the block is %+v", b)
		}
	}
}

// A precision that does not divide 1 rounds whole numbers, too.
func TestPrecisionAboveOne(t *testing.T) {
	rules := compile(t, "[tables.thing]\ninsert = \"all\"\nprecision = { x = 5, y = 0.3 }")
	for label, tc := range map[string]struct {
		column     int
		value, was wire.Value
	}{
		"packed integers": {x, re(10), num(12)},
		"half to even":    {x, re(0), re(2.5)},
		"large":           {x, re(math.MaxInt64), num(math.MaxInt64)},
		"a third":         {y, re(3 * 0.3), re(1)},
	} {
		t.Run(label, func(t *testing.T) {
			for _, values := range [][]wire.Value{{num(1), tc.was}, {num(1), tc.was, num(2), {}}} {
				w := tx(wire.OpInsert, block(t, 1, []int{id, tc.column}, values...))
				if r := rules.Check(&nobody, w); r != nil {
					t.Fatal(r)
				}
				if got := w.Ops[0].Block.Value(1, 0); got != tc.value {
					t.Errorf("%v became %v, want %v", tc.was, got, tc.value)
				}
			}
		})
	}
}

// Rounding again changes nothing, whatever the form that a value comes in.
func TestPrecisionIsStable(t *testing.T) {
	c := compile(t, "[tables.thing]\ninsert = \"all\"\nprecision = { x = 0.001 }")
	chance := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var values []wire.Value
		for i := range 50 {
			v := math.Ldexp(float64(chance.Int64N(1<<24)), -chance.IntN(30))
			if chance.IntN(2) == 0 {
				v = chance.NormFloat64() * 1000
			}
			values = append(values, num(int64(i)), re(v))
		}
		w := tx(wire.OpInsert, block(t, 1, []int{id, x}, values...))
		if r := c.Check(&nobody, w); r != nil {
			t.Fatal(r)
		}
		b := &w.Ops[0].Block
		for i := range b.N {
			was, is := values[2*i+1].Float64(), b.Value(1, i).Float64()
			if want := math.RoundToEven(was*1000) / 1000; is != want {
				t.Fatalf("%v became %v, want %v", was, is, want)
			}
		}
		again := tx(wire.OpInsert, *b)
		before := b.Append(nil)
		if r := c.Check(&nobody, again); r != nil || string(again.Ops[0].Block.Append(nil)) != string(before) {
			t.Fatal("rounding again changed something")
		}
	}
}

func TestRights(t *testing.T) {
	const all = wire.RightRead | wire.RightInsert | wire.RightUpdate | wire.RightDelete
	ruled := compile(t, everything)
	var none *rules.Set
	open, _ := none.Compile(tables)
	for label, tc := range map[string]struct {
		rules *rules.Compiled
		role  string
		table int
		want  wire.Rights
	}{
		"a device":                  {ruled, "device", 1, wire.RightRead | wire.RightInsert | wire.RightUpdate},
		"a server":                  {ruled, "server", 1, all},
		"an admin":                  {ruled, "admin", 1, wire.RightRead},
		"an observer":               {ruled, "observer", 1, wire.RightRead},
		"an observer, hidden":       {ruled, "observer", 2, 0},
		"a table without rules":     {compile(t, ""), "admin", 1, wire.RightRead},
		"no rules":                  {open, "device", 1, all},
		"no rules, observer":        {open, "observer", 1, wire.RightRead},
		"no rules, unknown role":    {open, "king", 1, 0},
		"a table that is unknown":   {open, "device", 9, 0},
		"an observer where \"all\"": {compile(t, "[tables.thing]\ninsert = \"all\""), "observer", 1, wire.RightRead},
	} {
		t.Run(label, func(t *testing.T) {
			if got := tc.rules.Rights(tc.role, tc.table); got != tc.want {
				t.Fatalf("the rights are %d, want %d", got, tc.want)
			}
		})
	}
}

func TestMayRead(t *testing.T) {
	ruled := compile(t, everything)
	for label, tc := range map[string]struct {
		who    ruler
		table  int
		scopes []wire.Value // nil: the whole table
		code   wire.Code
	}{
		"her scopes":      {alice, 1, []wire.Value{num(2), re(1)}, ""},
		"another scope":   {alice, 1, []wire.Value{num(2), num(3)}, wire.CodeForbidden},
		"the whole table": {alice, 1, nil, wire.CodeForbidden},
		"a server":        {server, 1, nil, ""},
		"without tokens":  {nobody, 1, nil, ""},
		"no scopes":       {alice, 2, nil, ""},
		"a hidden table":  {ruler{Role: "observer"}, 2, nil, wire.CodeForbidden},
		"no table":        {alice, 9, nil, wire.CodeUnknownTable},
	} {
		t.Run(label, func(t *testing.T) {
			r := ruled.MayRead(&tc.who, tc.table, tc.scopes != nil, tc.scopes)
			if (r == nil) != (tc.code == "") || r != nil && r.Code != tc.code {
				t.Fatalf("refused: %v, want %q", r, tc.code)
			}
		})
	}
}

func TestLost(t *testing.T) {
	scoped := "[tables.thing]\nscope = \"zone\"\nscopes = \"token\"\n"
	for label, tc := range map[string]struct {
		was, is string
		who     ruler
		lost    bool
	}{
		"nothing":                {"", "", alice, false},
		"a table":                {"", "[tables.thing]\nread = [\"server\"]", alice, true},
		"another's table":        {"", "[tables.thing]\nread = [\"server\"]", server, false},
		"a part":                 {"", scoped, alice, true},
		"a part, without tokens": {"", scoped, nobody, false},
		"a part, a server":       {"", scoped, server, false},
		"given back":             {scoped, "", alice, false},
	} {
		t.Run(label, func(t *testing.T) {
			if lost := compile(t, tc.was).Lost(compile(t, tc.is), &tc.who); (lost != "") != tc.lost {
				t.Fatalf("lost is %q", lost)
			}
		})
	}
}

// A table whose rules have a mistake is closed.
func TestMistakesCloseATable(t *testing.T) {
	set, _ := rules.Parse([]byte("[tables.thing]\ninsert = \"all\"\nread-only = [\"nothing\"]\n"), nil)
	c, mistakes := set.Compile(tables)
	if len(mistakes) != 1 || c.Rights("admin", 1) != 0 || c.Rights("admin", 2) != wire.RightRead {
		t.Fatalf("mistakes %v, rights %d and %d", mistakes, c.Rights("admin", 1), c.Rights("admin", 2))
	}
}

// Rounding, and looking at numbers, allocates nothing for a value.
func TestChecksAllocateNothingPerValue(t *testing.T) {
	c := compile(t, "[tables.thing]\nupdate = \"all\"\nprecision = { x = 0.001, y = 0.5 }")
	count := func(rows int) float64 {
		var values []wire.Value
		for i := range rows {
			values = append(values, num(int64(i)), re(float64(i)/3), re(float64(i)/4))
		}
		w := tx(wire.OpUpdate, block(t, 1, []int{id, x, y}, values...))
		return testing.AllocsPerRun(20, func() {
			if r := c.Check(&nobody, w); r != nil {
				t.Fatal(r)
			}
		})
	}
	if few, many := count(10), count(10_000); many > few+1 {
		t.Fatalf("10 rows take %v allocations, 10,000 take %v", few, many)
	}
}

func BenchmarkCheck(b *testing.B) {
	c := compile(b, everything)
	g := wire.Grid{Stride: 3}
	for i := range 100 {
		g.Values = append(g.Values, num(int64(i)), re(rand.Float64()), text("alice"))
	}
	msg := wire.AppendBlock(nil, 1, []int{id, x, name}, nil, g, nil)
	for b.Loop() {
		block, err := wire.DecodeBlock(msg, 1000)
		if err != nil {
			b.Fatal(err)
		}
		if r := c.Check(&alice, tx(wire.OpTouch, block)); r != nil {
			b.Fatal(r)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/row")
}
