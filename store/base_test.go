package store_test

import (
	"strconv"
	"testing"

	"framehub/session/wire"
	"framehub/store"
)

// based is a transaction that was decided at a version.
func (d *testDB) based(dev store.Device, base uint64, ops ...testOp) written {
	d.Helper()
	w := d.write(dev, ops...)
	w.Base, w.BaseSet = base, true
	return written{dev, w}
}

func (d *testDB) plain(dev store.Device, ops ...testOp) written {
	d.Helper()
	return written{dev, d.write(dev, ops...)}
}

func TestBase(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT;
		CREATE TABLE c(id INTEGER PRIMARY KEY, a INTEGER REFERENCES a(id) ON DELETE CASCADE) STRICT;
		CREATE TRIGGER t AFTER UPDATE ON a WHEN new.n = 99 BEGIN UPDATE a SET n = 0 WHERE id = new.id + 1; END`)
	d.do(put("a", "id n", row(1, 1), row(2, 2), row(3, 3), row(4, 4)), put("c", "id a", row(1, 4)))
	base := d.Version()
	one := put("a", "id n", row(1, 5))
	type c struct {
		name string
		txs  []written
		last wire.Code // what becomes of the last, "" accepted
	}
	for _, c := range []c{
		{"unchanged", []written{d.based(bob, base, one)}, ""},
		{"changed by itself", []written{d.based(bob, base, one)}, ""},
		{"changed by another", []written{d.based(alice, base, one)}, wire.CodeConflict},
		{"since then unchanged", []written{d.based(alice, d.Version()+2, one)}, ""},
		{"earlier in the frame", []written{d.plain(alice, update("a", "id n", row(2, 9))), d.based(bob, base, one, remove("a", "id", row(2)))}, wire.CodeConflict},
		{"read only, changed", []written{d.plain(alice, update("a", "id n", row(2, 10))), d.based(bob, base, expect("a", "id", row(2)))}, wire.CodeConflict},
		{"both changed it", []written{d.plain(bob, add("a", "id n", row(3, 1))), d.plain(alice, add("a", "id n", row(3, 1))), d.based(bob, base, add("a", "id n", row(3, 1)))}, wire.CodeConflict},
		{"refused change", []written{d.plain(alice, remove("a", "id", row(4)), expect("a", "id n", row(4, 5))), d.based(bob, base, touch("a", "id n", row(4, 4)))}, ""},
		{"cascade", []written{d.plain(alice, remove("a", "id", row(4))), d.based(bob, base, put("c", "id", row(1)))}, wire.CodeConflict},
		{"deleted", []written{d.based(bob, base, put("a", "id", row(4)))}, wire.CodeConflict},
		{"trigger", []written{d.plain(carol, put("a", "id n", row(10, 1), row(11, 1))), d.plain(alice, put("a", "id n", row(10, 99))), d.based(bob, base, put("a", "id n", row(11, 5)))}, wire.CodeConflict},
		{"missing", []written{d.based(bob, base, expect("a", "id", row(77)), put("a", "id", row(77)))}, ""},
		{"born and gone", []written{d.plain(alice, put("a", "id", row(78)), remove("a", "id", row(78))), d.based(bob, base, put("a", "id", row(78)))}, wire.CodeConflict},
		{"future", []written{d.based(bob, 1000, one)}, wire.CodeStale},
		{"present", []written{d.based(bob, 0, put("a", "id", row(200)))}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			sub := *d
			sub.TB = t
			_, refusals := sub.frame(c.txs...)
			switch r := refusals[len(refusals)-1]; {
			case c.last != "":
				wantRefusal(t, r, c.last)
			case r != nil:
				t.Error(r)
			}
		})
	}
	// The window is made again from the log.
	d.reopen()
	_, refusals := d.frame(d.based(bob, base, put("a", "id", row(4))), d.based(bob, base, put("a", "id", row(77))))
	wantRefusal(t, refusals[0], wire.CodeConflict)
	if refusals[1] != nil {
		t.Error(refusals[1])
	}
}

// TestStale: the hub remembers changes of a bounded past.
func TestStale(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT`)
	for i := range store.RecentEntries + 10 {
		d.commit(d.plain(alice, put("a", "id n", row(i%10, i))))
	}
	d.merge()
	for range 2 {
		oldest := d.Version() - store.RecentEntries
		_, refusals := d.frame(d.based(bob, oldest-1, put("a", "id", row(100))))
		wantRefusal(t, refusals[0], wire.CodeStale)
		_, refusals = d.frame(d.based(bob, oldest+1, put("a", "id", row(100))))
		if refusals[0] != nil {
			t.Error(refusals[0])
		}
		d.reopen()
	}
}

