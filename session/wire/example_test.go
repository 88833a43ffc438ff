package wire_test

import (
	"fmt"
	"time"

	"framehub/session/wire"
)

// A client encodes a transaction: rows from a grid, an op around each block, and
// the ops together.
func ExampleAppendWrite() {
	const entity, id, x, name = 3, 0, 2, 3
	rows := wire.Grid{Stride: 3, Values: []wire.Value{
		wire.IntegerValue(7), wire.RealValue(1.5), wire.TextValue("goblin"),
		wire.IntegerValue(8), wire.RealValue(0.1), wire.TextValue("wolf"),
	}}
	block := wire.AppendBlock(nil, entity, []int{id, x, name}, nil, rows, nil)
	op := wire.AppendOp(nil, wire.OpPut, block)
	msg := wire.AppendWrite(nil, wire.WriteHeader{Seq: 1, SchemaVersion: 2}, [][]byte{op})

	text, _ := wire.Diagnose(msg)
	fmt.Println(text)
	// Output:
	// [5, 1, null, 2, [[0, [3, [0, 2, 3], 2, 64(h'0708'), 86(h'000000000000f83f9a9999999999b93f'), ["goblin", "wolf"]]]]]
}

// A hub encodes a frame's body once, and a head for the sessions that are at
// another version than the rest; a client reads both together.
func ExampleDecodeFrame() {
	block := wire.AppendBlock(nil, 3, []int{0, 2}, nil, wire.Grid{Stride: 2, Values: []wire.Value{
		wire.IntegerValue(7), wire.RealValue(1.5),
	}}, nil)
	body := wire.AppendFrameBody(nil, [][]byte{block}, nil, false, nil, true)
	msg := append(wire.AppendFrameHead(nil, 42, 41, time.UnixMicro(1), false), body...)

	f, err := wire.DecodeFrame(msg, wire.Limits{})
	if err != nil {
		fmt.Println(wire.AsError(err).Code, err)
		return
	}
	for _, b := range f.Changed {
		for row := range b.N {
			fmt.Println(f.Version, "table", b.Table, b.Columns, b.Row(nil, row))
		}
	}
	// Output:
	// 42 table 3 [0 2] [7 1.5]
}
