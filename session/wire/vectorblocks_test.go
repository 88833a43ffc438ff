package wire_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"framehub/session/wire"
)

// blockSample is a block in one form or another.
type blockSample struct {
	name      string
	data      []byte
	canonical bool // is it what AppendBlock gives
}

func blockVectors(t *testing.T) []vector {
	t.Helper()
	samples := append(canonicalBlocks(), otherBlocks()...)
	var all []vector
	for _, s := range samples {
		b, err := wire.DecodeBlock(s.data, wire.DefaultRowLimit)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		v := newVector(t, s.name, s.data)
		v.Canonical, v.Forms, v.Meaning = &s.canonical, formNames(b), json.RawMessage(marshal(t, blockMeaning(b)))
		all = append(all, v)
	}
	return all
}

// canonicalBlocks has each form with the limits of what it holds, and the
// neighbours that ask for the next.
func canonicalBlocks() []blockSample {
	column := func(name string, values ...wire.Value) blockSample {
		return blockSample{name, encoded(1, []int{0}, values...), true}
	}
	reals := func(numbers ...float64) (values []wire.Value) {
		for _, f := range numbers {
			values = append(values, wire.RealValue(f))
		}
		return values
	}
	return []blockSample{
		column("no rows"),
		column("uint8: limits", integers(0, 255)...),
		column("sint8: limits", integers(-128, 127)...),
		column("uint16: limits", integers(0, 256, 65535)...),
		column("sint16: limits", integers(-1, 128, -32768, 32767)...),
		column("sint16: one below sint8", integers(-129)...),
		column("uint32: limits", integers(0, 65536, 4294967295)...),
		column("sint32: limits", integers(-1, 32768, -2147483648, 2147483647)...),
		column("sint64: limits", integers(math.MinInt64, 0, math.MaxInt64)...),
		column("sint64: one above uint32", integers(0, 4294967296)...),
		column("sint64: a sign and what uint32 holds", integers(-1, 2147483648)...),
		column("float32: limits", reals(0, math.Copysign(0, -1), 0.5, -1.25, math.MaxFloat32, math.SmallestNonzeroFloat32)...),
		column("float64: a fraction that float32 does not hold", reals(0.5, 0.1)...),
		column("float64: limits", reals(math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64)...),
		column("plain: integers with a NULL", wire.IntegerValue(1), wire.Value{}, wire.IntegerValue(-1)),
		column("plain: a NULL alone", wire.Value{}),
		column("plain: integer and real", wire.IntegerValue(1), wire.RealValue(1), wire.RealValue(0.1)),
		column("plain: integers of every length", append(integers(0, 23, 24, 255, 256, 65535, 65536, 4294967295, 4294967296, math.MaxInt64,
			-1, -24, -25, -256, -257, -65537, -4294967297, math.MinInt64), wire.Value{})...),
		column("plain: texts", wire.TextValue(""), wire.TextValue("grün 🌲\n\""), wire.TextValue(strings.Repeat("x", 300))),
		column("plain: a text with U+0000, which some languages cut off", wire.TextValue("a\x00b")),
		column("plain: blobs", wire.BlobValue(nil), wire.BlobValue([]byte{0, 127, 128, 255})),
		column("plain: every kind", wire.Value{}, wire.IntegerValue(-5), wire.RealValue(2.5), wire.TextValue("5"), wire.BlobValue([]byte("5"))),
		column("plain: undefined, a value that did not fit", wire.TextValue("a"), wire.UndefinedValue()),
		{"a composite key and columns of five forms", encoded(1000, []int{0, 1, 2, 300, 1999},
			wire.TextValue("mill"), wire.IntegerValue(1), wire.RealValue(0.1), wire.Value{}, wire.IntegerValue(-1),
			wire.TextValue("mill"), wire.IntegerValue(2), wire.RealValue(1), wire.BlobValue([]byte{9}), wire.IntegerValue(-70000)), true},
		{"keys only", encoded(2, []int{0, 1}, integers(1, 10, 2, 20)...), true},
	}
}

// otherBlocks has forms that a receiver takes though AppendBlock does not give
// them.
func otherBlocks() []blockSample {
	other := func(name string, items ...any) blockSample { return blockSample{name, encode(items...), false} }
	one := func(column any, rows int) []any { return list{1, list{0}, rows, column} }
	return []blockSample{
		other("wide: integers as sint64", one(typed(79, 1, 0, 0, 0, 0, 0, 0, 0, 254, 255, 255, 255, 255, 255, 255, 255), 2)...),
		other("wide: integers as sint8", one(typed(72, 1, 2), 2)...),
		other("wide: integers as sint16", one(typed(77, 1, 0, 255, 255), 2)...),
		other("wide: integers as uint32", one(typed(70, 1, 0, 0, 0), 1)...),
		other("wide: integers as sint32", one(typed(78, 255, 255, 255, 255), 1)...),
		other("wide: reals as float64", one(typed(86, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f), 1)...),
		other("wide: integers as a plain array", one(list{1, 2, 300}, 3)...),
		other("wide: reals as a plain array of float64", one(list{0.5, 0.1}, 2)...),
		other("an empty typed array", one(typed(64), 0)...),
		other("elements of a later version", append(one(list{1}, 1), "later", list{tree{"x": undefined}})...),
		{"wide: reals as a plain array of float16", []byte{0x84, 1, 0x81, 0, 4, 0x84, 0xf9, 0x3c, 0, 0xf9, 0x80, 0, 0xf9, 0, 1, 0xf9, 0xfb, 0xff}, false},
		{"wide: heads longer than need be", []byte{0x98, 4, 0x19, 0, 1, 0x9b, 0, 0, 0, 0, 0, 0, 0, 1, 0x18, 0, 0x1a, 0, 0, 0, 1, 0xd9, 0, 64, 0x59, 0, 1, 7}, false},
	}
}
