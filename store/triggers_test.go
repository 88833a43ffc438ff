package store_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"framehub/session/wire"
)

// raiseSchema has triggers that refuse by the number that is put.
const raiseSchema = `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT;
	CREATE TABLE _log(id INTEGER PRIMARY KEY, what TEXT) STRICT;
	CREATE TRIGGER log AFTER INSERT ON a BEGIN INSERT INTO _log(what) VALUES ('insert ' || new.id); END;
	CREATE TRIGGER upd AFTER UPDATE ON a BEGIN INSERT INTO _log(what) VALUES ('update ' || new.id); END;
	CREATE TRIGGER before BEFORE INSERT ON a WHEN new.n < 0 BEGIN
		SELECT CASE new.n WHEN -1 THEN RAISE(ABORT, 'abort words') WHEN -2 THEN RAISE(FAIL, 'fail words')
			WHEN -3 THEN RAISE(IGNORE) WHEN -4 THEN RAISE(ROLLBACK, 'rollback words') END; END;
	CREATE TRIGGER after AFTER UPDATE ON a WHEN new.n < 0 BEGIN
		SELECT CASE new.n WHEN -1 THEN RAISE(ABORT, 'abort words') WHEN -2 THEN RAISE(FAIL, 'fail words')
			WHEN -3 THEN RAISE(IGNORE) WHEN -4 THEN RAISE(ROLLBACK, 'rollback words') END; END;`

// SQL's words may hold what a device wrote, which need be neither short nor text;
// they come back out of the log all the same.
func TestWordsOfAnything(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, b BLOB) STRICT;
		CREATE TRIGGER say BEFORE INSERT ON a BEGIN SELECT json_extract('{}', new.b); END;`)
	for i, said := range []string{"\xff\xfe words", strings.Repeat("ü", 10_000), strings.Repeat("\xff", 10_000)} {
		e, refusals := d.frame(written{alice, d.write(alice, put("a", "id b", row(i, []byte(said))))})
		wantRefusal(t, refusals[0], wire.CodeConstraint)
		if text := refusals[0].Text; !utf8.ValidString(text) || len(text) > 2000 {
			t.Errorf("%d bytes: %q", len(text), text)
		}
		if again, err := d.Entry(e.Version); err != nil || again.Refused[0].Text != refusals[0].Text {
			t.Errorf("%+v, %v", again, err)
		}
	}
	d.reopen()
}

func TestRaise(t *testing.T) {
	for _, kind := range []string{"abort", "fail", "rollback"} {
		n := map[string]int{"abort": -1, "fail": -2, "rollback": -4}[kind]
		t.Run(kind, func(t *testing.T) {
			d := openDB(t, raiseSchema)
			d.do(put("a", "id n", row(1, 1)))
			e, refusals := d.frame(
				written{alice, d.write(alice, put("a", "id n", row(2, 2)))},
				written{bob, d.write(bob, put("a", "id n", row(3, 3), row(4, n), row(5, 5)))},
				written{alice, d.write(alice, put("a", "id n", row(6, 6)))},
				written{bob, d.write(bob, put("a", "id n", row(1, 7)), update("a", "id n", row(1, n)))},
				written{carol, d.write(carol, put("a", "id n", row(7, 7)))},
			)
			for i, r := range refusals {
				if i == 1 || i == 3 {
					wantRefusal(t, r, wire.CodeConstraint, kind+" words")
				} else if r != nil {
					t.Errorf("transaction %d: %v", i, r)
				}
			}
			if len(e.Writers) != 3 || len(e.Refused) != 2 || e.Change(d.table("a").ID).Rows[0].By != 0 {
				t.Errorf("%+v", e)
			}
			check := func() {
				d.wantRows("a", row(1, 1), row(2, 2), row(6, 6), row(7, 7))
				d.wantRows("_log", row(1, "insert 1"), row(2, "insert 2"), row(3, "insert 6"), row(4, "insert 7"))
			}
			check()
			d.crash(d.opts.Path)
			check()
		})
	}
}

// TestRaiseRollbackUnmerged: what SQL rolls back has frames in it that the log
// has already.
func TestRaiseRollbackUnmerged(t *testing.T) {
	d := openDB(t, raiseSchema)
	for i := range 5 {
		d.commit(written{alice, d.write(alice, put("a", "id n", row(i, i)))})
	}
	_, refusals := d.commit(
		written{alice, d.write(alice, put("a", "id n", row(10, 10)))},
		written{bob, d.write(bob, put("a", "id n", row(11, -4)))},
		written{alice, d.write(alice, update("a", "id n", row(3, 33)))},
	)
	wantRefusal(t, refusals[1], wire.CodeConstraint, "rollback words")
	if refusals[0] != nil || refusals[2] != nil {
		t.Error(refusals)
	}
	d.merge()
	d.wantRows("a", row(0, 0), row(1, 1), row(2, 2), row(3, 33), row(4, 4), row(10, 10))
}

// TestRaiseIgnore: a trigger that keeps a row as it is does not make it missing.
func TestRaiseIgnore(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY ON CONFLICT REPLACE, n INTEGER) STRICT;
		CREATE TRIGGER keep BEFORE UPDATE ON a WHEN old.n = 7 BEGIN SELECT RAISE(IGNORE); END;
		CREATE TRIGGER stay BEFORE DELETE ON a WHEN old.n = 7 BEGIN SELECT RAISE(IGNORE); END;
		CREATE TRIGGER never BEFORE INSERT ON a WHEN new.n = 8 BEGIN SELECT RAISE(IGNORE); END;`)
	d.do(put("a", "id n", row(1, 7), row(2, 2)))
	e := d.do(update("a", "id n", row(1, 1)), put("a", "id n", row(1, 1)), touch("a", "id n", row(1, 1)), add("a", "id n", row(1, 1)),
		remove("a", "id", row(1)), put("a", "id n", row(3, 8)), insert("a", "id n", row(4, 8)))
	if e.RowCount() != 0 {
		t.Errorf("%+v", e.Tables)
	}
	d.wantRows("a", row(1, 7), row(2, 2))
	wantRefusal(t, d.try(update("a", "id n", row(3, 1))), wire.CodeMissing)
}

