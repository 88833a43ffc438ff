package store_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	driver "github.com/mattn/go-sqlite3"

	"framehub/session/wire"
	"framehub/store"
)

// since says whether the SQLite that is tested is of a version, such as 3_049_000 for
// 3.49.0, or newer. Only a build with the machine's own SQLite has an older one.
func since(version int) bool {
	_, number, _ := driver.Version()
	return number >= version
}

// TestMiscounted: a table whose columns the preupdate hook would mistake is refused.
func TestMiscounted(t *testing.T) {
	if since(3_049_000) {
		return
	}
	openDB(t, `CREATE TABLE good(id INTEGER PRIMARY KEY, n, v AS (n + 1), w AS (v + 1) VIRTUAL)`)
	_, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), "world.db"), Schema: `CREATE TABLE bad(id INTEGER PRIMARY KEY, v AS (n + 1), n)`})
	if err == nil || !strings.Contains(err.Error(), `table "bad"`) || !strings.Contains(err.Error(), `"v"`) {
		t.Errorf("%v", err)
	}
}

func TestGenerated(t *testing.T) {
	if !since(3_049_000) {
		t.Skip("SQLite before 3.49 can't have stored columns after virtual ones: TestMiscounted")
	}
	for name, suffix := range map[string]string{"rowid": "STRICT", "without rowid": "STRICT, WITHOUT ROWID"} {
		t.Run(name, func(t *testing.T) {
			// Virtual columns in between: SQL's numbers of columns and where they are stored differ.
			d := openDB(t, `CREATE TABLE a(v INTEGER AS (n + 1), id INTEGER PRIMARY KEY, s INTEGER AS (n * 2) STORED, n INTEGER,
				w TEXT AS ('w' || t) VIRTUAL, t TEXT, z INTEGER AS (s + v) STORED) `+suffix)
			d.do(put("a", "id n t", row(1, 10, "x"), row(2, 20, nil)))
			d.wantRows("a", row(1, 11, 20, 10, "wx", "x", 31), row(2, 21, 40, 20, nil, nil, 61))
			m := newModel(d)
			m.apply(d.do(put("a", "id n", row(1, 5)), put("a", "id t", row(2, "y"), row(3, "z"))))
			m.check("changed")
			m.apply(d.do(expect("a", "id v s w", row(1, 6, 10, "wx")), remove("a", "id", row(2))))
			m.check("removed")
			for _, column := range []string{"v", "s", "w"} {
				wantRefusal(t, d.try(put("a", "id "+column, row(1, 1))), wire.CodeReadOnly, `"`+column+`"`, "generated")
				wantRefusal(t, d.try(add("a", "id "+column, row(1, 1))), wire.CodeReadOnly, `"`+column+`"`, "generated")
			}
			wantRefusal(t, d.try(expect("a", "id v", row(1, 7))), wire.CodeConflict)
			m.replay(put("a", "id n", row(3, 7), row(1, 0)))
			m.replay(remove("a", "id", row(3)), put("a", "id t", row(3, "new")))
		})
	}
}

// TestVirtualRefused: a virtual column is computed when it is read, so SQL takes
// rows that nobody can read.
func TestVirtualRefused(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n, v AS (abs(n)), j AS (json_extract(n, '$.x')), i AS (CAST(n AS REAL) * 1e308),
			t AS (CAST(n AS TEXT)));
		CREATE TABLE cmd(id INTEGER PRIMARY KEY, n); CREATE TRIGGER c AFTER INSERT ON cmd BEGIN INSERT INTO a VALUES (new.id, new.n); END`)
	d.do(put("a", "id n", row(1, 1)))
	for _, c := range []struct {
		n     any
		words string
	}{
		{-1 << 63, "integer overflow"}, {"{", "malformed JSON"}, {100, "infinity"},
	} {
		wantRefusal(t, d.try(put("a", "id n", row(2, 2), row(1, c.n))), wire.CodeConstraint, `"a"`, c.words)
		wantRefusal(t, d.try(put("cmd", "id n", row(7, c.n))), wire.CodeConstraint, c.words)
	}
	if got := len(d.contents()["a"]); got != 1 {
		t.Errorf("%d rows", got)
	}
	d.do(put("a", "id n", row(2, 100)), remove("a", "id", row(2))) // gone when it is judged
}

func TestDefaults(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER NOT NULL DEFAULT 5, x REAL DEFAULT (1 + 1), s TEXT DEFAULT 'a''b',
		b BLOB DEFAULT x'00ff', z TEXT) STRICT`)
	d.do(put("a", "id", row(1)), put("a", "id n", row(2, 6)), put("a", "id", row(2)))
	d.wantRows("a", row(1, 5, 2.0, "a'b", []byte{0, 0xff}, nil), row(2, 6, 2.0, "a'b", []byte{0, 0xff}, nil))
	tab := d.table("a")
	if c := tab.Columns[1]; !c.Default || !c.NotNull || tab.Columns[5].Default {
		t.Errorf("%+v", tab.Columns)
	}
	// A column that rows lack in their records: what was there before is its default.
	d.close()
	sqlite3(t, d.opts.Path, `ALTER TABLE a ADD COLUMN late TEXT DEFAULT 'late'`, `ALTER TABLE a ADD COLUMN never INTEGER`)
	d.open()
	m := newModel(d)
	e := d.do(put("a", "id n", row(1, 7)))
	late := store.MaskBit(6) // which an older SQLite tells of as well: it takes NULL for what was there
	if r := e.Tables[0].Rows[0]; r.Mask&^late != store.MaskBit(1) || since(3_049_000) && r.Mask&late != 0 {
		t.Errorf("%+v", r)
	}
	m.apply(e)
	m.apply(d.do(put("a", "id late never", row(2, "late", nil))))
	m.replay(put("a", "id late never", row(2, nil, 1)))
}

