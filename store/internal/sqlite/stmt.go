package sqlite

// #include "bridge.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"framehub/session/wire"
)

// A Stmt is a prepared statement.
type Stmt struct {
	conn *Conn
	s    *C.sqlite3_stmt
}

// Prepare compiles one statement.
func (c *Conn) Prepare(query string) (*Stmt, error) {
	sql, n := cString(query)
	defer free(sql)
	s := &Stmt{conn: c}
	if err := c.result(C.fh_prepare(c.db, sql, n, &s.s)); err != nil {
		return nil, fmt.Errorf("prepare %.200s: %w", query, err)
	}
	c.stmts[s] = struct{}{}
	return s, nil
}

// Close finalizes the statement; closing it again does nothing.
func (s *Stmt) Close() {
	if s.s != nil {
		C.fh_finalize(s.s)
		delete(s.conn.stmts, s)
		s.s = nil
	}
}

// Run runs a statement that takes no parameters, to its end.
func (s *Stmt) Run() error { return s.conn.result(C.fh_step_reset(s.s)) }

// RunWith binds args to the parameters from 1 and runs the statement to its end.
func (s *Stmt) RunWith(args ...wire.Value) error {
	if err := s.Bind(args...); err != nil {
		return err
	}
	return s.Run()
}

// RunWithBlob binds args to the parameters from 1 and blob, which is not copied,
// to the one after them, and runs the statement to its end.
func (s *Stmt) RunWithBlob(blob []byte, args ...wire.Value) error {
	if len(blob) > math.MaxInt32 {
		return fmt.Errorf("a blob of %d bytes is too large for SQLite", len(blob))
	}
	if err := s.Bind(args...); err != nil {
		return err
	}
	return s.conn.result(C.fh_run_blob(s.s, C.int(len(args)+1), bytePtr(blob), C.int(len(blob))))
}

// Bind binds copies of args to the parameters from 1.
func (s *Stmt) Bind(args ...wire.Value) error {
	cells, data := wire.Flatten(nil, nil, args)
	return s.conn.result(C.fh_bind(s.s, cellPtr(cells), C.int(len(cells)), bytePtr(data)))
}

// Fetch steps the statement and appends the rows' values to dst, until there
// are most rows or about bytes of text, or the statement is done, which resets
// it. Texts are copied.
func (s *Stmt) Fetch(dst []wire.Value, most, bytes int) (_ []wire.Value, done bool, err error) {
	return s.fetch(dst, most, bytes, 0)
}

// ErrTooMuch is more text than FetchWithin was to copy.
var ErrTooMuch = errors.New("the statement returns more than it may")

// FetchWithin does as Fetch, but ends with ErrTooMuch before it copies more than bytes.
func (s *Stmt) FetchWithin(dst []wire.Value, most, bytes int) (_ []wire.Value, done bool, err error) {
	return s.fetch(dst, most, max(1, bytes), max(1, bytes))
}

func (s *Stmt) fetch(dst []wire.Value, most, bytes, limit int) (_ []wire.Value, done bool, err error) {
	c := s.conn
	var rows C.int
	rc := C.fh_fetch(s.s, C.int(most), C.size_t(bytes), C.size_t(limit), &c.cells, &c.text, &rows)
	switch rc {
	case C.FH_ROW, C.FH_DONE:
	case C.FH_TOO_MUCH:
		return dst, true, ErrTooMuch
	default:
		return dst, true, c.result(rc)
	}
	n := int(c.cells.len) / int(unsafe.Sizeof(C.fh_cell{}))
	cells := unsafe.Slice((*wire.Cell)(unsafe.Pointer(c.cells.data)), n)
	return wire.AppendCells(dst, cells, textOf(&c.text, 0), 0), rc == C.FH_DONE, nil
}

// Reset ends a statement that Fetch has not brought to its end.
func (s *Stmt) Reset() { C.fh_reset(s.s) }

