package hub_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
)

// An outsider is another program's connection to the hub's database.
type outsider struct {
	*world
	conn *sql.Conn
	rng  *rand.Rand
	made int // columns and tables that it has made
}

func (w *world) outsider() *outsider {
	w.Helper()
	db, err := sql.Open("sqlite3", "file:"+w.path+"?_foreign_keys=1")
	if err != nil {
		w.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _, _ = conn.Close(), db.Close() })
	return &outsider{w, conn, rand.New(rand.NewPCG(1, 1)), 0}
}

// do runs statements as one transaction.
func (o *outsider) do(statements ...string) {
	o.Helper()
	for _, s := range append(append([]string{"BEGIN IMMEDIATE"}, statements...), "COMMIT") {
		if _, err := o.conn.ExecContext(context.Background(), s); err != nil {
			o.Fatalf("%s: %v", s, err)
		}
	}
}

// write does something at random: mostly nothing, or a few rows, and rarely something
// to the schema. While frames wait to be merged it can't do anything.
func (o *outsider) write() {
	r := o.rng
	if o.store.Merged() != o.store.Version() {
		return
	}
	there := o.scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'thing'") == 1
	columns := o.scalar("SELECT count(*) FROM pragma_table_info('thing')")
	switch n := r.IntN(100); {
	case !there && n < 30:
		o.do(`CREATE TABLE thing(id INTEGER PRIMARY KEY, zone INTEGER, a INTEGER, b TEXT, big BLOB) STRICT`, `INSERT INTO thing(id, zone) VALUES (1, 1), (2, 2)`)
	case !there:
	case n < 10:
		o.do(fmt.Sprintf(`UPDATE thing SET zone = zone + 1, a = %d WHERE id %% 3 = %d`, r.IntN(5), r.IntN(3)))
	case n < 20:
		o.do(fmt.Sprintf(`INSERT OR REPLACE INTO thing(id, zone, a) VALUES (%d, %d, 7), (%d, NULL, 8)`, r.IntN(12), r.IntN(4), r.IntN(12)))
	case n < 25:
		o.do(fmt.Sprintf(`UPDATE OR REPLACE thing SET id = id + 1 WHERE id = %d`, r.IntN(12)))
	case n < 28:
		o.do(fmt.Sprintf(`DELETE FROM thing WHERE zone > %d`, r.IntN(3)))
	case n < 30 && columns < 9:
		o.made++
		o.do(fmt.Sprintf(`ALTER TABLE thing ADD COLUMN x%d INTEGER DEFAULT %d`, o.made, o.made), `UPDATE thing SET a = a + 1`)
	case n < 32 && columns > 5:
		o.do(fmt.Sprintf(`ALTER TABLE thing DROP COLUMN x%d`, o.scalar("SELECT min(substr(name, 2)) FROM pragma_table_info('thing') WHERE name LIKE 'x%'")))
	case n == 32:
		o.made++
		o.do(fmt.Sprintf(`CREATE TABLE t%d(id INTEGER PRIMARY KEY, n INTEGER)`, o.made), fmt.Sprintf(`INSERT INTO t%d VALUES (1, 1)`, o.made))
	case n == 33: // as a migration does what ALTER TABLE can't
		o.do(`CREATE TABLE anew AS SELECT * FROM thing`, `DROP TABLE thing`,
			`CREATE TABLE thing(id INTEGER PRIMARY KEY, zone INTEGER, a INTEGER, b TEXT, big BLOB) STRICT`,
			`INSERT INTO thing SELECT id, zone, a + 10, b, big FROM anew`, `DROP TABLE anew`)
	case n == 34:
		o.do(`DROP TABLE thing`)
	}
}
