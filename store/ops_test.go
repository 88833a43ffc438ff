package store_test

import (
	"math"
	"testing"

	"framehub/session/wire"
)

// itemTables are the kinds of table that the ops are tried on. Each has a key
// id of integers, a number n, a REAL x and a text s.
var itemTables = map[string]string{
	"strict":        `CREATE TABLE item(id INTEGER PRIMARY KEY, n INTEGER, x REAL, s TEXT) STRICT`,
	"loose":         `CREATE TABLE item(id INTEGER PRIMARY KEY, n INTEGER, x REAL, s TEXT)`,
	"without rowid": `CREATE TABLE item(id INTEGER PRIMARY KEY, n INTEGER, x REAL, s TEXT) STRICT, WITHOUT ROWID`,
	"int key":       `CREATE TABLE item(id INT PRIMARY KEY, n INTEGER, x REAL, s TEXT)`,
	"int key desc":  `CREATE TABLE item(id INTEGER PRIMARY KEY DESC, n INTEGER, x REAL, s TEXT)`,
	"autoincrement": `CREATE TABLE item(id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER, x REAL, s TEXT)`,
	"key last":      `CREATE TABLE item(n INTEGER, x REAL, s TEXT, id INTEGER PRIMARY KEY)`,
	"any":           `CREATE TABLE item(id ANY PRIMARY KEY, n ANY, x ANY, s ANY) STRICT`,
	"untyped":       `CREATE TABLE item(id PRIMARY KEY, n, x, s)`,
	"numeric":       `CREATE TABLE item(id NUMERIC PRIMARY KEY, n NUMERIC, x NUMERIC, s NUMERIC) WITHOUT ROWID`,
	"replace":       `CREATE TABLE item(id INTEGER PRIMARY KEY ON CONFLICT REPLACE, n INTEGER, x REAL, s TEXT)`,
	"ignore":        `CREATE TABLE item(id INTEGER PRIMARY KEY ON CONFLICT IGNORE, n INTEGER, x REAL, s TEXT)`,
	"rollback":      `CREATE TABLE item(id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK, n INTEGER, x REAL, s TEXT)`,
	"triggered": `CREATE TABLE item(id INTEGER PRIMARY KEY, n INTEGER, x REAL, s TEXT);
		CREATE TABLE _log(what); CREATE TRIGGER i AFTER INSERT ON item BEGIN INSERT INTO _log VALUES (new.id); END`,
}

func TestOps(t *testing.T) {
	for name, schema := range itemTables {
		t.Run(name, func(t *testing.T) { t.Parallel(); testOps(openDB(t, schema)) })
	}
}

func testOps(d *testDB) {
	d.do(insert("item", "id n x s", row(1, 10, 1.5, "one"), row(2, 20, 2.5, "two")))
	d.do(put("item", "id n", row(1, 11), row(3, 30)))
	d.do(update("item", "id s", row(2, "zwei")))
	d.do(touch("item", "id s", row(3, "drei"), row(4, "vier")))
	d.do(add("item", "id n x", row(1, 5, 0.25), row(3, -30, 0.5)))
	d.wantItems(row(1, 16, 1.75, "one"), row(2, 20, 2.5, "zwei"), row(3, 0, 0.5, "drei"))
	d.do(remove("item", "id", row(2), row(77)))
	d.do(expect("item", "id n s", row(1, 16, "one")), expect("item", "id", row(2)), put("item", "id", row(1), row(5)))
	d.wantItems(row(1, 16, 1.75, "one"), row(3, 0, 0.5, "drei"), row(5, nil, nil, nil))
	d.do(add("item", "id", row(1), row(5)))
	d.do(touch("item", "id", row(1), row(6)), update("item", "id", row(5)), put("item", "id n x s"))

	refusals := []struct {
		name  string
		op    testOp
		code  wire.Code
		words string
	}{
		{"insert there", insert("item", "id n", row(9, 1), row(1, 1)), wire.CodeExists, "key 1"},
		{"insert twice", insert("item", "id", row(9), row(9)), wire.CodeExists, "key 9"},
		{"update missing", update("item", "id n", row(1, 1), row(8, 1)), wire.CodeMissing, "key 8"},
		{"update missing, keys only", update("item", "id", row(1), row(8)), wire.CodeMissing, "key 8"},
		{"add missing", add("item", "id n", row(8, 1)), wire.CodeMissing, "key 8"},
		{"add missing, keys only", add("item", "id", row(8)), wire.CodeMissing, "key 8"},
		{"add text", add("item", "id x", row(1, "1")), wire.CodeType, "only numbers"},
		{"add to text", add("item", "id s", row(1, 1)), wire.CodeType, "only numbers"},
		{"add NULL", add("item", "id n", row(1, nil)), wire.CodeType, "only numbers"},
		{"add blob", add("item", "id n", row(1, []byte("1"))), wire.CodeType, "only numbers"},
		{"add overflow", add("item", "id n", row(1, math.MaxInt64)), wire.CodeConstraint, "out of range"},
		{"add underflow", add("item", "id n", row(1, -17), row(1, math.MinInt64)), wire.CodeConstraint, "out of range"},
		{"expect other", expect("item", "id n", row(1, 16), row(3, 1)), wire.CodeConflict, "key 3"},
		{"expect missing", expect("item", "id n", row(8, 1)), wire.CodeConflict, "key 8"},
		{"expect kind", expect("item", "id s", row(1, []byte("one"))), wire.CodeConflict, "key 1"},
		{"expect NULL", expect("item", "id s", row(1, nil)), wire.CodeConflict, "key 1"},
		{"expect not NULL", expect("item", "id s", row(5, "")), wire.CodeConflict, "key 5"},
		{"key NULL", put("item", "id n", row(nil, 1)), wire.CodeType, `"id"`},
		{"no key", put("item", "n", row(1)), wire.CodeType, "key columns, id"},
		{"key not first", put("item", "n id", row(1, 1)), wire.CodeType, "key columns, id"},
		{"delete with more", remove("item", "id n", row(1, 1)), wire.CodeType, "key columns only"},
	}
	for _, c := range refusals {
		d.TB.(*testing.T).Run(c.name, func(t *testing.T) {
			sub := *d
			sub.TB = t
			r := sub.try(put("item", "id x", row(1, -1.0)), c.op)
			wantRefusal(t, r, c.code, c.words)
			sub.wantItems(row(1, 16, 1.75, "one"), row(3, 0, 0.5, "drei"), row(5, nil, nil, nil))
		})
	}
}

