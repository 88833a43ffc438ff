package store_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"framehub/session/wire"
	"framehub/store"
)

// A testGuard watches everything, or the kinds that it has, writes down what it
// is shown, and refuses what its judge does.
type testGuard struct {
	kinds []wire.OpKind
	judge func(t *store.Table, kind wire.OpKind, b *wire.Block, before []store.BeforeRow) *wire.Refusal
	shown []string     // an op each, its first rows as literals
	frame *store.Frame // the last that was applied to
}

func (g *testGuard) Watches(_ *store.Table, kind wire.OpKind) bool {
	return g.kinds == nil || slices.Contains(g.kinds, kind)
}

func (g *testGuard) Check(t *store.Table, kind wire.OpKind, b *wire.Block, before []store.BeforeRow) *wire.Refusal {
	var shown []string
	for _, r := range before[:min(len(before), 10)] {
		text := "none"
		if r != nil {
			text = literals(r)
		}
		shown = append(shown, text)
	}
	g.shown = append(g.shown, strings.Join(shown, " | "))
	if g.judge == nil {
		return nil
	}
	return g.judge(t, kind, b, before)
}

// guarded lets a guard judge what comes, until the test is over.
func (d *testDB) guarded(g *testGuard) {
	d.apply = func(f *store.Frame, tx written) (*wire.Refusal, error) {
		g.frame = f
		return f.Apply(tx.dev, tx.w, g)
	}
}

// TestGuardIsShown: each op's rows as they are just before it, as SQL has them.
func TestGuardIsShown(t *testing.T) {
	fixed := func(rest string) func(int) string { return func(int) string { return rest } }
	for _, c := range []struct {
		name, schema string
		key          string
		one, two     []any
		same         []any // as one, as a device may write it
		rest         func(n int) string
	}{
		{"plain", `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, s TEXT DEFAULT 'd') STRICT`, "id", row(1), row(2), row(1.0), fixed(`TEXT "d"`)},
		{"plain composite", `CREATE TABLE a(n INTEGER, s TEXT DEFAULT 'd', m INTEGER, k TEXT, PRIMARY KEY(k, m)) STRICT`, "k m", row("x", 1), row("x", 2), row("x", 1), fixed(`TEXT "d"`)},
		{"plain without rowid", `CREATE TABLE a(k TEXT PRIMARY KEY, n INTEGER, s TEXT DEFAULT 'd') STRICT, WITHOUT ROWID`, "k", row("x"), row("X"), row("x"), fixed(`TEXT "d"`)},
		{"plain real", `CREATE TABLE a(k REAL PRIMARY KEY, n INTEGER, s TEXT DEFAULT 'd') STRICT`, "k", row(1.0), row(2.5), row(1), fixed(`TEXT "d"`)},
		{"judged", `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER CHECK (n < 100), s TEXT DEFAULT 'd') STRICT`, "id", row(1), row(2), row(1.0), fixed(`TEXT "d"`)},
		{"judged composite", `CREATE TABLE a(n INT, s TEXT DEFAULT 'd', m INT, k TEXT, PRIMARY KEY(k, m))`, "k m", row("x", 1), row("x", 2), row("x", 1.0), fixed(`TEXT "d"`)},
		{"judged without rowid", `CREATE TABLE a(n INT, s TEXT DEFAULT 'd', m INT, k TEXT, PRIMARY KEY(k, m)) WITHOUT ROWID`, "k m", row("x", 1), row("x", 2), row("x", 1), fixed(`TEXT "d"`)},
		{"nocase", `CREATE TABLE a(k TEXT COLLATE NOCASE PRIMARY KEY, n INTEGER, s TEXT DEFAULT 'd') STRICT`, "k", row("x"), row("y"), row("X"), fixed(`TEXT "d"`)},
		{"rtrim without rowid", `CREATE TABLE a(k TEXT COLLATE RTRIM PRIMARY KEY, n INT, s TEXT DEFAULT 'd') WITHOUT ROWID`, "k", row("x"), row("y"), row("x  "), fixed(`TEXT "d"`)},
		{"rowid alone", `CREATE TABLE a(n INTEGER, s TEXT DEFAULT 'd', u INTEGER, id INTEGER PRIMARY KEY)`, "id", row(1), row(2), row(1), fixed(`TEXT "d", NULL`)},
		{"generated", `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, v INTEGER AS (n * 2) STORED, s TEXT AS ('s' || n)) STRICT`, "id", row(1), row(2), row(1), func(n int) string { return fmt.Sprintf(`%d, TEXT "s%d"`, 2*n, n) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openDB(t, c.schema)
			columns := c.key + " n"
			with := func(key []any, n int) []any { return append(slices.Clone(key), n) }
			is := func(key []any, n int) string {
				var values []wire.Value
				for _, v := range with(key, n) {
					values = append(values, value(v))
				}
				return literals(values) + ", " + c.rest(n)
			}
			d.do(put("a", columns, with(c.one, 1)))
			g := &testGuard{}
			d.guarded(g)
			d.do(expect("a", columns, with(c.same, 1)), put("a", columns, with(c.same, 2), with(c.two, 3)), update("a", columns, with(c.two, 4), with(c.one, 5)),
				remove("a", c.key, c.same, c.two), touch("a", columns, with(c.one, 6)), insert("a", columns, with(c.two, 7), with(c.one, 8)),
				add("a", columns, with(c.one, 1), with(c.one, 1)))
			want := []string{
				is(c.one, 1), is(c.one, 1) + " | none", is(c.two, 3) + " | " + is(c.one, 2), is(c.one, 5) + " | " + is(c.two, 4),
				"none", "none | none", is(c.one, 8) + " | " + is(c.one, 8),
			}
			if !slices.Equal(g.shown, want) {
				t.Errorf("shown\n%s\nwant\n%s", strings.Join(g.shown, "\n"), strings.Join(want, "\n"))
			}
			g.shown = nil
			_, refusals := d.frame(d.plain(bob, add("a", columns, with(c.one, 1))), d.plain(carol, remove("a", c.key, c.one)), d.plain(bob, touch("a", columns, with(c.one, 1))))
			if want := []string{is(c.one, 10), is(c.one, 11), "none"}; !slices.Equal(g.shown, want) || refusals[2] != nil {
				t.Errorf("transaction after transaction: shown %q, want %q; %v", g.shown, want, refusals)
			}
		})
	}
}