// textOf copies a buffer's bytes from on into a string.
func textOf(b *C.fh_buf, from int) string {
	return string(unsafe.Slice((*byte)(b.data), int(b.len))[from:])
}

// Stmts are the statements that an op on one set of a table's columns runs.
// Parameter i is the block's column i, from 1; those that an op has no use for
// may be nil.
type Stmts struct {
	Update *Stmt // sets the columns where the key is; nil for a block of key columns only
	Insert *Stmt
	Delete *Stmt
	Select *Stmt // the columns beside the key, where the key is; a constant when there are none

	Triggers bool // the table has triggers: an update that changes no row may be one's doing
}

// Outcomes of [Stmts.Write] that are not SQLite's.
const (
	Missing  = C.FH_MISSING
	Conflict = C.FH_CONFLICT
	BadType  = C.FH_TYPE
	Overflow = C.FH_OVERFLOW
	Exists   = C.FH_EXISTS
)

// Write runs an op on a block's rows, in order, and stops at the first that
// fails: row says which, code is SQLite's extended result code or one of the
// outcomes above, 0 when every row went well. The block's first key columns
// must be the table's key. It returns SQLite's words in err for its own codes.
func (c *Conn) Write(op wire.OpKind, s *Stmts, b *wire.Block, key int) (row, code int, err error) {
	cs := C.fh_stmts{update: s.Update.handle(), insert: s.Insert.handle(), erase: s.Delete.handle(), select_: s.Select.handle()}
	if s.Triggers {
		cs.triggers = 1
	}
	var at C.int
	rc := C.fh_write(c.db, C.int(op), &cs, (*C.fh_col)(unsafe.Pointer(unsafe.SliceData(b.Cols))),
		C.int(len(b.Cols)), C.int(key), C.int(b.N), bytePtr(b.Data), cellPtr(b.Cells), &at)
	if rc == 0 {
		return 0, 0, nil
	}
	if rc >= C.FH_MISSING {
		return int(at), int(rc), nil
	}
	return int(at), int(rc), c.result(rc)
}

// Read finds rows of a block by the key, which is its first columns, and calls f
// with each: whether it is there, and what s.Select reads of it, in a slice that
// is used again.
func (c *Conn) Read(s *Stmts, b *wire.Block, key int, rows []int32, f func(i int, found bool, values []wire.Value)) error {
	rc := C.fh_read(c.db, s.Select.handle(), (*C.fh_col)(unsafe.Pointer(unsafe.SliceData(b.Cols))), C.int(key),
		bytePtr(b.Data), cellPtr(b.Cells), (*C.int32_t)(unsafe.Pointer(unsafe.SliceData(rows))), C.int(len(rows)), &c.cells, &c.text)
	if rc != 0 {
		return c.result(rc)
	}
	n := int(c.cells.len) / int(unsafe.Sizeof(C.fh_cell{}))
	cells := unsafe.Slice((*wire.Cell)(unsafe.Pointer(c.cells.data)), n)
	width := n / len(rows)
	text := textOf(&c.text, 0)
	var values []wire.Value
	for i := range rows {
		row := cells[i*width : (i+1)*width]
		values = wire.AppendCells(values[:0], row[1:], text, 0)
		f(i, row[0].Num == 1, values)
	}
	return nil
}

func (s *Stmt) handle() *C.sqlite3_stmt {
	if s == nil {
		return nil
	}
	return s.s
}

func cellPtr(cells []wire.Cell) *C.fh_cell {
	return (*C.fh_cell)(unsafe.Pointer(unsafe.SliceData(cells)))
}

func bytePtr[T ~byte](b []T) *C.uint8_t {
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(b)))
}

// Changes is RunWith that returns how many rows it changed.
func (s *Stmt) Changes(args ...wire.Value) (int, error) {
	if err := s.RunWith(args...); err != nil {
		return 0, err
	}
	return int(C.fh_changes(s.conn.db)), nil
}
