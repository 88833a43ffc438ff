package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	driver "github.com/mattn/go-sqlite3"

	"framehub/store/storetest"
)

// fails opens a database whose first use must end with the code: the driver asks for
// something at once.
func failsToOpen(m *storetest.Mvsim, code int, name string) {
	m.Helper()
	_, err := (&driver.SQLiteDriver{}).Open("file:" + name + "?vfs=mvsqlite")
	var e driver.Error
	if !errors.As(err, &e) || int(e.ExtendedCode) != code {
		m.Errorf("open %s: %v (extended %d), want code %d", name, err, e.ExtendedCode, code)
	}
}

// series makes a table n of the numbers from 1.
const series = `WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT %d) `

const (
	busy       = 5
	ioErr      = 10
	ioErrFstat = 10 | 7<<8
	ioErrLock  = 10 | 15<<8
)

// TestMvsim tells with plain connections what testdata/mvsim.c has in common with mvSQLite.
func TestMvsim(t *testing.T) {
	for name, test := range map[string]func(*storetest.Mvsim){
		"a database":                     mvsimDatabase,
		"a missing namespace":            mvsimMissing,
		"local files beside it":          mvsimLocal,
		"two writers of one page":        mvsimConflict,
		"two writers of two tables":      mvsimApart,
		"a reader of what has changed":   mvsimReadSet,
		"a second COMMIT stores nothing": mvsimSecondCommit,
		"a snapshot while others write":  mvsimSnapshot,
		"old versions":                   mvsimVersions,
		"another page size":              mvsimPageSize,
		"pages read and written":         mvsimPages,
		"the end of a killed process":    mvsimTorn,
	} {
		t.Run(name, func(t *testing.T) { test(storetest.OpenMvsim(t, "world", "world.frames")) })
	}
}

func mvsimDatabase(m *storetest.Mvsim) {
	a := m.Open("world")
	a.Want(`PRAGMA page_size`, "8192")
	a.Want(`PRAGMA journal_mode = wal`, "delete")
	a.Do(`CREATE TABLE t(k INTEGER PRIMARY KEY, v TEXT) STRICT; CREATE INDEX i ON t(v)`)
	a.Do(`BEGIN; ` + fmt.Sprintf(series, 2000) + `INSERT INTO t SELECT value, hex(randomblob(500)) FROM n; COMMIT`)
	a.Do(`BEGIN; DELETE FROM t WHERE k > 1000; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; COMMIT`)
	a.Do(`BEGIN; DELETE FROM t; ROLLBACK`)
	b := m.Open("world")
	for _, c := range []*storetest.Conn{a, b} {
		c.Want(`SELECT count(*) FROM t`, "1000")
		c.Want(`PRAGMA integrity_check`, "ok")
	}
	m.Open("world.frames").Want(`SELECT count(*) FROM sqlite_schema`, "0")
	if s := m.Stats("world.frames"); s.Begins == 0 || s.Commits != 0 {
		m.Errorf("counted %+v", s)
	}
}

func mvsimMissing(m *storetest.Mvsim) {
	failsToOpen(m, ioErrLock, "other")
	m.Setenv("MVSIM_CREATE", "1")
	c := m.Open("some/where.db")
	c.Do(`CREATE TABLE t(v)`)
	m.Open("/some/where.db").Want(`SELECT count(*) FROM t`, "0")
}

func mvsimLocal(m *storetest.Mvsim) {
	a := m.Open("world")
	a.Do(`CREATE TABLE t(v); INSERT INTO t VALUES (7)`)
	file := filepath.Join(m.Dir, "copy.db")
	a.Do(`VACUUM INTO 'file:` + file + `?vfs=unix'`)
	a.Do(`ATTACH 'file:` + file + `?vfs=unix' AS copy`)
	a.Want(`SELECT v FROM copy.t`, "7")
	if data, err := os.ReadFile(file); err != nil || !bytes.HasPrefix(data, []byte("SQLite format 3\x00")) {
		m.Errorf("the copy is no database: %v", err)
	}
}

