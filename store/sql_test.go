package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// statement returns one that may do everything.
func statement(sql string, params ...any) *store.Statement {
	q := &store.Statement{
		Text: sql, Allow: func(*store.Table, wire.Rights) *wire.Refusal { return nil },
		Limits: store.StatementLimits{Time: time.Second, Rows: 100, Bytes: 10_000},
	}
	for _, p := range params {
		q.Params = append(q.Params, value(p))
	}
	return q
}

// exec runs statements in one frame, beside a transaction before and after them.
func (d *testDB) exec(statements ...*store.Statement) (*store.Entry, []*store.Result, []*wire.Refusal) {
	d.Helper()
	d.now = d.now.Add(frameTime)
	f, err := d.Begin()
	if err != nil {
		d.Fatal(err)
	}
	results, refusals := make([]*store.Result, len(statements)), make([]*wire.Refusal, len(statements))
	for i, q := range statements {
		if _, refusals[i], err = d.Examine(q); refusals[i] != nil || err != nil {
			continue
		}
		if results[i], refusals[i], err = f.Exec(bob, q); err != nil {
			d.Fatal(err)
		}
	}
	e, err := f.Commit(d.now, nil)
	if err != nil {
		d.Fatal(err)
	}
	d.merge()
	return e, results, refusals
}

// TestExec: what SQL does is in the frame's entry and in memory, in order with the
// transactions around it, and it returns what it did.
func TestExec(t *testing.T) {
	d := openDB(t, writersSchema+writersRows, func(o *store.Options) { o.Scopes = map[string]string{"thing": "zone", "flat": "zone"} })
	d.frame()
	m := newModel(d)
	m.apply(d.do(update("flat", "id n", row(1, 5), row(2, 6)))) // in memory
	e, results, refusals := d.exec(
		statement(`UPDATE flat SET n = n * 10 WHERE n >= ?1 RETURNING id, n`, 5),
		statement(`INSERT INTO thing(id, zone, u) VALUES (?, ?, ?)`, 7, "q", 70),
		statement(`REPLACE INTO thing(id, u) VALUES (8, 20)`),
		statement(`INSERT INTO flat(id) VALUES (1)`),
	)
	if refusals[0] != nil || refusals[1] != nil || refusals[2] != nil || refusals[3] == nil || refusals[3].Code != wire.CodeConstraint || !strings.Contains(refusals[3].Text, "UNIQUE") {
		t.Fatal(refusals)
	}
	m.apply(e)
	m.check("after the frame")
	if r := results[0]; !slices.Equal(r.Columns, []string{"id", "n"}) || literals(r.Rows.Values) != "1, 50, 2, 60" {
		t.Errorf("returned %v: %s", r.Columns, literals(r.Rows.Values))
	}
	if want := []string{"child 2 gone", "flat 1 set n from 'a'", "flat 2 set n from 'b'", "thing 2 gone from 'a'", "thing 7 made", "thing 8 made"}; !slices.Equal(told(e), want) {
		t.Errorf("the frame has %q", told(e))
	}
	if len(e.Writers) != 3 || e.Writers[0] != (store.Writer{Device: bob}) {
		t.Errorf("%+v", e.Writers)
	}
	m.apply(d.do(add("flat", "id n", row(1, 1))))
	m.check("after another")
	d.crash(d.opts.Path)
	m.check("after a crash")
}

