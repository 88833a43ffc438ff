package wire_test

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"framehub/session/wire"
)

// TestBlockRoundTrip: what a block was made of is what it holds, in its order.
func TestBlockRoundTrip(t *testing.T) {
	eachRandom(t, 3000, func(t *testing.T, r random) {
		t.Helper()
		data, want := r.encodedBlock()
		b, err := wire.DecodeBlock(data, wire.DefaultRowLimit)
		if err != nil {
			t.Fatal(err)
		}
		if b.N != want.Rows() {
			t.Fatalf("%d rows, want %d", b.N, want.Rows())
		}
		for i := range b.N {
			if got := b.Row(nil, i); !slices.Equal(got, want.Row(i)) {
				t.Errorf("row %d is %v, want %v", i, got, want.Row(i))
			}
		}
		if got := b.Grid(); !slices.Equal(got.Values, want.Values) || got.Stride != want.Stride {
			t.Errorf("the grid is %v, want %v", got, want)
		}
		if again := b.Append(nil); !bytes.Equal(again, data) {
			t.Errorf("encoded again it is %x, was %x", again, data)
		}
	})
}

// TestBlockSmallestForm: no column takes a form when a smaller one holds it.
func TestBlockSmallestForm(t *testing.T) {
	eachRandom(t, 3000, func(t *testing.T, r random) {
		t.Helper()
		data, want := r.encodedBlock()
		b, err := wire.DecodeBlock(data, wire.DefaultRowLimit)
		if err != nil {
			t.Fatal(err)
		}
		for col := range b.Cols {
			if got, want := b.Cols[col].Form, smallest(want, col); got != want {
				t.Errorf("column %d has form %d, want %d", col, got, want)
			}
		}
	})
}

// smallest tries the forms from the smallest on.
func smallest(g wire.Grid, col int) wire.Form {
	if g.Rows() == 0 {
		return wire.Cells
	}
	holds := []struct {
		form wire.Form
		fits func(wire.Value) bool
	}{
		{wire.Uint8, fitsInteger[uint8]}, {wire.Int8, fitsInteger[int8]},
		{wire.Uint16, fitsInteger[uint16]}, {wire.Int16, fitsInteger[int16]},
		{wire.Uint32, fitsInteger[uint32]}, {wire.Int32, fitsInteger[int32]},
		{wire.Int64, fitsInteger[int64]},
		{wire.Float32, func(v wire.Value) bool {
			f := v.Float64()
			return v.Kind() == wire.Real && math.Float64bits(float64(float32(f))) == math.Float64bits(f)
		}},
		{wire.Float64, func(v wire.Value) bool { return v.Kind() == wire.Real }},
	}
	for _, one := range holds {
		fits := true
		for i := range g.Rows() {
			fits = fits && one.fits(g.Row(i)[col])
		}
		if fits {
			return one.form
		}
	}
	return wire.Cells
}

func fitsInteger[T uint8 | int8 | uint16 | int16 | uint32 | int32 | int64](v wire.Value) bool {
	return v.Kind() == wire.Integer && int64(T(v.Int64())) == v.Int64()
}

// TestBlockSize: a block is never larger than what the hub counts with when it
// splits a frame.
func TestBlockSize(t *testing.T) {
	eachRandom(t, 2000, func(t *testing.T, r random) {
		t.Helper()
		data, g := r.encodedBlock()
		places := make([]int, g.Stride)
		for i := range places {
			places[i] = i
		}
		most := wire.BlockOverhead(g.Stride)
		for i := range g.Rows() {
			most += wire.RowSize(g.Row(i), places)
		}
		if len(data) > most {
			t.Errorf("the block takes %d bytes, more than %d", len(data), most)
		}
	})
	t.Run("the longest heads", func(t *testing.T) {
		columns := make([]int, wire.MaxColumns)
		for i := range columns {
			columns[i] = i
		}
		g := wire.Grid{Stride: len(columns), Values: make([]wire.Value, len(columns)*300)}
		data := wire.AppendBlock(nil, math.MaxInt32, columns, nil, g, nil)
		if most := wire.BlockOverhead(len(columns)) + 9*len(g.Values); len(data) > most {
			t.Errorf("the block takes %d bytes, more than %d", len(data), most)
		}
	})
}

// TestMessageOverhead: nor is what stands around blocks and ops.
func TestMessageOverhead(t *testing.T) {
	blocks := make([][]byte, 300)
	places := make([]int, 300)
	for i := range places {
		places[i] = math.MaxInt32
	}
	far := wire.WriteHeader{Seq: wire.MaxVersion, Base: wire.MaxVersion, BaseSet: true, SchemaVersion: wire.MaxVersion}
	head := wire.AppendFrameHead(nil, wire.MaxVersion, wire.MaxVersion, moment, true)
	for _, test := range []struct {
		name string
		msg  []byte
		most int
	}{
		{"frame", wire.AppendAuthors(wire.AppendFrameBody(head, blocks, blocks, true, places, false), blocks), wire.FrameOverhead(len(places))},
		{"snapshot", wire.AppendSnapshot(nil, wire.MaxVersion, wire.MaxVersion, blocks), wire.SnapshotOverhead},
		{"write", wire.AppendWrite(nil, far, blocks), wire.WriteOverhead},
	} {
		if len(test.msg) > test.most {
			t.Errorf("%s: %d bytes, more than %d", test.name, len(test.msg), test.most)
		}
	}
}

func TestDecodeBlockRefuses(t *testing.T) {
	data := encoded(1, []int{0}, integers(1, 2, 3)...)
	for _, test := range []struct {
		name string
		data []byte
		rows int
		want wire.CloseCode
	}{
		{"one row too many", data, 2, wire.CloseTooLarge},
		{"a byte behind it", append(slices.Clone(data), 0), 3, wire.CloseProtocol},
		{"cut short", data[:len(data)-1], 3, wire.CloseProtocol},
	} {
		if _, err := wire.DecodeBlock(test.data, test.rows); wire.AsError(err).Code != test.want {
			t.Errorf("%s: %v, want code %d", test.name, err, test.want)
		}
	}
	if _, err := wire.DecodeBlock(data, 3); err != nil {
		t.Error(err)
	}
}

// TestFlatten: values are the same when they come back from C's layout, from
// wherever their bytes were put.
func TestFlatten(t *testing.T) {
	eachRandom(t, 500, func(t *testing.T, r random) {
		t.Helper()
		want := some(r, 9, r.value)
		before := r.bytes(9)
		cells, data := wire.Flatten(nil, before, want)
		got := wire.AppendCells(nil, cells, string(data[len(before):]), len(before))
		if !slices.Equal(got, want) {
			t.Errorf("%v came back as %v", want, got)
		}
	})
}
