package wire

import (
	"encoding/binary"
	"math"
)

// Value returns the value of a row in the col-th column of the block.
func (b *Block) Value(col, row int) Value {
	c := b.Cols[col]
	if c.Form == Cells {
		return b.Cells[c.At+row].value(b.Data)
	}
	p := b.Data[c.At+row*c.Form.Size():]
	switch c.Form {
	case Uint8:
		return IntegerValue(int64(p[0]))
	case Int8:
		return IntegerValue(int64(int8(p[0])))
	case Uint16:
		return IntegerValue(int64(binary.LittleEndian.Uint16(p)))
	case Int16:
		return IntegerValue(int64(int16(binary.LittleEndian.Uint16(p))))
	case Uint32:
		return IntegerValue(int64(binary.LittleEndian.Uint32(p)))
	case Int32:
		return IntegerValue(int64(int32(binary.LittleEndian.Uint32(p))))
	case Int64:
		return Value{kind: Integer, num: binary.LittleEndian.Uint64(p)}
	case Float32:
		return RealValue(float64(math.Float32frombits(binary.LittleEndian.Uint32(p))))
	default:
		return Value{kind: Real, num: binary.LittleEndian.Uint64(p)}
	}
}

// Row appends a row's values to dst.
func (b *Block) Row(dst []Value, row int) []Value {
	for c := range b.Cols {
		dst = append(dst, b.Value(c, row))
	}
	return dst
}

// Grid returns the rows as a grid with the block's columns, in their order.
// Its texts and blobs still lie in the message.
func (b *Block) Grid() Grid {
	g := Grid{Stride: len(b.Cols), Values: make([]Value, b.N*len(b.Cols))}
	for col := range b.Cols {
		for row := range b.N {
			g.Values[row*g.Stride+col] = b.Value(col, row)
		}
	}
	return g
}

// Append appends the block in the form that [AppendBlock] gives its rows.
func (b *Block) Append(dst []byte) []byte {
	return AppendBlock(dst, b.Table, b.Columns, nil, b.Grid(), nil)
}
