package wire

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// CBOR major types (RFC 8949, section 3.1).
const (
	majorUint   = 0
	majorNint   = 1
	majorBytes  = 2
	majorText   = 3
	majorArray  = 4
	majorMap    = 5
	majorTag    = 6
	majorSimple = 7
)

// The simple values and floats of major type 7, by their additional information.
const (
	simpleFalse     = 20
	simpleTrue      = 21
	simpleNull      = 22
	simpleUndefined = 23
	infoFloat16     = 25
	infoFloat32     = 26
	infoFloat64     = 27
)

// A reader is a cursor over one message. It takes definite lengths only, and
// never reads or allocates more than the message holds.
type reader struct {
	buf []byte
	pos int
	err error // the first error that fields met
}

func (r *reader) left() int { return len(r.buf) - r.pos }

// head reads an item's head: major type, additional information, argument.
func (r *reader) head() (major, info byte, arg uint64, err error) {
	if r.pos >= len(r.buf) {
		return 0, 0, 0, errTruncated
	}
	b := r.buf[r.pos]
	major, info = b>>5, b&31
	r.pos++
	if info < 24 {
		return major, info, uint64(info), nil
	}
	if info > 27 {
		return 0, 0, 0, protocolErrorf("indefinite lengths and reserved heads are not accepted (byte 0x%02x)", b)
	}
	n := 1 << (info - 24)
	if r.left() < n {
		return 0, 0, 0, errTruncated
	}
	p := r.buf[r.pos:]
	switch n {
	case 1:
		arg = uint64(p[0])
	case 2:
		arg = uint64(binary.BigEndian.Uint16(p))
	case 4:
		arg = uint64(binary.BigEndian.Uint32(p))
	default:
		arg = binary.BigEndian.Uint64(p)
	}
	r.pos += n
	return major, info, arg, nil
}

// array reads an array's head. An element takes a byte at least, so a length
// beyond what is left is refused before anything is made for it.
func (r *reader) array(what string) (int, error) {
	major, _, arg, err := r.head()
	if err != nil {
		return 0, err
	}
	if major != majorArray {
		return 0, protocolErrorf("%s must be an array, not %s", what, majorName(major))
	}
	if arg > uint64(r.left()) {
		return 0, errTruncated
	}
	return int(arg), nil
}

// uint reads an unsigned integer of at most most.
func (r *reader) uint(what string, most uint64) (uint64, error) {
	major, _, arg, err := r.head()
	if err != nil {
		return 0, err
	}
	if major != majorUint {
		return 0, protocolErrorf("%s must be an unsigned integer, not %s", what, majorName(major))
	}
	if arg > most {
		return 0, protocolErrorf("%s is %d, the most is %d", what, arg, most)
	}
	return arg, nil
}

// atNull says whether a null comes next.
func (r *reader) atNull() bool {
	return r.pos < len(r.buf) && r.buf[r.pos] == majorSimple<<5|simpleNull
}

// null skips a null if one comes next, and says whether it did.
func (r *reader) null() bool {
	if !r.atNull() {
		return false
	}
	r.pos++
	return true
}

// bool reads true or false; null is false.
func (r *reader) bool(what string) (bool, error) {
	major, info, _, err := r.head()
	if err != nil {
		return false, err
	}
	if major == majorSimple {
		switch info {
		case simpleTrue:
			return true, nil
		case simpleFalse, simpleNull:
			return false, nil
		}
	}
	return false, protocolErrorf("%s must be true or false, not %s", what, majorName(major))
}

// bytes reads a byte string without copying it.
func (r *reader) bytes(what string) ([]byte, error) { return r.str(what, majorBytes) }

// text reads a text string without copying it.
func (r *reader) text(what string) (string, error) {
	b, err := r.str(what, majorText)
	return view(b), err
}

func (r *reader) str(what string, want byte) ([]byte, error) {
	major, _, arg, err := r.head()
	if err != nil {
		return nil, err
	}
	if major != want {
		return nil, protocolErrorf("%s must be %s, not %s", what, majorName(want), majorName(major))
	}
	b, err := r.take(arg)
	if err == nil && want == majorText && !utf8.Valid(b) {
		return nil, protocolErrorf("%s is not valid UTF-8", what)
	}
	return b, err
}

