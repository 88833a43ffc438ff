package wire_test

import (
	"math"
	"strings"
	"testing"

	"framehub/session/wire"
)

func TestSameNumber(t *testing.T) {
	integer, float := wire.IntegerValue, wire.RealValue
	for _, test := range []struct {
		name string
		a, b wire.Value
		want bool
	}{
		{"1 and 1.0", integer(1), float(1), true},
		{"0 and -0.0", integer(0), float(math.Copysign(0, -1)), true},
		{"0.0 and -0.0", float(0), float(math.Copysign(0, -1)), true},
		{"1 and 1.5", integer(1), float(1.5), false},
		{"2^53+1 and 2^53 as a float", integer(1<<53 + 1), float(1 << 53), false},
		{"the largest integer and 2^63", integer(math.MaxInt64), float(1 << 63), false},
		{"the smallest integer and -2^63", integer(math.MinInt64), float(-1 << 63), true},
		{"1 and '1'", integer(1), wire.TextValue("1"), false},
		{"NULL and NULL", wire.Value{}, wire.Value{}, false},
	} {
		if wire.SameNumber(test.a, test.b) != test.want || wire.SameNumber(test.b, test.a) != test.want {
			t.Errorf("%s: want %t", test.name, test.want)
		}
	}
}

func TestValueString(t *testing.T) {
	for want, v := range map[string]wire.Value{
		"NULL":      {},
		"-5":        wire.IntegerValue(-5),
		"0.1":       wire.RealValue(0.1),
		`"grün"`:    wire.TextValue("grün"),
		"x'00ff'":   wire.BlobValue([]byte{0, 255}),
		"undefined": wire.UndefinedValue(),
		`"` + strings.Repeat("y", 64) + `"… (100 bytes)`:  wire.TextValue(strings.Repeat("y", 100)),
		"x'" + strings.Repeat("00", 32) + "…' (40 bytes)": wire.BlobValue(make([]byte, 40)),
	} {
		if got := v.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestCheckValue: what a client may send is what a hub takes.
func TestCheckValue(t *testing.T) {
	for _, test := range []struct {
		name  string
		value wire.Value
		ok    bool
	}{
		{"NULL", wire.Value{}, true},
		{"the largest real", wire.RealValue(math.MaxFloat64), true},
		{"NaN", wire.RealValue(math.NaN()), false},
		{"infinity", wire.RealValue(math.Inf(-1)), false},
		{"a text", wire.TextValue("grün"), true},
		{"a text that is not UTF-8", wire.TextValue("\xff"), false},
		{"any blob", wire.BlobValue([]byte{0xff}), true},
		{"undefined", wire.UndefinedValue(), false},
	} {
		if err := wire.CheckValue(test.value); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
		op := wire.AppendOp(nil, wire.OpPut, encoded(1, []int{0}, test.value))
		_, err := wire.DecodeWrite(wire.AppendWrite(nil, wire.WriteHeader{Seq: 1}, [][]byte{op}), limits)
		if (err == nil) != test.ok {
			t.Errorf("%s: the hub says %v", test.name, err)
		}
	}
}
