package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// TestWhatIsPlain: tables that SQL looks at are none whose transactions run in
// memory.
func TestWhatIsPlain(t *testing.T) {
	for _, c := range []struct {
		schema string
		plain  bool
	}{
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, x REAL, s TEXT, b BLOB, y ANY) STRICT`, true},
		{`CREATE TABLE a(k TEXT, m INT, n INTEGER NOT NULL DEFAULT -5, PRIMARY KEY(k, m)) STRICT, WITHOUT ROWID`, true},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n TEXT DEFAULT 'it''s') STRICT; CREATE INDEX i ON a(n)`, true},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER)`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 0)) STRICT`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER UNIQUE) STRICT`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT; CREATE UNIQUE INDEX i ON a(n)`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT; CREATE INDEX i ON a(n) WHERE n > 5`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT; CREATE INDEX i ON a(abs(n))`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER REFERENCES p(id)) STRICT; CREATE TABLE p(id INTEGER PRIMARY KEY)`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY) STRICT; CREATE TABLE _c(id INTEGER PRIMARY KEY, a REFERENCES A(id))`, false},
		{`CREATE TABLE "Äa"(id INTEGER PRIMARY KEY) STRICT; CREATE TABLE _c(id INTEGER PRIMARY KEY, a REFERENCES "ÄA"(id))`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER AS (id + 1)) STRICT`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER DEFAULT (random())) STRICT`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, t TEXT DEFAULT CURRENT_TIMESTAMP) STRICT`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER DEFAULT 'x') STRICT`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER NOT NULL ON CONFLICT REPLACE DEFAULT 5) STRICT`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER) STRICT`, false},
		{`CREATE TABLE a(id TEXT COLLATE NOCASE PRIMARY KEY, n INTEGER) STRICT`, false},
		{`CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT; CREATE TABLE _l(x); CREATE TRIGGER t AFTER DELETE ON A BEGIN INSERT INTO _l VALUES (1); END`, false},
	} {
		d := openDB(t, c.schema)
		for _, tab := range d.Schema().Tables {
			if (tab.Name == "a" || tab.Name == "Äa") && store.IsPlain(tab) != c.plain {
				t.Errorf("%s: plain is %v", c.schema, !c.plain)
			}
		}
	}
}

// TestPlainForeign: a row that SQL writers left, with what devices can't be told,
// is refused where it would be sent, not put into the log.
func TestPlainForeign(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, x REAL, s TEXT) STRICT`)
	exec := d.otherProgram(`INSERT INTO a VALUES (1, 1, 9e999, 's'); INSERT INTO a VALUES (2, 1, 1, CAST(x'ff' AS TEXT)); INSERT INTO a VALUES (3, 1, 1, 's')`)
	wantRefusal(t, d.try(put("a", "id n", row(3, 2)), put("a", "id n", row(1, 2))), wire.CodeConstraint, `"x"`, "infinity")
	wantRefusal(t, d.try(add("a", "id n", row(2, 2))), wire.CodeConstraint, `"s"`, "UTF-8")
	wantRefusal(t, d.try(put("a", "id n", row(1, 2))), wire.CodeConstraint, `"x"`, "infinity")
	d.do(put("a", "id n x", row(1, 2, 5.0)), remove("a", "id", row(2)))
	d.wantRows("a", row(1, 2, 5.0, "s"), row(3, 1, 1.0, "s"))
	exec(`UPDATE a SET n = 100`)
	newModel(d).replay(add("a", "id n", row(1, 1)), put("a", "id s", row(3, "t")))
	d.wantRows("a", row(1, 101, 5.0, "s"), row(3, 100, 1.0, "t"))
}

// TestPlainManyRows: a frame may touch more rows than memory keeps.
func TestPlainManyRows(t *testing.T) {
	restore := store.KeepRows(64)
	defer restore()
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT`)
	m := newModel(d)
	for range 3 {
		var txs []written
		for i := range 20 {
			rows := make([][]any, 16)
			for j := range rows {
				rows[j] = row((i*16+j)%200, 1)
			}
			txs = append(txs, written{alice, d.write(alice, put("a", "id", rows0(rows)...), add("a", "id n", rows...))})
		}
		e, _ := d.commit(txs...)
		if n := e.RowCount(); n != 200 {
			t.Errorf("%d rows, want 200 once each", n)
		}
		m.apply(e)
		d.crash(d.opts.Path)
		m.check("replayed")
	}
}

// A large merge is begun before it is due, with the rows that the last frame left
// alone; what comes after, a refusal, a failure or a crash too, finds all as it is.
func TestMergeAhead(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT;
		CREATE TABLE judged(id INTEGER PRIMARY KEY, n INTEGER CHECK (n >= 0)) STRICT`,
		func(o *store.Options) { o.MergeEvery, o.MergeBudget = time.Hour, 1 })
	m := newModel(d)
	rng := rand.New(rand.NewPCG(1, 2))
	ahead := 0
	for i := range 200 {
		var txs []written
		for range rng.IntN(6) {
			id, n := rng.IntN(30), rng.IntN(5)
			op := []testOp{put("a", "id n", row(id, n)), remove("a", "id", row(id)), add("a", "id n", row(id, 1)),
				insert("a", "id n", row(id, n)), put("judged", "id n", row(id, n-1))}[rng.IntN(5)]
			txs = append(txs, written{alice, d.write(alice, put("a", "id n", row(rng.IntN(30), n)), op)})
		}
		if e, _ := d.commit(txs...); e != nil {
			m.apply(e)
		}
		before := store.RowsUnwritten(d.Store)
		store.ExpectLargeMerge(d.Store)
		if _, err := d.Merge(d.now, false); err != nil {
			t.Fatal(err)
		}
		ahead += before - store.RowsUnwritten(d.Store)
		switch i % 40 {
		case 20:
			d.crash(d.opts.Path)
			m.check("replayed")
		case 39:
			d.merge()
			m.check("merged")
		}
	}
	if ahead < 100 {
		t.Errorf("%d rows were given to SQL ahead of the merge: this tests little", ahead)
	}
}

// rows0 returns the first value of each row.
func rows0(rows [][]any) (out [][]any) {
	for _, r := range rows {
		out = append(out, r[:1])
	}
	return out
}

// TestPlainReadOnly: what only looks at a table leaves no trace in the entry.
func TestPlainReadOnly(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT`)
	d.do(put("a", "id n", row(1, 1)))
	e, refusals := d.frame(
		written{alice, d.write(alice, expect("a", "id n", row(1, 1)), touch("a", "id n", row(2, 1), row(1, 1)), remove("a", "id", row(3)))},
		written{bob, d.write(bob, put("a", "id n", row(1, 2), row(9, 9)), expect("a", "id n", row(1, 1)))},
	)
	wantRefusal(t, refusals[1], wire.CodeConflict)
	if refusals[0] != nil || len(e.Tables) != 0 || len(e.Writers) != 1 {
		t.Error(refusals[0], fmt.Sprintf("%+v", e))
	}
}
