package wire_test

import (
	"bytes"
	"runtime"
	"testing"

	"framehub/session/wire"
)

// TestBlockAllocations: nothing is allocated per value.
func TestBlockAllocations(t *testing.T) {
	for _, kind := range benchKinds {
		t.Run(kind.name, func(t *testing.T) {
			var decoding []float64
			for _, rows := range []int{100, 10_000} {
				g, columns := benchGrid(rows, kind.names), []int{0, 1, 2, 3, 4}
				data := wire.AppendBlock(nil, 1, columns, nil, g, nil)
				if n := testing.AllocsPerRun(20, func() { data = wire.AppendBlock(data[:0], 1, columns, nil, g, nil) }); n != 0 {
					t.Errorf("encoding %d rows into a buffer allocates %v times", rows, n)
				}
				decoding = append(decoding, testing.AllocsPerRun(20, func() {
					b, err := wire.DecodeBlock(data, wire.DefaultRowLimit)
					if err != nil {
						t.Fatal(err)
					}
					readValues(&b)
				}))
			}
			if decoding[0] != decoding[1] || decoding[0] > 6 {
				t.Errorf("decoding allocates %v times for 100 rows and %v times for 10,000", decoding[0], decoding[1])
			}
		})
	}
}

// TestWriteAllocations: two plain columns and more cost no more than one.
func TestWriteAllocations(t *testing.T) {
	texts := wire.Grid{Stride: 8}
	for range 1000 * texts.Stride {
		texts.Values = append(texts.Values, wire.TextValue("x"))
	}
	block := wire.AppendBlock(nil, 1, []int{0, 1, 2, 3, 4, 5, 6, 7}, nil, texts, nil)
	msg := wire.AppendWrite(nil, wire.WriteHeader{Seq: 1}, [][]byte{wire.AppendOp(nil, wire.OpPut, block)})
	if n := testing.AllocsPerRun(20, func() {
		if _, err := wire.DecodeWrite(msg, limits); err != nil {
			t.Fatal(err)
		}
	}); n > 8 {
		t.Errorf("decoding a transaction of 8,000 texts allocates %v times", n)
	}
}

// TestMemory: a message makes no more memory than a fixed multiple of its
// length, whatever it claims.
func TestMemory(t *testing.T) {
	const size, most = 1 << 20, 64
	claim := []byte{0x9a, 0, 0x0f, 0xff, 0x00} // an array of nearly 2^20
	many := func(item ...byte) []byte { return bytes.Repeat(item, size/len(item)) }
	list := func(head []byte, items []byte, n int) []byte {
		return append(append(bytes.Clone(head), 0x9a, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), items...)
	}
	for _, test := range []struct {
		name string
		from string
		msg  []byte
	}{
		{"a claim of changed blocks", fromHub, append(append([]byte{0x85, 4, 1, 0, 0}, claim...), many(0)...)},
		{"the shortest blocks", fromHub, list([]byte{0x85, 4, 1, 0, 0}, many(0x84, 0, 0x81, 0, 0, 0x80), size/6)},
		{"a claim of ops", fromDevice, append(append([]byte{0x85, 5, 1, 0xf6, 0}, claim...), many(0)...)},
		{"a claim of refusals", fromHub, append(append([]byte{0x84, 6, 1, 0x80}, claim...), many(0)...)},
		{"the shortest refusals", fromHub, list([]byte{0x84, 6, 1, 0x80}, many(0x83, 0, 0x60, 0x60), size/4)},
		{"the shortest numbers", fromHub, list([]byte{0x83, 6, 1}, many(0), size)},
		{"a claim of subs", fromDevice, append(append([]byte{0x83, 10, 1}, claim...), many(0x81)...)},
		{"a column of NULL", fromHub, append([]byte{0x84, 2, 0, 1, 0x84, 0, 0x81, 0, 0x1a, 0, 0x10, 0, 0}, list(nil, many(0xf6), size)...)},
		{"a claim of an event's values", fromHub, append(append([]byte{0x85, 15, 0x50, 15: 0, 19: 1, 20: 0x61, 21: 'e'}, claim...), many(0)...)},
		{"an event's shortest values", fromHub, list([]byte{0x85, 15, 0x50, 15: 0, 19: 1, 20: 0x61, 21: 'e'}, many(0), size)},
		{"more values of an event than there may be", fromDevice, list([]byte{0x84, 15, 0x61, 'r', 0x61, 'e'}, many(0), size)},
		{"a claim of tables", fromHub, append(append([]byte{0x82, 1, 0x82, 1}, claim...), many(0x87)...)},
		{"capabilities", fromHub, append([]byte{0x82, 0, 0xa1, 0x6c}, append([]byte("capabilities"), list(nil, many(0x60), size)...)...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := decode(test.from, test.msg, wire.Limits{Message: 2 * size})
			runtime.ReadMemStats(&after)
			if err != nil {
				checkError(t, err)
			}
			made := after.TotalAlloc - before.TotalAlloc
			if made > most*uint64(len(test.msg)) {
				t.Errorf("%d bytes made for a message of %d (%v)", made, len(test.msg), err)
			}
			t.Logf("%.1f bytes for each (%v)", float64(made)/float64(len(test.msg)), err)
		})
	}
}
