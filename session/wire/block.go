package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Form is how a column's values lie in a block.
type Form uint8

// The forms. All but Cells are RFC 8746 typed arrays, little endian. The
// numbers are shared with the C side of the store's SQLite binding.
const (
	Cells Form = iota // a plain CBOR array: TEXT, BLOB, NULL and mixed types
	Uint8
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Int64
	Float32
	Float64
)

// forms has each typed array's CBOR tag and the bytes an element takes.
var forms = [...]struct {
	tag  byte
	size int
}{
	Uint8: {64, 1}, Int8: {72, 1}, Uint16: {69, 2}, Int16: {77, 2},
	Uint32: {70, 4}, Int32: {78, 4}, Int64: {79, 8}, Float32: {85, 4}, Float64: {86, 8},
}

var formOfTag = func() (m [256]Form) {
	for f := Uint8; f <= Float64; f++ {
		m[forms[f].tag] = f
	}
	return m
}()

// Size returns the bytes that an element of a typed array takes, 0 for Cells.
func (f Form) Size() int { return forms[f].size }

// A Cell is one value of a plain array, laid out so that C reads it too: Num is
// an INTEGER, the bits of a REAL, or the offset of TEXT and BLOB bytes in the
// message, of which there are Len.
type Cell struct {
	Kind Kind
	Len  uint32
	Num  uint64
}

func (c Cell) value(data []byte) Value {
	if c.Kind == Text || c.Kind == Blob {
		return Value{kind: c.Kind, str: view(data[c.Num : c.Num+uint64(c.Len)])}
	}
	return Value{kind: c.Kind, num: c.Num}
}

// A Column of a [Block]. At is where its values start: in the block's Data for
// a typed array, in the block's Cells for a plain one.
type Column struct {
	Form Form
	At   int
}

// A Block holds rows of one table that carry the same columns, as decoded from
// a message: the values stay where they came, and Value reads them. It keeps
// the message alive and must not outlive a change to it.
type Block struct {
	Table   int
	Columns []int // column numbers, key columns first
	N       int   // rows
	Cols    []Column
	Cells   []Cell
	Data    []byte // the message
}

// DecodeBlock reads a block of at most maxRows rows that stands alone, as the
// hub keeps them.
func DecodeBlock(data []byte, maxRows int) (Block, error) {
	r := reader{buf: data}
	b, err := r.block()
	switch {
	case err != nil:
		return Block{}, err
	case r.left() > 0:
		return Block{}, protocolErrorf("%d bytes follow the block", r.left())
	case b.N > maxRows:
		return Block{}, &Error{CloseTooLarge, fmt.Sprintf("a block has %d rows, the most is %d", b.N, maxRows)}
	}
	return b, nil
}

// block reads a block. It has a column at least, and a value takes a byte at
// least, so that its rows are bounded by the message.
func (r *reader) block() (Block, error) {
	b := Block{Data: r.buf}
	columns, err := r.blockHead(&b)
	if err != nil {
		return Block{}, err
	}
	b.Cols = make([]Column, len(b.Columns))
	for i := range b.Cols {
		if err := r.column(&b, i); err != nil {
			return Block{}, err
		}
	}
	for range columns - len(b.Columns) { // elements that a later version adds
		if err := r.skip(); err != nil {
			return Block{}, err
		}
	}
	return b, nil
}

// blockHead reads what stands before the columns, and returns how many elements
// follow: a column each at least.
func (r *reader) blockHead(b *Block) (columns int, err error) {
	if len(r.buf) > math.MaxInt32 { // what a Cell can point into
		return 0, &Error{CloseTooLarge, "a message with a block is larger than 2 GiB"}
	}
	n, err := r.array("a block")
	if err != nil {
		return 0, err
	}
	if n < 3 {
		return 0, protocolErrorf("a block is [table, columns, n, column…], not an array of %d", n)
	}
	table, err := r.uint("a block's table", math.MaxInt32)
	if err != nil {
		return 0, err
	}
	if b.Columns, err = r.columnNumbers(); err != nil {
		return 0, err
	}
	rows, err := r.uint("a block's number of rows", math.MaxInt32)
	switch {
	case err != nil:
		return 0, err
	case n-3 < len(b.Columns):
		return 0, protocolErrorf("a block names %d columns and holds %d", len(b.Columns), n-3)
	}
	b.Table, b.N = int(table), int(rows)
	return n - 3, nil
}

