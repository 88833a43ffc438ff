package sqlite

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"errors"
	"unsafe"

	"framehub/session/wire"
)

// A CaptureTable tells the capture what to record of a table.
type CaptureTable struct {
	Name  string
	CIDs  []int  // SQLite's index of each column to record, key columns first
	Real  []bool // whether a column has REAL affinity: SQL then reads an integer as REAL
	Key   int    // number of key columns; 0: the rowid is the key
	Scope int    // the recorded column whose value before is wanted, or -1

	Ignore bool // nothing is recorded of this table
}

// A Capture records what a connection changes in its main database, by
// statement, trigger, cascade or REPLACE, as SQLite stores it (the preupdate
// hook of SQLite's session extension).
type Capture struct {
	c      *C.fh_capture
	tables int
	values []wire.Value
}

// A Mark is a place in the record, to go back to when a savepoint is rolled back.
type Mark struct{ changes, text C.size_t }

// ChangeKind says what happened to a row.
type ChangeKind uint8

// The kinds.
const (
	Inserted ChangeKind = 1 + iota
	Updated
	Deleted
)

// A Change is one row's change as recorded. Its slices are good until the next
// one is read.
type Change struct {
	Table  int // index of the table
	Kind   ChangeKind
	RowID  int64
	Mask   uint64       // Updated: bit i: recorded column i changed; bit 63: any from 63 on
	Scope  wire.Value   // Updated, Deleted: the scope column's value before
	Values []wire.Value // Inserted, Updated: every recorded column; Deleted: the key
}

// Capture starts recording on c. A change to a table that is not in tables is
// not recorded, and makes [Capture.Each] fail.
func (c *Conn) Capture(tables []CaptureTable) (*Capture, error) {
	if C.fh_can_capture() == 0 {
		return nil, errors.New("this program was built without SQLite's preupdate hook: build it with -tags sqlite_preupdate_hook, as the Makefile does")
	}
	cc := (*C.fh_capture)(C.calloc(1, C.sizeof_fh_capture))
	cc.db = c.db
	capture := &Capture{c: cc, tables: len(tables)}
	if len(tables) > 0 {
		cc.tables = (*C.fh_table)(C.calloc(C.size_t(len(tables)), C.sizeof_fh_table))
		cc.ntables = C.int(len(tables))
		for i, t := range tables {
			fillTable(&unsafe.Slice(cc.tables, len(tables))[i], t)
		}
	}
	C.fh_capture_set(cc, 1)
	return capture, nil
}

func fillTable(to *C.fh_table, t CaptureTable) {
	to.name = C.CString(t.Name)
	to.ncol = C.int(len(t.CIDs))
	to.nkey = C.int(t.Key)
	to.scope = C.int(t.Scope)
	if t.Ignore {
		to.ignore = 1
	}
	n := C.size_t(max(len(t.CIDs), 1))
	cid := (*C.int)(C.calloc(n, C.sizeof_int))
	real := (*C.uint8_t)(C.calloc(n, 1))
	for i, c := range t.CIDs {
		unsafe.Slice(cid, len(t.CIDs))[i] = C.int(c)
		if t.Real[i] {
			unsafe.Slice(real, len(t.CIDs))[i] = 1
		}
	}
	to.cid, to.real = cid, real
}

// Close stops recording and frees the record.
func (p *Capture) Close() {
	if p.c == nil {
		return
	}
	C.fh_capture_set(p.c, 0)
	for _, t := range unsafe.Slice(p.c.tables, p.tables) {
		C.free(unsafe.Pointer(t.name))
		C.free(unsafe.Pointer(t.cid))
		C.free(unsafe.Pointer(t.real))
	}
	C.free(unsafe.Pointer(p.c.tables))
	C.fh_buf_free(&p.c.changes)
	C.fh_buf_free(&p.c.text)
	C.free(unsafe.Pointer(p.c))
	p.c = nil
}

// Pause and Resume switch recording off and on.
func (p *Capture) Pause() { C.fh_capture_set(p.c, 0) }

// Resume switches recording on again.
func (p *Capture) Resume() { C.fh_capture_set(p.c, 1) }

// Mark returns the present end of the record.
func (p *Capture) Mark() Mark { return Mark{p.c.changes.len, p.c.text.len} }

// Rewind forgets everything after m.
func (p *Capture) Rewind(m Mark) {
	p.c.changes.len, p.c.text.len, p.c.unknown = m.changes, m.text, 0
	p.c.suspect = 0
	p.c.changes.failed, p.c.text.failed = 0, 0
}

// Suspect says whether a NULL in a key, an infinity or a text that is not UTF-8
// has been recorded since the last Rewind.
func (p *Capture) Suspect() bool { return p.c.suspect != 0 }

// Unknown says whether a change to a table that the capture was not told of has
// been seen since the last Rewind.
func (p *Capture) Unknown() bool { return p.c.unknown != 0 }

// Size returns the bytes recorded after m.
func (p *Capture) Size(m Mark) int {
	return int(p.c.changes.len-m.changes) + int(p.c.text.len-m.text)
}

// ErrUnknownTable is a change to a table that the capture was not told of.
var ErrUnknownTable = errors.New("a table changed that was not there when the schema was read")

// Each calls f with every change after m, in order.
func (p *Capture) Each(m Mark, f func(*Change)) error {
	if p.c.changes.failed != 0 || p.c.text.failed != 0 {
		return errors.New("out of memory while recording changes")
	}
	if p.c.unknown != 0 {
		return ErrUnknownTable
	}
	// One copy of all texts, that every value points into.
	base := int(m.text)
	var text string
	if p.c.text.len > m.text {
		text = textOf(&p.c.text, base)
	}
	buf := unsafe.Slice((*byte)(p.c.changes.data), int(p.c.changes.len))
	var ch Change
	for at := int(m.changes); at < len(buf); {
		at = p.decode(buf, at, text, base, &ch)
		f(&ch)
	}
	return nil
}

func (p *Capture) decode(buf []byte, at int, text string, base int, ch *Change) int {
	head := (*C.fh_change)(unsafe.Pointer(&buf[at]))
	at += int(C.sizeof_fh_change)
	n := int(head.cells)
	cells := unsafe.Slice((*wire.Cell)(unsafe.Add(unsafe.Pointer(head), C.sizeof_fh_change)), n) // none at the end of buf, maybe
	at += n * int(C.sizeof_fh_cell)
	p.values = wire.AppendCells(p.values[:0], cells, text, base)
	*ch = Change{
		Table: int(head.table), Kind: ChangeKind(head.op), RowID: int64(head.rowid),
		Mask: uint64(head.mask), Values: p.values,
	}
	if head.has_scope != 0 {
		ch.Scope, ch.Values = p.values[0], p.values[1:]
	}
	return at
}