// TestGuardRefuses: what it refuses leaves nothing behind, in memory and in SQL,
// and what it does not watch it is not asked about.
func TestGuardRefuses(t *testing.T) {
	d := openDB(t, `CREATE TABLE flat(id INTEGER PRIMARY KEY, owner TEXT, n INTEGER) STRICT;
		CREATE TABLE judged(id INTEGER PRIMARY KEY, owner TEXT, n INTEGER CHECK (n >= 0)) STRICT; CREATE TABLE _log(id INTEGER PRIMARY KEY, what INTEGER) STRICT;
		CREATE TRIGGER l AFTER UPDATE ON judged BEGIN INSERT INTO _log(what) VALUES (new.id); END`)
	d.do(put("flat", "id owner", row(1, "alice"), row(2, "bob")), put("judged", "id owner", row(1, "alice"), row(2, "bob")))
	model := newModel(d)
	g := &testGuard{kinds: []wire.OpKind{wire.OpUpdate, wire.OpDelete}}
	fixed := wire.Refuse(wire.CodeNotOwner, "it is bob's, and \xff")
	g.judge = func(tab *store.Table, _ wire.OpKind, _ *wire.Block, before []store.BeforeRow) *wire.Refusal {
		for i, r := range before {
			if r != nil && r[tab.Column("owner")] == wire.TextValue("bob") {
				fixed.Row = i
				return fixed
			}
		}
		return nil
	}
	d.guarded(g)
	for name, ops := range map[string][]testOp{
		"memory": {put("flat", "id n", row(1, 5), row(3, 5)), update("flat", "id n", row(1, 6), row(2, 6)), remove("flat", "id", row(1))},
		"SQL":    {update("judged", "id n", row(1, 5)), remove("judged", "id", row(1), row(2)), update("judged", "id n", row(1, 6))},
		"both":   {put("judged", "id n", row(2, 7)), update("flat", "id n", row(1, 6), row(2, 6)), put("flat", "id n", row(2, 7))},
		"made":   {put("flat", "id owner", row(9, "bob")), update("flat", "id n", row(1, 1), row(9, 1))},
	} {
		e, refusals := d.commit(d.plain(alice, update("flat", "id n", row(1, 1)), put("judged", "id n", row(1, 1))), d.plain(alice, ops...),
			d.plain(bob, add("flat", "id n", row(1, 1)), put("flat", "id owner", row(4, "bob"))))
		wantRefusal(t, refusals[1], wire.CodeNotOwner, "it is bob's")
		if r := refusals[1]; r != nil && (r.Op != 1 || r.Row != 1) || refusals[0] != nil || refusals[2] != nil || len(e.Writers) != 2 {
			t.Errorf("%s: %v %+v", name, refusals, e)
		}
		model.apply(e)
		d.merge()
		model.check(name)
		if read, err := store.LoggedEntry(d.Store, e.Version); err != nil {
			t.Error(name, err)
		} else {
			sameEntry(t, e, read)
		}
	}
	if fixed.Op != -1 {
		t.Error("the guard's own refusal was written to")
	}
	for _, table := range []string{"flat", "judged"} { // none is like one that lets all
		d.apply = nil
		model.replay(update(table, "id n", row(2, 8)))
	}
}

