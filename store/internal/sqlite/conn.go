// Package sqlite is the part of SQLite that the store's hot path uses beside
// the driver: prepared statements that run a whole block of rows in one call, a
// capture of what transactions change, and a few switches. Everything else goes
// through the driver's own connection, which this package opens.
//
// A Conn and what belongs to it is used by one goroutine at a time.
//
// Start reading at [Open], then [Stmts].Write and [Capture].
package sqlite

/*
#cgo CFLAGS: -std=gnu11 -O2 -Wall -Wextra
#cgo LDFLAGS: -lm
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"unsafe"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// A Conn is one connection to a database.
type Conn struct {
	driver *sqlite3.SQLiteConn
	db     *C.sqlite3
	stmts  map[*Stmt]struct{} // open ones; Close finalizes them
	cells  C.fh_buf           // rows on their way to Go
	text   C.fh_buf
	auth   *C.fh_authority // nil: everything is allowed
	wal    *C.int          // pages in the WAL, written by SQLite; nil: not watched
}

// Open opens a database by the driver's DSN, without the connection mutex.
func Open(dsn string) (*Conn, error) {
	dc, err := (&sqlite3.SQLiteDriver{}).Open(dsn)
	if err != nil {
		return nil, err
	}
	conn := dc.(*sqlite3.SQLiteConn)
	// The driver offers no way to its handle. The field has had this name and
	// type since its first release; if that changes, this says so at once.
	field := reflect.ValueOf(conn).Elem().FieldByName("db")
	if field.Kind() != reflect.Pointer || field.IsNil() {
		return nil, errors.Join(errors.New("go-sqlite3 has changed: SQLiteConn has no pointer field db"), conn.Close())
	}
	return &Conn{driver: conn, db: (*C.sqlite3)(field.UnsafePointer()), stmts: map[*Stmt]struct{}{}}, nil
}

// Version returns SQLite's version, and the same as a number: 3.49.1 is 3049001.
func Version() (string, int) {
	version, number, _ := sqlite3.Version()
	return version, number
}

// Close finalizes every statement and closes the connection.
func (c *Conn) Close() error {
	for s := range c.stmts {
		s.Close()
	}
	C.fh_buf_free(&c.cells)
	C.fh_buf_free(&c.text)
	err := c.driver.Close()
	C.free(unsafe.Pointer(c.wal))
	if c.auth != nil {
		C.free(unsafe.Pointer(c.auth.left_out))
		C.fh_buf_free(&c.auth.accesses)
		C.free(unsafe.Pointer(c.auth))
	}
	c.wal, c.auth = nil, nil
	return err
}

// Exec runs one or more statements.
func (c *Conn) Exec(query string, args ...driver.Value) error {
	_, err := c.driver.Exec(query, args)
	return err
}

// Query runs a query and calls row with each row's values, which are int64,
// float64, string, []byte, bool, time.Time or nil; dest is reused.
func (c *Conn) Query(query string, args []driver.Value, row func(dest []driver.Value) error) (err error) {
	rows, err := c.driver.Query(query, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	dest := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(dest); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := row(dest); err != nil {
			return err
		}
	}
}

// AutoCommit says whether no transaction is open.
func (c *Conn) AutoCommit() bool { return c.driver.AutoCommit() }

// SetBusyTimeout sets how long a statement waits for a lock that another
// connection holds, in milliseconds.
func (c *Conn) SetBusyTimeout(ms int) { C.fh_busy_timeout(c.db, C.int(ms)) }

// The switches of [Conn.Config] (sqlite3.h, SQLITE_DBCONFIG_…).
const (
	EnableForeignKeys = 1002
	EnableTriggers    = 1003
)

// Config sets a switch of the connection.
func (c *Conn) Config(op int, on bool) error {
	value := C.int(0)
	if on {
		value = 1
	}
	return c.result(C.fh_config(c.db, C.int(op), value))
}

// DeferredForeignKeys says whether a deferred foreign key is unresolved, so
// that COMMIT would refuse.
func (c *Conn) DeferredForeignKeys() bool { return C.fh_deferred_fks(c.db) != 0 }

// LeaveOut makes nothing of what triggers would insert into a table, on this
// connection: the statement is not even compiled. What is inserted otherwise is.
func (c *Conn) LeaveOut(table string) {
	C.free(unsafe.Pointer(c.authority().left_out))
	c.authority().left_out = C.CString(table)
}

// ForbidTransactions makes it an error (SQLITE_AUTH) to begin or end a transaction,
// until it is allowed again.
func (c *Conn) ForbidTransactions(forbid bool) {
	c.authority().no_transactions = 0
	if forbid {
		c.authority().no_transactions = 1
	}
}

// authority returns what the connection's authorizer goes by.
func (c *Conn) authority() *C.fh_authority {
	if c.auth == nil {
		c.auth = (*C.fh_authority)(C.calloc(1, C.sizeof_fh_authority))
		C.fh_authorize(c.db, c.auth)
	}
	return c.auth
}

// WatchWAL begins to keep what [Conn.WALPages] returns. It is for after the
// pragmas: wal_autocheckpoint ends it.
func (c *Conn) WatchWAL() {
	if c.wal == nil {
		c.wal = (*C.int)(C.calloc(1, C.sizeof_int))
		C.fh_watch_wal(c.db, c.wal)
	}
}

// WALPages returns the WAL's length, in pages, at this connection's last commit.
// The file does not shrink when the WAL begins anew; this does.
func (c *Conn) WALPages() int { return int(*c.wal) }

// The modes of [Conn.Checkpoint].
const (
	Passive  = 0 // waits for nobody
	Truncate = 3 // waits for readers and writers, and then begins the WAL anew
)

// Checkpoint copies the WAL into the database. It returns the number of frames
// in the WAL and how many of them are in the database now.
func (c *Conn) Checkpoint(mode int) (log, done int, err error) {
	var l, d C.int
	err = c.result(C.fh_checkpoint(c.db, C.int(mode), &l, &d))
	return int(l), int(d), err
}

// result turns a result code into an error with SQLite's own words. The
// connection's last error is the one rc tells of.
func (c *Conn) result(rc C.int) error {
	if rc == 0 {
		return nil
	}
	rc = C.fh_extended(c.db, rc)
	return Error{Code: int(rc) & 0xff, Extended: int(rc), Text: C.GoString(C.fh_errmsg(c.db)), Greedy: rc&0xff == 9 && c.auth != nil && c.auth.greedy != 0}
}

// An Error is a result code of SQLite's, with its words.
type Error struct {
	Code     int // primary result code
	Extended int
	Text     string
	Greedy   bool // it was interrupted for the memory that it took
}

// Error returns SQLite's words and its code.
func (e Error) Error() string { return fmt.Sprintf("%s (SQLite %d)", e.Text, e.Extended) }

// Greedy says whether an error is that a restricted statement took too much memory.
func Greedy(err error) bool {
	e, ok := errors.AsType[Error](err)
	return ok && e.Greedy
}

// CodeOf returns the extended result code of an error from SQLite, 0 for any
// other.
func CodeOf(err error) int {
	if e, ok := errors.AsType[Error](err); ok {
		return e.Extended
	}
	if e, ok := errors.AsType[sqlite3.Error](err); ok {
		return int(e.ExtendedCode)
	}
	return 0
}

// cString returns a C copy of s with its length, for the caller to free.
func cString(s string) (*C.char, C.int) { return C.CString(s), C.int(len(s)) }

func free(p *C.char) { C.free(unsafe.Pointer(p)) }
