package store_test

import (
	"fmt"
	"slices"
	"testing"

	"framehub/session/wire"
	"framehub/store"
)

const indexedSchema = `CREATE TABLE doc(id INTEGER PRIMARY KEY, body TEXT, x REAL NOT NULL DEFAULT 0) STRICT;
	CREATE VIRTUAL TABLE words USING fts4(body, content="doc", tokenize=simple);
	CREATE VIRTUAL TABLE own USING fts3(body);
	CREATE VIRTUAL TABLE place USING rtree(id, x0, x1);
	CREATE TRIGGER di AFTER INSERT ON doc BEGIN
		INSERT INTO words(docid, body) VALUES (new.id, new.body); INSERT INTO own(docid, body) VALUES (new.id, new.body);
		INSERT INTO place VALUES (new.id, new.x, new.x + 1); END;
	CREATE TRIGGER bu BEFORE UPDATE ON doc BEGIN DELETE FROM words WHERE docid = old.id; END;
	CREATE TRIGGER du AFTER UPDATE ON doc BEGIN
		INSERT INTO words(docid, body) VALUES (new.id, new.body); UPDATE own SET body = new.body WHERE docid = new.id;
		UPDATE place SET x0 = new.x, x1 = new.x + 1 WHERE id = new.id; END;
	CREATE TRIGGER bd BEFORE DELETE ON doc BEGIN DELETE FROM words WHERE docid = old.id; END;
	CREATE TRIGGER dd AFTER DELETE ON doc BEGIN DELETE FROM own WHERE docid = old.id; DELETE FROM place WHERE id = old.id; END;
	CREATE TRIGGER no AFTER UPDATE ON doc WHEN new.x < 0 BEGIN SELECT RAISE(ROLLBACK, 'below'); END;`

// TestIndexes: full-text and R-tree indexes keep tables of their own, which the
// log carries like private tables.
func TestIndexes(t *testing.T) {
	d := openDB(t, indexedSchema)
	for _, tab := range d.Schema().Tables {
		if tab.Synced != (tab.Name == "doc") {
			t.Errorf("table %q: Synced is %v", tab.Name, tab.Synced)
		}
	}
	m := newModel(d)
	for round := range 6 {
		var txs []written
		for i := range 5 {
			id := round*5 + i
			txs = append(txs, written{alice, d.write(alice, put("doc", "id body x", row(id, fmt.Sprintf("word%d common", id), id)))})
			// Refused, by a savepoint's rollback and by all of the transaction's.
			txs = append(txs, written{bob, d.write(bob, put("doc", "id body x", row(id, "refused", 1)), put("doc", "id body", row(id+1000, 5), row(0, nil)), expect("doc", "id x", row(0, -1)))})
			if i == 3 {
				txs = append(txs, written{bob, d.write(bob, put("doc", "id body x", row(id, "below", -1)))})
			}
		}
		txs = append(txs, written{carol, d.write(carol, remove("doc", "id", row(round*5)), put("doc", "id body", row(round*5+1, "changed common")))})
		e, refusals := d.commit(txs...)
		for i, r := range refusals {
			if (txs[i].dev == bob) != (r != nil) {
				t.Errorf("transaction %d: %v", i, r)
			}
		}
		m.apply(e)
		if round%2 == 0 {
			d.crash(d.opts.Path)
		} else {
			d.merge()
		}
		m.check(fmt.Sprint("round ", round))
		d.checkIndexes(4 * (round + 1))
	}
}

