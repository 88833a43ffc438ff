package sqlite

// #include "bridge.h"
import "C"

import (
	"bytes"
	"fmt"
	"time"
	"unsafe"
)

// An Action is what a restricted statement does to a table (sqlite3.h, the
// authorizer's action codes).
type Action uint8

// The actions.
const (
	ActionDelete Action = 9
	ActionInsert Action = 18
	ActionRead   Action = 20
	ActionUpdate Action = 23
)

// An Access is what a restricted statement does to a table.
type Access struct {
	Action Action
	Table  string // "": that it selects something
}

// Restrict lets statements that are prepared from now on only read and write tables,
// which Accesses then tells, and interrupts those that run after so long, or take more
// memory than 128 MiB (SQLITE_INTERRUPT). A statement that may not be is SQLITE_AUTH.
func (c *Conn) Restrict(within time.Duration) {
	C.fh_restrict(c.db, c.authority(), C.int64_t(max(1, within)))
}

// Deadline interrupts statements that run after so long (SQLITE_INTERRUPT), until Free.
func (c *Conn) Deadline(within time.Duration) {
	C.fh_deadline(c.db, c.authority(), C.int64_t(max(1, within)))
}

// Interrupt interrupts the statements that run now (SQLITE_INTERRUPT). Other goroutines
// than the connection's may call it, while that is open.
func (c *Conn) Interrupt() { C.fh_interrupt(c.db) }

// Free ends what Restrict or Deadline began, and gives back the room that large rows took.
func (c *Conn) Free() {
	C.fh_restrict(c.db, c.authority(), 0)
	const most = 1 << 20
	for _, b := range []*C.fh_buf{&c.cells, &c.text} {
		if b.cap > most {
			C.fh_buf_free(b)
		}
	}
}

// Accesses returns what the statements do that were prepared since Restrict. None: it
// is something that SQLite asks about no earlier than when it runs, VACUUM for one.
func (c *Conn) Accesses() (all []Access) {
	buf := &c.authority().accesses
	for rest := unsafe.Slice((*byte)(buf.data), int(buf.len)); len(rest) > 0; {
		end := bytes.IndexByte(rest[1:], 0)
		all = append(all, Access{Action(rest[0]), string(rest[1 : 1+end])})
		rest = rest[1+end+1:]
	}
	return all
}

// PrepareOne compiles the first statement of a text, and returns what follows it.
// The statement is nil where there is none.
func (c *Conn) PrepareOne(text string) (_ *Stmt, rest string, err error) {
	sql, n := cString(text)
	defer free(sql)
	s := &Stmt{conn: c}
	var at C.int
	if err := c.result(C.fh_prepare_one(c.db, sql, n, &s.s, &at)); err != nil {
		return nil, "", fmt.Errorf("prepare: %w", err)
	}
	if s.s == nil {
		return nil, text[int(at):], nil
	}
	c.stmts[s] = struct{}{}
	return s, text[int(at):], nil
}

// ReadOnly says whether the statement writes nothing.
func (s *Stmt) ReadOnly() bool { return C.fh_readonly(s.s) != 0 }

// Parameters returns the number of the statement's parameters.
func (s *Stmt) Parameters() int { return int(C.fh_parameters(s.s)) }

// Columns returns the names of the columns that it returns.
func (s *Stmt) Columns() []string {
	names := make([]string, int(C.fh_columns(s.s)))
	for i := range names {
		names[i] = C.GoString(C.fh_column_name(s.s, C.int(i)))
	}
	return names
}
