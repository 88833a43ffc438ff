package wire

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unsafe"
)

// amplification is how many bytes are made at most for each byte that is left
// of the message, while a list is only claimed to be long. It is what a [Cell]
// takes for the shortest value.
const amplification = 16

// fields reads the elements of one array in turn. The first error is kept in
// the reader, and whatever is read after it is zero, so that a decoder reads
// like the message's layout and looks at the error once, in [fields.close].
//
// An element that is missing at the end is null (protocol, section 4). Lists
// and optional elements may be null, every other element may not.
type fields struct {
	r *reader
	n int // elements not read yet
}

// open starts to read a message that must be of type want.
func open(msg []byte, l Limits, want Type) fields {
	f, got := openAny(msg, l)
	if f.r.err == nil && got != want {
		f.fail(protocolErrorf("the message is of type %d, not %d", got, want))
	}
	return f
}

// openAny starts to read a message of any known type.
func openAny(msg []byte, l Limits) (fields, Type) {
	f := fields{r: &reader{buf: msg}}
	if len(msg) > l.Message {
		f.fail(&Error{CloseTooLarge, fmt.Sprintf("the message has %d bytes, the most is %d", len(msg), l.Message)})
		return f, 0
	}
	n, err := f.r.array("a message")
	f.n = n
	f.fail(err)
	t := f.uint("the message type", math.MaxUint64)
	if f.r.err == nil && t > uint64(TypeEvent) {
		f.fail(protocolErrorf("the message type %d is unknown", t))
	}
	return f, Type(t)
}

// fail keeps the first error.
func (f *fields) fail(err error) {
	if f.r.err == nil {
		f.r.err = err
	}
}

// peek says whether there is an element to read: false after an error, at the
// end, and for a null.
func (f *fields) peek() bool {
	return f.r.err == nil && f.n > 0 && !f.r.atNull()
}

// at says whether the next element is of a major type.
func (f *fields) at(major byte) bool {
	return f.peek() && f.r.left() > 0 && f.r.buf[f.r.pos]>>5 == major
}

// next steps to the next element if peek says that there is one, and over a null.
func (f *fields) next() bool {
	if f.r.err != nil || f.n == 0 {
		return false
	}
	f.n--
	return !f.r.null()
}

// need is next for an element that must be there.
func (f *fields) need(what string) bool {
	if f.next() {
		return true
	}
	f.fail(protocolErrorf("%s is missing", what))
	return false
}

// end passes over the elements that this version does not know.
func (f *fields) end() {
	for ; f.n > 0 && f.r.err == nil; f.n-- {
		f.fail(f.r.skip())
	}
}

// close ends a message: nothing may follow its array.
func (f *fields) close() error {
	f.end()
	if f.r.err == nil && f.r.left() > 0 {
		f.fail(protocolErrorf("%d bytes follow the message's array", f.r.left()))
	}
	return f.r.err
}

func (f *fields) uint(what string, most uint64) uint64 {
	if !f.need(what) {
		return 0
	}
	v, err := f.r.uint(what, most)
	f.fail(err)
	return v
}

// maybeUint reads an unsigned integer, or null, for which ok is false.
func (f *fields) maybeUint(what string, most uint64) (v uint64, ok bool) {
	if !f.next() {
		return 0, false
	}
	v, err := f.r.uint(what, most)
	f.fail(err)
	return v, err == nil
}

// int reads an unsigned integer of at most most, which fits an int32.
func (f *fields) int(what string, most int) int { return int(f.uint(what, uint64(most))) }

// maybeInt is int, and -1 for null.
func (f *fields) maybeInt(what string, most int) int {
	if v, ok := f.maybeUint(what, uint64(most)); ok {
		return int(v)
	}
	return -1
}

// text reads a copy of a text.
func (f *fields) text(what string) string {
	if !f.need(what) {
		return ""
	}
	s, err := f.r.text(what)
	f.fail(err)
	return strings.Clone(s)
}

// bool reads true or false; null is false.
func (f *fields) bool(what string) bool {
	if !f.next() {
		return false
	}
	v, err := f.r.bool(what)
	f.fail(err)
	return v
}

// bytes reads a byte string without copying it.
func (f *fields) bytes(what string) []byte {
	if !f.need(what) {
		return nil
	}
	b, err := f.r.bytes(what)
	f.fail(err)
	return b
}

// time reads microseconds since 1970.
func (f *fields) time(what string) time.Time {
	return unixMicro(f.uint(what, MaxVersion))
}

// value reads a copy of one SQL value. NULL is one, so it may be missing.
func (f *fields) value(what string) Value {
	if !f.next() {
		return Value{}
	}
	v, err := f.r.value()
	if err == nil && v.kind == Undefined {
		err = protocolErrorf("%s is undefined, which is not a value", what)
	}
	f.fail(err)
	return v.Clone()
}

// array steps into a list of at most most elements. Null is an empty list.
func (f *fields) array(what string, most int) fields {
	list := fields{r: f.r}
	if !f.next() {
		return list
	}
	n, err := f.r.array(what)
	if err == nil && n > most {
		err = &Error{CloseTooLarge, fmt.Sprintf("%s are %d, the most is %d", what, n, most)}
	}
	f.fail(err)
	list.n = n
	return list
}

// tuple steps into an array that stands for one thing; its first element is
// never null.
func (f *fields) tuple(what string) fields {
	if !f.need(what) {
		return fields{r: f.r}
	}
	n, err := f.r.array(what)
	f.fail(err)
	return fields{r: f.r, n: n}
}

// each reads a list with one call of read for each element.
func each[T any](list fields, read func(*fields) T) []T {
	if list.n == 0 || list.r.err != nil {
		return nil
	}
	var one T
	all := make([]T, 0, min(list.n, 1+list.r.left()*amplification/int(unsafe.Sizeof(one))))
	for list.n > 0 && list.r.err == nil {
		all = append(all, read(&list))
	}
	return all
}

func (f *fields) blocks(what string) []Block {
	return each(f.array(what, math.MaxInt), (*fields).block)
}

func (f *fields) block() Block {
	if !f.need("a block") {
		return Block{}
	}
	b, err := f.r.block()
	f.fail(err)
	return b
}

func unixMicro(us uint64) time.Time { return time.UnixMicro(int64(us)).UTC() }

// appendTime appends t as microseconds since 1970, 0 for what lies before.
func appendTime(dst []byte, t time.Time) []byte {
	return appendUint(dst, uint64(max(0, t.UnixMicro())))
}

// orDefaults fills in what is zero. A message is never larger than what a
// [Cell] can point into.
func (l Limits) orDefaults() Limits {
	set := func(limit *int, byDefault int) {
		if *limit <= 0 {
			*limit = byDefault
		}
	}
	set(&l.Message, DefaultMessageLimit)
	set(&l.Rows, DefaultRowLimit)
	set(&l.Ops, DefaultOpLimit)
	set(&l.Subs, DefaultSubLimit)
	set(&l.Scopes, DefaultScopeLimit)
	l.Message = min(l.Message, math.MaxInt32)
	return l
}

// TypeOf returns the type of a message. It looks at the first element only.
func TypeOf(msg []byte) (Type, error) {
	f, t := openAny(msg, Limits{Message: math.MaxInt32})
	return t, f.r.err
}
