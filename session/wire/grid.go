package wire

import (
	"encoding/binary"
	"math"
	"slices"
)

// A Grid is rows in memory: Stride values a row, one row after the other. The
// encoder picks rows and columns out of it.
type Grid struct {
	Stride int
	Values []Value
}

// Rows returns the number of rows.
func (g Grid) Rows() int {
	if g.Stride == 0 {
		return 0
	}
	return len(g.Values) / g.Stride
}

// Row returns a row, not a copy.
func (g Grid) Row(i int) []Value { return g.Values[i*g.Stride : (i+1)*g.Stride : (i+1)*g.Stride] }

// AppendBlock appends a block of the rows of g that pick names (nil: all), in
// that order, with columns[i] the column number of what lies at at[i] in each
// row of g (nil: at i). Each column takes the smallest form that loses nothing.
func AppendBlock(dst []byte, table int, columns, at []int, g Grid, pick []int32) []byte {
	n := len(pick)
	if pick == nil {
		n = g.Rows()
	}
	dst = appendArray(dst, 3+len(columns))
	dst = appendUint(dst, uint64(table))
	dst = appendArray(dst, len(columns))
	for _, c := range columns {
		dst = appendUint(dst, uint64(c))
	}
	dst = appendUint(dst, uint64(n))
	for i := range columns {
		offset := i
		if at != nil {
			offset = at[i]
		}
		dst = appendColumn(dst, column{g: g, offset: offset, pick: pick, n: n})
	}
	return dst
}

// RowSize returns the most bytes that a row's values at the given places take
// in a block, whatever stands beside it.
func RowSize(row []Value, at []int) int {
	size := 0
	for _, i := range at {
		size += row[i].Size()
	}
	return size
}

// BlockOverhead returns the most bytes that a block of so many columns takes
// besides its rows.
func BlockOverhead(columns int) int {
	const head, number, perColumn = 3 + 5 + 3 + 5, 3, 2 + 5
	return head + columns*(number+perColumn)
}

// Size returns the most bytes that v takes in a message.
func (v Value) Size() int { return 9 + len(v.str) }

// A column is what the encoder sees of a grid.
type column struct {
	g      Grid
	offset int
	pick   []int32
	n      int
}

func (c *column) at(i int) *Value {
	if c.pick != nil {
		i = int(c.pick[i])
	}
	return &c.g.Values[i*c.g.Stride+c.offset]
}

func appendColumn(dst []byte, c column) []byte {
	form := c.form()
	if form == Cells {
		dst = appendArray(dst, c.n)
		for i := range c.n {
			dst = appendValue(dst, *c.at(i))
		}
		return dst
	}
	size := form.Size()
	dst = append(dst, majorTag<<5|24, forms[form].tag)
	dst = appendHead(dst, majorBytes, uint64(c.n*size))
	start, end := len(dst), len(dst)+c.n*size
	dst = slices.Grow(dst, c.n*size)[:end]
	c.fill(dst[start:], form)
	return dst
}

func (c *column) fill(p []byte, form Form) {
	switch form {
	case Uint8, Int8:
		for i := range c.n {
			p[i] = byte(c.at(i).num)
		}
	case Uint16, Int16:
		for i := range c.n {
			binary.LittleEndian.PutUint16(p[2*i:], uint16(c.at(i).num))
		}
	case Uint32, Int32:
		for i := range c.n {
			binary.LittleEndian.PutUint32(p[4*i:], uint32(c.at(i).num))
		}
	case Float32:
		for i := range c.n {
			f := float32(math.Float64frombits(c.at(i).num))
			binary.LittleEndian.PutUint32(p[4*i:], math.Float32bits(f))
		}
	default:
		for i := range c.n {
			binary.LittleEndian.PutUint64(p[8*i:], c.at(i).num)
		}
	}
}

// form returns the smallest form that holds the column without loss.
func (c *column) form() Form {
	if c.n == 0 {
		return Cells
	}
	switch c.at(0).kind {
	case Integer:
		return c.integerForm()
	case Real:
		return c.realForm()
	default:
		return Cells
	}
}

func (c *column) integerForm() Form {
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range c.n {
		v := c.at(i)
		if v.kind != Integer {
			return Cells
		}
		low, high = min(low, int64(v.num)), max(high, int64(v.num))
	}
	switch {
	case low >= 0 && high <= math.MaxUint8:
		return Uint8
	case low >= math.MinInt8 && high <= math.MaxInt8:
		return Int8
	case low >= 0 && high <= math.MaxUint16:
		return Uint16
	case low >= math.MinInt16 && high <= math.MaxInt16:
		return Int16
	case low >= 0 && high <= math.MaxUint32:
		return Uint32
	case low >= math.MinInt32 && high <= math.MaxInt32:
		return Int32
	default:
		return Int64
	}
}

func (c *column) realForm() Form {
	form := Float32
	for i := range c.n {
		v := c.at(i)
		if v.kind != Real {
			return Cells
		}
		f := math.Float64frombits(v.num)
		if form == Float32 && math.Float64bits(float64(float32(f))) != v.num {
			form = Float64
		}
	}
	return form
}

// Flatten appends values as cells to cells, and their bytes to data, where the
// cells' offsets point.
func Flatten(cells []Cell, data []byte, values []Value) ([]Cell, []byte) {
	for _, v := range values {
		c := Cell{Kind: v.kind, Num: v.num}
		if v.kind == Text || v.kind == Blob {
			c.Num, c.Len = uint64(len(data)), uint32(len(v.str))
			data = append(data, v.str...)
		}
		cells = append(cells, c)
	}
	return cells, data
}

// AppendCells appends the values of cells to dst; text, which they then share,
// starts at the cells' offset base.
func AppendCells(dst []Value, cells []Cell, text string, base int) []Value {
	for _, c := range cells {
		if c.Kind == Text || c.Kind == Blob {
			at := int(c.Num) - base
			dst = append(dst, Value{kind: c.Kind, str: text[at : at+int(c.Len)]})
			continue
		}
		dst = append(dst, Value{kind: c.Kind, num: c.Num})
	}
	return dst
}