// wantItems compares the rows, whose key some tables have last.
func (d *testDB) wantItems(want ...[]any) {
	d.Helper()
	d.wantRows("item", want...)
}

func TestOpsValues(t *testing.T) {
	d := openDB(t, itemTables["any"])
	values := []any{
		nil, 0, -1, math.MaxInt64, math.MinInt64, 0.0, 1.0, -1.5, math.MaxFloat64, math.SmallestNonzeroFloat64,
		"", "a", "a\x00b", "\x00", "ünïcödé 🌲", "0", "1e3", []byte{}, []byte{0}, []byte{0xff, 0, 0xfe}, float64(1 << 53), math.Copysign(0, -1),
	}
	for i, v := range values {
		d.do(put("item", "id n", row(i, v)))
		d.do(expect("item", "id n", row(i, v)))
	}
	var want [][]any
	for i, v := range values {
		want = append(want, row(i, v, nil, nil))
	}
	d.wantItems(want...)
	d.reopen()
	d.wantItems(want...)
	wantRefusal(t, d.try(expect("item", "id n", row(11, []byte("a")))), wire.CodeConflict)
	wantRefusal(t, d.try(expect("item", "id n", row(10, nil))), wire.CodeConflict)
	wantRefusal(t, d.try(expect("item", "id n", row(17, nil))), wire.CodeConflict)
	d.do(expect("item", "id n", row(1, 0.0), row(1, math.Copysign(0, -1)), row(6, 1), row(20, 1<<53)))
	wantRefusal(t, d.try(expect("item", "id n", row(20, 1<<53+1))), wire.CodeConflict)
	wantRefusal(t, d.try(expect("item", "id n", row(3, float64(1<<63)))), wire.CodeConflict)
}

func TestAddTypes(t *testing.T) {
	d := openDB(t, `CREATE TABLE s(id INTEGER PRIMARY KEY, n INTEGER, x REAL, a ANY) STRICT;
		CREATE TABLE l(id INTEGER PRIMARY KEY, n INTEGER, x REAL, a NUMERIC)`)
	for _, table := range []string{"s", "l"} {
		d.do(put(table, "id", row(1)))
		d.do(add(table, "id n x a", row(1, 1, 1, 1.5)))
		d.do(add(table, "id n x a", row(1, 2, 0.5, 1)))
		d.wantRows(table, row(1, 3, 1.5, 2.5))
		wantRefusal(t, d.try(add(table, "id n", row(1, 1.0))), wire.CodeType, `"n"`, "integers")
		wantRefusal(t, d.try(add(table, "id n", row(1, 1), row(1, 0.5))), wire.CodeType, `"n"`, "integers")
		d.do(put(table, "id x a", row(1, 1e308, int64(math.MaxInt64))))
		wantRefusal(t, d.try(add(table, "id x", row(1, 1e308))), wire.CodeConstraint, "out of range")
		wantRefusal(t, d.try(add(table, "id a", row(1, 1))), wire.CodeConstraint, "out of range")
		d.do(add(table, "id a", row(1, 1.0)))
	}
	d.do(put("l", "id n", row(2, "text")))
	wantRefusal(t, d.try(add("l", "id n", row(2, 1))), wire.CodeType, "only numbers")
}

