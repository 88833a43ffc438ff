package wire

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Kind is the storage class of a [Value], as SQLite knows it, and Undefined.
type Kind uint8

// The kinds. The numbers of the first five are shared with the C side of the
// store's SQLite binding.
const (
	Null Kind = iota
	Integer
	Real
	Text
	Blob
	// Undefined stands for a value that was left out of a message because it
	// alone is larger than the message may be; a [ReadPiece] fetches it.
	Undefined
)

var kindNames = [...]string{"NULL", "INTEGER", "REAL", "TEXT", "BLOB", "undefined"}

// String returns SQL's name of the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Value is one SQL value. It is immutable and comparable with ==, which is
// stricter than SQL: 1 and 1.0 differ. The zero Value is NULL.
type Value struct {
	str  string // the bytes of TEXT and BLOB
	num  uint64 // INTEGER: two's complement; REAL: IEEE 754 bits
	kind Kind
}

// IntegerValue returns an INTEGER.
func IntegerValue(i int64) Value { return Value{kind: Integer, num: uint64(i)} }

// RealValue returns a REAL. NaN and the infinities are not values of the
// protocol; a client finds them with [CheckValue].
func RealValue(f float64) Value { return Value{kind: Real, num: math.Float64bits(f)} }

// TextValue returns a TEXT.
func TextValue(s string) Value { return Value{kind: Text, str: s} }

// BlobValue returns a BLOB that holds a copy of b.
func BlobValue(b []byte) Value { return Value{kind: Blob, str: string(b)} }

// UndefinedValue returns the mark of a value left out of a message.
func UndefinedValue() Value { return Value{kind: Undefined} }

// Kind returns the storage class.
func (v Value) Kind() Kind { return v.kind }

// IsNull says whether v is NULL.
func (v Value) IsNull() bool { return v.kind == Null }

// Int64 returns an INTEGER's number, and 0 for every other kind.
func (v Value) Int64() int64 {
	if v.kind != Integer {
		return 0
	}
	return int64(v.num)
}

// Float64 returns a REAL's number, an INTEGER's as a float, and 0 for every
// other kind.
func (v Value) Float64() float64 {
	switch v.kind {
	case Real:
		return math.Float64frombits(v.num)
	case Integer:
		return float64(int64(v.num))
	default:
		return 0
	}
}

// Bytes returns the bytes of a TEXT or a BLOB as a string, "" for every other kind.
func (v Value) Bytes() string { return v.str }

// Clone returns v with its own copy of the bytes: a value of a [Block] keeps
// the whole message alive.
func (v Value) Clone() Value {
	v.str = strings.Clone(v.str)
	return v
}

// Len returns the number of bytes of a TEXT or a BLOB, 0 for every other kind.
func (v Value) Len() int { return len(v.str) }

// String returns v as an SQL literal, for messages to people. Long texts are cut.
func (v Value) String() string {
	const most = 64
	switch v.kind {
	case Integer:
		return strconv.FormatInt(int64(v.num), 10)
	case Real:
		return strconv.FormatFloat(v.Float64(), 'g', -1, 64)
	case Text:
		if len(v.str) > most {
			return fmt.Sprintf("%q… (%d bytes)", v.str[:most], len(v.str))
		}
		return strconv.Quote(v.str)
	case Blob:
		if len(v.str) > most/2 {
			return fmt.Sprintf("x'%x…' (%d bytes)", v.str[:most/2], len(v.str))
		}
		return fmt.Sprintf("x'%x'", v.str)
	case Undefined:
		return "undefined"
	default:
		return "NULL"
	}
}

// SameNumber says whether a and b are numbers that SQL holds equal, whatever
// their storage class; the comparison is exact, as SQLite's is.
func SameNumber(a, b Value) bool {
	switch {
	case a.kind == Integer && b.kind == Integer:
		return a.num == b.num
	case a.kind == Real && b.kind == Real:
		return a.Float64() == b.Float64()
	case a.kind == Integer && b.kind == Real:
		return realIsInt(b.Float64(), int64(a.num))
	case a.kind == Real && b.kind == Integer:
		return realIsInt(a.Float64(), int64(b.num))
	default:
		return false
	}
}

// CheckValue says why a hub would refuse v in a message, or nil: NaN, an
// infinity, a text that is not UTF-8, or undefined.
func CheckValue(v Value) error {
	switch {
	case !v.Finite():
		return errNotFinite
	case v.kind == Text && !utf8.ValidString(v.str):
		return protocolErrorf("a text is not valid UTF-8")
	case v.kind == Undefined:
		return protocolErrorf("undefined is not a value")
	default:
		return nil
	}
}

func realIsInt(f float64, i int64) bool {
	return f >= -(1<<63) && f < 1<<63 && f == math.Trunc(f) && int64(f) == i
}

// view returns b as a string without copying it; b must never change again.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// Valid says whether v is a value of the protocol: no NaN and no infinity, and a text
// is UTF-8.
func (v Value) Valid() bool { return v.Finite() && (v.kind != Text || utf8.ValidString(v.Bytes())) }

// Finite says whether v is anything but a NaN or an infinity.
func (v Value) Finite() bool {
	f := v.Float64()
	return v.kind != Real || !math.IsNaN(f) && !math.IsInf(f, 0)
}
