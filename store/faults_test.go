package store_test

import (
	sqldriver "database/sql/driver"
	"errors"
	"sync"
	"testing"

	driver "github.com/mattn/go-sqlite3"

	"framehub/store/storetest"
)

// The calls of the file system that can be made to fail, as in testdata/faults.c.
const (
	faultWrite = 1 << iota
	faultSync
	faultTruncate
	faultRead
	faultShm
	faultOpen
)

// SQLite's codes that a file system answers with.
const (
	ioErrRead  = 10 | 1<<8
	ioErrWrite = 10 | 3<<8
	ioErrFsync = 10 | 4<<8
	diskFull   = 13
)

// A faultPlan lets calls on files fail whose names contain path.
type faultPlan struct {
	path   string
	ops    int
	skip   int  // so many go well first
	sticky bool // all after the first fail too
	done   bool // the call does its work, and fails then
	code   int
}

// faults makes the file system of the tests, in which plans can be set.
type faults struct {
	testing.TB
	conn *driver.SQLiteConn
}

var faultLibrary = sync.OnceValues(func() (string, error) { return storetest.Compile(faultDir, "faults") })

// openFaults makes the file system with faults the default one, from here on for
// all tests; files that no plan names are as ever.
func openFaults(tb testing.TB) *faults {
	tb.Helper()
	library, err := faultLibrary()
	if err != nil {
		tb.Fatal("compile testdata/faults.c:", err)
	}
	conn, err := (&driver.SQLiteDriver{}).Open(":memory:")
	if err != nil {
		tb.Fatal(err)
	}
	f := &faults{tb, conn.(*driver.SQLiteConn)}
	if err := f.conn.LoadExtension(library, "sqlite3_faults_init"); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		f.clear()
		if err := f.conn.Close(); err != nil {
			tb.Error(err)
		}
	})
	return f
}

// set sets a plan, and returns how often the last one made a call fail.
func (f *faults) set(p faultPlan) int {
	f.Helper()
	rows, err := f.conn.Query(`SELECT faults(?, ?, ?, ?, ?, ?)`, []sqldriver.Value{p.path, int64(p.ops), int64(p.skip), p.sticky, p.done, int64(p.code)})
	if err != nil {
		f.Fatal(err)
	}
	dest := make([]sqldriver.Value, 1)
	if err := errors.Join(rows.Next(dest), rows.Close()); err != nil {
		f.Fatal(err)
	}
	return int(dest[0].(int64))
}

func (f *faults) clear() int { f.Helper(); return f.set(faultPlan{path: "none"}) }