// TestStaleByBytes: large entries push others out of memory.
func TestStaleByBytes(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, b BLOB) STRICT`)
	bytes := make([]byte, 1<<10)
	rows := make([][]any, 8<<10)
	for i := range store.RecentBytes/len(rows)/len(bytes) + 2 {
		for j := range rows {
			rows[j] = row(i*len(rows)+j, bytes)
		}
		d.commit(d.plain(alice, put("a", "id b", rows...)))
	}
	d.merge()
	for range 2 {
		_, refusals := d.frame(d.based(bob, 1, put("a", "id", row(100))), d.based(bob, d.Version(), put("a", "id", row(100))))
		wantRefusal(t, refusals[0], wire.CodeStale)
		if refusals[1] != nil {
			t.Error(refusals[1])
		}
		d.reopen()
	}
}

// TestLargeValues: large values push nothing out of memory. Which rows they were of is
// known, and what they are is read from the log.
func TestLargeValues(t *testing.T) {
	for name, schema := range map[string]string{
		"in memory":     `CREATE TABLE a(id BLOB PRIMARY KEY, b BLOB, zone INTEGER) STRICT`,
		"judged by SQL": `CREATE TABLE a(id BLOB PRIMARY KEY, b BLOB CHECK (length(b) > 0), zone INTEGER) STRICT`,
	} {
		t.Run(name, func(t *testing.T) {
			d := openDB(t, schema)
			d.commit(d.plain(alice, put("a", "id b zone", row([]byte("first"), []byte("small"), 1))))
			base := d.Version()
			large := make([]byte, 8<<20)
			for i := range store.RecentBytes/len(large) + 2 {
				large[0] = byte(i)
				d.commit(d.plain(alice, put("a", "id b zone", row([]byte{byte(i)}, large, 2))))
			}
			d.merge()
			_, refusals := d.frame(d.based(bob, base, put("a", "id zone", row([]byte("first"), 3))),
				d.based(bob, base, put("a", "id zone", row([]byte{0}, 3))), d.based(alice, base, put("a", "id zone", row([]byte{1}, 3))))
			if refusals[0] != nil || refusals[2] != nil {
				t.Error(refusals)
			}
			wantRefusal(t, refusals[1], wire.CodeConflict)
			for version := base; version <= d.Version(); version++ {
				e, err := d.Entry(version)
				if err != nil || len(e.Tables) != 1 || len(e.Tables[0].Images.Values) != 3*len(e.Tables[0].Rows) {
					t.Fatalf("version %d: %+v, %v", version, e, err)
				}
				if got := e.Tables[0].Images.Row(0)[1].Bytes(); version > base && version < d.Version() && (len(got) != len(large) || got[0] != byte(version-base-1)) {
					t.Errorf("version %d has %d bytes", version, len(got))
				}
			}
		})
	}
}

// TestSchemaChange: a hub that finds another schema at its start makes a version
// of it; ids stay with what they named.
func TestSchemaChange(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, s TEXT) STRICT; CREATE TABLE gone(id INTEGER PRIMARY KEY);
		CREATE TABLE rekeyed(id INTEGER PRIMARY KEY, other INTEGER) STRICT`)
	d.do(put("a", "id n s", row(1, 1, "s")), put("gone", "id", row(1)), put("rekeyed", "id other", row(1, 1)))
	old := map[string]int{}
	for _, tab := range d.Schema().Tables {
		old[tab.Name] = tab.ID
	}
	before := d.write(bob, put("a", "id n", row(1, 7)))
	beforeGone := d.write(bob, put("gone", "id", row(1)))
	beforeDropped := d.write(bob, put("a", "id s", row(1, "x")))
	e, _ := d.frame(d.plain(alice, remove("rekeyed", "id", row(1)), put("rekeyed", "id other", row(2, 2))))
	d.close()
	sqlite3(t, d.opts.Path, `ALTER TABLE a ADD COLUMN late TEXT DEFAULT 'x'`, `ALTER TABLE a DROP COLUMN s`, `DROP TABLE gone`, `CREATE TABLE new(id INTEGER PRIMARY KEY)`,
		`DROP TABLE rekeyed`, `CREATE TABLE rekeyed(id INTEGER, other INTEGER, PRIMARY KEY(other)) STRICT, WITHOUT ROWID`, `INSERT INTO rekeyed VALUES (1, 2)`)
	version, err := strconv.ParseUint(sqlite3(t, logOf(d.opts.Path), `SELECT max(version) FROM frame`), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	d.open()
	if d.Version() != version+1 || d.Schema().Version != 2 {
		t.Errorf("version %d, was %d; schema %d", d.Version(), version, d.Schema().Version)
	}
	if reshape, err := d.Entry(d.Version()); err != nil || !reshape.Reshape {
		t.Error(reshape, err)
	}
	if d.table("a").ID != old["a"] || d.table("rekeyed").ID == old["rekeyed"] || d.table("new").ID <= old["rekeyed"] {
		t.Errorf("ids: %v, %d %d %d", old, d.table("a").ID, d.table("rekeyed").ID, d.table("new").ID)
	}
	if was, err := d.Entry(e.Version); err != nil || len(was.Tables) != 0 {
		t.Error(was, err) // of a table that is another one now
	}
	_, refusals := d.frame(written{bob, before}, written{bob, beforeGone}, written{bob, beforeDropped})
	if refusals[0] != nil {
		t.Error(refusals[0])
	}
	wantRefusal(t, refusals[1], wire.CodeSchema, `"gone"`)
	wantRefusal(t, refusals[2], wire.CodeSchema, `"s"`)
	d.wantRows("a", row(1, 7, "x"))
	newModel(d).replay(put("rekeyed", "other id", row(2, 5)), put("a", "id late", row(2, "y")))
	d.reopen()
	if d.Schema().Version != 2 {
		t.Error("the schema has a new version without a change")
	}
}

