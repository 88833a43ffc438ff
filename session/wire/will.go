package wire

import "errors"

// A Will is what is to be done when a device has gone (section 7): one
// transaction, without a number and without a base. A device sets it, replaces it,
// or clears it with none.
type Will struct {
	ID            uint64
	SchemaVersion uint64
	Ops           []Op
	Set           bool // false: it is cleared
}

// A WillAnswer says that a will is durable, or why it is not taken; the one before
// it then stays.
type WillAnswer struct {
	ID      uint64
	Version uint64
	Refused *Refusal // nil: it was taken
}

// DecodeWill reads a will. Where its rows or ops are more than l takes, the error
// is a [Refusal] with [CodeTooLarge], and the Will has its id alone.
func DecodeWill(msg []byte, l Limits) (Will, error) {
	l = l.orDefaults()
	f := open(msg, l, TypeWill)
	w := Will{ID: f.uint("a will's id", MaxVersion), SchemaVersion: f.uint("the schema's version", MaxVersion)}
	if w.Set = f.peek(); w.Set {
		w.Ops = f.ops(l)
	} else {
		f.next()
	}
	err := f.close()
	if e, ok := errors.AsType[*Refusal](err); ok {
		return Will{ID: w.ID}, e
	}
	if err != nil {
		return Will{}, err
	}
	return w, nil
}

// A WillHeader is a will without its ops.
type WillHeader struct {
	ID            uint64
	SchemaVersion uint64
}

// AppendWill appends a will, its ops as [AppendOp] encoded them; without set it
// clears what there is.
func AppendWill(dst []byte, h WillHeader, ops [][]byte, set bool) []byte {
	dst = appendUint(appendUint(appendUint(appendArray(dst, 4), uint64(TypeWill)), h.ID), h.SchemaVersion)
	if !set {
		return appendNull(dst)
	}
	return appendAll(appendArray(dst, len(ops)), ops)
}

// Append appends the message.
func (w *Will) Append(dst []byte) []byte {
	return AppendWill(dst, WillHeader{w.ID, w.SchemaVersion}, encodedOps(w.Ops), w.Set)
}

// DecodeWillAnswer reads what became of a will.
func DecodeWillAnswer(msg []byte, l Limits) (WillAnswer, error) {
	f := open(msg, l.orDefaults(), TypeWill)
	a := WillAnswer{ID: f.uint("a will's id", MaxVersion)}
	if f.peek() {
		a.Version = f.uint("the version of a will", MaxVersion)
	} else {
		a.Refused = f.refusal()
	}
	if err := f.close(); err != nil {
		return WillAnswer{}, err
	}
	return a, nil
}

// Append appends the message.
func (a *WillAnswer) Append(dst []byte) []byte {
	if a.Refused != nil {
		return appendRefused(dst, TypeWill, a.ID, a.Refused)
	}
	return appendUint(appendUint(appendUint(appendArray(dst, 3), uint64(TypeWill)), a.ID), a.Version)
}
