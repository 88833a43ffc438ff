package storetest

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// VFS is the name of the file system that an Mvsim is opened with.
const VFS = "mvsqlite"

// An Mvsim is a folder of namespaces, which store/testdata/mvsim.c serves in this process
// as mvSQLite would.
type Mvsim struct {
	testing.TB
	Dir string
}

var mvsimLibrary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "framehub-mvsim")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it stays loaded
	library, err := Compile(dir, "mvsim", "-DMVSIM_EXTENSION")
	if err != nil {
		return "", err
	}
	conn, err := (&sqlite3.SQLiteDriver{}).Open(":memory:")
	if err != nil {
		return "", err
	}
	return library, errors.Join(conn.(*sqlite3.SQLiteConn).LoadExtension(library, "sqlite3_mvsim_init"), conn.Close())
})

// OpenMvsim begins with an empty folder, in which namespaces are made on demand. There is
// one at a time in a process.
func OpenMvsim(tb testing.TB) *Mvsim {
	tb.Helper()
	if _, err := mvsimLibrary(); err != nil {
		tb.Fatal(err)
	}
	s := &Mvsim{tb, tb.TempDir()}
	for key, value := range map[string]string{"MVSIM_DIR": s.Dir, "MVSIM_CREATE": "1", "MVSQLITE_DATA_PLANE": "http://127.0.0.1:7000"} {
		tb.Setenv(key, value)
	}
	return s
}

// Plan sets what goes wrong, in lines as mvsim.c has them; without lines nothing does.
func (s *Mvsim) Plan(lines ...string) {
	s.Helper()
	file := filepath.Join(s.Dir, "plan")
	if err := os.WriteFile(file+".new", []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		s.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		s.Fatal(err)
	}
}

// Counts is what has been counted of a namespace since its folder was made.
type Counts struct {
	Begins, Reads, Commits  uint64 // calls; commits of what has written something
	PagesRead, PagesWritten uint64
	LastPages               uint64 // pages that the last commit wrote
}

// Counts returns what has been counted of a namespace.
func (s *Mvsim) Counts(namespace string) Counts {
	s.Helper()
	const name, size = 120, 120 + 6*8
	b, err := os.ReadFile(filepath.Join(s.Dir, "stats"))
	if err != nil {
		s.Fatal(err)
	}
	for ; len(b) >= size; b = b[size:] {
		if strings.TrimRight(string(b[:name]), "\x00") == namespace {
			n := func(i int) uint64 { return binary.NativeEndian.Uint64(b[name+8*i:]) }
			return Counts{n(0), n(1), n(2), n(3), n(4), n(5)}
		}
	}
	return Counts{}
}

// A Conn is another program's connection to a namespace.
type Conn struct {
	testing.TB
	conn *sqlite3.SQLiteConn
}

// Connect opens a connection, until the test ends.
func (s *Mvsim) Connect(namespace string) *Conn {
	s.Helper()
	conn, err := (&sqlite3.SQLiteDriver{}).Open("file:" + namespace + "?vfs=" + VFS)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := conn.Close(); err != nil {
			s.Error(err)
		}
	})
	return &Conn{s.TB, conn.(*sqlite3.SQLiteConn)}
}

// Try runs statements.
func (c *Conn) Try(query string) error {
	_, err := c.conn.ExecContext(context.Background(), query, nil)
	return err
}

// Do runs statements, which must succeed.
func (c *Conn) Do(query string) {
	c.Helper()
	if err := c.Try(query); err != nil {
		c.Fatalf("%s: %v", query, err)
	}
}

// Want wants a query's rows, as SQLite's shell prints them.
func (c *Conn) Want(query, want string) {
	c.Helper()
	rows, err := c.conn.QueryContext(context.Background(), query, nil)
	if err != nil {
		c.Fatalf("%s: %v", query, err)
	}
	var lines []string
	dest := make([]driver.Value, len(rows.Columns()))
	for rows.Next(dest) == nil {
		lines = append(lines, strings.ReplaceAll(strings.Trim(fmt.Sprint(dest), "[]"), " ", "|"))
	}
	if err := rows.Close(); err != nil {
		c.Fatal(err)
	}
	if got := strings.Join(lines, "\n"); got != want {
		c.Errorf("%s is\n%s\nnot\n%s", query, got, want)
	}
}