// TestGuardRollback: a trigger's RAISE(ROLLBACK) has everything run again, which
// was judged already.
func TestGuardRollback(t *testing.T) {
	d := openDB(t, raiseSchema+`CREATE TABLE flat(id INTEGER PRIMARY KEY, n INTEGER) STRICT`)
	d.do(put("a", "id n", row(1, 1)))
	g := &testGuard{}
	d.guarded(g)
	_, refusals := d.frame(d.plain(alice, put("a", "id n", row(1, 2)), put("flat", "id n", row(1, 1))), d.plain(bob, put("a", "id n", row(1, -4))),
		d.plain(carol, add("a", "id n", row(1, 1)), add("flat", "id n", row(1, 1))))
	wantRefusal(t, refusals[1], wire.CodeConstraint, "rollback words")
	if want := []string{"1, 1", "none", "1, 2", "1, 2", "1, 1"}; !slices.Equal(g.shown, want) || refusals[2] != nil {
		t.Errorf("shown %q, want %q; %v", g.shown, want, refusals)
	}
	d.wantRows("a", row(1, 3))
	d.wantRows("flat", row(1, 2))
}

// TestGuardLargeBlocks: a block of many rows is shown at once, and of large ones
// as far as a transaction may change as much.
func TestGuardLargeBlocks(t *testing.T) {
	d := openDB(t, `CREATE TABLE flat(id INTEGER PRIMARY KEY, n INTEGER, s TEXT) STRICT; CREATE TABLE judged(id INTEGER PRIMARY KEY, n INTEGER CHECK (n >= 0), s TEXT) STRICT`)
	const n = 3000
	for _, table := range []string{"flat", "judged"} {
		var some, all [][]any
		for i := range n {
			all = append(all, row(n-i, 1))
			if i%3 == 0 {
				some = append(some, row(n-i, n-i, fmt.Sprint("s", n-i)))
			}
		}
		d.apply = nil
		d.do(put(table, "id n s", some...))
		if table == "flat" {
			d.reopen() // so that memory has none of them
		}
		g := &testGuard{judge: func(_ *store.Table, _ wire.OpKind, b *wire.Block, before []store.BeforeRow) *wire.Refusal {
			for i, r := range before {
				id := b.Value(0, i)
				if (r != nil) != (i%3 == 0) || r != nil && (r[0] != id || r[1] != id || r[2] != wire.TextValue(fmt.Sprint("s", id.Int64()))) {
					t.Fatalf("table %q, row %d with the key %v: %v", table, i, id, r)
				}
			}
			if len(before) != n {
				t.Errorf("table %q: %d rows", table, len(before))
			}
			return nil
		}}
		d.guarded(g)
		d.do(put(table, "id n", all...))
		if len(g.shown) != 1 {
			t.Errorf("table %q: asked %d times", table, len(g.shown))
		}
	}
	var keys [][]any
	d.apply = nil
	for i := range 10 {
		var large [][]any
		for j := range 8 {
			keys = append(keys, row(8*i+j))
			large = append(large, row(8*i+j, strings.Repeat("x", 1<<20)))
		}
		d.do(put("judged", "id s", large...))
	}
	d.guarded(&testGuard{})
	wantRefusal(t, d.try(remove("judged", "id", keys...)), wire.CodeTooLarge)
	d.do(remove("judged", "id", keys[:50]...))
}

