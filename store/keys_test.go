package store_test

import (
	"math"
	"testing"

	"framehub/session/wire"
	"framehub/store"
)

func TestCompositeKey(t *testing.T) {
	for name, suffix := range map[string]string{"rowid": "", "without rowid": " WITHOUT ROWID", "strict": " STRICT"} {
		t.Run(name, func(t *testing.T) {
			d := openDB(t, `CREATE TABLE a(note TEXT, y INTEGER, x INTEGER, PRIMARY KEY(x, y))`+suffix)
			if tab := d.table("a"); tab.Key != 2 || tab.Columns[0].Name != "x" || tab.Columns[1].Name != "y" {
				t.Fatalf("the key is not first, in its order: %+v", tab)
			}
			d.do(put("a", "x y note", row(1, 2, "1 2"), row(2, 1, "2 1")))
			d.do(update("a", "x y note", row(1, 2, "one two")), touch("a", "x y note", row(3, 3, "no")))
			wantRefusal(t, d.try(insert("a", "x y", row(2, 1))), wire.CodeExists, "(2, 1)")
			wantRefusal(t, d.try(put("a", "x note", row(2, "a"))), wire.CodeType, "x, y")
			wantRefusal(t, d.try(put("a", "y x", row(2, 1))), wire.CodeType, "x, y")
			wantRefusal(t, d.try(put("a", "x y", row(2, nil))), wire.CodeType, `"y"`)
			d.do(remove("a", "x y", row(2, 1)))
			d.wantRows("a", row(1, 2, "one two"))
			d.reopen()
			d.wantRows("a", row(1, 2, "one two"))
		})
	}
}

// TestTextKeys: SQL decides by the key's collation whether a row is there, and
// the key stays as it was first written.
func TestTextKeys(t *testing.T) {
	for _, c := range []struct {
		name, key   string
		same, other []string // as "Key a"
	}{
		{"binary", "TEXT PRIMARY KEY", []string{"Key a"}, []string{"key a", "Key a ", "Key"}},
		{"nocase", "TEXT COLLATE NOCASE PRIMARY KEY", []string{"key A", "KEY a"}, []string{"Key a ", "Ké a"}},
		{"rtrim", "TEXT COLLATE RTRIM PRIMARY KEY", []string{"Key a ", "Key a   "}, []string{"key a", " Key a", "Key a\t"}},
		{"any", "ANY PRIMARY KEY", []string{"Key a"}, []string{"key a"}},
	} {
		for _, suffix := range []string{"STRICT", "STRICT, WITHOUT ROWID"} {
			t.Run(c.name+" "+suffix, func(t *testing.T) {
				d := openDB(t, `CREATE TABLE a(k `+c.key+`, n INTEGER) `+suffix)
				d.do(insert("a", "k n", row("Key a", 1)))
				for _, k := range c.same {
					wantRefusal(t, d.try(insert("a", "k", row(k))), wire.CodeExists)
					d.do(put("a", "k n", row(k, 2)), update("a", "k n", row(k, 3)), add("a", "k n", row(k, 1)), expect("a", "k n", row(k, 4)))
					d.wantRows("a", row("Key a", 4))
					base := d.Version()
					d.do(put("a", "k n", row("Key a", 5)))
					d.wantConflict(base, put("a", "k n", row(k, 6)))
				}
				for i, k := range c.other {
					d.do(insert("a", "k n", row(k, i)))
					wantRefusal(t, d.try(update("a", "k n", row(k+"x", i))), wire.CodeMissing)
				}
				d.reopen()
				for _, k := range c.other {
					d.do(remove("a", "k", row(k)))
				}
				d.do(remove("a", "k", row(c.same[0])))
				d.wantRows("a")
			})
		}
	}
}

