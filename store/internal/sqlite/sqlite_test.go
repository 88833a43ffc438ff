package sqlite_test

import (
	"database/sql/driver"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

func open(tb testing.TB, schema string) *sqlite.Conn {
	tb.Helper()
	c, err := sqlite.Open("file:" + filepath.Join(tb.TempDir(), "a.db") + "?_mutex=no")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := c.Exec(schema); err != nil {
		tb.Fatal(err)
	}
	return c
}

func prepare(tb testing.TB, c *sqlite.Conn, query string) *sqlite.Stmt {
	tb.Helper()
	s, err := c.Prepare(query)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func block(tb testing.TB, columns int, values ...wire.Value) *wire.Block {
	tb.Helper()
	places := make([]int, columns)
	for i := range places {
		places[i] = i
	}
	b, err := wire.DecodeBlock(wire.AppendBlock(nil, 1, places, nil, wire.Grid{Stride: columns, Values: values}, nil), 1<<20)
	if err != nil {
		tb.Fatal(err)
	}
	return &b
}

var (
	text    = wire.TextValue
	integer = wire.IntegerValue
	real    = wire.RealValue
	blob    = func(s string) wire.Value { return wire.BlobValue([]byte(s)) }
)

// odds are values at the edges of their kinds.
var odds = []wire.Value{
	{}, integer(0), integer(-1), integer(math.MaxInt64), integer(math.MinInt64), real(1.5), real(math.MaxFloat64), real(-math.SmallestNonzeroFloat64),
	text(""), text("\x00"), text("a\x00b"), text("ü🌲"), text(strings.Repeat("x", 100_000)), blob(""), blob("\x00"), blob("\xff\x00\xfe"), blob(strings.Repeat("\xf5", 70_000)),
}

// TestValues: every way in and out keeps every value, an empty blob from NULL,
// and NUL bytes in texts.
func TestValues(t *testing.T) {
	c := open(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, v)`)
	stmts := &sqlite.Stmts{
		Update: prepare(t, c, `UPDATE a SET v = ?2 WHERE id = ?1`), Insert: prepare(t, c, `INSERT INTO a(id, v) VALUES (?1, ?2)`),
		Select: prepare(t, c, `SELECT v FROM a WHERE id = ?1`), Delete: prepare(t, c, `DELETE FROM a WHERE id = ?1`),
	}
	bound := prepare(t, c, `INSERT INTO a(id, v) VALUES (?1, ?2)`)
	all := prepare(t, c, `SELECT v FROM a ORDER BY id`)
	for _, way := range []string{"Write", "RunWith", "RunWithBlob"} {
		var want []wire.Value
		for i, v := range odds {
			id := integer(int64(i))
			var err error
			switch way {
			case "Write":
				_, _, err = c.Write(wire.OpPut, stmts, block(t, 2, id, v), 1)
			case "RunWith":
				err = bound.RunWith(id, v)
			default:
				if v.Kind() != wire.Blob {
					continue
				}
				err = bound.RunWithBlob([]byte(v.Bytes()), id)
			}
			if err != nil {
				t.Fatal(way, err)
			}
			want = append(want, v)
			if row, code, err := c.Write(wire.OpExpect, stmts, block(t, 2, id, v), 1); code != 0 || err != nil {
				t.Errorf("%s: value %d is not as expected: %d %d %v", way, i, row, code, err)
			}
		}
		runtime.GC() // nothing may point into what was bound
		for _, most := range []int{1, 3, 1000} {
			var got []wire.Value
			for done := false; !done; {
				var err error
				if got, done, err = all.Fetch(got, most, 1<<16); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %d values came back as %d others", way, len(want), len(got))
			}
		}
		if err := c.Exec(`DELETE FROM a`); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWriteOutcomes: the row and the code of what fails, and nothing bound after.
func TestWriteOutcomes(t *testing.T) {
	c := open(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER CHECK (n < 100)) STRICT; INSERT INTO a VALUES (1, 1), (2, 2)`)
	stmts := &sqlite.Stmts{
		Update: prepare(t, c, `UPDATE a SET n = ?2 WHERE id = ?1`), Insert: prepare(t, c, `INSERT INTO a(id, n) VALUES (?1, ?2)`),
		Select: prepare(t, c, `SELECT n FROM a WHERE id = ?1`), Delete: prepare(t, c, `DELETE FROM a WHERE id = ?1`),
	}
	const check = 19 | 1<<8
	for _, x := range []struct {
		op        wire.OpKind
		values    []wire.Value
		row, code int
	}{
		{wire.OpPut, []wire.Value{integer(1), integer(5), integer(3), integer(100)}, 1, check},
		{wire.OpInsert, []wire.Value{integer(7), integer(5), integer(2), integer(1)}, 1, sqlite.Exists},
		{wire.OpUpdate, []wire.Value{integer(1), integer(5), integer(9), integer(1)}, 1, sqlite.Missing},
		{wire.OpAdd, []wire.Value{integer(1), integer(5), integer(2), text("1")}, 1, sqlite.BadType},
		{wire.OpAdd, []wire.Value{integer(1), integer(math.MaxInt64)}, 0, sqlite.Overflow},
		{wire.OpAdd, []wire.Value{integer(1), integer(99)}, 0, check},
		{wire.OpExpect, []wire.Value{integer(1), text("1")}, 0, sqlite.Conflict},
		{wire.OpTouch, []wire.Value{integer(9), integer(1), integer(1), integer(50)}, 0, 0},
	} {
		if err := c.Exec(`SAVEPOINT s`); err != nil {
			t.Fatal(err)
		}
		row, code, err := c.Write(x.op, stmts, block(t, 2, x.values...), 1)
		if row != x.row || code != x.code || (err != nil) != (code > 0 && code < sqlite.Missing) {
			t.Errorf("op %d: row %d, code %d, %v; want row %d, code %d", x.op, row, code, err, x.row, x.code)
		}
		if err := c.Exec(`ROLLBACK TO s; RELEASE s`); err != nil {
			t.Fatal(err)
		}
	}
	keys := &sqlite.Stmts{Insert: prepare(t, c, `INSERT INTO a(id) VALUES (?1)`), Select: prepare(t, c, `SELECT 1 FROM a WHERE id = ?1`)}
	for op, want := range map[wire.OpKind]int{wire.OpPut: 0, wire.OpUpdate: 0, wire.OpAdd: 0, wire.OpTouch: 0, wire.OpExpect: 0, wire.OpInsert: sqlite.Exists} {
		if _, code, err := c.Write(op, keys, block(t, 1, integer(1), integer(2)), 1); code != want || err != nil {
			t.Errorf("op %d with keys alone: %d %v, want %d", op, code, err, want)
		}
	}
}

// TestCapture: what is recorded, forgotten, and told apart.
func TestCapture(t *testing.T) {
	c := open(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, s TEXT, x REAL); CREATE TABLE nokey(s); CREATE TABLE other(s); CREATE TABLE w(k TEXT PRIMARY KEY, z) WITHOUT ROWID`)
	p, err := c.Capture([]sqlite.CaptureTable{
		{Name: "a", CIDs: []int{0, 1, 2}, Real: []bool{false, false, true}, Key: 1, Scope: 1}, {Name: "nokey", CIDs: []int{0}, Real: []bool{false}, Scope: -1},
		{Name: "w", CIDs: []int{0, 1}, Real: []bool{false, false}, Key: 1, Scope: -1},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	exec := func(query string, args ...driver.Value) {
		t.Helper()
		if err := c.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	changes := func(m sqlite.Mark) (all []sqlite.Change) {
		t.Helper()
		if err := p.Each(m, func(ch *sqlite.Change) { x := *ch; x.Values = slices.Clone(ch.Values); all = append(all, x) }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	long := strings.Repeat("long", 50_000)
	exec(`INSERT INTO a VALUES (1, 'one', 1), (2, NULL, 2.5)`)
	exec(`INSERT INTO nokey VALUES (?)`, long)
	mark := p.Mark()
	exec(`UPDATE a SET s = 'uno', x = 1.0 WHERE id = 1; UPDATE a SET x = x; UPDATE a SET id = 9 WHERE id = 2; DELETE FROM nokey`)
	all := changes(sqlite.Mark{})
	want := []sqlite.Change{
		{Table: 0, Kind: sqlite.Inserted, RowID: 1, Values: []wire.Value{integer(1), text("one"), real(1)}},
		{Table: 0, Kind: sqlite.Inserted, RowID: 2, Values: []wire.Value{integer(2), {}, real(2.5)}},
		{Table: 1, Kind: sqlite.Inserted, RowID: 1, Values: []wire.Value{text(long)}},
		{Table: 0, Kind: sqlite.Updated, RowID: 1, Mask: 2, Scope: text("one"), Values: []wire.Value{integer(1), text("uno"), real(1)}},
		{Table: 0, Kind: sqlite.Deleted, RowID: 2, Values: []wire.Value{integer(2)}},
		{Table: 0, Kind: sqlite.Inserted, RowID: 9, Values: []wire.Value{integer(9), {}, real(2.5)}},
		{Table: 1, Kind: sqlite.Deleted, RowID: 1, Values: []wire.Value{}},
	}
	same := func(a, b sqlite.Change) bool {
		return a.Table == b.Table && a.Kind == b.Kind && a.RowID == b.RowID && a.Mask == b.Mask && a.Scope == b.Scope && slices.Equal(a.Values, b.Values)
	}
	if !slices.EqualFunc(all, want, same) || !slices.EqualFunc(changes(mark), want[3:], same) {
		t.Errorf("recorded %+v", all)
	}
	p.Rewind(mark)
	if n := len(changes(sqlite.Mark{})); n != 3 || p.Suspect() || p.Unknown() {
		t.Errorf("%d changes before the mark; suspect %v, unknown %v", n, p.Suspect(), p.Unknown())
	}
	for query, suspect := range map[string]bool{
		`INSERT INTO a VALUES (NULL, 'x', 9e999)`: true, `INSERT INTO a VALUES (NULL, CAST(x'ff' AS TEXT), 1)`: true,
		`INSERT INTO a VALUES (NULL, 'ü', 1)`: false, `INSERT INTO nokey VALUES (NULL)`: false, `INSERT INTO w VALUES ('k', NULL)`: false,
	} {
		p.Rewind(sqlite.Mark{})
		exec(query)
		if p.Suspect() != suspect {
			t.Errorf("%s: suspect is %v", query, !suspect)
		}
	}
	p.Rewind(sqlite.Mark{})
	exec(`INSERT INTO other VALUES (1)`)
	if err := p.Each(sqlite.Mark{}, func(*sqlite.Change) {}); !p.Unknown() || err == nil {
		t.Error("a change to a table that it was not told of is not told")
	}
	p.Rewind(sqlite.Mark{})
	p.Pause()
	exec(`DELETE FROM a`)
	p.Resume()
	if n := p.Size(sqlite.Mark{}); n != 0 {
		t.Errorf("%d bytes were recorded in a pause", n)
	}
}

// TestErrors: SQLite's codes and words come out whole.
func TestErrors(t *testing.T) {
	c := open(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n UNIQUE); INSERT INTO a VALUES (1, 1)`)
	err := prepare(t, c, `INSERT INTO a VALUES (2, 1)`).Run()
	if sqlite.CodeOf(err) != 19|8<<8 || !strings.Contains(err.Error(), "UNIQUE constraint failed: a.n") {
		t.Error(err)
	}
	if _, err := c.Prepare(`SELECT nothing FROM nowhere`); sqlite.CodeOf(err) != 1 || !strings.Contains(err.Error(), "nowhere") {
		t.Error(err)
	}
	if err := c.Exec(`BROKEN`); sqlite.CodeOf(err) != 1 {
		t.Error(err)
	}
	if err := c.Query(`SELECT 1 UNION SELECT 2`, nil, func([]driver.Value) error { return driver.ErrBadConn }); err == nil {
		t.Error("an error of the caller's is lost")
	}
	if code := sqlite.CodeOf(driver.ErrBadConn); code != 0 {
		t.Error(code)
	}
	if _, err := sqlite.Open("file:" + t.TempDir() + "/no/such/folder/a.db"); err == nil {
		t.Error("opened what is not there")
	}
}
