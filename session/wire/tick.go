package wire

import "bytes"

// Tick closes a frame, or tells the version that has everything that came before
// the tick, or why there is none (protocol, section 6).
type Tick struct {
	N       uint64 // the server's own
	Answer  bool   // false: the tick itself, which has only N
	Version uint64
	Refused *Refusal // of an answer
}

// A Holder tells whose ticks close frames.
type Holder struct {
	Device []byte // 16 bytes; nil: the hub's own clock does
}

// DecodeTick reads a server's tick.
func DecodeTick(msg []byte, l Limits) (Tick, error) {
	f := open(msg, l.orDefaults(), TypeTick)
	t := Tick{N: f.uint("a tick's number", MaxVersion)}
	if err := f.close(); err != nil {
		return Tick{}, err
	}
	return t, nil
}

// DecodeTickAnswer reads what a hub says of ticks: the answer to one, or where its
// number is null, who holds the clock; holder is nil for an answer.
func DecodeTickAnswer(msg []byte, l Limits) (t Tick, holder *Holder, err error) {
	f := open(msg, l.orDefaults(), TypeTick)
	n, ok := f.maybeUint("a tick's number", MaxVersion)
	switch {
	case !ok:
		holder = f.holder()
	case f.peek():
		t = Tick{N: n, Answer: true, Version: f.uint("a tick's version", MaxVersion)}
	default:
		t = Tick{N: n, Answer: true, Refused: f.refusal()}
	}
	if err := f.close(); err != nil {
		return Tick{}, nil, err
	}
	return t, holder, nil
}

func (f *fields) holder() *Holder {
	if !f.peek() {
		f.next()
		return &Holder{}
	}
	return &Holder{Device: f.device("the holder of the clock")}
}

// device reads a copy of a device's UUID.
func (f *fields) device(what string) []byte {
	b := f.bytes(what)
	if f.r.err == nil && len(b) != UUIDSize {
		f.fail(protocolErrorf("%s has %d bytes, a UUID has %d", what, len(b), UUIDSize))
	}
	return bytes.Clone(b)
}

// Append appends the message.
func (t *Tick) Append(dst []byte) []byte {
	switch {
	case t.Refused != nil:
		return appendRefused(dst, TypeTick, t.N, t.Refused)
	case !t.Answer:
		return appendUint(appendUint(appendArray(dst, 2), uint64(TypeTick)), t.N)
	default:
		dst = appendUint(appendUint(appendArray(dst, 3), uint64(TypeTick)), t.N)
		return appendUint(dst, t.Version)
	}
}

// Append appends the message.
func (h *Holder) Append(dst []byte) []byte {
	dst = appendNull(appendUint(appendArray(dst, 3), uint64(TypeTick)))
	if h.Device == nil {
		return appendNull(dst)
	}
	return appendBytes(dst, h.Device)
}