// wantConflict lets another device try op, decided at base.
func (d *testDB) wantConflict(base uint64, op testOp) {
	d.Helper()
	w := d.write(bob, op)
	w.Base, w.BaseSet = base, true
	_, refusals := d.frame(written{bob, w})
	wantRefusal(d, refusals[0], wire.CodeConflict, "changed after version")
}

// TestNumberKeys: 1 and 1.0 are one key wherever SQL holds them equal.
func TestNumberKeys(t *testing.T) {
	for name, c := range map[string]struct {
		key  string
		kept any
	}{
		"rowid": {"INTEGER PRIMARY KEY", 1}, "int": {"INT PRIMARY KEY", 1}, "real": {"REAL PRIMARY KEY", 1.0},
		"any": {"ANY PRIMARY KEY", 1}, "blob": {"BLOB PRIMARY KEY", 1}, "numeric": {"NUMERIC PRIMARY KEY", 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := openDB(t, `CREATE TABLE a(k `+c.key+`, n INTEGER)`)
			d.do(insert("a", "k n", row(1, 1)))
			wantRefusal(t, d.try(insert("a", "k", row(1.0))), wire.CodeExists)
			base := d.Version()
			d.do(put("a", "k n", row(1.0, 2)))
			d.wantConflict(base, put("a", "k n", row(1, 3)))
			d.wantConflict(base, put("a", "k n", row(1.0, 3)))
			d.wantRows("a", row(c.kept, 2))
			d.do(remove("a", "k", row(1.0)))
			d.wantRows("a")
		})
	}
}

func TestRealKeys(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(k REAL PRIMARY KEY, n INTEGER) WITHOUT ROWID`)
	big := int64(1<<53 + 1) // no REAL
	d.do(put("a", "k n", row(float64(1<<53), 1)))
	base := d.Version()
	d.do(update("a", "k n", row(float64(1<<53), 2)))
	d.wantConflict(base, remove("a", "k", row(big)))
	d.do(put("a", "k n", row(math.Copysign(0, -1), 1)))
	base = d.Version()
	d.do(put("a", "k n", row(0, 2)))
	d.wantConflict(base, put("a", "k n", row(0.0, 3)))
	d.wantRows("a", row(float64(1<<53), 2), row(0.0, 2))
}

// TestKeyTypes: a key that the column can't hold is refused, where SQL would
// look under another one.
func TestKeyTypes(t *testing.T) {
	d := openDB(t, `CREATE TABLE i(k INTEGER PRIMARY KEY, n); CREATE TABLE j(k INT PRIMARY KEY, n); CREATE TABLE t(k TEXT PRIMARY KEY, n);
		CREATE TABLE r(k REAL PRIMARY KEY, n); CREATE TABLE m(k NUMERIC PRIMARY KEY, n); CREATE TABLE b(k BLOB PRIMARY KEY, n)`)
	blob := []byte("1")
	for _, c := range []struct {
		table   string
		refused []any
		taken   []any
	}{
		{"i", []any{nil, "1", 1.5, 1e300, blob, float64(1 << 63)}, []any{1, 2.0, math.MinInt64}},
		{"j", []any{nil, "1", 1.5, 1e300, blob}, []any{1, 2.0, math.MaxInt64}},
		{"t", []any{nil, 1, 1.5, blob}, []any{"", "1", "a\x00b"}},
		{"r", []any{nil, "1", blob}, []any{1, 1.5, 1e300}},
		{"m", []any{nil, "1", "1e3", " 1 "}, []any{1, 1.5, "a", blob, "infinity", "nan"}},
		{"b", []any{nil}, []any{1, 1.5, "1", blob, []byte{}, ""}},
	} {
		for _, k := range c.refused {
			for _, op := range []testOp{put(c.table, "k n", row(k, 1)), remove(c.table, "k", row(k)), expect(c.table, "k", row(k))} {
				wantRefusal(t, d.try(op), wire.CodeType, `"k"`)
			}
		}
		for i, k := range c.taken {
			if e := d.do(put(c.table, "k n", row(k, i))); e.RowCount() != 1 || !e.Tables[0].Rows[0].After {
				t.Errorf("table %s, key %v: %+v", c.table, k, e.Tables[0].Rows)
			}
			d.do(expect(c.table, "k n", row(k, i)))
		}
	}
	if least := put("i", "k n", row(-float64(1<<63), 1)); since(3_054_000) { // before, SQL held this REAL to be no integer
		d.do(least)
	} else {
		wantRefusal(t, d.try(least), wire.CodeType, `"i"`)
	}
}

// TestNullKeys: SQLite lets NULL into old-style primary keys; devices can't see
// such a table, and what is there already is kept.
func TestNullKeys(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(k TEXT PRIMARY KEY, n); CREATE TABLE b(x INT, y TEXT, n, PRIMARY KEY(x, y));
		CREATE TABLE hole(k TEXT PRIMARY KEY, n); INSERT INTO hole VALUES (NULL, 1), (NULL, 2), ('a', 3);
		CREATE TABLE hole2(x INT, y TEXT, n, PRIMARY KEY(x, y)); INSERT INTO hole2 VALUES (1, NULL, 1);
		CREATE TRIGGER na AFTER INSERT ON a WHEN new.n = 'null' BEGIN UPDATE a SET k = NULL WHERE k = new.k; END;
		CREATE TRIGGER nh AFTER INSERT ON a WHEN new.n = 'hole' BEGIN INSERT INTO hole VALUES (NULL, 4); UPDATE hole2 SET y = 'y'; END;`)
	for table, synced := range map[string]bool{"a": true, "b": true, "hole": false, "hole2": false} {
		if d.table(table).Synced != synced {
			t.Errorf("table %s: Synced is %v", table, !synced)
		}
	}
	d.do(put("a", "k n", row("one", 1)))
	wantRefusal(t, d.try(put("a", "k n", row("two", "null"))), wire.CodeConstraint, `"k"`, "NULL")
	d.wantRows("a", row("one", 1))
	d.do(put("a", "k n", row("three", "hole")))
	d.wantRows("hole", row(1, nil, 1), row(2, nil, 2), row(3, "a", 3), row(4, nil, 4))
	d.wantRows("hole2", row(1, 1, "y", 1))
}

