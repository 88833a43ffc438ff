package rules

import (
	"encoding/binary"
	"math"

	"framehub/session/wire"
)

// A precision rounds numbers to multiples of a step, half to even; -0 becomes 0.
// The step is over/under: n*1/1000 is the float64 nearest to a decimal, n*0.001
// often is not.
type precision struct{ over, under float64 }

func newPrecision(step float64) *precision {
	const exact = 1 << 52
	if under := math.Round(1 / step); under >= 1 && under < exact && 1/under == step {
		return &precision{1, under}
	}
	for under := 1.0; under <= 1e15; under *= 10 {
		if over := math.Round(step * under); over < exact && over/under == step {
			return &precision{over, under}
		}
	}
	return &precision{step, 1}
}

// whole says whether every whole number is a multiple.
func (p *precision) whole() bool { return p.over == 1 }

// round returns the nearest multiple. What is so large that float64 has no
// smaller differences than a step stays as it is.
func (p *precision) round(v float64) float64 {
	const exact = 1 << 52
	if n := v * p.under / p.over; n < exact && n > -exact {
		return math.RoundToEven(n)*p.over/p.under + 0 // -0 + 0 is 0
	}
	return v
}

// fix rounds a column of a block. A typed array stays one, of a type that holds
// the rounded values exactly. Nothing is allocated for a value.
func (p *precision) fix(e *editor, i int, table, column string) *wire.Refusal {
	b := e.block
	col := b.Cols[i]
	switch col.Form {
	case wire.Float64:
		data := b.Data[col.At : col.At+8*b.N]
		for ; len(data) >= 8; data = data[8:] {
			v := math.Float64frombits(binary.LittleEndian.Uint64(data))
			binary.LittleEndian.PutUint64(data, math.Float64bits(p.round(v)))
		}
	case wire.Float32:
		p.fixFloat32(e, i)
	case wire.Cells:
		return p.fixCells(b, col.At, table, column)
	default:
		if !p.whole() {
			p.fixIntegers(e, i)
		}
	}
	return nil
}

// fixFloat32 rounds in place as long as float32 holds what comes out, and goes
// over to float64 where it does not.
func (p *precision) fixFloat32(e *editor, i int) {
	n, at := e.block.N, e.block.Cols[i].At
	data := e.block.Data[at : at+4*n]
	for row := range n {
		r := p.round(float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*row:]))))
		short := float32(r)
		if float64(short) == r {
			binary.LittleEndian.PutUint32(data[4*row:], math.Float32bits(short))
			continue
		}
		wide := e.floats(i)
		for k := range n {
			v := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*k:])))
			if k >= row {
				v = p.round(v)
			}
			binary.LittleEndian.PutUint64(wide[8*k:], math.Float64bits(v))
		}
		return
	}
}

func (p *precision) fixIntegers(e *editor, i int) {
	old := *e.block
	old.Cols = append([]wire.Column(nil), old.Cols...)
	wide := e.floats(i)
	for row := range old.N {
		binary.LittleEndian.PutUint64(wide[8*row:], math.Float64bits(p.round(old.Value(i, row).Float64())))
	}
}

func (p *precision) fixCells(b *wire.Block, at int, table, column string) *wire.Refusal {
	for row := range b.N {
		switch c := &b.Cells[at+row]; {
		case c.Kind == wire.Real:
			c.Num = math.Float64bits(p.round(math.Float64frombits(c.Num)))
		case c.Kind == wire.Integer && !p.whole():
			c.Kind, c.Num = wire.Real, math.Float64bits(p.round(float64(int64(c.Num))))
		case c.Kind == wire.Integer, c.Kind == wire.Null:
		default: // SQL could make a number of it that nobody has rounded
			return refuseRow(wire.CodeType, row, "column %q of table %q has a precision and takes numbers, not %s", column, table, c.Kind)
		}
	}
	return nil
}