func (r *reader) columnNumbers() ([]int, error) {
	n, err := r.array("a block's columns")
	if err != nil {
		return nil, err
	}
	if n == 0 || n > MaxColumns {
		return nil, protocolErrorf("a block names %d columns, it must be 1 to %d", n, MaxColumns)
	}
	columns := make([]int, n)
	var seen [(MaxColumns + 63) / 64]uint64
	for i := range columns {
		c, err := r.uint("a column number", MaxColumns-1)
		if err != nil {
			return nil, err
		}
		if seen[c/64]&(1<<(c%64)) != 0 {
			return nil, protocolErrorf("a block names column %d twice", c)
		}
		seen[c/64] |= 1 << (c % 64)
		columns[i] = int(c)
	}
	return columns, nil
}

func (r *reader) column(b *Block, i int) error {
	major, _, arg, err := r.head()
	if err != nil {
		return err
	}
	switch {
	case major == majorArray:
		if arg != uint64(b.N) {
			return protocolErrorf("column %d of a block holds %d values, the block has %d rows", b.Columns[i], arg, b.N)
		}
		return r.plainColumn(b, i)
	case major == majorTag && arg < uint64(len(formOfTag)) && formOfTag[arg] != Cells:
		return r.typedColumn(b, i, formOfTag[arg])
	case major == majorTag:
		return protocolErrorf("column %d of a block has the CBOR tag %d, which is not one of the typed arrays of the protocol", b.Columns[i], arg)
	default:
		return protocolErrorf("column %d of a block must be an array or a typed array, not %s", b.Columns[i], majorName(major))
	}
}

func (r *reader) typedColumn(b *Block, i int, form Form) error {
	raw, err := r.bytes("a typed array")
	if err != nil {
		return err
	}
	if want := uint64(b.N) * uint64(form.Size()); uint64(len(raw)) != want {
		return protocolErrorf("column %d of a block holds %d bytes, %d rows of %d bytes are %d",
			b.Columns[i], len(raw), b.N, form.Size(), want)
	}
	if !finite(form, raw) {
		return errNotFinite
	}
	b.Cols[i] = Column{Form: form, At: r.pos - len(raw)}
	return nil
}

func (r *reader) plainColumn(b *Block, i int) error {
	if b.N > r.left() {
		return errTruncated
	}
	at := len(b.Cells)
	r.growCells(b, len(b.Cols)-i)
	for range b.N {
		c, err := r.cell()
		if err != nil {
			return err
		}
		b.Cells = append(b.Cells, c)
	}
	b.Cols[i] = Column{Form: Cells, At: at}
	return nil
}

// growCells makes room for a plain column. Most blocks have one or none, so the
// first gets room for itself, the second for all that may follow: two
// allocations at most, never of more cells than bytes are left.
func (r *reader) growCells(b *Block, columns int) {
	switch {
	case b.Cells == nil:
		b.Cells = make([]Cell, 0, b.N)
	case cap(b.Cells)-len(b.Cells) < b.N:
		b.Cells = slices.Grow(b.Cells, min(b.N*columns, r.left()))
	}
}

// finite says whether a typed array is free of NaN and infinities, whose
// exponents are all ones.
func finite(form Form, raw []byte) bool {
	switch form {
	case Float32:
		const exp = 0x7f800000
		for i := 0; i+4 <= len(raw); i += 4 {
			if binary.LittleEndian.Uint32(raw[i:])&exp == exp {
				return false
			}
		}
	case Float64:
		const exp = 0x7ff0000000000000
		for i := 0; i+8 <= len(raw); i += 8 {
			if binary.LittleEndian.Uint64(raw[i:])&exp == exp {
				return false
			}
		}
	default: // integers
	}
	return true
}