func TestManyColumns(t *testing.T) {
	for _, n := range []int{62, 63, 64, 65, 200, 1998} {
		for _, key := range []string{"id INTEGER PRIMARY KEY", ""} {
			t.Run(fmt.Sprint(n, " ", key), func(t *testing.T) { t.Parallel(); testManyColumns(t, n, key) })
		}
	}
}

func testManyColumns(t *testing.T, n int, key string) {
	t.Helper()
	columns := make([]string, n)
	for i := range columns {
		columns[i] = fmt.Sprintf("c%d INTEGER", i)
	}
	if key != "" {
		columns = append(columns, key)
	} else {
		columns = append(columns, "last INTEGER")
	}
	d := openDB(t, `CREATE TABLE a(`+strings.Join(columns, ", ")+`) STRICT; CREATE TABLE cmd(id INTEGER PRIMARY KEY, n INTEGER) STRICT;
		CREATE TRIGGER i AFTER INSERT ON cmd BEGIN INSERT INTO a(c0, c5) VALUES (new.n, 5); END;
		CREATE TRIGGER u AFTER UPDATE ON cmd BEGIN UPDATE a SET `+fmt.Sprintf("c%d", n-1)+` = new.n; END;`)
	m := newModel(d)
	m.apply(d.do(put("cmd", "id n", row(1, 2))))
	e := d.do(put("cmd", "id n", row(1, 3)))
	c := e.Change(d.table("a").ID)
	if got, want := c.Rows[0].Mask, store.MaskBit(n); got != want {
		t.Errorf("the mask is %b, want %b", got, want)
	}
	m.apply(e)
	m.replay(put("cmd", "id n", row(2, 3), row(3, 4)))
	m.replay(put("cmd", "id n", row(3, 5)))
}

func TestNames(t *testing.T) {
	names := []string{`select`, `a"b`, `it's`, "ünï·cödé·🌲", `a·b`, `[x]`, "`y`", `%_\`, `x;--`, `1`, "UPPER"}
	var schema strings.Builder
	for i, name := range names {
		q := strings.ReplaceAll(strings.ReplaceAll(name, "·", " "), `"`, `""`)
		fmt.Fprintf(&schema, `CREATE TABLE "%s"("%s" INTEGER PRIMARY KEY, "v %s" TEXT, "g %s" AS ("v %s"));
			CREATE TRIGGER "t %s" AFTER INSERT ON "%s" BEGIN UPDATE "%s" SET "v %s" = "v %s" || '!' WHERE "%s" = new."%s"; END;`,
			q, q, q, q, q, q, q, q, q, q, q, q)
		_ = i
	}
	d := openDB(t, schema.String())
	for i, name := range names {
		table := strings.ReplaceAll(name, "·", " ")
		d.do(put(table, name+" v·"+name, row(i, "v")))
		d.do(update(table, name+" v·"+name, row(i, "w")), expect(table, name+" g·"+name, row(i, "w")), insert(table, name, row(99)))
		d.do(remove(table, name, row(99)))
		d.wantRows(table, row(i, "w", "w"))
	}
	newModel(d).replay(put("select", "select", row(7)))
	d.do(remove("select", "select", row(7)))
	for i, name := range names {
		d.wantRows(strings.ReplaceAll(name, "·", " "), row(i, "w", "w"))
	}
}

