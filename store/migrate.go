package store

import (
	"bytes"
	"crypto/sha256"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"framehub/store/internal/sqlite"
)

// A Migration is a numbered file of SQL that changes a game database once.
type Migration struct {
	Number int
	Name   string // of the file
	SQL    string
}

// migrationName is how a file of migrations is called: 0001_players.sql, 2-zones.sql.
var migrationName = regexp.MustCompile(`^(\d{1,9})[-_.].*\.sql$|^(\d{1,9})\.sql$`)

// migrationTable is what has been applied; devices don't see it, and the log does not
// carry it.
const migrationTable = `CREATE TABLE IF NOT EXISTS _framehub_migration(
	number INTEGER PRIMARY KEY, name TEXT NOT NULL, sum BLOB NOT NULL, applied INTEGER NOT NULL) STRICT`

// migrateBusy is how long a migration waits for the database's lock: a hub lets go of
// it between any two frames.
const migrateBusy = 10 * time.Second

// ReadMigrations reads the files of a folder whose names begin with a number and end
// with .sql, in the order of their numbers. Other .sql files are an error: somebody
// meant them to run.
func ReadMigrations(dir fs.FS) ([]Migration, error) {
	files, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, err
	}
	var all []Migration
	for _, f := range files {
		if f.IsDir() || !strings.HasSuffix(f.Name(), ".sql") {
			continue
		}
		parts := migrationName.FindStringSubmatch(f.Name())
		if parts == nil {
			return nil, fmt.Errorf("%s has no number: name it like 0001_what_it_does.sql", f.Name())
		}
		n, err := strconv.Atoi(parts[1] + parts[2])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		sql, err := fs.ReadFile(dir, f.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, Migration{n, f.Name(), string(sql)})
	}
	slices.SortFunc(all, func(a, b Migration) int { return a.Number - b.Number })
	for i := 1; i < len(all); i++ {
		if all[i].Number == all[i-1].Number {
			return nil, fmt.Errorf("%s and %s have the same number", all[i-1].Name, all[i].Name)
		}
	}
	return all, nil
}

func (m *Migration) sum() []byte {
	sum := sha256.Sum256([]byte(m.SQL))
	return sum[:]
}

// A migrator has a connection of its own to a game database.
type migrator struct {
	path string
	c    *sqlite.Conn
}

// Migrate applies the migrations that a game database has not had, in order, each in
// a transaction of its own, and tells each when it is done. It may be called beside a
// hub, which takes up what changed with its next frame. Before the first it makes
// sure that those applied are the ones given: a file that has changed since, or is
// missing, and one whose number is lower than one applied, are errors, and then
// nothing is done. A migration that fails leaves nothing behind, and ends it.
//
// Foreign keys are not enforced while a migration runs, so that a table can be made
// anew; none may be violated at its end.
func Migrate(path string, all []Migration, done func(Migration)) error {
	m, err := openMigrator(path)
	if err != nil {
		return err
	}
	defer m.close()
	pending, err := m.pending(all)
	if err != nil {
		return err
	}
	for i := range pending {
		switch err := m.apply(&pending[i]); {
		case errors.Is(err, errApplied): // by somebody else, meanwhile
		case err != nil:
			return explain(path, fmt.Errorf("%s: %w: nothing of it is done", pending[i].Name, err))
		default:
			done(pending[i])
		}
	}
	return nil
}

// PendingMigrations returns those that Migrate would apply.
func PendingMigrations(path string, all []Migration) ([]Migration, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	m, err := openMigrator(path)
	if err != nil {
		return nil, err
	}
	defer m.close()
	return m.pending(all)
}

func openMigrator(path string) (*migrator, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	c, err := openConn(path, "FULL", migrateBusy, gameCache, nil)
	if err != nil {
		return nil, explain(path, err)
	}
	return &migrator{path, c}, nil
}

func (m *migrator) close() { _ = m.c.Close() } // what it did is committed

