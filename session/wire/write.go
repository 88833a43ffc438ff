package wire

import (
	"errors"
	"math"
)

// DecodeWrite reads a transaction. Where its rows or ops are more than l takes,
// the error is a [Refusal] with [CodeTooLarge], and the Write holds all but the
// ops: such a transaction is refused and settled like any other, and the
// session goes on.
func DecodeWrite(msg []byte, l Limits) (Write, error) {
	l = l.orDefaults()
	f := open(msg, l, TypeWrite)
	w := Write{Seq: f.uint("a transaction's number", MaxVersion)}
	w.Base, w.BaseSet = f.maybeUint("base", MaxVersion)
	w.SchemaVersion = f.uint("the schema's version", MaxVersion)
	w.Ops = f.ops(l)
	err := f.close()
	if e, ok := errors.AsType[*Refusal](err); ok {
		w.Ops = nil
		return w, e
	}
	if err != nil {
		return Write{}, err
	}
	return w, nil
}

func (f *fields) ops(l Limits) []Op {
	rows := l.Rows
	list := f.array("the ops", math.MaxInt)
	if list.n > l.Ops {
		f.fail(Refuse(CodeTooLarge, "the transaction has %d ops, the most is %d", list.n, l.Ops))
	}
	return each(list, func(f *fields) Op {
		op := f.op()
		if rows -= op.Block.N; rows < 0 {
			f.fail(Refuse(CodeTooLarge, "the transaction has more than %d rows", l.Rows))
		}
		return op
	})
}

func (f *fields) op() Op {
	in := f.tuple("an op")
	op := Op{Kind: OpKind(in.uint("the kind of an op", uint64(OpExpect)))}
	op.Block = in.block()
	in.end()
	for _, c := range op.Block.Cells {
		if c.Kind == Undefined {
			f.fail(protocolErrorf("an op holds undefined, which is not a value"))
		}
	}
	return op
}

// A WriteHeader is a transaction without its ops.
type WriteHeader struct {
	Seq           uint64
	Base          uint64
	BaseSet       bool
	SchemaVersion uint64
}

// AppendOp appends an op, its block as [AppendBlock] encoded it.
func AppendOp(dst []byte, kind OpKind, block []byte) []byte {
	dst = appendUint(appendArray(dst, 2), uint64(kind))
	return append(dst, block...)
}

// AppendWrite appends a transaction, its ops as [AppendOp] encoded them. It
// takes [WriteOverhead] bytes at most besides the ops.
func AppendWrite(dst []byte, h WriteHeader, ops [][]byte) []byte {
	dst = appendUint(appendArray(dst, 5), uint64(TypeWrite))
	dst = appendUint(dst, h.Seq)
	dst = appendUintOrNull(dst, h.Base, h.BaseSet)
	dst = appendUint(dst, h.SchemaVersion)
	return appendAll(appendArray(dst, len(ops)), ops)
}

// WriteOverhead is the most bytes that a transaction takes besides its ops,
// each of which takes two besides its block.
const WriteOverhead = 1 + 1 + 9 + 9 + 9 + 5

// Append appends the message.
func (w *Write) Append(dst []byte) []byte {
	return AppendWrite(dst, WriteHeader{w.Seq, w.Base, w.BaseSet, w.SchemaVersion}, encodedOps(w.Ops))
}

func encodedOps(ops []Op) [][]byte {
	encoded := make([][]byte, len(ops))
	for i := range ops {
		encoded[i] = AppendOp(nil, ops[i].Kind, ops[i].Block.Append(nil))
	}
	return encoded
}

// DecodeSettled reads what became of transactions.
func DecodeSettled(msg []byte, l Limits) (Settled, error) {
	f := open(msg, l.orDefaults(), TypeSettled)
	s := Settled{Version: f.uint("the version", MaxVersion)}
	s.Committed = each(f.array("the committed transactions", math.MaxInt), func(f *fields) uint64 {
		return f.uint("a transaction's number", MaxVersion)
	})
	s.Rejected = f.rejected()
	if err := f.close(); err != nil {
		return Settled{}, err
	}
	return s, nil
}

// Append appends the message.
func (s *Settled) Append(dst []byte) []byte {
	dst = appendUint(appendArray(dst, 4), uint64(TypeSettled))
	dst = appendUint(dst, s.Version)
	dst = appendArray(dst, len(s.Committed))
	for _, seq := range s.Committed {
		dst = appendUint(dst, seq)
	}
	return appendRejected(dst, s.Rejected)
}

func (f *fields) rejected() []Rejected {
	return each(f.array("the rejected transactions", math.MaxInt), func(f *fields) Rejected {
		in := f.tuple("a rejected transaction")
		r := Rejected{Seq: in.uint("a transaction's number", MaxVersion)}
		r.Code, r.Text = Code(in.text("a refusal's code")), in.text("a refusal's text")
		r.Op, r.Row = in.maybeInt("a refusal's op", math.MaxInt32), in.maybeInt("a refusal's row", math.MaxInt32)
		in.end()
		return r
	})
}

func appendRejected(dst []byte, all []Rejected) []byte {
	dst = appendArray(dst, len(all))
	for i := range all {
		dst = all[i].append(dst)
	}
	return dst
}

func (r *Rejected) append(dst []byte) []byte {
	n := 3
	switch {
	case r.Row >= 0:
		n = 5
	case r.Op >= 0:
		n = 4
	}
	dst = appendUint(appendArray(dst, n), r.Seq)
	dst = appendText(appendText(dst, string(r.Code)), r.Text)
	if n > 3 {
		dst = appendUintOrNull(dst, uint64(r.Op), r.Op >= 0)
	}
	if n > 4 {
		dst = appendUint(dst, uint64(r.Row))
	}
	return dst
}