// TestCount: at any moment what SQL would count byte for byte, also between the ops of a
// transaction that is then refused.
func TestCount(t *testing.T) {
	for name, check := range map[string]string{"plain": "", "judged": " CHECK (n >= 0)"} {
		t.Run(name, func(t *testing.T) {
			d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, owner TEXT COLLATE NOCASE, n INTEGER`+check+`) STRICT; CREATE INDEX i ON a(owner)`)
			d.do(put("a", "id owner", row(1, "alice"), row(2, "ALICE"), row(3, nil)))
			model := newModel(d)
			var counted []int64
			g := &testGuard{}
			d.guarded(g)
			g.judge = func(tab *store.Table, _ wire.OpKind, _ *wire.Block, _ []store.BeforeRow) *wire.Refusal {
				for _, owner := range []any{"alice", nil} {
					n, err := g.frame.Count(tab, tab.Column("owner"), value(owner))
					if err != nil {
						t.Fatal(err)
					}
					counted = append(counted, n)
				}
				if counted[len(counted)-2] >= 3 {
					return wire.Refuse(wire.CodeForbidden, "alice has enough")
				}
				return nil
			}
			e, refusals := d.commit(d.plain(alice, put("a", "id owner", row(4, "alice"))),
				d.plain(bob, remove("a", "id", row(3)), put("a", "id owner", row(1, "bob"), row(3, "bob")), put("a", "id owner", row(5, "alice"), row(6, "alice")), remove("a", "id", row(4))),
				d.plain(carol, touch("a", "id owner", row(3, "carol")), touch("a", "id n", row(2, 2)), expect("a", "id", row(1))))
			wantRefusal(t, refusals[1], wire.CodeForbidden)
			if r := refusals[1]; r != nil && (r.Op != 3 || r.Row != -1) || refusals[0] != nil || refusals[2] != nil {
				t.Error(refusals)
			}
			if want := []int64{1, 1, 2, 1, 2, 0, 1, 0, 3, 0, 2, 1, 2, 0, 2, 0}; !slices.Equal(counted, want) {
				t.Errorf("counted %v, want %v", counted, want)
			}
			model.apply(e)
			d.merge()
			model.check("merged")
			d.wantRows("a", row(1, "alice", nil), row(2, "ALICE", 2), row(3, "carol", nil), row(4, "alice", nil))
			d.crash(d.opts.Path)
			model.check("after a crash")
		})
	}
}

// TestGuardUncomputable: a row of which SQL can't compute a column is refused to
// whom it would be shown, and not counted; frames go on.
func TestGuardUncomputable(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER)`)
	d.do(put("a", "id n", row(1, 1), row(2, math.MinInt64)))
	d.close()
	sqlite3(t, d.opts.Path, `ALTER TABLE a ADD COLUMN v AS (abs(n))`)
	d.open()
	g := &testGuard{}
	d.guarded(g)
	wantRefusal(t, d.try(put("a", "id n", row(1, 2)), put("a", "id n", row(2, 2))), wire.CodeConstraint, `"a"`, "overflow")
	var failed error
	g.kinds = []wire.OpKind{wire.OpInsert}
	g.judge = func(tab *store.Table, _ wire.OpKind, _ *wire.Block, _ []store.BeforeRow) *wire.Refusal {
		_, failed = g.frame.Count(tab, tab.Column("v"), value(1))
		return nil
	}
	d.do(insert("a", "id", row(3)))
	wantWords(t, failed, `"a"`, "overflow")
	d.do(put("a", "id n", row(2, 2)))
	if _, err := g.frame.Count(d.table("a"), 0, value(1)); err == nil {
		t.Error("a frame that is over counts")
	}
}
