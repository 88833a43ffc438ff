package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// An outsider is another program's connection to the game database: it knows nothing
// of the hub.
type outsider struct {
	*testDB
	conn *sql.Conn
}

func (d *testDB) outsider() *outsider {
	d.Helper()
	db, err := sql.Open("sqlite3", "file:"+d.opts.Path+"?_foreign_keys=1&_busy_timeout=2000")
	if err != nil {
		d.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _, _ = conn.Close(), db.Close() })
	return &outsider{d, conn}
}

// try runs statements as one transaction, which leaves nothing where it fails.
func (o *outsider) try(statements ...string) error { return tryOn(o.conn, statements, nil) }

func tryOn(conn *sql.Conn, statements []string, judge func() error) (err error) {
	exec := func(s string) {
		if err == nil {
			if _, err = conn.ExecContext(context.Background(), s); err != nil {
				err = fmt.Errorf("%s: %w", s, err)
			}
		}
	}
	exec("BEGIN IMMEDIATE")
	for _, s := range statements {
		exec(s)
	}
	if err == nil && judge != nil {
		err = judge()
	}
	exec("COMMIT")
	if err != nil {
		_, _ = conn.ExecContext(context.Background(), "ROLLBACK") // RAISE(ROLLBACK) may have done it
	}
	return err
}

func (o *outsider) do(statements ...string) {
	o.Helper()
	if err := o.try(statements...); err != nil {
		o.Fatal(err)
	}
}

// written wants Written to say so.
func (d *testDB) written(want bool) {
	d.Helper()
	if w, err := d.Written(); w != want || err != nil {
		d.Fatalf("another program has written: %v, %v; want %v", w, err, want)
	}
}

// told is an entry's rows, in words: table, key, what happened to it, and the columns
// in the mask, + for all.
func told(e *store.Entry) (all []string) {
	if e == nil {
		return nil
	}
	for _, c := range e.Tables {
		for i := range c.Rows {
			r := &c.Rows[i]
			what := map[[3]bool]string{
				{false, true, false}: "made", {true, true, false}: "set", {true, true, true}: "reborn", {true, false, false}: "gone", {false, false, false}: "never",
			}[[3]bool{r.Before, r.After, r.Reborn}]
			words := []string{c.Table.Name, strings.Trim(fmt.Sprint(literals(c.Images.Row(i)[:c.Table.Key])), "[]"), what}
			for at := c.Table.Key; at < len(c.Table.Columns) && what == "set"; at++ {
				if r.Mask&store.MaskBit(at) != 0 {
					words = append(words, c.Table.Columns[at].Name)
				}
			}
			if r.Before && c.Table.Scope >= 0 {
				words = append(words, "from", literal(r.Scope))
			}
			all = append(all, strings.NewReplacer("TEXT ", "", `"`, "'").Replace(strings.Join(words, " ")))
		}
	}
	slices.Sort(all)
	return all
}

const writersSchema = `
CREATE TABLE thing(id INTEGER PRIMARY KEY, zone TEXT, x REAL, n INTEGER, u INTEGER UNIQUE) STRICT;
CREATE TABLE flat(id INTEGER PRIMARY KEY, zone TEXT, x REAL, n INTEGER) STRICT;
CREATE TABLE pair(k TEXT COLLATE NOCASE, m INT, v, w, PRIMARY KEY(k, m));
CREATE UNIQUE INDEX once ON pair(v COLLATE NOCASE, w) WHERE w IS NOT NULL;
CREATE TABLE made(k TEXT PRIMARY KEY, n INTEGER, g INTEGER AS (n * 2) STORED, v INTEGER AS (n + 1)) STRICT, WITHOUT ROWID;
CREATE TABLE child(id INTEGER PRIMARY KEY, p INTEGER REFERENCES thing(id) ON DELETE CASCADE ON UPDATE CASCADE) STRICT;
CREATE TABLE _note(text);
`

const writersRows = `
INSERT INTO thing VALUES (1, 'a', 1, 1, 10), (2, 'a', 2, 2, 20), (3, 'b', 3, 3, 30);
INSERT INTO flat VALUES (1, 'a', 1, 1), (2, 'b', 2, 2), (3, NULL, 3, 3);
INSERT INTO pair VALUES ('k', 1, 'v', 1), ('k', 2, 'v', 2), ('l', 1, 'v', NULL);
INSERT INTO made(k, n) VALUES ('a', 1), ('b', 2);
INSERT INTO child VALUES (1, 1), (2, 2), (3, NULL);
INSERT INTO _note VALUES ('one'), ('two');
`

// ownTrigger makes the hub's connection run triggers, the hub's own among them.
const ownTrigger = `CREATE TRIGGER mine AFTER INSERT ON thing WHEN NEW.n = 99 BEGIN
	UPDATE thing SET n = 100 WHERE id = NEW.id; INSERT INTO _note VALUES ('ninety-nine'); END;`