func (r *reader) take(n uint64) ([]byte, error) {
	if n > uint64(r.left()) {
		return nil, errTruncated
	}
	b := r.buf[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return b, nil
}

// skip passes over one item of any form, at most maxDepth deep.
func (r *reader) skip() error { return r.skipDeep(maxDepth) }

func (r *reader) skipDeep(depth int) error {
	if depth == 0 {
		return protocolErrorf("items are nested more than %d deep", maxDepth)
	}
	major, info, arg, err := r.head()
	if err != nil {
		return err
	}
	switch major {
	case majorUint, majorNint:
		return nil
	case majorBytes, majorText:
		_, err = r.take(arg)
		return err
	case majorTag:
		return r.skipDeep(depth - 1)
	case majorSimple:
		if info == 24 && arg < 32 {
			return protocolErrorf("a simple value below 32 in two bytes is not well-formed")
		}
		return nil
	}
	if arg > uint64(r.left()) {
		return errTruncated
	}
	if major == majorMap {
		arg *= 2
	}
	for range arg {
		if err := r.skipDeep(depth - 1); err != nil {
			return err
		}
	}
	return nil
}

// item returns the bytes of the next item, of any form.
func (r *reader) item() ([]byte, error) {
	start := r.pos
	if err := r.skip(); err != nil {
		return nil, err
	}
	return r.buf[start:r.pos:r.pos], nil
}

// value reads one SQL value.
func (r *reader) value() (Value, error) {
	c, err := r.cell()
	if err != nil {
		return Value{}, err
	}
	return c.value(r.buf), nil
}

// cell reads one SQL value as a [Cell] that points into r.buf.
func (r *reader) cell() (Cell, error) {
	major, info, arg, err := r.head()
	if err != nil {
		return Cell{}, err
	}
	switch major {
	case majorUint, majorNint:
		if arg > math.MaxInt64 {
			return Cell{}, protocolErrorf("an integer does not fit 64 bits with a sign")
		}
		if major == majorNint {
			return Cell{Kind: Integer, Num: ^arg}, nil
		}
		return Cell{Kind: Integer, Num: arg}, nil
	case majorBytes, majorText:
		at := r.pos
		b, err := r.take(arg)
		if err != nil {
			return Cell{}, err
		}
		kind := Blob
		if major == majorText {
			if !utf8.Valid(b) {
				return Cell{}, protocolErrorf("a text is not valid UTF-8")
			}
			kind = Text
		}
		return Cell{Kind: kind, Len: uint32(len(b)), Num: uint64(at)}, nil
	case majorSimple:
		return simpleCell(info, arg)
	default:
		return Cell{}, protocolErrorf("a value must be null, a number, a text or a byte string, not %s", majorName(major))
	}
}

func simpleCell(info byte, arg uint64) (Cell, error) {
	var f float64
	switch info {
	case simpleNull:
		return Cell{}, nil
	case simpleUndefined:
		return Cell{Kind: Undefined}, nil
	case infoFloat16:
		f = float16(uint16(arg))
	case infoFloat32:
		f = float64(math.Float32frombits(uint32(arg)))
	case infoFloat64:
		f = math.Float64frombits(arg)
	default:
		return Cell{}, protocolErrorf("true, false and other simple values are not SQL values")
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Cell{}, errNotFinite
	}
	return Cell{Kind: Real, Num: math.Float64bits(f)}, nil
}

// float16 decodes an IEEE 754 half (RFC 8949, appendix D).
func float16(h uint16) float64 {
	exp, mant := int(h>>10&31), float64(h&1023)
	var f float64
	switch exp {
	case 0:
		f = math.Ldexp(mant, -24)
	case 31:
		f = math.Inf(1)
		if mant != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(mant+1024, exp-25)
	}
	if h&0x8000 != 0 {
		f = -f
	}
	return f
}

func majorName(major byte) string {
	return [...]string{
		"an unsigned integer", "a negative integer", "a byte string", "a text",
		"an array", "a map", "a tagged item", "a simple value or float",
	}[major]
}

// appendHead appends an item's head in its shortest form.
func appendHead(dst []byte, major byte, arg uint64) []byte {
	major <<= 5
	switch {
	case arg < 24:
		return append(dst, major|byte(arg))
	case arg <= math.MaxUint8:
		return append(dst, major|24, byte(arg))
	case arg <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(arg))
	case arg <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(arg))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), arg)
	}
}

func appendArray(dst []byte, n int) []byte   { return appendHead(dst, majorArray, uint64(n)) }
func appendUint(dst []byte, v uint64) []byte { return appendHead(dst, majorUint, v) }
func appendNull(dst []byte) []byte           { return append(dst, majorSimple<<5|simpleNull) }

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, majorSimple<<5|simpleTrue)
	}
	return append(dst, majorSimple<<5|simpleFalse)
}

func appendInt(dst []byte, v int64) []byte {
	if v < 0 {
		return appendHead(dst, majorNint, uint64(^v))
	}
	return appendHead(dst, majorUint, uint64(v))
}

func appendText(dst []byte, s string) []byte {
	return append(appendHead(dst, majorText, uint64(len(s))), s...)
}

func appendBytes[T ~string | ~[]byte](dst []byte, b T) []byte {
	return append(appendHead(dst, majorBytes, uint64(len(b))), b...)
}

// appendUintOrNull appends v, or null when ok is false.
func appendUintOrNull(dst []byte, v uint64, ok bool) []byte {
	if !ok {
		return appendNull(dst)
	}
	return appendUint(dst, v)
}

// appendValue appends one SQL value; floats in the shorter of the two forms
// that every client reads.
func appendValue(dst []byte, v Value) []byte {
	switch v.kind {
	case Integer:
		return appendInt(dst, int64(v.num))
	case Real:
		f := v.Float64()
		if f32 := float32(f); float64(f32) == f {
			return binary.BigEndian.AppendUint32(append(dst, majorSimple<<5|infoFloat32), math.Float32bits(f32))
		}
		return binary.BigEndian.AppendUint64(append(dst, majorSimple<<5|infoFloat64), v.num)
	case Text:
		return appendText(dst, v.str)
	case Blob:
		return appendBytes(dst, v.str)
	case Undefined:
		return append(dst, majorSimple<<5|simpleUndefined)
	default:
		return appendNull(dst)
	}
}