// TestPathNames: a path may hold what means something in SQLite's URIs.
func TestPathNames(t *testing.T) {
	for _, name := range []string{"a b.db", "100%.db", "a?b=c.db", "a#b.db", "ü'\".db", "%41.db", "noext", "a.b.sqlite", "a&b+c.db"} {
		d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY)`, func(o *store.Options) { o.Path = t.TempDir() + "/" + name })
		d.do(put("a", "id", row(1)))
		d.reopen()
		d.wantRows("a", row(1))
	}
}

// TestInfinities: SQL makes them, devices can't be told.
func TestInfinities(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, x REAL, y REAL AS (x * 10) STORED) STRICT;
		CREATE TABLE b(id INTEGER PRIMARY KEY, x REAL) STRICT; CREATE TABLE _p(x, t); CREATE TABLE _w(k PRIMARY KEY, t) WITHOUT ROWID;
		CREATE TRIGGER t AFTER UPDATE ON b BEGIN UPDATE b SET x = x * 10 WHERE id = new.id; END;
		CREATE TRIGGER p AFTER INSERT ON b WHEN new.x IS NOT NULL BEGIN
			INSERT INTO _p VALUES (new.x * 10, CAST(x'ff41' AS TEXT)), (-new.x * 10, CAST(x'eda080' AS TEXT)), (1, 'ok');
			INSERT INTO _w VALUES (CAST(x'c0' || new.id AS TEXT), -9e999); END;
		CREATE TRIGGER q AFTER DELETE ON b BEGIN DELETE FROM _w; UPDATE _p SET t = t || 'ü'; END;`)
	wantRefusal(t, d.try(put("a", "id x", row(1, 1e308))), wire.CodeConstraint, `"y"`, "infinity")
	wantRefusal(t, d.try(put("a", "id x", row(1, -1e308))), wire.CodeConstraint, `"y"`, "infinity")
	d.do(put("a", "id x", row(1, 1e306)))
	d.do(put("b", "id", row(1)))
	wantRefusal(t, d.try(update("b", "id x", row(1, 1e308))), wire.CodeConstraint, `"x"`, "infinity")
	d.wantRows("b", row(1, nil))
	m := newModel(d)
	for _, op := range []testOp{put("b", "id x", row(2, 1e308)), put("b", "id x", row(3, 1e308)), remove("b", "id", row(1)), remove("b", "id", row(3))} {
		m.replay(op)
	}
}

// TestNotUTF8: SQL makes texts of any bytes.
func TestNotUTF8(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, b BLOB, t TEXT AS (CAST(b AS TEXT)) STORED) STRICT;
		CREATE TABLE v(id INTEGER PRIMARY KEY, b BLOB, t TEXT AS (CAST(b AS TEXT))) STRICT;`)
	for _, table := range []string{"a", "v"} {
		for i, good := range []string{"", "abc", "a\x00b", "ünïcödé", "日本語🌲", "\u0080\u07ff\u0800\uffff\U00010000\U0010ffff\ud7ff\ue000", "12345678ü"} {
			d.do(put(table, "id b", row(i, []byte(good))))
		}
		for _, bad := range []string{"\xff", "12345678\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
			"\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x8c", "a\xc3a", "\xe2a\x82"} {
			wantRefusal(t, d.try(put(table, "id b", row(99, []byte(bad)))), wire.CodeConstraint, `"t"`, "UTF-8")
		}
	}
}

func TestUTF16Database(t *testing.T) {
	d := openDB(t, "", func(o *store.Options) {
		sqlite3(t, o.Path, `PRAGMA encoding = 'UTF-16le'`, `CREATE TABLE a(k TEXT COLLATE NOCASE PRIMARY KEY, t TEXT, u TEXT AS (upper(t)) STORED) STRICT`)
	})
	d.do(put("a", "k t", row("Kü", "aü🌲"), row("", ""), row("x", nil)))
	m := newModel(d)
	m.apply(d.do(put("a", "k t", row("kü", "b\x00c"), row("y", "z")), remove("a", "k", row("X"))))
	m.replay(put("a", "k t", row("KÜ", "new"), row("z", "日本")))
}

// TestMostColumns: with its rowid, a table can have one more column than SQLite
// selects, or a block holds.
func TestMostColumns(t *testing.T) {
	columns := make([]string, 2000)
	for i := range columns {
		columns[i] = fmt.Sprintf("c%d INTEGER", i)
	}
	d := openDB(t, `CREATE TABLE _a(`+strings.Join(columns, ", ")+`) STRICT; CREATE TABLE cmd(id INTEGER PRIMARY KEY) STRICT;
		CREATE TRIGGER i AFTER INSERT ON cmd BEGIN INSERT INTO _a(c0, c1999) VALUES (new.id, 5); END;
		CREATE TRIGGER u AFTER DELETE ON cmd BEGIN UPDATE _a SET c1998 = c0; END;`)
	d.do(put("cmd", "id", row(1), row(2)))
	e, _ := d.commit(written{alice, d.write(alice, put("cmd", "id", row(3)), remove("cmd", "id", row(1)))})
	d.crash(d.opts.Path)
	if got := sqlite3(t, d.opts.Path, `SELECT rowid, c0, c1, c1998, c1999 FROM _a`); got != "1|1||1|5\n2|2||2|5\n3|3||3|5" {
		t.Error(got)
	}
	old, err := d.Entry(e.Version)
	if err != nil {
		t.Fatal(err)
	}
	sameEntry(t, e, old)
}