var writersCases = map[string]struct {
	sql  string
	want string // lines
}{
	"an update":                  {`UPDATE thing SET x = 5 WHERE id = 1`, `thing 1 set x from 'a'`},
	"one that changes the scope": {`UPDATE thing SET zone = 'c', n = n WHERE id = 3; UPDATE thing SET zone = 'd' WHERE id = 3`, `thing 3 set zone n from 'b'`},
	"one of many rows":           {`UPDATE flat SET n = n + 1`, "flat 1 set n from 'a'\nflat 2 set n from 'b'\nflat 3 set n from NULL"},
	"an insert":                  {`INSERT INTO flat(x) VALUES (7)`, `flat 4 made`},
	"one that is undone":         {`INSERT INTO flat(x) VALUES (7); DELETE FROM flat WHERE x = 7`, ``},
	"a delete":                   {`DELETE FROM flat WHERE id = 2`, `flat 2 gone from 'b'`},
	"one without WHERE":          {`DELETE FROM flat`, "flat 1 gone from 'a'\nflat 2 gone from 'b'\nflat 3 gone from NULL"},
	"deleted and made again":     {`DELETE FROM flat WHERE id = 1; INSERT INTO flat(id) VALUES (1)`, `flat 1 reborn from 'a'`},
	"REPLACE by the key":         {`REPLACE INTO flat(id, x) VALUES (1, 9)`, `flat 1 reborn from 'a'`},
	"REPLACE by another":         {`REPLACE INTO thing(id, u) VALUES (9, 20)`, "child 2 gone\nthing 2 gone from 'a'\nthing 9 made"},
	"REPLACE of several":         {`REPLACE INTO thing(id, u) VALUES (1, 30)`, "child 1 gone\nthing 1 reborn from 'a'\nthing 3 gone from 'b'"},
	"UPDATE OR REPLACE":          {`UPDATE OR REPLACE thing SET u = 30 WHERE id = 1`, "thing 1 set u from 'a'\nthing 3 gone from 'b'"},
	"and of the key":             {`UPDATE OR REPLACE flat SET id = 2 WHERE id = 1`, "flat 1 gone from 'a'\nflat 2 reborn from 'b'"},
	"by a partial index":         {`REPLACE INTO pair VALUES ('new', 7, 'V', 2)`, "pair 'k', 2 gone\npair 'new', 7 made"},
	"REPLACE INTO a NOCASE key":  {`REPLACE INTO pair VALUES ('K', 1, 'x', NULL)`, `pair 'K', 1 reborn`},
	"OR IGNORE":                  {`INSERT OR IGNORE INTO thing(id, u) VALUES (9, 20); UPDATE OR IGNORE thing SET u = 10 WHERE id = 2`, ``},
	"an upsert":                  {`INSERT INTO flat(id, n) VALUES (1, 4) ON CONFLICT(id) DO UPDATE SET n = excluded.n`, `flat 1 set n from 'a'`},
	"a key that changes":         {`UPDATE thing SET id = 5 WHERE id = 2`, "child 2 set p\nthing 2 gone from 'a'\nthing 5 made"},
	"by the rowid's name":        {`UPDATE flat SET rowid = 5 WHERE id = 1`, "flat 1 gone from 'a'\nflat 5 made"},
	"one that moves up":          {`UPDATE flat SET id = id + 1 WHERE id = 3; UPDATE flat SET id = id + 1 WHERE id = 2`, "flat 2 gone from 'b'\nflat 3 reborn from NULL\nflat 4 made"},
	"another case":               {`UPDATE pair SET k = 'K' WHERE k = 'k' AND m = 1`, `pair 'K', 1 reborn`},
	"generated columns":          {`UPDATE made SET n = 7 WHERE k = 'a'`, `made 'a' set n g v`},
	"a cascade":                  {`DELETE FROM thing WHERE id = 1`, "child 1 gone\nthing 1 gone from 'a'"},
	"a private table":            {`UPDATE _note SET text = 'x' WHERE rowid = 2; DELETE FROM _note WHERE rowid = 1; INSERT INTO _note VALUES ('three')`, "_note 1 gone\n_note 2 set text\n_note 3 made"},
	"nothing":                    {`UPDATE flat SET n = 1 WHERE id = 77`, ``},
	"the same value":             {`UPDATE flat SET n = n WHERE id = 1`, `flat 1 set n from 'a'`},
}