// TestTriggersWriteAll: what triggers do to other tables is in the entry, by
// every way SQL has.
func TestTriggersWriteAll(t *testing.T) {
	d := openDB(t, `CREATE TABLE cmd(id INTEGER PRIMARY KEY, what TEXT) STRICT;
		CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, u INTEGER UNIQUE) STRICT;
		CREATE TABLE b(id INTEGER PRIMARY KEY, n INTEGER, u INTEGER UNIQUE) STRICT;
		CREATE TABLE w(k TEXT PRIMARY KEY, n INTEGER) STRICT, WITHOUT ROWID;
		CREATE TRIGGER copy AFTER INSERT ON cmd WHEN new.what = 'copy' BEGIN INSERT INTO b SELECT * FROM a; END;
		CREATE TRIGGER clear AFTER INSERT ON cmd WHEN new.what = 'clear' BEGIN DELETE FROM b; DELETE FROM w; END;
		CREATE TRIGGER replace AFTER INSERT ON cmd WHEN new.what = 'replace' BEGIN
			INSERT OR REPLACE INTO b(id, n, u) VALUES (1, 100, 2); UPDATE OR REPLACE b SET u = 3 WHERE id = 1; END;
		CREATE TRIGGER upsert AFTER INSERT ON cmd WHEN new.what = 'upsert' BEGIN
			INSERT INTO w SELECT 'k' || (n % 2), n FROM a WHERE true ON CONFLICT(k) DO UPDATE SET n = n + excluded.n; END;
		CREATE TRIGGER ignore AFTER INSERT ON cmd WHEN new.what = 'ignore' BEGIN
			INSERT OR IGNORE INTO b(id, n, u) VALUES (1, 5, 1), (9, 9, 9); UPDATE OR IGNORE b SET u = 9; END;`)
	d.do(put("a", "id n u", row(1, 10, 1), row(2, 20, 2), row(3, 31, 3)))
	model := newModel(d)
	for i, what := range []string{"copy", "upsert", "upsert", "replace", "clear", "copy", "ignore", "clear"} {
		e := d.do(put("cmd", "id what", row(i, what)))
		model.apply(e)
		model.check(what)
	}
	for i, what := range []string{"copy", "upsert", "upsert", "replace", "clear", "copy", "ignore", "clear"} {
		model.replay(put("cmd", "id what", row(100+i, what)))
	}
}