// two opens two connections on a database with the tables t and u.
func two(m *storetest.Mvsim) (a, b *storetest.Conn) {
	m.Helper()
	a = m.Open("world")
	a.Do(`BEGIN; CREATE TABLE t(k INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 0); CREATE TABLE u(v); INSERT INTO u VALUES (0); COMMIT`)
	b = m.Open("world")
	b.Want(`SELECT v FROM t`, "0")
	return a, b
}

func mvsimConflict(m *storetest.Mvsim) {
	a, b := two(m)
	for _, c := range []*storetest.Conn{a, b} {
		c.Do(`BEGIN IMMEDIATE; UPDATE t SET v = v + 1`)
	}
	a.Do(`COMMIT`)
	b.Fails(busy, `COMMIT`)
	b.Do(`ROLLBACK`)
	b.Want(`SELECT v FROM t`, "1")
	b.Do(`BEGIN IMMEDIATE; UPDATE t SET v = v + 1; COMMIT`)
	a.Want(`SELECT v FROM t`, "2")
	if s := m.Stats("world"); s.Conflicts != 1 || s.Commits != 3 {
		m.Errorf("counted %+v", s)
	}
}

func mvsimApart(m *storetest.Mvsim) {
	a, b := two(m)
	a.Do(`BEGIN IMMEDIATE; UPDATE t SET v = 5`)
	b.Do(`BEGIN IMMEDIATE; UPDATE u SET v = 6`)
	a.Do(`COMMIT`)
	b.Do(`COMMIT`)
	for _, c := range []*storetest.Conn{a, b} {
		c.Want(`SELECT t.v || u.v FROM t, u`, "56")
	}
}

func mvsimReadSet(m *storetest.Mvsim) {
	a, b := two(m)
	a.Do(`BEGIN; UPDATE u SET v = 1 + (SELECT v FROM t)`)
	b.Do(`BEGIN; UPDATE t SET v = 9; COMMIT`)
	a.Fails(busy, `COMMIT`)
	a.Do(`ROLLBACK`)
	a.Want(`SELECT v FROM u`, "0")
}

func mvsimSecondCommit(m *storetest.Mvsim) {
	a, b := two(m)
	m.Plan("commit world 1 conflict")
	a.Do(`BEGIN; UPDATE t SET v = 5`)
	a.Fails(busy, `COMMIT`)
	a.Do(`COMMIT`)
	b.Want(`SELECT v FROM t`, "0")
	a.Want(`SELECT v FROM t`, "0")

	m.Plan("commit world 1 conflict")
	a.Do(`BEGIN; UPDATE t SET v = 5`)
	a.Fails(busy, `COMMIT`)
	a.Do(`UPDATE t SET v = 6; COMMIT`)
	b.Want(`SELECT v FROM t`, "0")
	a.Want(`SELECT v FROM t`, "0")
}

func mvsimSnapshot(m *storetest.Mvsim) {
	a, b := two(m)
	a.Do(`BEGIN`)
	a.Want(`SELECT v FROM t`, "0")
	b.Do(`BEGIN; UPDATE t SET v = 1; UPDATE u SET v = 1; COMMIT`)
	a.Want(`SELECT v FROM t`, "0")
	a.Want(`SELECT v FROM u`, "0")
	a.Do(`COMMIT`)
	a.Want(`SELECT t.v || u.v FROM t, u`, "11")
}

