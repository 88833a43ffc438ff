package rules

import (
	"slices"

	"framehub/session/wire"
)

// An editor changes values of a block. What grows goes to the end of a copy of
// the message, which is made once; the message itself is shared with other blocks.
type editor struct {
	block *wire.Block
	owns  bool // the block's Data is its own
}

// grow makes room for n more bytes at the end of the block's data, and returns
// where they begin.
func (e *editor) grow(n int) int {
	at := len(e.block.Data)
	if !e.owns {
		e.owns = true
		e.block.Data = append(make([]byte, 0, at+2*n), e.block.Data...)
	}
	e.block.Data = append(e.block.Data, make([]byte, n)...)
	return at
}

// setText replaces the text of a cell.
func (e *editor) setText(c *wire.Cell, s string) {
	at := e.grow(len(s))
	copy(e.block.Data[at:], s)
	c.Num, c.Len = uint64(at), uint32(len(s))
}

// addText adds a column that has the same text in every row.
func (e *editor) addText(column int, s string) {
	b := e.block
	at := e.grow(len(s))
	copy(b.Data[at:], s)
	b.Columns = append(slices.Clip(b.Columns), column)
	b.Cols = append(slices.Clip(b.Cols), wire.Column{Form: wire.Cells, At: len(b.Cells)})
	for range b.N {
		b.Cells = append(b.Cells, wire.Cell{Kind: wire.Text, Len: uint32(len(s)), Num: uint64(at)})
	}
}

// floats gives a column room for its values as float64, which the caller fills in.
func (e *editor) floats(i int) []byte {
	n := 8 * e.block.N
	at := e.grow(n)
	e.block.Cols[i] = wire.Column{Form: wire.Float64, At: at}
	return e.block.Data[at : at+n]
}
