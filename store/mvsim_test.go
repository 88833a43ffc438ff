package store_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	driver "github.com/mattn/go-sqlite3"

	"framehub/store/storetest"
)

func codeOf(err error) driver.ErrNoExtended {
	if e := (driver.Error{}); errors.As(err, &e) {
		return e.ExtendedCode
	}
	return 0
}

const simBusy, simIOErr = driver.ErrNoExtended(5), driver.ErrNoExtended(10)

// TestMvsim: the file system of these tests has the traps that mvSQLite has.
func TestMvsim(t *testing.T) {
	s := storetest.OpenMvsim(t)
	a, b := s.Connect("game"), s.Connect("game")
	a.Do(`CREATE TABLE one(id INTEGER PRIMARY KEY, n); CREATE TABLE two(id INTEGER PRIMARY KEY, n); INSERT INTO one VALUES (1, 1); INSERT INTO two VALUES (1, 1)`)
	a.Want(`PRAGMA page_size`, "8192")
	a.Want(`PRAGMA journal_mode = WAL`, "delete")
	b.Want(`SELECT n FROM one`, "1")

	// Two tables don't conflict, a row does, and only a rollback helps.
	a.Do(`BEGIN IMMEDIATE; UPDATE one SET n = 2`)
	b.Do(`BEGIN IMMEDIATE; UPDATE two SET n = 3; COMMIT`)
	a.Want(`SELECT n FROM two`, "1") // as it was at the beginning
	a.Do(`COMMIT`)
	a.Want(`SELECT one.n, two.n FROM one, two`, "2|3")
	a.Do(`BEGIN IMMEDIATE; UPDATE one SET n = 4`)
	b.Do(`BEGIN IMMEDIATE; UPDATE one SET n = 5; COMMIT`)
	if err := a.Try(`COMMIT`); codeOf(err) != simBusy {
		t.Errorf("a conflict is %v", err)
	}
	a.Do(`COMMIT`) // which says that it is well
	b.Want(`SELECT n FROM one`, "5")
	a.Want(`SELECT n FROM one`, "5")
	a.Do(`BEGIN IMMEDIATE; UPDATE one SET n = 6; COMMIT`)
	b.Want(`SELECT n FROM one`, "6")

	n := s.Counts("game").Commits
	for i, c := range []struct {
		action string
		code   driver.ErrNoExtended
		stored bool
	}{{"conflict", simBusy, false}, {"untrue", simBusy, true}, {"ioerr", simIOErr, false}, {"storeioerr", simIOErr, true}, {"full", diskFull, false}, {"slow 1", 0, true}} {
		n++
		s.Plan(fmt.Sprintf("commit game %d %s", n, c.action))
		value := 10 + i
		err := a.Try(fmt.Sprintf(`BEGIN IMMEDIATE; UPDATE one SET n = %d; COMMIT`, value))
		if codeOf(err) != c.code {
			t.Errorf("%s is %v", c.action, err)
		}
		_ = a.Try(`ROLLBACK`)
		b.Want(fmt.Sprintf(`SELECT n = %d FROM one`, value), map[bool]string{true: "1", false: "0"}[c.stored])
	}
	s.Plan()
	old := s.Connect("game@00000000000000000004")
	old.Want(`SELECT one.n, two.n FROM one, two`, "1|1")
	old.Do(`BEGIN IMMEDIATE; UPDATE one SET n = 0; COMMIT`) // which says that it is well
	b.Want(`SELECT n = 15 FROM one`, "1")
	_ = os.Unsetenv("MVSIM_CREATE")
	if _, err := (&driver.SQLiteDriver{}).Open("file:none?vfs=mvsqlite"); err == nil {
		t.Error("a namespace that is not there opens")
	}
	if s.Counts("game").PagesWritten == 0 || s.Counts("game").LastPages == 0 {
		t.Errorf("%+v", s.Counts("game"))
	}
}