func mvsimVersions(m *storetest.Mvsim) {
	a, b := two(m)
	before := a.Get(`SELECT mv_last_known_version('main')`)
	if len(before) != 20 {
		m.Fatalf("version %q", before)
	}
	a.Do(`UPDATE t SET v = 8`)
	if after := a.Get(`SELECT mv_last_known_version('main')`); after <= before {
		m.Errorf("version %s after %s", after, before)
	}
	old := m.Open("world@" + before)
	old.Want(`SELECT v FROM t`, "0")
	old.Do(`BEGIN; UPDATE t SET v = 3; COMMIT`)
	old.Want(`SELECT v FROM t`, "0")
	m.Open("world@00000000000000010000").Want(`SELECT count(*) FROM sqlite_schema`, "0")

	a.Want(`SELECT v FROM t`, "8")
	a.Want(`SELECT mv_time2version('main', 1000000)`, "<nil>")
	now := a.Get(`SELECT mv_time2version('main', 0)`)
	m.Open("world@"+now).Want(`SELECT v FROM t`, "8")

	b.Do(`SELECT mv_pin_version('main', '` + before + `')`)
	b.Want(`SELECT v FROM t`, "0")
	b.Do(`BEGIN`)
	b.Fails(1, `SELECT mv_unpin_version('main')`)
	b.Do(`ROLLBACK; SELECT mv_unpin_version('main')`)
	b.Want(`SELECT v FROM t`, "8")

	file := filepath.Join(m.Dir, "old.db")
	old.Do(`VACUUM INTO 'file:` + file + `?vfs=unix'`)
	old.Do(`ATTACH 'file:` + file + `?vfs=unix' AS copy`)
	old.Want(`SELECT v FROM copy.t`, "0")
}

func mvsimPageSize(m *storetest.Mvsim) {
	a, _ := two(m)
	a.Do(`PRAGMA page_size = 4096`)
	a.Want(`PRAGMA page_size`, "8192")
	m.Setenv("MVSQLITE_SECTOR_SIZE", "4096")
	failsToOpen(m, ioErrFstat, "world")
	c := m.Open("world.frames")
	c.Do(`CREATE TABLE t(v)`)
	c.Want(`PRAGMA page_size`, "4096")
}

func mvsimPages(m *storetest.Mvsim) {
	a, b := two(m)
	was := m.Stats("world")
	a.Do(`BEGIN; UPDATE t SET v = 5; COMMIT`)
	got := m.Stats("world")
	if got.Commits != was.Commits+1 || got.PagesOfLastCommit != 1 || got.PagesWritten != was.PagesWritten+1 {
		m.Errorf("a row changed: from %+v to %+v", was, got)
	}
	if got.PagesFetched != was.PagesFetched || got.PagesCached == was.PagesCached {
		m.Errorf("what a connection has written it has: from %+v to %+v", was, got)
	}
	for range 3 { // the first has to fetch what has changed
		b.Want(`SELECT v FROM t`, "5")
	}
	if s := m.Stats("world"); s.PagesFetched != got.PagesFetched+1 {
		m.Errorf("another connection: from %+v to %+v", got, s)
	}
	a.Do(`BEGIN IMMEDIATE; SELECT v FROM t; COMMIT`)
	if s := m.Stats("world"); s.Commits != got.Commits {
		m.Errorf("a transaction that writes nothing is no commit: %+v", s)
	}
}

func mvsimTorn(m *storetest.Mvsim) {
	a, _ := two(m)
	file := m.File("world", ".mv")
	good, err := os.ReadFile(file)
	if err != nil {
		m.Fatal(err)
	}
	a.Do(`UPDATE t SET v = 5`)
	all, err := os.ReadFile(file)
	if err != nil {
		m.Fatal(err)
	}
	for n := len(good); n < len(all); n += 1 + rand.IntN(800) {
		if err := os.WriteFile(m.File(strconv.Itoa(n), ".mv"), all[:n], 0o600); err != nil {
			m.Fatal(err)
		}
		c := m.Open(strconv.Itoa(n))
		c.Want(`SELECT v FROM t`, "0")
		c.Do(`UPDATE t SET v = 6`)
		c.Want(`SELECT v FROM t`, "6")
		c.Want(`PRAGMA integrity_check`, "ok")
	}
}