// checkIndexes asks the indexes what they find, and whether they fit what they index.
func (d *testDB) checkIndexes(docs int) {
	d.Helper()
	d.merge()
	for query, want := range map[string]string{
		`SELECT count(*) FROM words WHERE words MATCH 'common'`:        fmt.Sprint(docs),
		`SELECT count(*) FROM own WHERE own MATCH 'common'`:            fmt.Sprint(docs),
		`SELECT count(*) FROM own WHERE own MATCH 'refused OR below'`:  "0",
		`SELECT count(*) FROM words WHERE words MATCH 'refused'`:       "0",
		`SELECT count(*) FROM place`:                                   fmt.Sprint(docs),
		`SELECT rtreecheck('main', 'place')`:                           "ok",
		`INSERT INTO words(words) VALUES('integrity-check')`:           "",
		`SELECT count(*) FROM doc, place USING (id) WHERE x >= x0 - 1`: fmt.Sprint(docs),
	} {
		if got := sqlite3(d, d.opts.Path, query); got != want {
			d.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// TestPrivateTables: the log carries them, by their rowids where they have no key.
func TestPrivateTables(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT;
		CREATE TABLE _nokey(what, n); CREATE TABLE nokey2(rowid TEXT, n); CREATE TABLE _text(k TEXT PRIMARY KEY, n);
		CREATE TABLE _null(x INT, y INT, PRIMARY KEY(x, y)); CREATE TABLE _w(k TEXT COLLATE NOCASE PRIMARY KEY, n) WITHOUT ROWID;
		CREATE TRIGGER i AFTER INSERT ON a BEGIN
			INSERT INTO _nokey VALUES ('i', new.id), ('same', 1), ('same', 1); INSERT INTO nokey2 VALUES ('r', new.n);
			INSERT INTO _text VALUES ('t' || new.id, 1); INSERT INTO _null VALUES (NULL, new.id), (NULL, NULL); INSERT OR REPLACE INTO _w VALUES ('K' || (new.id % 2), new.id); END;
		CREATE TRIGGER u AFTER UPDATE ON a BEGIN
			UPDATE _nokey SET rowid = rowid + 100 WHERE what = 'i'; UPDATE nokey2 SET n = n + 1; UPDATE _text SET k = k || '!';
			UPDATE _null SET x = y, y = x; UPDATE _w SET k = lower(k), n = new.n; END;
		CREATE TRIGGER d AFTER DELETE ON a BEGIN
			DELETE FROM _nokey WHERE rowid % 2 = 0; DELETE FROM nokey2; DELETE FROM _text WHERE k = 't1'; DELETE FROM _null; DELETE FROM _w; END;`)
	m := newModel(d)
	for _, op := range []testOp{
		put("a", "id n", row(1, 1), row(2, 2)), put("a", "id n", row(1, 7)), put("a", "id n", row(3, 3), row(2, 8)),
		remove("a", "id", row(3)), put("a", "id n", row(4, 4)), remove("a", "id", row(1)),
	} {
		m.apply(d.do(op))
		m.check("merged")
	}
	for _, op := range []testOp{
		put("a", "id n", row(11, 1), row(12, 2)), put("a", "id n", row(11, 7)), put("a", "id n", row(13, 3), row(12, 8)),
		remove("a", "id", row(13)), put("a", "id n", row(14, 4)), remove("a", "id", row(11)),
	} {
		m.replay(op)
	}
}

func TestNoNameForRowid(t *testing.T) {
	opts := store.Options{Path: t.TempDir() + "/w.db", Log: quiet, Schema: `CREATE TABLE a(rowid, _rowid_, oid)`}
	_, err := store.Open(opts)
	wantWords(t, err, `"a"`, "declare a PRIMARY KEY")
}

// TestScopes: a row's scope before is told, whatever happened to it.
func TestScopes(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, zone TEXT) STRICT;
		CREATE TABLE k(zone TEXT COLLATE NOCASE, id INTEGER, n INTEGER, PRIMARY KEY(zone, id)) STRICT, WITHOUT ROWID`,
		func(o *store.Options) { o.Scopes = map[string]string{"a": "zone", "k": "zone"} })
	m := newModel(d)
	for _, ops := range [][]testOp{
		{put("a", "id n zone", row(1, 1, "one"), row(2, 1, nil)), put("k", "zone id", row("Zone", 1))},
		{put("a", "id zone", row(1, "two")), put("a", "id zone", row(1, "three")), put("k", "zone id n", row("zone", 1, 2))},
		{remove("a", "id", row(1)), put("a", "id zone", row(1, "four")), put("a", "id n", row(2, 5))},
		{put("a", "id zone", row(3, "x")), remove("a", "id", row(3)), put("a", "id zone", row(2, "y")), remove("k", "zone id", row("ZONE", 1))},
		{remove("a", "id", row(1), row(2))},
	} {
		m.apply(d.do(ops...))
		m.check("frame")
	}
	m.replay(put("a", "id n zone", row(1, 1, "one"), row(2, 1, nil)), put("k", "zone id", row("Zone", 1)))
	m.replay(remove("a", "id", row(1)), put("a", "id zone", row(2, "now")))
	var seen [][]wire.Value
	d.do(put("a", "id zone", row(5, nil), row(6, "NOW"), row(7, "")))
	err := d.View(t.Context(), func(v *store.View) error {
		return v.Scan(d.table("a"), true, []wire.Value{wire.TextValue("now"), {}}, func(g wire.Grid) error {
			for i := range g.Rows() {
				seen = append(seen, append([]wire.Value(nil), g.Row(i)...))
			}
			return nil
		})
	})
	if err != nil || len(seen) != 2 || seen[0][0] != wire.IntegerValue(2) || seen[1][0] != wire.IntegerValue(5) {
		t.Error(seen, err)
	}
}

// TestManyScopes: a device may be subscribed to more scopes than SQLite takes in an
// expression, or parameters.
func TestManyScopes(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, zone ANY) STRICT; CREATE INDEX zones ON a(zone)`,
		func(o *store.Options) { o.Scopes = map[string]string{"a": "zone"} })
	d.do(put("a", "id zone", row(1, 0), row(2, 998), row(3, 1.5), row(4, 65535), row(5, 65536), row(6, nil), row(7, "998")))
	for n, want := range map[int][]int64{0: {6}, 1: {1, 6}, 999: {1, 2, 6}, 65536: {1, 2, 4, 6}} {
		scopes := []wire.Value{{}}
		for i := range n {
			scopes = append(scopes, wire.IntegerValue(int64(i)))
		}
		var seen []int64
		err := d.View(t.Context(), func(v *store.View) error {
			return v.Scan(d.table("a"), true, scopes, func(g wire.Grid) error {
				for i := range g.Rows() {
					seen = append(seen, g.Row(i)[0].Int64())
				}
				return nil
			})
		})
		if slices.Sort(seen); err != nil || !slices.Equal(seen, want) {
			t.Errorf("%d scopes and NULL have the rows %d, not %d: %v", n, seen, want, err)
		}
	}
}