func TestTypes(t *testing.T) {
	d := openDB(t, `CREATE TABLE s(id INTEGER PRIMARY KEY, n INTEGER NOT NULL DEFAULT 7, x REAL, t TEXT, b BLOB) STRICT;
		CREATE TABLE l(id INTEGER PRIMARY KEY, n INTEGER, x REAL, t TEXT, b BLOB)`)
	for _, op := range []testOp{
		put("s", "id n", row(1, "a")), put("s", "id n", row(1, 1.5)), put("s", "id x", row(1, "a")), put("s", "id t", row(1, []byte("a"))),
		put("s", "id b", row(1, "a")), put("s", "id b", row(1, 1)), insert("s", "id n", row(1, "a")),
	} {
		wantRefusal(t, d.try(op), wire.CodeType, `"s"`)
	}
	wantRefusal(t, d.try(put("s", "id n", row(1, nil))), wire.CodeConstraint, "NOT NULL", "s.n")
	d.do(put("s", "id x t", row(1, 1, 12), row(2, nil, "a")), put("s", "id n", row(3, "12"), row(4, 2.0)))
	d.wantRows("s", row(1, 7, 1.0, "12", nil), row(2, 7, nil, "a", nil), row(3, 12, nil, nil, nil), row(4, 2, nil, nil, nil))
	d.do(put("l", "id n x t b", row(1, "a", "b", 1, "c"), row(2, 1.5, 1, 2.5, 3), row(3, "12", "1", []byte("x"), nil)))
	d.wantRows("l", row(1, "a", "b", "1", "c"), row(2, 1.5, 1.0, "2.5", 3), row(3, 12, 1.0, []byte("x"), nil))
}

func TestUnknown(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n); CREATE TABLE _p(id INTEGER PRIMARY KEY, n); CREATE TABLE nokey(n);
		CREATE VIEW v AS SELECT * FROM a`)
	try := func(f func(w *wire.Write)) *wire.Refusal {
		w := d.write(alice, put("a", "id n", row(1, 1)))
		f(w)
		_, refusals := d.frame(written{alice, w})
		return refusals[0]
	}
	block := func(w *wire.Write) *wire.Block { return &w.Ops[0].Block }
	wantRefusal(t, try(func(w *wire.Write) { block(w).Table = 99 }), wire.CodeUnknownTable, "99")
	wantRefusal(t, try(func(w *wire.Write) { block(w).Table = d.table("_p").ID }), wire.CodeUnknownTable)
	wantRefusal(t, try(func(w *wire.Write) { block(w).Table = d.table("nokey").ID }), wire.CodeUnknownTable)
	wantRefusal(t, try(func(w *wire.Write) { block(w).Columns[1] = 2 }), wire.CodeUnknownColumn, `"a"`, "2")
	wantRefusal(t, try(func(w *wire.Write) { w.SchemaVersion = 2 }), wire.CodeSchema, "2")
	wantRefusal(t, try(func(w *wire.Write) { w.SchemaVersion = 0 }), wire.CodeSchema, "0")
	if r := try(func(*wire.Write) {}); r != nil {
		t.Error(r)
	}
	if e, refusals := d.frame(written{alice, &wire.Write{Seq: 99, SchemaVersion: 1}}); refusals[0] != nil || len(e.Writers) != 1 || len(e.Tables) != 0 {
		t.Errorf("an empty transaction: %v, %+v", refusals[0], e)
	}
}

// TestRefusalPlaces looks at the op and the row that refusals name.
func TestRefusalPlaces(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER CHECK(n < 100), p INTEGER REFERENCES a(id) DEFERRABLE INITIALLY DEFERRED) STRICT`)
	ok := put("a", "id n", row(1, 1))
	for _, c := range []struct {
		op   testOp
		code wire.Code
		row  int
	}{
		{put("a", "id n", row(1, 1), row(2, 100)), wire.CodeConstraint, 1},
		{put("a", "id n", row(1, 1), row(2, "a")), wire.CodeType, 1},
		{put("a", "id n", row(1, 1), row("x", 1)), wire.CodeType, 1},
		{update("a", "id n", row(1, 1), row(1, 2), row(7, 2)), wire.CodeMissing, 2},
		{add("a", "id n", row(1, 1), row(1, 0.5)), wire.CodeType, 1},
		{add("a", "id n", row(1, 1), row(1, nil)), wire.CodeType, 1},
		{remove("a", "id n", row(1, 1)), wire.CodeType, -1},
	} {
		r := d.try(ok, c.op)
		if r == nil || r.Code != c.code || r.Op != 1 || r.Row != c.row {
			t.Errorf("%v: %+v, want %s in op 1, row %d", c.op, r, c.code, c.row)
		}
	}
	if r := d.try(ok, put("a", "id p", row(1, 9))); r == nil || r.Code != wire.CodeConstraint || r.Op != -1 || r.Row != -1 {
		t.Errorf("an unresolved foreign key: %+v", r)
	}
}