// TestMvsimFaults lets each fault come.
func TestMvsimFaults(t *testing.T) {
	for name, c := range map[string]struct {
		plan   string
		code   int // of COMMIT
		stored bool
	}{
		"conflict":       {"commit world 1 conflict", busy, false},
		"untrue":         {"commit world 1 untrue", busy, true},
		"I/O error":      {"commit world 1 ioerr", ioErr, false},
		"stored, and so": {"commit * 1 storeioerr", ioErr, true},
		"full":           {"commit world 1 full", storetest.DiskFull, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := storetest.OpenMvsim(t, "world")
			a, b := two(m)
			m.Plan(c.plan)
			a.Do(`BEGIN; UPDATE t SET v = 5`)
			a.Fails(c.code, `COMMIT`)
			_ = a.Try(`ROLLBACK`)
			want := "0"
			if c.stored {
				want = "5"
			}
			b.Want(`SELECT v FROM t`, want)
			a.Want(`SELECT v FROM t`, want)
			a.Do(`BEGIN; UPDATE t SET v = 6; COMMIT`)
			b.Want(`SELECT v FROM t`, "6")
			if left, fired := m.Plan(), m.Fired(); left != "" || len(fired) != 1 {
				t.Errorf("left of the plan: %q, and what came: %q", left, fired)
			}
		})
	}
}

func TestMvsimFaultsElsewhere(t *testing.T) {
	m := storetest.OpenMvsim(t, "world", "other")
	a, b := two(m)
	a.Do(`UPDATE t SET v = 7`) // b has to fetch that
	m.Plan("begin other 1 abort", "begin world 2 ioerr", "read world 1 ioerr", "read * 2 full", "commit other * conflict", "commit world 3 conflict")
	b.Fails(ioErr, `SELECT v FROM t`)
	b.Fails(ioErrLock, `SELECT v FROM t`)
	b.Fails(storetest.DiskFull, `SELECT v FROM t`)
	b.Want(`SELECT v FROM t`, "7")
	a.Do(`UPDATE t SET v = 1; UPDATE t SET v = 2`)
	a.Do(`BEGIN; UPDATE t SET v = 3`)
	a.Fails(busy, `COMMIT`)
	a.Do(`ROLLBACK`)
	b.Want(`SELECT v FROM t`, "2")
	if left := m.Plan(); left != "begin other 1 abort \ncommit other * conflict\n" {
		t.Errorf("left of the plan: %q", left)
	}
	began := time.Now()
	m.Plan("commit world 1 slow 50")
	a.Do(`UPDATE t SET v = 4`)
	if d := time.Since(began); d < 50*time.Millisecond {
		t.Errorf("a slow commit took %v", d)
	}
}

func TestMvsimHang(t *testing.T) {
	for name, c := range map[string]struct {
		plan, want string
		code       int
	}{
		"and then it goes well": {"commit world 1 hang ", "7", 0},
		"and then it fails":     {"commit world 1 hangfail ", "1", ioErr},
	} {
		t.Run(name, func(t *testing.T) {
			m := storetest.OpenMvsim(t, "world")
			a, b := two(m)
			file, resume := m.Hang()
			m.Plan(c.plan + file)
			a.Do(`BEGIN; UPDATE u SET v = 7`)
			done := make(chan error)
			go func() { done <- a.Try(`COMMIT`) }()
			m.Await(1)
			b.Do(`UPDATE t SET v = 1`) // others are not held up
			select {
			case err := <-done:
				t.Fatalf("COMMIT did not hang: %v", err)
			default:
			}
			resume()
			if err := <-done; (err != nil) != (c.code != 0) {
				t.Errorf("COMMIT: %v", err)
			}
			if c.code != 0 {
				b.Want(`SELECT v FROM u`, "0")
			} else {
				b.Want(`SELECT v FROM u`, c.want)
			}
			b.Want(`SELECT v FROM t`, "1")
		})
	}
}

// childMvsim runs the statements of childPath, one a line, and counts up t.v childSeed
// times, redoing what conflicts.
func childMvsim() int {
	c := storetest.JoinMvsim(childTB{}).Connect("world")
	for sql := range strings.SplitSeq(os.Getenv(childPath), "\n") {
		if err := c.Try(sql); err != nil {
			_, _ = fmt.Fprintf(os.Stderr, "%s: %v\n", sql, err)
		}
	}
	n, _ := strconv.Atoi(os.Getenv(childSeed))
	for n > 0 {
		c.Do(`BEGIN; UPDATE t SET v = v + 1`)
		if c.Try(`COMMIT`) == nil {
			n--
		} else {
			c.Do(`ROLLBACK`)
		}
	}
	return 0
}