// pending compares what has been applied with the files.
func (m *migrator) pending(all []Migration) ([]Migration, error) {
	exists := false
	err := m.c.Query(`SELECT 1 FROM sqlite_schema WHERE name = '_framehub_migration'`, nil, func([]driver.Value) error { exists = true; return nil })
	if err != nil || !exists {
		return all, explain(m.path, err)
	}
	left := slices.Clone(all)
	last := 0
	var wrong []error
	err = m.c.Query(`SELECT number, name, sum, applied FROM _framehub_migration ORDER BY number`, nil, func(row []driver.Value) error {
		last = int(number64(row[0]))
		when := time.UnixMicro(number64(row[3])).Format(time.DateTime)
		i := slices.IndexFunc(left, func(f Migration) bool { return f.Number == last })
		switch {
		case i < 0:
			wrong = append(wrong, fmt.Errorf("%s was applied at %s, and there is no such file: put it back", text(row[1]), when))
			return nil
		case !bytes.Equal(left[i].sum(), blob(row[2])):
			wrong = append(wrong, fmt.Errorf("%s has changed since it was applied at %s: put the old text back, and write what is new into another file", left[i].Name, when))
		}
		left = slices.Delete(left, i, i+1)
		return nil
	})
	for _, f := range left {
		if f.Number < last {
			wrong = append(wrong, fmt.Errorf("%s comes before number %d, which was applied already: give it a number above that", f.Name, last))
		}
	}
	return left, errors.Join(append(wrong, explain(m.path, err))...)
}

// apply runs a migration. Where the hub's triggers read a column that it drops, they
// go, and the hub makes them anew; it then takes the table for another content.
func (m *migrator) apply(f *Migration) error {
	err := m.try(f, nil)
	var dropped []string
	for range 100 { // tables
		names := hubTrigger.FindStringSubmatch(fmt.Sprint(err))
		if err == nil || names == nil || slices.Contains(dropped, names[1]) {
			break
		}
		dropped = append(dropped, names[1])
		err = m.try(f, dropped)
	}
	return err
}

// hubTrigger finds in SQLite's words the table of a trigger of the hub's.
var hubTrigger = regexp.MustCompile(`error in trigger (_framehub_\d+_)`)

var errOwnTransaction = errors.New("it begins or ends a transaction: leave BEGIN, COMMIT and ROLLBACK out, each file is one transaction")

// try runs a migration without the triggers whose names begin so.
func (m *migrator) try(f *Migration, without []string) (err error) {
	if err := m.c.Exec(`PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE`); err != nil {
		return busy(err)
	}
	defer func() {
		if err != nil && !m.c.AutoCommit() {
			err = errors.Join(err, m.c.Exec(`ROLLBACK`))
		}
	}()
	if err := m.notApplied(f); err != nil {
		return err
	}
	for _, prefix := range without {
		if err := m.dropTriggers(prefix); err != nil {
			return err
		}
	}
	m.c.ForbidTransactions(true)
	err = runScript(m.c, f.SQL)
	m.c.ForbidTransactions(false)
	switch {
	case sqlite.CodeOf(err) == sqliteAuth:
		return errOwnTransaction
	case err != nil:
		return err
	}
	if err := m.checkForeignKeys(); err != nil {
		return err
	}
	if err := m.c.Exec(`INSERT INTO _framehub_migration VALUES (?, ?, ?, ?)`, int64(f.Number), f.Name, f.sum(), time.Now().UnixMicro()); err != nil {
		return err
	}
	return m.c.Exec(`COMMIT`)
}

var errApplied = errors.New("it has been applied")

// notApplied makes sure, with the lock, that nobody else has applied a migration.
func (m *migrator) notApplied(f *Migration) error {
	if err := m.c.Exec(migrationTable); err != nil {
		return err
	}
	applied := false
	err := m.c.Query(`SELECT 1 FROM _framehub_migration WHERE number = ?`, []driver.Value{int64(f.Number)},
		func([]driver.Value) error { applied = true; return nil })
	if err == nil && applied {
		err = errApplied
	}
	return err
}

func (m *migrator) dropTriggers(prefix string) error {
	var names []string
	err := m.c.Query(`SELECT name FROM sqlite_schema WHERE type = 'trigger' AND substr(name, 1, ?) = ?`, []driver.Value{int64(len(prefix)), prefix},
		func(row []driver.Value) error { names = append(names, text(row[0])); return nil })
	for _, name := range names {
		err = errors.Join(err, m.c.Exec(`DROP TRIGGER `+quote(name)))
	}
	return err
}

func (m *migrator) checkForeignKeys() error {
	var wrong error
	err := m.c.Query(`PRAGMA foreign_key_check`, nil, func(row []driver.Value) error {
		if wrong == nil {
			wrong = fmt.Errorf("it leaves a row of table %q that refers to one of table %q that is not there", text(row[0]), text(row[2]))
		}
		return nil
	})
	return errors.Join(err, wrong)
}
