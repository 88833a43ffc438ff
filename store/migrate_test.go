package store_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"framehub/store"
)

// migrations are files by their names.
func migrations(tb testing.TB, files ...string) []store.Migration {
	tb.Helper()
	dir := fstest.MapFS{"README.md": {Data: []byte("none")}, "old/0001_a.sql": {Data: []byte("none")}}
	for i := 0; i < len(files); i += 2 {
		dir[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	all, err := store.ReadMigrations(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func migrate(path string, all []store.Migration) (applied []string, err error) {
	err = store.Migrate(path, all, func(m store.Migration) { applied = append(applied, m.Name) })
	return applied, err
}

func TestReadMigrations(t *testing.T) {
	all := migrations(t, "10_b.sql", "B", "2-a.sql", "A", "0011.sql", "C")
	if len(all) != 3 || all[0].SQL != "A" || all[1].Number != 10 || all[2].Name != "0011.sql" {
		t.Errorf("%+v", all)
	}
	for name, files := range map[string]fstest.MapFS{
		"no number":       {"players.sql": {}},
		"the same number": {"1_a.sql": {}, "01_b.sql": {}},
	} {
		_, err := store.ReadMigrations(files)
		wantWords(t, err, name)
	}
}

func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "world.db")
	first := []string{"1_make.sql", `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT; INSERT INTO a VALUES (1, 1), (2, 2);`}
	second := append(slices.Clone(first), "2_more.sql", `UPDATE a SET n = n * 10; ALTER TABLE a ADD COLUMN s TEXT`)
	if p, err := store.PendingMigrations(path, migrations(t, first...)); err != nil || len(p) != 1 {
		t.Error(p, err)
	}
	if applied, err := migrate(path, migrations(t, first...)); err != nil || len(applied) != 1 {
		t.Fatal(applied, err)
	}
	if applied, err := migrate(path, migrations(t, second...)); err != nil || !slices.Equal(applied, []string{"2_more.sql"}) {
		t.Fatal(applied, err)
	}
	if p, err := store.PendingMigrations(path, migrations(t, second...)); err != nil || len(p) != 0 {
		t.Error(p, err)
	}
	for name, c := range map[string]struct {
		files []string
		words []string
	}{
		"one has changed":      {[]string{"1_make.sql", "CREATE TABLE b(id)", second[2], second[3]}, []string{"1_make.sql has changed", "put the old text back"}},
		"one is missing":       {second[2:], []string{"1_make.sql was applied", "put it back"}},
		"one comes too late":   {append(slices.Clone(second[2:]), "1_make.sql", first[1], "0_x.sql", "SELECT 1"), []string{"0_x.sql", "comes before number 2"}},
		"a mistake":            {append(slices.Clone(second), "3_bad.sql", "UPDATE a SET n = 0; UPDATE b SET n = 0"), []string{"3_bad.sql", "no such table: b", "nothing of it is done"}},
		"a transaction":        {append(slices.Clone(second), "3_bad.sql", "UPDATE a SET n = 0; COMMIT; SELECT 1"), []string{"leave BEGIN, COMMIT and ROLLBACK out"}},
		"a dangling reference": {append(slices.Clone(second), "3_bad.sql", "CREATE TABLE c(id INTEGER PRIMARY KEY, a REFERENCES a(id)); INSERT INTO c VALUES (1, 77)"), []string{`"c"`, "not there"}},
		"a rollback":           {append(slices.Clone(second), "3_bad.sql", "ROLLBACK"), []string{"leave BEGIN, COMMIT and ROLLBACK out"}},
		"one good, then a bad": {append(slices.Clone(second), "3_good.sql", "CREATE TABLE good(id)", "4_bad.sql", "nonsense"), []string{"4_bad.sql"}},
	} {
		t.Run(name, func(t *testing.T) {
			copied := filepath.Join(t.TempDir(), "world.db")
			sqlite3(t, path, "PRAGMA wal_checkpoint(TRUNCATE)")
			copyFile(t, path, copied)
			_, err := migrate(copied, migrations(t, c.files...))
			wantWords(t, err, c.words...)
			if got := sqlite3(t, copied, "SELECT group_concat(n) FROM a"); got != "10,20" {
				t.Errorf("it has done something: %s", got)
			}
			if name == "one good, then a bad" && sqlite3(t, copied, "SELECT count(*) FROM good") != "0" {
				t.Error("the good one is not done")
			}
		})
	}
}

// TestMigrateBesideAHub: what a migration does is in the next frame, also where it
// takes away what the hub's triggers read.
func TestMigrateBesideAHub(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, u TEXT UNIQUE) STRICT; CREATE TABLE b(id INTEGER PRIMARY KEY, n INTEGER) STRICT;
		INSERT INTO a VALUES (1, 1, 'x'), (2, 2, 'y'); INSERT INTO b VALUES (1, 1)`)
	d.frame()
	m := newModel(d)
	applied, err := migrate(d.opts.Path, migrations(t,
		"1_data.sql", `UPDATE b SET n = 5; INSERT INTO b VALUES (2, 2)`,
		"2_unique.sql", `CREATE TABLE anew(id INTEGER PRIMARY KEY, n INTEGER) STRICT; INSERT INTO anew SELECT id, n + 1 FROM a; DROP TABLE a; ALTER TABLE anew RENAME TO a`))
	if err != nil || len(applied) != 2 {
		t.Fatal(applied, err)
	}
	if _, err := d.Begin(); !errors.Is(err, store.ErrSchemaChanged) {
		t.Fatal(err)
	}
	e, err := d.Reshape()
	if err != nil || e == nil || !e.Reshape || d.table("a").Since != e.Version || d.table("b").Since == e.Version || d.table("a").Column("u") >= 0 {
		t.Fatal(e, err)
	}
	e, _ = d.frame()
	m.apply(e)
	if want := []string{"b 1 set n", "b 2 made"}; !slices.Equal(told(e), want) {
		t.Errorf("the frame has %q", told(e))
	}
	d.do(put("a", "id n", row(1, 7)))
	d.wantRows("a", row(1, 7), row(2, 3))
	if got := sqlite3(t, d.opts.Path, `SELECT group_concat(name) FROM pragma_table_info('a')`); got != "id,n" {
		t.Error(got)
	}
	d.reopen()
	if applied, err = migrate(d.opts.Path, nil); err == nil || len(applied) != 0 || !strings.Contains(err.Error(), "2_unique.sql was applied") {
		t.Error(applied, err)
	}
}

// TestMigrateDropsWhatTriggersRead: a column that is unique can go once its index has,
// in one file, though the hub's triggers read it.
func TestMigrateDropsWhatTriggersRead(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, u TEXT) STRICT; CREATE UNIQUE INDEX i ON a(u); INSERT INTO a VALUES (1, 1, 'x')`)
	d.frame()
	if _, err := migrate(d.opts.Path, migrations(t, "1_x.sql", `DROP INDEX i; ALTER TABLE a DROP COLUMN u`)); err != nil {
		t.Fatal(err)
	}
	e, err := d.Reshape()
	if err != nil || e == nil || len(d.table("a").Columns) != 2 {
		t.Fatal(e, err)
	}
	d.outsider().do(`UPDATE a SET n = 9`)
	if e, _ := d.frame(); !slices.Equal(told(e), []string{"a 1 set n"}) {
		t.Errorf("the frame has %q", told(e))
	}
}

// TestMigrateTwice: who applies migrations while somebody else does too skips those
// that were applied meanwhile.
func TestMigrateTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	all := migrations(t, "1_a.sql", `CREATE TABLE a(id INTEGER PRIMARY KEY)`, "2_b.sql", `INSERT INTO a VALUES (1)`, "3_c.sql", `INSERT INTO a VALUES (2)`)
	var first, second []string
	err := store.Migrate(path, all, func(m store.Migration) {
		first = append(first, m.Name)
		if len(first) > 1 {
			return
		}
		var err error
		if second, err = migrate(path, all[:2]); err != nil {
			t.Error(err)
		}
	})
	if err != nil || !slices.Equal(first, []string{"1_a.sql", "3_c.sql"}) || !slices.Equal(second, []string{"2_b.sql"}) {
		t.Errorf("%q and %q, %v", first, second, err)
	}
}