// TestSQLWriters: what another program does to any table is the first thing in the next
// frame, and what is in memory of it is as it left it.
func TestSQLWriters(t *testing.T) {
	for variant, schema := range map[string]string{"": writersSchema, " beside triggers of the game's": writersSchema + ownTrigger} {
		for name, c := range writersCases {
			t.Run(name+variant, func(t *testing.T) {
				d := openDB(t, schema, func(o *store.Options) { o.Scopes = map[string]string{"thing": "zone", "flat": "zone"} })
				m, o := newModel(d), d.outsider()
				o.do(writersRows)
				d.written(true)
				first, _ := d.frame()
				m.apply(first)
				m.apply(d.do(update("flat", "id n", row(1, 1), row(2, 2), row(3, 3)), put("thing", "id x", row(1, 1.0)))) // into memory
				d.written(false)
				o.do(c.sql)
				d.written(name != "nothing")
				e, refusals := d.frame(written{bob, d.write(bob, put("flat", "id x", row(8, 0.5)))})
				if refusals[0] != nil {
					t.Fatal(refusals[0])
				}
				d.written(false)
				m.apply(e)
				m.check("after the frame")
				var want []string
				if c.want != "" {
					want = strings.Split(c.want, "\n")
				}
				if got := slices.DeleteFunc(told(e), func(s string) bool { return s == "flat 8 made" }); !slices.Equal(got, want) {
					t.Errorf("the frame has\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				logged, err := store.LoggedEntry(d.Store, e.Version)
				if err != nil {
					t.Fatal(err)
				}
				sameEntry(d, e, logged)
				m.apply(d.do(put("flat", "id x", row(1, 0.5), row(2, 0.5), row(3, 0.5)), add("flat", "id n", row(1, 1))))
				m.check("after another")
				if e, _ := d.frame(); e != nil {
					t.Errorf("it is told again: %q", told(e))
				}
			})
		}
	}
}

// TestHubNotesNothing: the hub's own connection does not run the triggers by which
// others are found; and where it should see them after all, they note nothing.
func TestHubNotesNothing(t *testing.T) {
	for _, see := range []bool{false, true} {
		d := openDB(t, writersSchema+writersRows+ownTrigger)
		d.frame()
		if see {
			if err := store.SeeTriggers(d.Store); err != nil {
				t.Fatal(err)
			}
		}
		m := newModel(d)
		m.apply(d.do(put("thing", "id n", row(1, 5), row(9, 99)), remove("thing", "id", row(2)), put("flat", "id n", row(1, 3), row(8, 8)), remove("flat", "id", row(2)), put("pair", "k m v", row("k", 1, 3))))
		m.check("after the frame")
		d.written(false)
		if got := sqlite3(t, d.opts.Path, `SELECT count(*) FROM _framehub_change`); got != "0" {
			t.Errorf("seen %v: it has noted %s things", see, got)
		}
		if got := sqlite3(t, d.opts.Path, `SELECT count(*) > 20 FROM sqlite_schema WHERE name LIKE '\_framehub\_%' ESCAPE '\' AND type = 'trigger'`); got != "1" {
			t.Error("the triggers are not there")
		}
	}
}

// TestSQLWritersAfterACrash: what a frame logged and had not merged is replayed, and
// what another program wrote to the database meanwhile, which can't have seen that,
// wins and is the next version.
func TestSQLWritersAfterACrash(t *testing.T) {
	for name, c := range map[string]struct {
		hub  []testOp
		sql  string
		want string
	}{
		"another column":                        {[]testOp{update("thing", "id x", row(1, 9.0))}, `UPDATE thing SET n = 9 WHERE id = 1`, `thing 1 set n from 'a'`},
		"the same column":                       {[]testOp{update("thing", "id x", row(1, 9.0))}, `UPDATE thing SET x = 8 WHERE id = 1`, `thing 1 set x from 'a'`},
		"the scope too":                         {[]testOp{update("flat", "id zone", row(1, "q"))}, `UPDATE flat SET zone = 'r', n = 5 WHERE id = 1`, `flat 1 set zone n from 'q'`},
		"what is equal":                         {[]testOp{update("flat", "id n", row(1, 5))}, `UPDATE flat SET n = 5 WHERE id = 1`, ``},
		"set, where the log has deleted it":     {[]testOp{remove("flat", "id", row(1))}, `UPDATE flat SET n = 5 WHERE id = 1`, `flat 1 made`},
		"deleted, where the log has set it":     {[]testOp{update("flat", "id n", row(1, 5))}, `DELETE FROM flat WHERE id = 1`, `flat 1 gone from 'a'`},
		"made, where the log has made it":       {[]testOp{insert("flat", "id n", row(9, 5))}, `INSERT INTO flat(id, x) VALUES (9, 1)`, `flat 9 set x n from NULL`},
		"deleted and made, where it has set it": {[]testOp{update("flat", "id n", row(1, 5))}, `REPLACE INTO flat(id) VALUES (1)`, `flat 1 set zone x n from 'a'`},
		"unique, where the log has another":     {[]testOp{update("thing", "id u", row(3, 77))}, `UPDATE thing SET u = 77 WHERE id = 1`, "thing 1 reborn from 'a'\nthing 3 gone from 'b'"},
		"a key, where the log has that key":     {[]testOp{insert("flat", "id n", row(9, 5))}, `UPDATE flat SET id = 9 WHERE id = 1`, "flat 1 gone from 'a'\nflat 9 set zone x n from NULL"},
		"of another table":                      {[]testOp{update("thing", "id x", row(1, 9.0))}, `INSERT INTO _note VALUES ('x')`, `_note 3 made`},
	} {
		t.Run(name, func(t *testing.T) {
			d := openDB(t, writersSchema+writersRows, func(o *store.Options) { o.Scopes = map[string]string{"thing": "zone", "flat": "zone"} })
			d.frame()
			m := newModel(d)
			e, _ := d.commit(written{alice, d.write(alice, c.hub...)})
			m.apply(e)
			d.copyTo(d.opts.Path)
			d.outsider().do(c.sql)
			for range 2 { // killed again before it was taken up
				d.open()
				d.copyTo(d.opts.Path)
			}
			d.open()
			d.written(true)
			e, _ = d.frame()
			if e != nil {
				m.apply(e)
			}
			m.check("after the start")
			if got := strings.Join(told(e), "\n"); got != c.want {
				t.Errorf("the frame has\n%s\nnot\n%s", got, c.want)
			}
			d.reopen()
			if e, _ := d.frame(); e != nil {
				t.Errorf("it is told again: %q", told(e))
			}
		})
	}
}

// TestSQLWritersOnce: a kill after the log has what another program wrote, and before
// that is merged, does not make it twice: nor does it take back what came after.
func TestSQLWritersOnce(t *testing.T) {
	d := openDB(t, writersSchema+writersRows)
	d.frame()
	m := newModel(d)
	d.outsider().do(`UPDATE thing SET x = 5, n = 5 WHERE id = 1`, `DELETE FROM flat WHERE id = 2`)
	e, _ := d.commit()
	m.apply(e)
	e, _ = d.commit(written{alice, d.write(alice, update("thing", "id x", row(1, 6.0)), insert("flat", "id", row(2)))})
	m.apply(e)
	d.crash(d.opts.Path)
	if e, _ := d.frame(); e != nil {
		t.Errorf("it is told again: %q", told(e))
	}
	m.check("after the crash")
	d.outsider().do(`UPDATE thing SET n = 7 WHERE id = 1`) // a later note has a later number
	if e, _ = d.frame(); strings.Join(told(e), " ") != "thing 1 set n" {
		t.Errorf("the frame has %q", told(e))
	}
}

// TestSQLWritersWhileDown: what was written while no hub ran is found at the start.
func TestSQLWritersWhileDown(t *testing.T) {
	d := openDB(t, writersSchema+writersRows)
	d.frame()
	m := newModel(d)
	d.close()
	o := d.outsider()
	o.do(`UPDATE flat SET n = 9 WHERE id = 1`)
	o.do(`DELETE FROM child`)
	d.open()
	d.written(true)
	e, _ := d.frame()
	m.apply(e)
	m.check("after the start")
	if want := []string{"child 1 gone", "child 2 gone", "child 3 gone", "flat 1 set n"}; !slices.Equal(told(e), want) {
		t.Errorf("the frame has %q", told(e))
	}
}

// TestSQLWritersOrder: what another program committed comes before the frame that
// finds it, and conflicts with what was decided before.
func TestSQLWritersOrder(t *testing.T) {
	d := openDB(t, writersSchema+writersRows)
	d.frame()
	base := d.Version()
	o := d.outsider()
	o.do(`UPDATE flat SET n = 100 WHERE id = 1; UPDATE thing SET n = 100 WHERE id = 1`)
	late := d.write(bob, update("thing", "id x", row(1, 1.0)))
	late.Base, late.BaseSet = base, true
	plain := d.write(carol, update("flat", "id x", row(1, 1.0)))
	plain.Base, plain.BaseSet = base, true
	e, refusals := d.frame(written{alice, d.write(alice, add("flat", "id n", row(1, 1)), add("thing", "id n", row(1, 1)))}, written{bob, late}, written{carol, plain})
	if refusals[0] != nil || refusals[1] == nil || refusals[1].Code != "conflict" || refusals[2] == nil || refusals[2].Code != "conflict" {
		t.Fatal(refusals)
	}
	if got := sqlite3(t, d.opts.Path, "SELECT n FROM flat WHERE id = 1 UNION ALL SELECT n FROM thing WHERE id = 1"); got != "101\n101" {
		t.Error(got)
	}
	if len(e.Writers) != 2 || e.Writers[0] != (store.Writer{}) || e.Writers[1].Device != alice {
		t.Errorf("%v", e.Writers)
	}
}

// TestSQLWritersShell: the plain sqlite3 shell is such a program, also with a
// transaction that it holds open, which the hub waits for.
func TestSQLWritersShell(t *testing.T) {
	d := openDB(t, writersSchema+writersRows, func(o *store.Options) { o.Scopes = map[string]string{"thing": "zone"} })
	if shell(t) == "" {
		t.SkipNow()
	}
	d.frame()
	m := newModel(d)
	sqlite3(t, d.opts.Path, `PRAGMA foreign_keys = ON`, `REPLACE INTO thing(id, u) VALUES (9, 20)`, `UPDATE flat SET id = id + 10`, `DELETE FROM _note`)
	e, _ := d.frame()
	m.apply(e)
	m.check("after the frame")
	if want := []string{
		"_note 1 gone", "_note 2 gone", "child 2 gone", "flat 1 gone", "flat 11 made", "flat 12 made", "flat 13 made", "flat 2 gone", "flat 3 gone",
		"thing 2 gone from 'a'", "thing 9 made",
	}; !slices.Equal(told(e), want) {
		t.Errorf("the frame has %q", told(e))
	}

	o := d.outsider()
	o.exec(`BEGIN IMMEDIATE`)
	o.exec(`UPDATE flat SET n = 50 WHERE id = 11`)
	d.written(false)
	if _, err := d.Begin(); err != store.ErrBusy { //nolint:errorlint // it is that very one
		t.Fatalf("a frame beside an open transaction: %v", err)
	}
	o.exec(`COMMIT`)
	e, refusals := d.frame(written{alice, d.write(alice, add("flat", "id n", row(11, 1)))})
	m.apply(e)
	if refusals[0] != nil || sqlite3(t, d.opts.Path, `SELECT n FROM flat WHERE id = 11`) != "51" {
		t.Error("the hub's frame is not on top of what was committed before it")
	}
	m.check("after the open transaction")
}

func (o *outsider) exec(statement string) {
	o.Helper()
	if _, err := o.conn.ExecContext(o.context(), statement); err != nil {
		o.Fatal(err)
	}
}

// TestSQLWritersAlone: what is written to a table that only the hub writes is reported, in
// the frame too,
// and what the hub does to it afterwards is done to the rows as they are.
func TestSQLWritersAlone(t *testing.T) {
	var log strings.Builder
	d := openDB(t, writersSchema+writersRows+`CREATE TABLE byexpression(id INTEGER PRIMARY KEY, k TEXT); CREATE UNIQUE INDEX e ON byexpression(lower(k))`,
		func(o *store.Options) {
			o.Alone, o.Presence = map[string]bool{"flat": true}, true
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
		})
	d.frame()
	for table, why := range map[string]string{"flat": "", "byexpression": "expression", "framehub_session": "own"} {
		if u := d.table(table); !u.Alone || !strings.Contains(u.WhyAlone(), why) || (why == "") != (u.WhyAlone() == "") {
			t.Errorf("table %q: alone %v, because %q", table, u.Alone, u.WhyAlone())
		}
	}
	d.do(update("flat", "id n", row(1, 5)))
	o := d.outsider()
	o.do(`UPDATE flat SET x = 50`, `UPDATE thing SET n = 6 WHERE id = 1`, `DELETE FROM flat WHERE id = 2`, `INSERT INTO byexpression VALUES (1, 'a')`)
	e, _ := d.frame()
	if want := []string{"thing 1 set n"}; !slices.Equal(told(e), want) {
		t.Errorf("the frame has %q", told(e))
	}
	for _, table := range []string{"flat", "byexpression"} {
		if n := strings.Count(log.String(), "table="+table); n != 1 {
			t.Errorf("table %s is reported %d times: %s", table, n, log.String())
		}
	}
	if n := d.Stats().Foreign.Load(); n != 2 {
		t.Errorf("%d are counted", n)
	}
	e = d.do(add("flat", "id n", row(1, 1)))
	if v := e.Tables[0].Images.Row(0)[2]; v.Float64() != 50 {
		t.Errorf("memory has x = %v", v)
	}
	o.do(`UPDATE flat SET x = 51`)
	e, _ = d.frame()
	if d.Stats().Foreign.Load() != 3 || len(told(e)) > 0 || len(e.Foreign) != 1 || e.Foreign[0].Name != "flat" {
		t.Errorf("%d are counted after the second time, and the frame has %q and %v", d.Stats().Foreign.Load(), told(e), e.Foreign)
	}
	again, err := d.Entry(e.Version)
	if err != nil || len(again.Tables) > 0 || len(again.Foreign) != 1 || again.Foreign[0].Name != "flat" {
		t.Errorf("the log has %+v, %v", again, err)
	}
}

// TestSQLWritersOfTooMuch: more than a version holds is not told row by row: the tables
// are taken for another content, and what is in others is told.
func TestSQLWritersOfTooMuch(t *testing.T) {
	for name, limit := range map[string][2]int{"rows": {20, 1 << 20}, "bytes": {1 << 20, 2000}} {
		t.Run(name, func(t *testing.T) {
			store.NoteAtMost(t, limit[0], limit[1])
			d := openDB(t, writersSchema+writersRows)
			d.frame()
			d.do(update("flat", "id n", row(1, 9)))
			o := d.outsider()
			o.do(`WITH RECURSIVE c(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM c WHERE i < 100) INSERT INTO flat(id, n) SELECT i, i FROM c; UPDATE flat SET x = 7`)
			was := d.table("thing").Since
			if _, err := d.Begin(); !errors.Is(err, store.ErrSchemaChanged) {
				t.Fatal(err)
			}
			e, err := d.Reshape()
			if err != nil || e == nil || !e.Reshape || d.table("flat").Since != e.Version || d.table("thing").Since != was {
				t.Fatal(e, err)
			}
			d.written(true)
			if e, _ := d.frame(); e != nil {
				t.Errorf("it is told: %q", told(e))
			}
			m := newModel(d)
			d.crash(d.opts.Path)
			if e, _ := d.frame(); e != nil {
				t.Errorf("it is told after a crash: %q", told(e))
			}
			o = d.outsider()
			o.do(`UPDATE flat SET n = 5 WHERE id = 50`)
			e, refusals := d.frame(written{alice, d.write(alice, add("flat", "id x", row(1, 1.0)))})
			if refusals[0] != nil {
				t.Fatal(refusals[0])
			}
			m.apply(e)
			m.check("afterwards")
			if !slices.Equal(told(e), []string{"flat 1 set x", "flat 50 set n"}) {
				t.Errorf("the frame has %q", told(e))
			}
		})
	}
}

// TestSQLWritersOddities: values that devices can't be told are in the log as they are,
// and rows without a key are left out, and reported.
func TestSQLWritersOddities(t *testing.T) {
	var log strings.Builder
	d := openDB(t, `CREATE TABLE loose(k TEXT PRIMARY KEY, v); CREATE TABLE flat(id INTEGER PRIMARY KEY, x REAL, s TEXT) STRICT;`,
		func(o *store.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	m, o := newModel(d), d.outsider()
	o.do(`INSERT INTO flat VALUES (1, 9e999, CAST(x'ff' AS TEXT)), (2, 1, 'a')`, `INSERT INTO loose VALUES (NULL, 1), ('k', -9e999)`)
	e, _ := d.commit()
	m.apply(e)
	logged, err := store.LoggedEntry(d.Store, e.Version)
	if err != nil {
		t.Fatal(err)
	}
	sameEntry(d, e, logged)
	if want := []string{"flat 1 made", "flat 2 made", "loose 'k' made"}; !slices.Equal(told(e), want) {
		t.Errorf("the frame has %q", told(e))
	}
	if !strings.Contains(log.String(), "NULL") {
		t.Error("nothing is said of the row without a key:", log.String())
	}
	d.crash(d.opts.Path)
	o = d.outsider()
	if refused := d.try(update("flat", "id x", row(1, 5.0))); refused == nil || refused.Code != "constraint" {
		t.Errorf("a row that keeps an odd text is %v", refused)
	}
	o.do(`UPDATE flat SET s = 'fine' WHERE id = 1`)
	d.do(update("flat", "id x", row(1, 5.0)))
}

// TestSQLWritersProperty: among random transactions of devices, random SQL of another
// program, with kills, makes what it makes of a database that has no hub.
func TestSQLWritersProperty(t *testing.T) {
	for i := range uint64(3) {
		t.Run(fmt.Sprint(i), func(t *testing.T) { writersProperty(t, seedOf(i), 150) })
	}
}

// TestSoakSQLWriters runs on with new seeds for FRAMEHUB_SOAK.
func TestSoakSQLWriters(t *testing.T) {
	until := time.Now().Add(soakTime(t))
	rounds := 0
	for ; time.Now().Before(until) && !t.Failed(); rounds++ {
		t.Run(fmt.Sprint(rounds), func(t *testing.T) { writersProperty(t, seedOf(rand.Uint64()), 300) })
	}
	t.Logf("%d rounds of 300 frames", rounds)
}

func writersProperty(t *testing.T, seed uint64, frames int) {
	t.Helper()
	d := openDB(t, propertySchema, func(o *store.Options) { o.Scopes = map[string]string{"plain": "n", "pair": "k", "flat": "a"} })
	p := &propertyRun{d, newReference(d), newModel(d), newTouches(d), random{rand.New(rand.NewPCG(seed, 3))}, map[wire.Code]int{}, newShadow(d, seed)}
	done, failed := 0, 0
	for range frames {
		if merged := d.Merged() == d.Version(); merged && p.random.IntN(3) > 0 {
			if p.outside() {
				done++
			} else {
				failed++
			}
		}
		if p.frame(); t.Failed() {
			t.Fatalf("version %d: run again with FRAMEHUB_SEED=%d", d.Version(), seed)
		}
	}
	t.Logf("seed %d: %d transactions of another program, %d that failed, %v", seed, done, failed, p.outcomes)
	if done < frames/10 {
		t.Error("too few to mean anything")
	}
}

// outside lets another program run a random transaction, and the reference too.
func (p *propertyRun) outside() bool {
	p.Helper()
	sql := make([]string, 1+p.random.IntN(3))
	for i := range sql {
		sql[i] = p.statement()
	}
	before := p.ref.contents()
	ran := false
	var got error
	want := tryOn(p.ref.conn, sql, func() error {
		if err := p.ref.judge(); err != nil {
			return err // it makes values that would have the reference refuse everything from then on
		}
		ran, got = true, p.outsider().try(sql...)
		return got
	})
	switch no := (rejection{}); {
	case errors.As(want, &no):
		return false
	case !ran:
		if got = p.outsider().try(sql...); got == nil {
			p.Fatalf("another program's SQL goes well; where there is no hub: %v", want)
		}
	case got == nil, strings.HasPrefix(got.Error(), "COMMIT: FOREIGN KEY"): // which the reference did not come to
	case !strings.Contains(got.Error(), "cannot store"): // beside a trigger BEFORE INSERT types are checked first
		p.Fatalf("another program's SQL: %v; where there is no hub it goes well", got)
	}
	if got != nil {
		return false
	}
	if err := tryOn(p.shadow.ref.conn, sql, nil); err != nil {
		p.Fatal(err)
	}
	p.touches.note(p.Version()+1, store.Device{}, nil, before, p.ref.contents())
	for table := range randomColumns { // the rows that were set to what they were
		p.touches.possible[table] = append(p.touches.possible[table], touched{p.Version() + 1, store.Device{}})
	}
	return true
}

// statement makes random SQL.
func (p *propertyRun) statement() string {
	r := p.random
	table := pick(r, "plain", "pair", "anykey", "child", "realkey", "flat", "flatkey", "flat", "plain")
	keys := strings.Fields(keyColumns[table])
	or := pick(r, "", "", " OR REPLACE", " OR IGNORE")
	var columns, values, sets []string
	for i, v := range randomKeys[table](r) {
		columns, values = append(columns, keys[i]), append(values, sqlOf(v))
	}
	for _, c := range randomColumns[table] {
		if r.IntN(2) == 0 && (table != "anykey" || c == "n") { // the others are generated
			v := sqlOf(randomValues[table+"."+c](r))
			columns, values, sets = append(columns, c), append(values, v), append(sets, c+" = "+v)
		}
	}
	if r.IntN(6) == 0 || len(sets) == 0 {
		sets = append(sets, keys[0]+" = "+values[0])
	}
	where := " WHERE " + keys[0] + " = " + values[0]
	if r.IntN(8) == 0 {
		where = pick(r, "", " WHERE "+keys[0]+" > "+values[0])
	}
	insert := " INTO " + table + "(" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")"
	switch r.IntN(8) {
	case 0, 1, 2:
		return "UPDATE" + or + " " + table + " SET " + strings.Join(sets, ", ") + where
	case 3:
		return "DELETE FROM " + table + where
	case 4:
		return "INSERT" + insert + " ON CONFLICT DO UPDATE SET " + strings.Join(sets, ", ")
	default:
		return "INSERT" + or + insert
	}
}

func sqlOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case string:
		return "CAST(" + fmt.Sprintf("x'%x'", v) + " AS TEXT)"
	case []byte:
		return fmt.Sprintf("x'%x'", v)
	default:
		return fmt.Sprint(v)
	}
}

// TestSQLWritersCrashes: whatever frames have logged and not merged when the hub was
// killed, and whatever another program writes before it is started again, the entries
// say how the one becomes the other.
func TestSQLWritersCrashes(t *testing.T) {
	for i := range uint64(3) {
		t.Run(fmt.Sprint(i), func(t *testing.T) { writersCrashes(t, seedOf(i), 20) })
	}
}

// TestSoakSQLWritersCrashes runs on with new seeds for FRAMEHUB_SOAK.
func TestSoakSQLWritersCrashes(t *testing.T) {
	until := time.Now().Add(soakTime(t))
	rounds := 0
	for ; time.Now().Before(until) && !t.Failed(); rounds++ {
		t.Run(fmt.Sprint(rounds), func(t *testing.T) { writersCrashes(t, seedOf(rand.Uint64()), 20) })
	}
	t.Logf("%d rounds of 20 crashes", rounds)
}

func writersCrashes(t *testing.T, seed uint64, crashes int) {
	t.Helper()
	d := openDB(t, `CREATE TABLE plain(id INTEGER PRIMARY KEY, n INTEGER, x REAL, s TEXT, u INTEGER UNIQUE) STRICT;
		CREATE TABLE pair(k TEXT COLLATE NOCASE, m INT, v, w UNIQUE, PRIMARY KEY(k, m));
		CREATE TABLE anykey(k ANY PRIMARY KEY, n INTEGER NOT NULL DEFAULT 3, g INTEGER AS (n * 2) STORED, v INTEGER AS (n + 1)) STRICT, WITHOUT ROWID;
		CREATE TABLE realkey(k REAL PRIMARY KEY, n INTEGER);
		CREATE TABLE flat(id INTEGER PRIMARY KEY, a INTEGER, b REAL, c TEXT NOT NULL DEFAULT 'd', e BLOB, f ANY DEFAULT 7) STRICT;
		CREATE TABLE flatkey(k TEXT, m INTEGER, n INTEGER NOT NULL, PRIMARY KEY(k, m)) STRICT, WITHOUT ROWID;`,
		func(o *store.Options) { o.Scopes = map[string]string{"plain": "n", "pair": "k", "flat": "a"} })
	p := &propertyRun{testDB: d, model: newModel(d), random: random{rand.New(rand.NewPCG(seed, 5))}}
	tables := []string{"plain", "plain", "pair", "anykey", "realkey", "flat", "flat", "flatkey"}
	for range crashes {
		for range 1 + p.random.IntN(3) { // frames, that are not merged
			dev := pick(p.random, alice, bob)
			w := p.write(dev)
			for range 1 + p.random.IntN(3) {
				op := p.op(pick(p.random, tables...))
				w.Ops = append(w.Ops, wire.Op{Kind: op.kind, Block: p.block(op)})
			}
			if e, _ := p.commit(written{dev, w}); e != nil {
				p.model.apply(e)
			}
		}
		d.copyTo(d.opts.Path)
		o := d.outsider()
		for range p.random.IntN(4) {
			sql := p.statement()
			for strings.Contains(sql, " child") {
				sql = p.statement()
			}
			_ = o.try(sql) // it may fail, and is then not done
		}
		d.open()
		if e, _ := d.frame(); e != nil {
			p.model.apply(e)
		}
		p.model.check("after the start")
		if t.Failed() {
			t.Fatalf("version %d: run again with FRAMEHUB_SEED=%d", d.Version(), seed)
		}
	}
}

// TestSQLWritersAfterPowerLoss: a database that is older than the log, as power loss
// leaves it, gives no note a number that was taken.
func TestSQLWritersAfterPowerLoss(t *testing.T) {
	d := openDB(t, writersSchema+writersRows)
	d.frame()
	old := filepath.Join(t.TempDir(), "world.db")
	for _, part := range []string{"", "-wal"} {
		copyFile(t, d.opts.Path+part, old+part)
	}
	o := d.outsider()
	for range 5 {
		o.do(`UPDATE flat SET n = n + 1 WHERE id = 1`)
	}
	d.commit()
	d.copyTo(old)
	copyFile(t, old+"-wal", d.opts.Path+"-wal")
	d.open()
	d.wantRows("flat", row(1, "a", 1.0, 6), row(2, "b", 2.0, 2), row(3, nil, 3.0, 3))
	d.frame()
	d.outsider().do(`UPDATE flat SET n = 100 WHERE id = 1`)
	if e, _ := d.frame(); !slices.Equal(told(e), []string{"flat 1 set n"}) {
		t.Errorf("the frame has %q", told(e))
	}
}

// TestReshapeThatFails: no frame begins under a schema that the log does not have, and
// what could not be taken up at first is taken up later.
func TestReshapeThatFails(t *testing.T) {
	d := openDB(t, writersSchema+writersRows)
	d.frame()
	o := d.outsider()
	version := d.Schema().Version
	o.do(`ALTER TABLE flat ADD COLUMN more INTEGER`)
	o.do(`UPDATE flat SET n = 50 WHERE id = 1`)
	wantChanged := func(err error) {
		t.Helper()
		if !errors.Is(err, store.ErrSchemaChanged) {
			t.Fatalf("%v, not that the schema has changed", err)
		}
	}
	_, err := d.Begin()
	wantChanged(err)

	log, err := sql.Open("sqlite3", logOf(d.opts.Path))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	log.SetMaxOpenConns(1)
	exec := func(statement string) {
		t.Helper()
		if _, err := log.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(`BEGIN IMMEDIATE`)
	if e, err := d.Reshape(); e != nil || err == nil {
		t.Fatalf("a reshape that can't be logged: %+v, %v", e, err)
	}
	_, err = d.Begin()
	wantChanged(err)
	exec(`ROLLBACK`)

	o.exec(`BEGIN IMMEDIATE`)
	if e, err := d.Reshape(); e != nil || !errors.Is(err, store.ErrBusy) {
		t.Fatalf("a reshape of a database that is locked: %+v, %v", e, err)
	}
	o.exec(`COMMIT`)
	_, err = d.Begin()
	wantChanged(err)

	e, err := d.Reshape()
	if err != nil || e == nil || e.Schema.Version != version+1 || d.Schema().Version != version+1 {
		t.Fatalf("%+v, %v", e, err)
	}
	if e, _ := d.frame(); !slices.Equal(told(e), []string{"flat 1 set n"}) {
		t.Errorf("the frame has %q", told(e))
	}
	d.do(put("flat", "id more", row(1, 5)))
}

// TestRecoverAfterAReshapeThatFails: a store that is broken and whose schema has
// changed says so until that is taken up.
func TestRecoverAfterAReshapeThatFails(t *testing.T) {
	d := openDB(t, writersSchema+writersRows)
	d.frame()
	o := d.outsider()
	o.do(`ALTER TABLE flat ADD COLUMN more INTEGER`)
	store.Break(d.Store)
	for _, lock := range []bool{true, false} {
		if _, err := d.Recover(); !errors.Is(err, store.ErrSchemaChanged) {
			t.Fatal(err)
		}
		if lock {
			o.exec(`BEGIN IMMEDIATE`)
			if _, err := d.Reshape(); !errors.Is(err, store.ErrBusy) {
				t.Fatal(err)
			}
			o.exec(`COMMIT`)
			continue
		}
		if e, err := d.Reshape(); err != nil || e == nil {
			t.Fatal(e, err)
		}
	}
	if _, err := d.Recover(); err != nil {
		t.Fatal(err)
	}
	d.do(put("flat", "id more", row(1, 5)))
}