func TestCascades(t *testing.T) {
	d := openDB(t, `CREATE TABLE p(id INTEGER PRIMARY KEY, code TEXT UNIQUE) STRICT;
		CREATE TABLE c(id INTEGER PRIMARY KEY, p INTEGER REFERENCES p(id) ON DELETE CASCADE ON UPDATE CASCADE) STRICT;
		CREATE TABLE n(id INTEGER PRIMARY KEY, code TEXT REFERENCES p(code) ON DELETE SET NULL ON UPDATE CASCADE) STRICT;
		CREATE TABLE s(id INTEGER PRIMARY KEY, p INTEGER DEFAULT 1 REFERENCES p(id) ON DELETE SET DEFAULT) STRICT;
		CREATE TABLE r(id INTEGER PRIMARY KEY, p INTEGER REFERENCES p(id) ON DELETE RESTRICT) STRICT;
		CREATE TABLE _deep(id INTEGER PRIMARY KEY, c INTEGER REFERENCES c(id) ON DELETE CASCADE) STRICT;
		CREATE TRIGGER deep AFTER INSERT ON c BEGIN INSERT INTO _deep(c) VALUES (new.id); END;`)
	d.do(put("p", "id code", row(1, "one"), row(2, "two"), row(3, "three")))
	d.do(put("c", "id p", row(10, 2), row(11, 2), row(12, 1)), put("n", "id code", row(20, "two"), row(21, "one")),
		put("s", "id p", row(30, 2)), put("r", "id p", row(40, 3)))
	model := newModel(d)
	e := d.do(update("p", "id code", row(2, "zwei")), remove("p", "id", row(2)))
	model.apply(e)
	model.check("delete")
	d.wantRows("c", row(12, 1))
	d.wantRows("_deep", row(3, 12))
	d.wantRows("n", row(20, nil), row(21, "one"))
	d.wantRows("s", row(30, 1))
	wantRefusal(t, d.try(remove("p", "id", row(3))), wire.CodeConstraint, "FOREIGN KEY")
	wantRefusal(t, d.try(put("c", "id p", row(13, 99))), wire.CodeConstraint, "FOREIGN KEY")
	model.replay(put("p", "id", row(7)), put("c", "id p", row(70, 7)))
	model.replay(remove("p", "id", row(7)))
}

// TestDeferred: a transaction must leave no foreign key unresolved, whatever
// comes after it in the frame.
func TestDeferred(t *testing.T) {
	d := openDB(t, `CREATE TABLE p(id INTEGER PRIMARY KEY) STRICT;
		CREATE TABLE c(id INTEGER PRIMARY KEY, p INTEGER REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED) STRICT`)
	e, refusals := d.frame(
		written{alice, d.write(alice, put("c", "id p", row(1, 1)))},
		written{bob, d.write(bob, put("p", "id", row(1)))},
		written{alice, d.write(alice, put("c", "id p", row(2, 2)), put("p", "id", row(2)))},
		written{bob, d.write(bob, remove("p", "id", row(2)))},
		written{bob, d.write(bob, remove("p", "id", row(2)), remove("c", "id", row(2)))},
	)
	for i, r := range refusals {
		if i == 0 || i == 3 {
			wantRefusal(t, r, wire.CodeConstraint, "FOREIGN KEY")
		} else if r != nil {
			t.Errorf("transaction %d: %v", i, r)
		}
	}
	if len(e.Writers) != 3 {
		t.Errorf("%+v", e.Writers)
	}
	d.wantRows("p", row(1))
	d.wantRows("c")
}

func TestUnique(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, u INTEGER UNIQUE ON CONFLICT REPLACE, v INTEGER UNIQUE) STRICT;
		CREATE TABLE i(id INTEGER PRIMARY KEY, u INTEGER UNIQUE ON CONFLICT IGNORE) STRICT`)
	d.do(put("a", "id u v", row(1, 1, 1), row(2, 2, 2), row(3, 3, 3)))
	model := newModel(d)
	wantRefusal(t, d.try(put("a", "id v", row(4, 1))), wire.CodeConstraint, "UNIQUE", "a.v")
	wantRefusal(t, d.try(put("a", "id v", row(1, 2))), wire.CodeConstraint, "UNIQUE", "a.v")
	model.apply(d.do(put("a", "id u", row(4, 1)), update("a", "id u", row(3, 2))))
	d.wantRows("a", row(3, 2, 3), row(4, 1, nil))
	model.check("replaced")
	model.apply(d.do(put("i", "id u", row(1, 1), row(2, 1)), insert("i", "id u", row(3, 1))))
	d.wantRows("i", row(1, 1))
	model.check("ignored")
	model.replay(put("a", "id u v", row(7, 1, 7), row(8, 2, 8), row(9, 1, 9)), put("i", "id u", row(4, 2), row(5, 2)))
}

// TestHostileStatements: a device may name any columns in any order, more lists
// of them in a transaction than are kept prepared.
func TestHostileStatements(t *testing.T) {
	schema, n := "CREATE TABLE a(id INTEGER PRIMARY KEY", 12
	for i := range n {
		schema += fmt.Sprintf(", c%d INTEGER", i)
	}
	d := openDB(t, schema+") STRICT")
	var ops []testOp
	for set := range 1024 {
		columns, values := "id", row(set)
		for i := range n {
			if set&(1<<i) != 0 {
				columns += fmt.Sprintf(" c%d", i)
				values = append(values, i)
			}
		}
		ops = append(ops, put("a", columns, values))
	}
	for range 2 {
		if e := d.do(ops...); len(e.Tables) == 0 {
			t.Error("nothing was written")
		}
		for i := range ops {
			ops[i].kind = wire.OpInsert
			ops[i].rows[0][0] = 2000 + i
		}
	}
	if n := len(d.contents()["a"]); n != 2048 {
		t.Errorf("%d rows", n)
	}
}