// childOf runs SQL in another process, which ends with the test.
func childOf(m *storetest.Mvsim, sql string, n int) *exec.Cmd {
	m.Helper()
	cmd := exec.CommandContext(m.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"=mvsim", childPath+"="+sql, childSeed+"="+strconv.Itoa(n))
	cmd.Stderr = new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	return cmd
}

func TestMvsimProcesses(t *testing.T) {
	m := storetest.OpenMvsim(t, "world")
	_, b := two(m)
	children := []*exec.Cmd{childOf(m, "", 200), childOf(m, "", 200), childOf(m, "", 200)}
	for _, cmd := range children {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, cmd.Stderr)
		}
	}
	b.Want(`SELECT v FROM t`, "600")
	b.Want(`PRAGMA integrity_check`, "ok")
	if s := m.Stats("world"); s.Commits != 601 {
		t.Errorf("counted %+v", s)
	}
}

// TestMvsimAborts tells of what ends a process, and of what it has stored before.
func TestMvsimAborts(t *testing.T) {
	for name, c := range map[string]struct {
		plan, sql, unset string
		words            string
		v                string // that is stored
	}{
		"abort":               {plan: "commit world 1 abort", sql: `UPDATE t SET v = 9`, words: "the plan says abort at a commit", v: "0"},
		"abort when stored":   {plan: "commit world 1 storeabort", sql: `UPDATE t SET v = 9`, words: "the plan says abort after a commit", v: "9"},
		"abort at BEGIN":      {plan: "begin world 1 abort", sql: `UPDATE t SET v = 9`, words: "the plan says abort at a begin", v: "0"},
		"abort at a read":     {plan: "read world 1 abort", sql: `UPDATE t SET v = 9`, words: "the plan says abort at a read", v: "0"},
		"too large a commit":  {sql: fmt.Sprintf(series, 51000) + `INSERT INTO t SELECT value + 1, zeroblob(8000) FROM n`, words: "50000 are the most", v: "0"},
		"no data plane":       {unset: "MVSQLITE_DATA_PLANE", words: "MVSQLITE_DATA_PLANE is not set", v: "0"},
		"a changed page size": {sql: "PRAGMA page_size = 4096\nVACUUM", words: "page size can't be changed", v: "0"},
		"a write in WAL mode": {sql: "PRAGMA locking_mode = exclusive\nPRAGMA journal_mode = wal", words: "there is no WAL mode", v: "0"},
		"a function on a local database": {
			sql: "ATTACH ':memory:' AS m\nSELECT mv_last_known_version('m')", words: "not mvSQLite's", v: "0",
		},
		"a read after BUSY": {plan: "commit world 1 conflict", sql: "BEGIN\nUPDATE t SET v = 9\nCOMMIT\nSELECT v FROM u", words: "there must be a ROLLBACK", v: "0"},
	} {
		t.Run(name, func(t *testing.T) {
			m := storetest.OpenMvsim(t, "world")
			_, b := two(m)
			m.Plan(c.plan)
			if c.unset != "" {
				value := os.Getenv(c.unset)
				if err := os.Unsetenv(c.unset); err != nil {
					t.Fatal(err)
				}
				defer t.Setenv(c.unset, value)
			}
			cmd := childOf(m, c.sql, 0)
			if err := cmd.Wait(); err == nil || !strings.Contains(fmt.Sprint(cmd.Stderr), c.words) {
				t.Errorf("the process ended with %v\n%s", err, cmd.Stderr)
			}
			m.Plan()
			b.Want(`SELECT v FROM t WHERE k = 1`, c.v)
			b.Do(`UPDATE u SET v = 1`)
		})
	}
}
