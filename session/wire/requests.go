package wire

import (
	"bytes"
	"math"
	"time"
)

// DecodeClock reads a device's question for the hub's time.
func DecodeClock(msg []byte, l Limits) (Clock, error) {
	f := open(msg, l.orDefaults(), TypeClock)
	c := Clock{Echo: f.echo()}
	if err := f.close(); err != nil {
		return Clock{}, err
	}
	return c, nil
}

// DecodeClockAnswer reads the hub's answer.
func DecodeClockAnswer(msg []byte, l Limits) (Clock, error) {
	f := open(msg, l.orDefaults(), TypeClock)
	c := Clock{Echo: f.echo(), Answer: true}
	c.Time, c.Version = f.time("the hub's time"), f.uint("the version", MaxVersion)
	if err := f.close(); err != nil {
		return Clock{}, err
	}
	return c, nil
}

func (f *fields) echo() Value {
	const what = "the device's time"
	v := f.value(what)
	if v.kind != Integer && v.kind != Real {
		f.fail(protocolErrorf("%s must be a number, not %s", what, v))
	}
	return v
}

// Append appends the question or the answer.
func (c *Clock) Append(dst []byte) []byte {
	n := 2
	if c.Answer {
		n = 4
	}
	dst = appendUint(appendArray(dst, n), uint64(TypeClock))
	dst = appendValue(dst, c.Echo)
	if c.Answer {
		dst = appendUint(appendTime(dst, c.Time), c.Version)
	}
	return dst
}

// DecodeGoodbye reads a goodbye, from either side.
func DecodeGoodbye(msg []byte, l Limits) (Goodbye, error) {
	f := open(msg, l.orDefaults(), TypeGoodbye)
	g := Goodbye{Code: CloseCode(f.int("a goodbye's code", math.MaxUint16)), Text: f.text("a goodbye's text")}
	ms, ok := f.maybeUint("a goodbye's retry time", math.MaxInt32)
	g.Retry, g.RetrySet = time.Duration(ms)*time.Millisecond, ok
	if err := f.close(); err != nil {
		return Goodbye{}, err
	}
	return g, nil
}

// Append appends the message. The retry time is sent in whole milliseconds.
func (g *Goodbye) Append(dst []byte) []byte {
	n := 3
	if g.RetrySet {
		n = 4
	}
	dst = appendUint(appendArray(dst, n), uint64(TypeGoodbye))
	dst = appendText(appendUint(dst, uint64(g.Code)), g.Text)
	if g.RetrySet {
		dst = appendUint(dst, uint64(max(0, g.Retry.Milliseconds())))
	}
	return dst
}

// DecodeReadPiece reads a request for a part of a large value.
func DecodeReadPiece(msg []byte, l Limits) (ReadPiece, error) {
	f := open(msg, l.orDefaults(), TypeReadPiece)
	p := ReadPiece{
		ID:     f.uint("the id of a read", MaxVersion),
		Table:  f.int("the table of a read", math.MaxInt32),
		Key:    f.key(),
		Column: f.int("the column of a read", MaxColumns-1),
		Offset: f.uint("the offset of a read", MaxVersion),
	}
	if err := f.close(); err != nil {
		return ReadPiece{}, err
	}
	return p, nil
}

// key reads a primary key: one value, or an array of them.
func (f *fields) key() []Value {
	const what = "a key"
	if !f.at(majorArray) {
		return []Value{f.value(what)}
	}
	list := f.array(what, MaxColumns)
	if list.n == 0 {
		f.fail(protocolErrorf("a key is empty"))
	}
	return each(list, func(f *fields) Value { return f.value(what) })
}

// Append appends the message.
func (p *ReadPiece) Append(dst []byte) []byte {
	dst = appendUint(appendArray(dst, 6), uint64(TypeReadPiece))
	dst = appendUint(appendUint(dst, p.ID), uint64(p.Table))
	if len(p.Key) == 1 {
		dst = appendValue(dst, p.Key[0])
	} else {
		dst = appendValues(dst, p.Key)
	}
	return appendUint(appendUint(dst, uint64(p.Column)), p.Offset)
}

// DecodePiece reads a part of a large value, or why there is none.
func DecodePiece(msg []byte, l Limits) (Piece, error) {
	f := open(msg, l.orDefaults(), TypeReadPiece)
	p := Piece{ID: f.uint("the id of a read", MaxVersion)}
	if f.peek() {
		p.Version = f.uint("the version of a read", MaxVersion)
		p.Size = f.uint("the size of a value", MaxVersion)
		p.Data = bytes.Clone(f.bytes("a part of a value"))
	} else {
		p.Refused = f.refusal()
	}
	if err := f.close(); err != nil {
		return Piece{}, err
	}
	return p, nil
}

// Append appends the message.
func (p *Piece) Append(dst []byte) []byte {
	if p.Refused != nil {
		return appendRefused(dst, TypeReadPiece, p.ID, p.Refused)
	}
	dst = appendUint(appendArray(dst, 5), uint64(TypeReadPiece))
	dst = appendUint(appendUint(appendUint(dst, p.ID), p.Version), p.Size)
	return appendBytes(dst, p.Data)
}

// refusal reads the null in place of a version, and the code and the text that
// follow it.
func (f *fields) refusal() *Refusal {
	f.next()
	return &Refusal{Code: Code(f.text("a refusal's code")), Text: f.text("a refusal's text"), Op: -1, Row: -1}
}

func appendRefused(dst []byte, t Type, id uint64, r *Refusal) []byte {
	dst = appendUint(appendUint(appendArray(dst, 5), uint64(t)), id)
	return appendText(appendText(appendNull(dst), string(r.Code)), r.Text)
}
