package wire_test

import (
	"fmt"
	"testing"

	"framehub/session/wire"
)

const benchRows, benchColumns = 10_000, 5

// benchGrid is a table of moving things: a number, a name, a position, a state.
func benchGrid(rows int, names bool) wire.Grid {
	g := wire.Grid{Stride: benchColumns}
	for i := range rows {
		second := wire.IntegerValue(int64(i % 7))
		if names {
			second = wire.TextValue(fmt.Sprintf("goblin-%d", i))
		}
		g.Values = append(g.Values, wire.IntegerValue(int64(i)), second,
			wire.RealValue(float64(float32(i)*0.25)), wire.RealValue(float64(i)*0.1), wire.IntegerValue(int64(-i)))
	}
	return g
}

var benchKinds = []struct {
	name  string
	names bool
}{{"numbers", false}, {"names", true}}

func perSecond(b *testing.B, bytes int) {
	b.Helper()
	b.SetBytes(int64(bytes))
	b.ReportMetric(float64(b.N)*benchRows*benchColumns/b.Elapsed().Seconds(), "values/s")
}

func BenchmarkBlockEncode(b *testing.B) {
	for _, kind := range benchKinds {
		b.Run(kind.name, func(b *testing.B) {
			g, columns := benchGrid(benchRows, kind.names), []int{0, 1, 2, 3, 4}
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = wire.AppendBlock(buf[:0], 1, columns, nil, g, nil)
			}
			perSecond(b, len(buf))
		})
	}
}

// sum keeps the compiler from leaving out a read.
var sum float64

func BenchmarkBlockDecode(b *testing.B) {
	for _, kind := range benchKinds {
		data := wire.AppendBlock(nil, 1, []int{0, 1, 2, 3, 4}, nil, benchGrid(benchRows, kind.names), nil)
		b.Run(kind.name+"/values", func(b *testing.B) { benchDecode(b, data, readValues) })
		b.Run(kind.name+"/grid", func(b *testing.B) { benchDecode(b, data, readGrid) })
	}
}

func benchDecode(b *testing.B, data []byte, read func(*wire.Block)) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		block, err := wire.DecodeBlock(data, wire.DefaultRowLimit)
		if err != nil {
			b.Fatal(err)
		}
		read(&block)
	}
	perSecond(b, len(data))
}

func readValues(block *wire.Block) {
	for col := range block.Cols {
		for row := range block.N {
			sum += block.Value(col, row).Float64()
		}
	}
}

func readGrid(block *wire.Block) {
	sum += float64(block.Grid().Rows())
}
