package wire_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"framehub/session/wire"
)

// addVectors adds every vector of the files as a seed.
func addVectors(f *testing.F, add func(v vector, data []byte), files ...string) {
	f.Helper()
	for _, file := range files {
		for _, v := range readVectors(f, file) {
			add(v, unhex(f, v.Hex))
		}
	}
}

// FuzzMessage: any bytes, from either side, are refused with an error that ends
// a session, or are a message that is stable under encoding.
func FuzzMessage(f *testing.F) {
	addVectors(f, func(v vector, data []byte) { f.Add(v.Direction == fromHub, data) }, messagesFile, invalidFile)
	f.Fuzz(func(t *testing.T, hub bool, msg []byte) {
		from := fromDevice
		if hub {
			from = fromHub
		}
		m, err := decode(from, msg, limits)
		if err != nil {
			checkError(t, err)
			return
		}
		checkStable(t, from, msg, m)
	})
}

// checkStable says that a decoded message is CBOR to others too, and that
// encoding and decoding it once more changes neither meaning nor bytes.
func checkStable(t *testing.T, from string, msg []byte, m message) {
	t.Helper()
	if err := cbor.Wellformed(msg); err != nil {
		t.Errorf("what we decode is not well-formed: %v", err)
	}
	once := m.Append(nil)
	again, err := decode(from, once, limits)
	if err != nil {
		t.Fatalf("%x is encoded as %x, which is refused: %v", msg, once, err)
	}
	if got, want := marshal(t, meaning(again)), marshal(t, meaning(m)); got != want {
		t.Errorf("encoded again it means\n%s, not\n%s", got, want)
	}
	if twice := again.Append(nil); !bytes.Equal(once, twice) {
		t.Errorf("encoded twice it is %x, once %x", twice, once)
	}
}

// FuzzBlock: any bytes are refused, or are a block that is stable under encoding
// and takes its smallest form.
func FuzzBlock(f *testing.F) {
	addVectors(f, func(_ vector, data []byte) { f.Add(data) }, blocksFile)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := wire.DecodeBlock(data, wire.DefaultRowLimit)
		if err != nil {
			checkError(t, err)
			return
		}
		once := b.Append(nil)
		again, err := wire.DecodeBlock(once, wire.DefaultRowLimit)
		if err != nil {
			t.Fatalf("%x is encoded as %x, which is refused: %v", data, once, err)
		}
		if b.Table != again.Table || b.N != again.N || !slices.Equal(b.Columns, again.Columns) {
			t.Errorf("encoded again it is of other rows or columns: %x", once)
		}
		g := b.Grid()
		if !slices.Equal(g.Values, again.Grid().Values) {
			t.Errorf("encoded again it holds %v, not %v", again.Grid().Values, g.Values)
		}
		for col := range again.Cols {
			if got, want := again.Cols[col].Form, smallest(g, col); got != want {
				t.Errorf("column %d is encoded in form %d, want %d", col, got, want)
			}
		}
	})
}

// FuzzHello: the same for the maps of both hellos, alone.
func FuzzHello(f *testing.F) {
	addVectors(f, func(v vector, data []byte) {
		if len(data) > 2 && data[1] == byte(wire.TypeHello) {
			f.Add(v.Direction == fromHub, data[2:])
		}
	}, messagesFile, invalidFile)
	f.Fuzz(func(t *testing.T, hub bool, options []byte) {
		msg := append([]byte{0x82, byte(wire.TypeHello)}, options...)
		from := fromDevice
		if hub {
			from = fromHub
		}
		m, err := decode(from, msg, limits)
		if err != nil {
			checkError(t, err)
			return
		}
		checkStable(t, from, msg, m)
	})
}

// FuzzUnpack: what is unpacked is of the size that the message says, within the
// limit, and comes back when packed again.
func FuzzUnpack(f *testing.F) {
	addVectors(f, func(_ vector, data []byte) {
		if len(data) > 2 && data[1] == byte(wire.TypePacked) {
			f.Add(data)
		}
	}, messagesFile, invalidFile)
	f.Fuzz(func(t *testing.T, msg []byte) {
		const limit = 1 << 16
		inner, err := wire.Unpack(msg, limit)
		if err != nil {
			checkError(t, err)
			return
		}
		if len(inner) > limit {
			t.Errorf("%d bytes were unpacked, the most is %d", len(inner), limit)
		}
		again, err := wire.Unpack(wire.Pack(nil, inner), 2*limit)
		if err != nil || !bytes.Equal(again, inner) {
			t.Errorf("packed again, %d bytes come back of %d, error %v", len(again), len(inner), err)
		}
	})
}