func TestKeyCollationOfIndex(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(k TEXT COLLATE NOCASE, n INTEGER, PRIMARY KEY(k COLLATE BINARY));
		CREATE TABLE b(k TEXT, n INTEGER, PRIMARY KEY(k COLLATE NOCASE))`)
	d.do(put("a", "k n", row("x", 1), row("X", 2)))
	d.do(add("a", "k n", row("x", 1)))
	d.do(remove("a", "k", row("X")))
	d.wantRows("a", row("x", 2))
	d.do(put("b", "k n", row("x", 1), row("X", 2)))
	d.wantRows("b", row("x", 2))
}

// TestAutoincrement: a number that SQL has given out is not given out again,
// also after a crash.
func TestAutoincrement(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER);
		CREATE TABLE _made(id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER);
		CREATE TABLE cmd(id INTEGER PRIMARY KEY, what TEXT);
		CREATE TRIGGER make AFTER INSERT ON cmd WHEN new.what = 'make' BEGIN
			INSERT INTO _made(n) VALUES (new.id); DELETE FROM _made; INSERT INTO a(n) VALUES (new.id); END;
		CREATE TRIGGER reset AFTER INSERT ON cmd WHEN new.what = 'reset' BEGIN UPDATE sqlite_sequence SET seq = 100 WHERE name = 'a'; END;`)
	d.do(put("a", "id n", row(40, 1)), put("a", "id n", row(50, 1)), remove("a", "id", row(50)))
	d.do(put("cmd", "id what", row(1, "make")))
	d.wantRows("a", row(40, 1), row(51, 1))
	d.do(put("cmd", "id what", row(2, "reset")))
	d.commit(written{alice, d.write(alice, put("cmd", "id what", row(3, "make")))})
	d.crash(d.opts.Path)
	d.do(put("cmd", "id what", row(4, "make")))
	d.wantRows("a", row(40, 1), row(51, 1), row(101, 3), row(102, 4))
	if got := sqlite3(t, d.opts.Path, "SELECT name, seq FROM sqlite_sequence ORDER BY name"); got != "_made|3\na|102" {
		t.Errorf("sqlite_sequence: %s", got)
	}
}

