package store_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"framehub/store"
)

// TestSQLWritersReplace: a row that REPLACE takes is told gone, however the constraint
// comes to be broken.
func TestSQLWritersReplace(t *testing.T) {
	const schema = `
		CREATE TABLE part(id INTEGER PRIMARY KEY, name TEXT, live INTEGER) STRICT;
		CREATE UNIQUE INDEX part_name ON part(name) WHERE live;
		CREATE TABLE made(id INTEGER PRIMARY KEY, name TEXT, low TEXT AS (lower(name)) STORED UNIQUE, len INTEGER AS (length(name))) STRICT;
		CREATE TABLE filled(id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'x' UNIQUE, n INTEGER) STRICT;
		INSERT INTO part VALUES (1, 'a', 1), (2, 'a', 0), (3, 'b', 1);
		INSERT INTO made(id, name) VALUES (1, 'One'), (2, 'Two');
		INSERT INTO filled VALUES (1, 'x', 1), (2, 'y', 2);`
	for name, c := range map[string]struct {
		sql  string
		want []string
	}{
		"the condition of a partial index begins to hold": {`UPDATE OR REPLACE part SET live = 1 WHERE id = 2`, []string{"part 1 gone", "part 2 set live"}},
		"and does not":                     {`UPDATE OR REPLACE part SET live = 0 WHERE id = 1`, []string{"part 1 set live"}},
		"a generated column, by an insert": {`REPLACE INTO made(id, name) VALUES (3, 'ONE')`, []string{"made 1 gone", "made 3 made"}},
		"a generated column, by an update": {`UPDATE OR REPLACE made SET name = 'one' WHERE id = 2`, []string{"made 1 gone", "made 2 set name low len"}},
		"NULL that becomes a default":      {`REPLACE INTO filled VALUES (3, NULL, 3)`, []string{"filled 1 gone", "filled 3 made"}},
		"the same by an update":            {`UPDATE OR REPLACE filled SET name = NULL WHERE id = 2`, []string{"filled 1 gone", "filled 2 set name"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := openDB(t, schema)
			d.frame()
			m := newModel(d)
			d.outsider().do(c.sql)
			e, _ := d.frame()
			m.apply(e)
			m.check("after the frame")
			if !slices.Equal(told(e), c.want) {
				t.Errorf("the frame has %q, not %q", told(e), c.want)
			}
		})
	}
}

// TestSQLWritersKeysThatAreNoText: rows whose key is a text that is not UTF-8 are left
// out and reported, whatever becomes of them, and stand in nobody's way.
func TestSQLWritersKeysThatAreNoText(t *testing.T) {
	var log strings.Builder
	d := openDB(t, `CREATE TABLE a(k TEXT PRIMARY KEY, n INTEGER) STRICT, WITHOUT ROWID;`,
		func(o *store.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	m := newModel(d)
	for _, sql := range []string{
		`INSERT INTO a VALUES (CAST(x'ff' AS TEXT), 1), (CAST(x'fe' AS TEXT), 1), ('k', 1)`,
		`UPDATE a SET n = n + 1`,
		`UPDATE a SET k = CAST(x'fd' AS TEXT) WHERE k = CAST(x'fe' AS TEXT)`,
		`UPDATE a SET n = 5 WHERE k = 'k'; DELETE FROM a WHERE k = CAST(x'ff' AS TEXT)`,
	} {
		d.outsider().do(sql)
		e, _ := d.commit()
		if e != nil {
			m.apply(e)
		}
		for _, row := range told(e) {
			if !strings.HasPrefix(row, "a 'k' ") {
				t.Errorf("%s is told as %q", sql, row)
			}
		}
		d.crash(d.opts.Path)
	}
	if !strings.Contains(log.String(), "UTF-8") {
		t.Error("nothing is said of them:", log.String())
	}
	m.apply(d.do(put("a", "k n", row("k", 7), row("l", 1))))
	if got := sqlite3(t, d.opts.Path, `SELECT hex(k), n FROM a ORDER BY k`); got != "6B|7\n6C|1\nFD|2" {
		t.Error(got)
	}
	d.outsider().do(`DELETE FROM a WHERE k = CAST(x'fd' AS TEXT)`)
	d.commit()
	m.check("without them")
}

// TestSQLWritersNotesLost: where the notes have been emptied, every table that others
// may write is taken for another content, once.
func TestSQLWritersNotesLost(t *testing.T) {
	var log strings.Builder
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT; CREATE TABLE own(id INTEGER PRIMARY KEY, n INTEGER) STRICT;
		INSERT INTO a VALUES (1, 1); INSERT INTO own VALUES (1, 1);`,
		func(o *store.Options) {
			o.Alone, o.Log = map[string]bool{"own": true}, slog.New(slog.NewTextHandler(&log, nil))
		})
	d.frame()
	o := d.outsider()
	o.do(`UPDATE a SET n = 2`)
	d.frame()
	o.do(`UPDATE a SET n = 3; DELETE FROM _framehub_change`)
	if _, err := d.Begin(); !errors.Is(err, store.ErrSchemaChanged) {
		t.Fatal(err)
	}
	e, err := d.Reshape()
	if err != nil || e == nil || !e.Reshape || d.table("a").Since != e.Version || d.table("own").Since == e.Version {
		t.Fatal(e, err)
	}
	if !strings.Contains(log.String(), "deleted") {
		t.Error("nothing is said of it:", log.String())
	}
	d.do(add("a", "id n", row(1, 1)))
	d.wantRows("a", row(1, 4))
	o.do(`UPDATE a SET n = 9`)
	if e, _ := d.frame(); !slices.Equal(told(e), []string{"a 1 set n"}) {
		t.Errorf("the frame has %q", told(e))
	}
}