// TestSchemaChangeUnmerged: what a crash left to the log alone is put into the
// tables as they are now, as far as they still have its columns; what has no
// place any more is not lost in silence.
func TestSchemaChangeUnmerged(t *testing.T) {
	schema := `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, s TEXT) STRICT`
	for _, c := range []struct {
		name  string
		sql   []string
		rows  []any
		words string
	}{
		{"added", []string{`ALTER TABLE a ADD COLUMN late TEXT NOT NULL DEFAULT 'd'`}, row(1, 7, "s", "d"), ""},
		{"dropped", []string{`ALTER TABLE a DROP COLUMN s`}, row(1, 7), ""},
		{"renamed", []string{`ALTER TABLE a RENAME COLUMN s TO t`}, row(1, 7, "s"), ""},
		{"rekeyed", []string{`DROP TABLE a`, `CREATE TABLE a(id INTEGER, n INTEGER PRIMARY KEY, s TEXT) STRICT`}, nil, `table "a" got another primary key`},
		{"table dropped", []string{`DROP TABLE a`}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openDB(t, schema)
			d.do(put("a", "id n s", row(1, 1, "s")))
			d.commit(d.plain(alice, put("a", "id n", row(1, 7))))
			d.copyTo(d.opts.Path)
			sqlite3(t, d.opts.Path, c.sql...)
			s, err := store.Open(d.opts)
			if c.words != "" {
				wantWords(t, err, c.words)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			d.Store = s
			if c.rows != nil {
				d.wantRows("a", c.rows)
			}
		})
	}
}