// TestLastNumber: where AUTOINCREMENT has given out its last number, SQLite says that
// the disk is full. The transaction alone is refused, and the frame goes on.
func TestLastNumber(t *testing.T) {
	const last = math.MaxInt64
	tables := `CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER);
		CREATE TABLE cmd(id INTEGER PRIMARY KEY);
		CREATE TABLE plain(id INTEGER PRIMARY KEY, n INTEGER) STRICT;
		CREATE TRIGGER make AFTER INSERT ON cmd BEGIN INSERT INTO a(n) VALUES (new.id); END;`
	for name, earlier := range map[string][]testOp{
		"in another version": {put("a", "id n", row(last, 1))}, "in the same transaction": nil,
	} {
		t.Run(name, func(t *testing.T) {
			d := openDB(t, tables)
			uses := []testOp{put("plain", "id n", row(3, 3)), put("a", "id n", row(last, 2)), put("cmd", "id", row(1))}
			if earlier != nil {
				d.do(earlier...)
				d.reopen()
				uses = []testOp{put("plain", "id n", row(3, 3)), put("cmd", "id", row(1))}
			}
			_, refusals := d.frame(
				written{alice, d.write(alice, put("plain", "id n", row(1, 1)))},
				written{bob, d.write(bob, uses...)},
				written{carol, d.write(carol, put("plain", "id n", row(2, 2)))},
			)
			if refusals[0] != nil || refusals[2] != nil {
				t.Errorf("the others: %v, %v", refusals[0], refusals[2])
			}
			wantRefusal(t, refusals[1], wire.CodeConstraint, `"a"`, "AUTOINCREMENT")
			d.wantRows("plain", row(1, 1), row(2, 2))
			d.wantRows("cmd")
			d.crash(d.opts.Path)
			d.wantRows("plain", row(1, 1), row(2, 2))
		})
	}
}

// TestKeyChange: a key that SQL changes is a delete and an insert.
func TestKeyChange(t *testing.T) {
	for name, key := range map[string]string{"rowid": "id INTEGER PRIMARY KEY", "int": "id INT PRIMARY KEY", "without": "id INTEGER PRIMARY KEY"} {
		t.Run(name, func(t *testing.T) {
			suffix := ""
			if name == "without" {
				suffix = " WITHOUT ROWID"
			}
			d := openDB(t, `CREATE TABLE a(`+key+`, n INTEGER)`+suffix+`;
				CREATE TRIGGER mv AFTER UPDATE OF n ON a WHEN new.n >= 100 BEGIN UPDATE a SET id = id + 10, n = 0 WHERE id = new.id; END`)
			d.do(put("a", "id n", row(1, 1)))
			e := d.do(put("a", "id n", row(1, 100)))
			d.wantRows("a", row(11, 0))
			c := e.Change(d.table("a").ID)
			was, is := rowOf(c, 1), rowOf(c, 11)
			if was == nil || !was.Before || was.After || is == nil || is.Before || !is.After {
				t.Errorf("%+v %v", c.Rows, c.Images.Values)
			}
		})
	}
}

// rowOf returns the change of the row with a key of integers.
func rowOf(c *store.Change, key ...int) *store.Row {
	values := make([]wire.Value, len(key))
	for i, k := range key {
		values[i] = wire.IntegerValue(int64(k))
	}
	_, r := c.Find(c.Table.KeyOf(values))
	return r
}
