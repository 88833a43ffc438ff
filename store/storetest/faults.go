package storetest

import (
	"database/sql/driver"
	"errors"
	"os"
	"sync"
	"testing"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// The calls of the file system that can be made to fail, as in testdata/faults.c.
const (
	FaultWrite = 1 << iota
	FaultSync
	FaultTruncate
	FaultRead
	FaultShm
	FaultOpen
)

// SQLite's codes that a file system answers with.
const (
	IOErrRead  = 10 | 1<<8
	IOErrWrite = 10 | 3<<8
	IOErrFsync = 10 | 4<<8
	DiskFull   = 13
)

// A FaultPlan lets calls on files fail whose names contain Path.
type FaultPlan struct {
	Path   string
	Ops    int  // the calls, such as FaultWrite|FaultSync
	Skip   int  // so many go well first
	Sticky bool // all after the first fail too
	Done   bool // the call does its work, and fails then
	Code   int
}

// Faults is the file system of this process, in which plans can be set, one at a time. It
// belongs to one goroutine.
type Faults struct {
	testing.TB
	conn *sqlite3.SQLiteConn
}

// faultsLibrary is the name in the environment of what CompileFaults has made.
const faultsLibrary = "FRAMEHUB_TEST_FAULTS"

// CompileFaults lets processes that the test starts call OpenFaults without a compiler's
// work in each.
func CompileFaults(tb testing.TB) {
	tb.Helper()
	library, err := Compile(tb.TempDir(), "faults")
	if err != nil {
		tb.Fatal("compile testdata/faults.c:", err)
	}
	tb.Setenv(faultsLibrary, library)
}

// faultsConn is the connection that has loaded the file system. It stays open.
var faultsConn = sync.OnceValues(func() (_ *sqlite3.SQLiteConn, err error) {
	library := os.Getenv(faultsLibrary)
	if library == "" {
		dir, err := os.MkdirTemp("", "framehub-faults")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }() // it is loaded by then
		if library, err = Compile(dir, "faults"); err != nil {
			return nil, err
		}
	}
	conn, err := (&sqlite3.SQLiteDriver{}).Open(":memory:")
	if err != nil {
		return nil, err
	}
	c := conn.(*sqlite3.SQLiteConn)
	return c, c.LoadExtension(library, "sqlite3_faults_init")
})

// OpenFaults makes the file system with faults the default one, from here on for all of the
// process; files that no plan names are as ever.
func OpenFaults(tb testing.TB) *Faults {
	tb.Helper()
	conn, err := faultsConn()
	if err != nil {
		tb.Fatal("load testdata/faults.c:", err)
	}
	f := &Faults{tb, conn}
	tb.Cleanup(func() { f.Clear() })
	return f
}

// Set sets a plan, and returns how often the last one made a call fail.
func (f *Faults) Set(p FaultPlan) int {
	f.Helper()
	rows, err := f.conn.Query(`SELECT faults(?, ?, ?, ?, ?, ?)`, []driver.Value{p.Path, int64(p.Ops), int64(p.Skip), p.Sticky, p.Done, int64(p.Code)})
	if err != nil {
		f.Fatal(err)
	}
	dest := make([]driver.Value, 1)
	if err := errors.Join(rows.Next(dest), rows.Close()); err != nil {
		f.Fatal(err)
	}
	return int(dest[0].(int64))
}

// Clear ends the plan, and returns how often it made a call fail.
func (f *Faults) Clear() int { f.Helper(); return f.Set(FaultPlan{Path: "none"}) }
