package storetest

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// VFS is the name of the file system that a Mvsim's databases are opened with.
const VFS = "mvsqlite"

// A Mvsim is a folder of namespaces, as testdata/mvsim.c has them: what behaves like an
// mvSQLite cluster. Databases of file:NAMESPACE?vfs=mvsqlite, opened by this process and
// by those that inherit its environment, are in it.
type Mvsim struct {
	testing.TB
	Dir string
}

var mvsimLibrary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "framehub-mvsim")
	if err != nil {
		return "", err
	}
	return Compile(dir, "mvsim", "-DMVSIM_EXTENSION", "-ldl")
})

// OpenMvsim makes an empty cluster with these namespaces. What other tests of this
// process open is not touched by it.
func OpenMvsim(tb testing.TB, namespaces ...string) *Mvsim {
	tb.Helper()
	library, err := mvsimLibrary()
	if err != nil {
		tb.Fatal("compile testdata/mvsim.c:", err)
	}
	m := &Mvsim{tb, tb.TempDir()}
	tb.Setenv("MVSIM_DIR", m.Dir)
	tb.Setenv("MVSIM_CREATE", "")
	tb.Setenv("MVSQLITE_DATA_PLANE", "http://127.0.0.1:7000")
	for _, ns := range namespaces {
		m.write(m.File(ns, ".mv"), "")
	}
	tb.Setenv("MVSIM_LIBRARY", library) // for processes that the test starts
	m.load(library)
	return m
}

// JoinMvsim is OpenMvsim for a process that a test has started, which then has the same
// namespaces.
func JoinMvsim(tb testing.TB) *Mvsim {
	tb.Helper()
	m := &Mvsim{tb, os.Getenv("MVSIM_DIR")}
	m.load(os.Getenv("MVSIM_LIBRARY"))
	return m
}

// load registers the file system.
func (m *Mvsim) load(library string) {
	m.Helper()
	conn, err := (&sqlite3.SQLiteDriver{}).Open(":memory:")
	if err != nil {
		m.Fatal(err)
	}
	err = conn.(*sqlite3.SQLiteConn).LoadExtension(library, "sqlite3_mvsim_init")
	if err := errors.Join(err, conn.Close()); err != nil {
		m.Fatal(err)
	}
}

// File returns the file that has something of a namespace: .mv what it holds, .stats
// what has been counted.
func (m *Mvsim) File(ns, suffix string) string {
	return filepath.Join(m.Dir, strings.ReplaceAll(ns, "/", "%2F")+suffix)
}

func (m *Mvsim) write(file, text string) {
	m.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		m.Fatal(err)
	}
}

// Plan replaces the faults that are to come, one a line (see testdata/mvsim.c), and
// returns those that were left of the last plan.
func (m *Mvsim) Plan(lines ...string) (left string) {
	m.Helper()
	lock, err := os.OpenFile(filepath.Join(m.Dir, "plan.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		m.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		m.Fatal(err)
	}
	file := filepath.Join(m.Dir, "plan")
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.Fatal(err)
	}
	m.write(file, strings.Join(append(lines, ""), "\n"))
	return string(text)
}

// Fired returns the faults that have come, one a line: EVENT NAMESPACE ACTION ARGUMENT.
func (m *Mvsim) Fired() []string {
	m.Helper()
	text, err := os.ReadFile(filepath.Join(m.Dir, "fired"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")[:bytes.Count(text, []byte("\n"))]
}

// Await waits until n faults have come: a call hangs from then on, where it is to.
func (m *Mvsim) Await(n int) {
	m.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for late := time.After(20 * time.Second); len(m.Fired()) < n; {
		select {
		case <-ticker.C:
		case <-late:
			m.Fatalf("%d faults have come after 20 s, not %d: %q", len(m.Fired()), n, m.Fired())
		}
	}
}

// Hang makes a file for plans that let calls hang, and what lets them go on.
func (m *Mvsim) Hang() (file string, resume func()) {
	m.Helper()
	f, err := os.CreateTemp(m.Dir, "hang")
	if err != nil {
		m.Fatal(err)
	}
	_ = f.Close()
	resume = func() { _ = os.Remove(f.Name()) }
	m.Cleanup(resume)
	return f.Name(), resume
}

// Stats counts what has happened to a namespace since it was made.
type Stats struct {
	Begins, Commits, Conflicts      uint64 // conflicts that no plan has made
	PagesWritten, PagesOfLastCommit uint64
	PagesFetched, PagesCached       uint64 // pages read: from the server; from the connection's own cache
}

// Stats returns what has been counted of a namespace.
func (m *Mvsim) Stats(ns string) (s Stats) {
	m.Helper()
	data, err := os.ReadFile(m.File(ns, ".stats"))
	if err != nil {
		m.Fatal(err)
	}
	if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, &s); err != nil {
		m.Fatal(err)
	}
	return s
}

// Open opens a database: a namespace, or NAMESPACE@VERSION.
func (m *Mvsim) Open(name string) *Conn {
	m.Helper()
	c := m.Connect(name)
	m.Cleanup(func() {
		if err := c.conn.Close(); err != nil {
			m.Error(err)
		}
	})
	return c
}

// Connect is Open for a connection that stays.
func (m *Mvsim) Connect(name string) *Conn {
	m.Helper()
	conn, err := (&sqlite3.SQLiteDriver{}).Open("file:" + name + "?vfs=mvsqlite")
	if err != nil {
		m.Fatal(err)
	}
	return &Conn{m, conn.(*sqlite3.SQLiteConn)}
}

// A Conn is a plain connection.
type Conn struct {
	*Mvsim
	conn *sqlite3.SQLiteConn
}

// Try runs SQL.
func (c *Conn) Try(sql string) error {
	_, err := c.conn.Exec(sql, nil)
	return err
}

// Do runs SQL, which must succeed.
func (c *Conn) Do(sql string) {
	c.Helper()
	if err := c.Try(sql); err != nil {
		c.Fatalf("%s: %v", sql, err)
	}
}

// Fails runs SQL that must end with the code, or the extended code.
func (c *Conn) Fails(code int, sql string) {
	c.Helper()
	var e sqlite3.Error
	if err := c.Try(sql); !errors.As(err, &e) || int(e.Code) != code && int(e.ExtendedCode) != code {
		c.Errorf("%s: %v (%d, extended %d), want code %d", sql, err, e.Code, e.ExtendedCode, code)
	}
}

// Get returns the first value of a query, as text.
func (c *Conn) Get(sql string) string {
	c.Helper()
	rows, err := c.conn.Query(sql, nil)
	if err != nil {
		c.Fatalf("%s: %v", sql, err)
	}
	dest := make([]driver.Value, len(rows.Columns()))
	if err := errors.Join(rows.Next(dest), rows.Close()); err != nil {
		c.Fatalf("%s: %v", sql, err)
	}
	if b, ok := dest[0].([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(dest[0])
}

// Want wants a query's first value to be so.
func (c *Conn) Want(sql, want string) {
	c.Helper()
	if got := c.Get(sql); got != want {
		c.Errorf("%s: %s, want %s", sql, got, want)
	}
}
