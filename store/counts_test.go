package store_test

import (
	"fmt"
	"testing"

	"framehub/session/wire"
	"framehub/store"
)

// TestCountIndex: which index counting wants.
func TestCountIndex(t *testing.T) {
	for name, c := range map[string]struct{ sql, want string }{
		"plain":             {`CREATE TABLE a(id INTEGER PRIMARY KEY, owner TEXT) STRICT`, ""},
		"judged":            {`CREATE TABLE a(id INTEGER PRIMARY KEY, owner TEXT, n CHECK (n > 0))`, `CREATE INDEX "a_by_owner" ON "a"("owner" COLLATE BINARY)`},
		"indexed":           {`CREATE TABLE a(id INTEGER PRIMARY KEY, owner TEXT, n CHECK (n > 0)); CREATE INDEX i ON a(owner, n)`, ""},
		"in another place":  {`CREATE TABLE a(id INTEGER PRIMARY KEY, owner TEXT, n CHECK (n > 0)); CREATE INDEX i ON a(n, owner)`, `CREATE INDEX "a_by_owner" ON "a"("owner" COLLATE BINARY)`},
		"partly":            {`CREATE TABLE a(id INTEGER PRIMARY KEY, owner TEXT, n CHECK (n > 0)); CREATE INDEX i ON a(owner) WHERE n > 5`, `CREATE INDEX "a_by_owner" ON "a"("owner" COLLATE BINARY)`},
		"another collation": {`CREATE TABLE a(id INTEGER PRIMARY KEY, owner TEXT COLLATE NOCASE, n CHECK (n > 0)); CREATE INDEX i ON a(owner)`, `CREATE INDEX "a_by_owner" ON "a"("owner" COLLATE BINARY)`},
		"the key":           {`CREATE TABLE a(owner TEXT, n INTEGER, v CHECK (v > 0), PRIMARY KEY (owner, n))`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := openDB(t, c.sql)
			tab := d.table("a")
			if got := tab.CountIndex(tab.Column("owner")); got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
}

// TestCountsAreBounded: beyond so many texts SQL counts.
func TestCountsAreBounded(t *testing.T) {
	defer store.CountTexts(4)()
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, owner TEXT) STRICT`)
	g := &testGuard{}
	d.guarded(g)
	g.judge = func(tab *store.Table, _ wire.OpKind, b *wire.Block, _ []store.BeforeRow) *wire.Refusal {
		id := b.Value(0, 0).Int64()
		for i := range id {
			if n, err := g.frame.Count(tab, 1, value(fmt.Sprint("user", i))); err != nil || n != 1 {
				t.Errorf("row %d: user %d owns %d rows, %v", id, i, n, err)
			}
		}
		return nil
	}
	for i := range 10 {
		d.do(insert("a", "id owner", row(i, fmt.Sprint("user", i))))
	}
}

// TestCountsOutlastMemory: rows that memory no longer has are counted on, and so is
// what another program has written.
func TestCountsOutlastMemory(t *testing.T) {
	defer store.KeepRows(4)()
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, owner TEXT) STRICT;
		CREATE TABLE j(id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 0)) STRICT;
		CREATE TRIGGER t AFTER INSERT ON j BEGIN UPDATE a SET owner = 'eve' WHERE id = new.n; END`)
	g := &testGuard{}
	d.guarded(g)
	var counted int64
	g.judge = func(tab *store.Table, _ wire.OpKind, _ *wire.Block, _ []store.BeforeRow) *wire.Refusal {
		if tab.Name == "a" {
			var err error
			if counted, err = g.frame.Count(tab, 1, value("alice")); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	expect := func(what string, want int64) {
		t.Helper()
		d.do(touch("a", "id owner", row(999, "nobody")))
		if counted != want {
			t.Errorf("%s: %d rows, not %d", what, counted, want)
		}
	}
	for i := range 20 {
		d.do(insert("a", "id owner", row(i+1, "alice")))
	}
	expect("many frames", 20)
	d.do(remove("a", "id", row(1)))
	expect("a row that memory had lost", 19)
	d.do(insert("j", "id n", row(1, 2)))
	expect("a trigger on such a row", 18)
	d.merge()
	d.close()
	sqlite3(t, d.opts.Path, `UPDATE a SET owner = 'eve' WHERE id > 10`)
	d.open()
	d.guarded(g)
	expect("another program", 8)
}