// TestExecRunsAgain: where SQL rolls back all that was open, statements run again as
// transactions do.
func TestExecRunsAgain(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER);
		CREATE TRIGGER back AFTER INSERT ON a WHEN NEW.n = 13 BEGIN SELECT RAISE(ROLLBACK, 'thirteen'); END`)
	m := newModel(d)
	e, results, refusals := d.exec(statement(`INSERT INTO a VALUES (1, 1) RETURNING n`), statement(`INSERT INTO a VALUES (2, 13)`), statement(`UPDATE a SET n = n + 1 RETURNING n`))
	m.apply(e)
	m.check("after the frame")
	if refusals[0] != nil || refusals[1] == nil || refusals[2] != nil || literals(results[0].Rows.Values) != "1" || literals(results[2].Rows.Values) != "2" {
		t.Error(refusals, results)
	}
}

var forbiddenSQL = map[string]string{
	"attach":              `ATTACH 'x.db' AS x`,
	"detach":              `DETACH main`,
	"a pragma":            `PRAGMA journal_mode = DELETE`,
	"a pragma's function": `SELECT * FROM pragma_table_info('thing')`,
	"begin":               `BEGIN`,
	"commit":              `COMMIT`,
	"rollback":            `ROLLBACK`,
	"a savepoint":         `SAVEPOINT x`,
	"release":             `RELEASE t`,
	"a table":             `CREATE TABLE x(id)`,
	"a temporary table":   `CREATE TEMP TABLE x AS SELECT 1`,
	"a trigger":           `CREATE TRIGGER x AFTER INSERT ON thing BEGIN SELECT 1; END`,
	"drop":                `DROP TABLE thing`,
	"alter":               `ALTER TABLE thing ADD COLUMN x`,
	"an index":            `CREATE INDEX x ON thing(n)`,
	"vacuum":              `VACUUM INTO 'x.db'`,
	"reindex":             `REINDEX`,
	"analyze":             `ANALYZE`,
	"a private table":     `SELECT * FROM _note`,
	"to write one":        `INSERT INTO _note VALUES ('x')`,
	"in a subquery":       `UPDATE thing SET n = (SELECT count(*) FROM _note)`,
	"the hub's own":       `UPDATE _framehub_meta SET value = 0`,
	"its notes":           `INSERT INTO _framehub_change(tbl, what) VALUES (1, 1)`,
	"the schema":          `SELECT sql FROM sqlite_schema`,
	"to write the schema": `DELETE FROM sqlite_master`,
	"an extension":        `SELECT load_extension('x')`,
	"explain":             `EXPLAIN SELECT * FROM _note`,
	"in capitals":         `SELECT count(*) FROM SQLITE_SCHEMA`,
	"only counted":        `SELECT count(*) FROM _note`,
	"another's name":      `WITH _note AS (SELECT 1) SELECT count(*) FROM _note`,
	"in WITH":             `WITH x AS (SELECT * FROM _framehub_meta) SELECT * FROM x`,
	"materialized":        `WITH x AS MATERIALIZED (SELECT sql FROM sqlite_schema) SELECT * FROM x`,
	"by WITH in a write":  `WITH x(a) AS (SELECT id FROM _framehub_device) UPDATE thing SET zone = (SELECT hex(a) FROM x)`,
	"as a trigger's name": `WITH mine AS (SELECT * FROM _note) SELECT * FROM mine`,
	"a view of one":       `SELECT * FROM seen`,
	"its name in WITH":    `WITH seen AS (SELECT * FROM _note) SELECT * FROM seen`,
	"in FROM":             `SELECT * FROM (SELECT * FROM _note) AS seen`,
	"an extension, WITH":  `WITH x AS (SELECT load_extension('x')) SELECT * FROM x`,
	"a pragma, WITH":      `WITH x AS (SELECT * FROM pragma_table_info('thing')) SELECT * FROM x`,
	"a view's row":        `INSERT INTO seen VALUES ('x')`,
}

// TestSQLIsRestricted: SQLite's own authorizer refuses all but reading and writing
// what devices see, and leaves nothing behind.
func TestSQLIsRestricted(t *testing.T) {
	d := openDB(t, writersSchema+writersRows+ownTrigger+`CREATE VIEW seen AS SELECT text FROM _note;`)
	d.frame()
	for name, sql := range forbiddenSQL {
		_, refused, err := d.Examine(statement(sql))
		if err != nil || refused == nil || refused.Code != wire.CodeForbidden && refused.Code != wire.CodeConstraint {
			t.Errorf("%s: %v, %v", name, refused, err)
		}
		if e, _, refusals := d.exec(statement(sql)); e != nil || refusals[0] == nil || refusals[0].Code != refused.Code {
			t.Errorf("%s in a frame: %v", name, refusals[0])
		}
		if _, _, refused, err := d.Query(d.context(), statement(sql), 0); err != nil || refused == nil {
			t.Errorf("%s, asked: %v, %v", name, refused, err)
		}
	}
	d.do(put("thing", "id n", row(1, 9))) // the connection is free again
	d.reopen()
}

// TestSQLLimits: time, rows, bytes, parameters, and that it is one statement.
func TestSQLLimits(t *testing.T) {
	d := openDB(t, writersSchema+writersRows)
	d.frame()
	const many = `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d) `
	for name, c := range map[string]struct {
		q    *store.Statement
		code wire.Code
		text string
	}{
		"rows":             {statement(fmt.Sprintf(many, 101) + `SELECT i FROM c`), wire.CodeTooLarge, "more than 100 rows"},
		"bytes":            {statement(`SELECT hex(zeroblob(6000))`), wire.CodeTooLarge, "more than 10000 bytes"},
		"a huge value":     {statement(`SELECT length(zeroblob(900000000))`), wire.CodeTooLarge, "too big"},
		"many columns":     {statement(`SELECT ` + strings.Repeat("1, ", 256) + `1`), wire.CodeTooLarge, "257 columns"},
		"a wide row":       {statement(`SELECT ` + strings.Repeat("zeroblob(900000), ", 99) + `1`), wire.CodeTooLarge, "more than 10000 bytes"},
		"a large pattern":  {statement(`SELECT 'x' LIKE printf('%.*c', 2000, '%')`), wire.CodeConstraint, "too complex"},
		"time":             {statement(fmt.Sprintf(many, 1_000_000_000) + `SELECT count(*) FROM c`), wire.CodeTooLarge, "50ms"},
		"time in a write":  {statement(fmt.Sprintf(many, 1_000_000_000) + `INSERT INTO flat(id) SELECT i + 100 FROM c`), wire.CodeTooLarge, "50ms"},
		"two statements":   {statement(`SELECT 1; SELECT 2`), wire.CodeConstraint, "one statement"},
		"none":             {statement(` -- nothing`), wire.CodeConstraint, "no statement"},
		"parameters":       {statement(`SELECT ?, ?`, 1), wire.CodeType, "2 parameters, 1"},
		"a syntax error":   {statement(`SELEC 1`), wire.CodeConstraint, "syntax error"},
		"no such table":    {statement(`SELECT * FROM thong`), wire.CodeConstraint, "no such table: thong"},
		"a type":           {statement(`UPDATE thing SET n = 'x'`), wire.CodeType, "cannot store TEXT"},
		"a foreign key":    {statement(`INSERT INTO child VALUES (9, 99)`), wire.CodeConstraint, "FOREIGN KEY"},
		"an infinity":      {statement(`UPDATE thing SET x = 9e999`), wire.CodeConstraint, "infinity"},
		"a text not UTF-8": {statement(`UPDATE thing SET zone = CAST(x'ff' AS TEXT)`), wire.CodeConstraint, "UTF-8"},
	} {
		c.q.Limits.Time = 50 * time.Millisecond
		d.now = d.now.Add(frameTime)
		f, err := d.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if r, err := f.Apply(alice, d.write(alice, put("flat", "id n", row(50, 1))), nil); r != nil || err != nil {
			t.Fatal(r, err)
		}
		start := time.Now()
		_, refused, err := f.Exec(bob, c.q)
		if err != nil || refused == nil || refused.Code != c.code || !strings.Contains(refused.Text, c.text) {
			t.Errorf("%s: %v, %v", name, refused, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		e, err := f.Commit(d.now, nil)
		if err != nil || len(e.Writers) != 1 || len(e.Tables) > 1 {
			t.Errorf("%s: the frame has %q, %v", name, told(e), err)
		}
		d.merge()
	}
	if _, refusals := d.frame(written{alice, d.write(alice, put("flat", "id n", row(51, 1)))}); refusals[0] != nil {
		t.Error(refusals)
	}
	d.wantRows("child", row(1, 1), row(2, 2), row(3, nil))
}

// TestQuery: what only reads is told from what writes, and reads the version asked
// for, or a later one.
func TestQuery(t *testing.T) {
	d := openDB(t, writersSchema+writersRows+`CREATE VIEW both AS SELECT thing.n FROM thing JOIN flat USING (id); CREATE VIRTUAL TABLE words USING fts4(word);`)
	d.frame()
	for sql, want := range map[string]bool{
		`SELECT * FROM thing`: true, `WITH a AS (SELECT 1) SELECT * FROM a`: true, `VALUES (1)`: true,
		`SELECT n FROM both`: true, `SELECT count(*) FROM both`: true,
		`UPDATE thing SET n = 1`: false, `WITH a AS (SELECT 1) DELETE FROM thing`: false, `INSERT INTO flat(id) VALUES (9) RETURNING id`: false,
	} {
		if readOnly, refused, err := d.Examine(statement(sql)); readOnly != want || refused != nil || err != nil {
			t.Errorf("%s: %v, %v, %v", sql, readOnly, refused, err)
		}
	}
	for _, sql := range []string{`SELECT value FROM json_each('[1, 2]')`, `SELECT count(*) FROM words WHERE words MATCH 'x'`} {
		// To prepare these, SQLite before 3.42 reads the schema's table, which is not for devices.
		if _, refused, err := d.Examine(statement(sql)); (refused == nil) != since(3_042_000) || err != nil {
			t.Errorf("%s: %v, %v", sql, refused, err)
		}
	}
	e, _ := d.commit(written{alice, d.write(alice, update("flat", "id n", row(1, 77)))})
	done := make(chan string)
	go func() {
		r, version, refused, err := d.Query(d.context(), statement(`SELECT n FROM flat WHERE id = ?`, 1), e.Version)
		if refused != nil || err != nil || version < e.Version {
			done <- fmt.Sprint(version, refused, err)
			return
		}
		done <- literals(r.Rows.Values)
	}()
	select {
	case got := <-done:
		t.Errorf("before it was merged it says %s", got)
	case <-time.After(20 * time.Millisecond):
	}
	d.merge()
	if got := <-done; got != "77" {
		t.Errorf("it says %s", got)
	}
	denied := statement(`SELECT n FROM flat`)
	denied.Allow = func(t *store.Table, right wire.Rights) *wire.Refusal {
		return wire.Refuse(wire.CodeForbidden, "%s %d", t.Name, right)
	}
	for _, sql := range []string{`SELECT n FROM flat`, `SELECT count(*) FROM FLAT`, `WITH x AS (SELECT * FROM Flat) SELECT count(*) FROM x`} {
		denied.Text = sql
		if _, _, refused, err := d.Query(d.context(), denied, 0); err != nil || refused == nil || refused.Text != "flat 1" {
			t.Errorf("%s: %v, %v", sql, refused, err)
		}
	}
}

// TestExecBesideWhatIsHidden: what the game's triggers and foreign keys do because of a
// statement is not the statement's.
func TestExecBesideWhatIsHidden(t *testing.T) {
	d := openDB(t, `CREATE TABLE _kind(k TEXT PRIMARY KEY); INSERT INTO _kind VALUES ('a'), ('b');
		CREATE TABLE it(id INTEGER PRIMARY KEY, k TEXT REFERENCES _kind);
		CREATE TABLE _part(id INTEGER PRIMARY KEY, it REFERENCES it ON DELETE CASCADE);
		CREATE TRIGGER part AFTER INSERT ON it BEGIN
			INSERT INTO _part(it) SELECT NEW.id FROM (SELECT k FROM _kind) AS x WHERE x.k = NEW.k; END`)
	m := newModel(d)
	e, _, refusals := d.exec(statement(`INSERT INTO it VALUES (1, 'a'), (2, 'b')`), statement(`DELETE FROM it WHERE id = 1`), statement(`INSERT INTO it VALUES (3, 'c')`))
	if refusals[0] != nil || refusals[1] != nil || refusals[2] == nil || refusals[2].Code != wire.CodeConstraint {
		t.Fatal(refusals)
	}
	m.apply(e)
	m.check("after the frame")
	if got := sqlite3(t, d.opts.Path, `SELECT it FROM _part`); got != "2" {
		t.Error(got)
	}
}
