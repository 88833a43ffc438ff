package store_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"framehub/session/wire"
)

// A random makes transactions.
type random struct{ *rand.Rand }

func pick[T any](r random, from ...T) T { return from[r.IntN(len(from))] }

// randomKeys makes keys of a table, few enough that they meet.
var randomKeys = map[string]func(random) []any{
	"plain":   func(r random) []any { return row(r.IntN(12)) },
	"child":   func(r random) []any { return row(r.IntN(10)) },
	"pair":    func(r random) []any { return row(pick(r, "a", "A", "b", "ä", ""), r.IntN(3)) },
	"anykey":  func(r random) []any { return row(pick[any](r, 1, 1.0, 2, "1", "a", "A", []byte("a"), []byte{}, 1.5)) },
	"flat":    func(r random) []any { return row(pick[any](r, r.IntN(8), r.IntN(8), 2.0)) },
	"flatkey": func(r random) []any { return row(pick(r, "a", "A", "b\x00"), r.IntN(6)) },
	"realkey": func(r random) []any { return row(pick[any](r, 0, 1, 1.0, 2.5, -0.5, 1e10)) },
}

// randomValues makes values of columns, now and then such as are refused.
var randomValues = map[string]func(random) any{
	"plain.n": func(r random) any { return pick[any](r, 1, 2, 3, 500, -4, nil, 1000, "5", 1.5) },
	"plain.x": func(r random) any { return pick[any](r, 1, 2.5, 0.1, 1e200, nil, -3) },
	"plain.s": func(r random) any { return pick[any](r, "a", "b", "", nil, "move", "ünï\x00x", 5) },
	"plain.u": func(r random) any { return pick[any](r, nil, r.IntN(12), r.IntN(12), r.IntN(100)) },
	"pair.v":  func(r random) any { return pick[any](r, 1, 2.0, 6, 7, 13, "t", []byte{0, 1}, nil) },
	"pair.w":  func(r random) any { return pick[any](r, nil, r.IntN(6), "w", r.IntN(30)) },
	"anykey.n": func(r random) any {
		return pick[any](r, 1, 2, 11, nil, 300, -1)
	},
	"anykey.g":  func(r random) any { return pick[any](r, 2, 4, 6) },
	"anykey.v":  func(r random) any { return pick[any](r, 2, 3, 4) },
	"child.p":   func(r random) any { return pick[any](r, nil, r.IntN(12), r.IntN(12)) },
	"child.r":   func(r random) any { return pick[any](r, nil, "r", "s", "t", "made") },
	"child.c":   func(r random) any { return pick[any](r, nil, nil, r.IntN(10)) },
	"flat.a":    func(r random) any { return pick[any](r, 1, 2, 3, 3, nil, "4", math.MaxInt64) },
	"flat.b":    func(r random) any { return pick[any](r, 1, 2.5, nil, 1<<53+1, 0, math.Copysign(0, -1), 1e308) },
	"flat.c":    func(r random) any { return pick[any](r, "a", "b", "b", 12, nil, "ü\x00") },
	"flat.e":    func(r random) any { return pick[any](r, []byte{}, []byte("x"), nil, "t") },
	"flat.f":    func(r random) any { return pick[any](r, []byte{}, "", "1", 1, 1.0, 1.5, nil) },
	"flatkey.n": func(r random) any { return pick[any](r, 1, 2, 3, 4, nil) },
	"realkey.n": func(r random) any { return pick[any](r, nil, 1, 2, 3, 12) },
}

var randomColumns = map[string][]string{
	"plain": {"n", "x", "s", "u"}, "pair": {"v", "w"}, "anykey": {"n", "g", "v"}, "child": {"p", "r", "c"}, "realkey": {"n"},
	"flat": {"a", "b", "c", "e", "f"}, "flatkey": {"n"},
}

var keyColumns = map[string]string{"plain": "id", "pair": "k m", "anykey": "k", "child": "id", "realkey": "k", "flat": "id", "flatkey": "k m"}

var kinds = []wire.OpKind{
	wire.OpPut, wire.OpPut, wire.OpPut, wire.OpInsert, wire.OpUpdate, wire.OpDelete, wire.OpAdd, wire.OpTouch, wire.OpExpect,
}

func (p *propertyRun) transaction() (written, []testOp) {
	r := p.random
	ops := make([]testOp, 1+r.IntN(3))
	tables := []string{"plain", "plain", "pair", "anykey", "child", "realkey", "flat", "flat", "flatkey"}
	if r.IntN(2) == 0 {
		tables = []string{"flat", "flat", "flatkey"} // in memory, alone
	}
	for i := range ops {
		ops[i] = p.op(pick(r, tables...))
	}
	dev := pick(r, alice, bob, carol)
	w := p.write(dev)
	for _, op := range ops {
		w.Ops = append(w.Ops, wire.Op{Kind: op.kind, Block: p.decode(p.encode(op))})
	}
	if r.IntN(4) == 0 {
		w.BaseSet, w.Base = true, p.Version()+1-uint64(min(r.IntN(8), int(p.Version()+1)))
	}
	return written{dev, w}, ops
}

func (p *propertyRun) op(table string) testOp {
	r := p.random
	op := testOp{kind: pick(r, kinds...), table: table, columns: keyColumns[table]}
	var columns []string
	if op.kind != wire.OpDelete {
		for _, c := range randomColumns[table] {
			generated := table == "anykey" && c != "n" && op.kind != wire.OpExpect
			if r.IntN(2) == 0 && (!generated || r.IntN(30) == 0) {
				columns = append(columns, c)
			}
		}
	}
	r.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
	op.columns = strings.Join(append([]string{op.columns}, columns...), " ")
	for range r.IntN(4) {
		values := randomKeys[table](r)
		if r.IntN(40) == 0 {
			values[r.IntN(len(values))] = pick[any](r, nil, "x", 1.5, []byte("x"))
		}
		for _, c := range columns {
			values = append(values, p.value(op.kind, table, c, values))
		}
		op.rows = append(op.rows, values)
	}
	return op
}

// value makes a value; for an expect mostly the one that is there.
func (p *propertyRun) value(kind wire.OpKind, table, column string, key []any) any {
	v := randomValues[table+"."+column](p.random)
	if kind == wire.OpAdd && p.random.IntN(4) > 0 {
		return pick[any](p.random, 1, 2, -1, 1, 300)
	}
	if kind != wire.OpExpect || p.ref == nil || p.random.IntN(4) == 0 {
		return v
	}
	t := p.table(table)
	o := p.ref.rowOp(testOp{table: table, columns: keyColumns[table] + " " + column}, append(append([]any(nil), key[:t.Key]...), nil))
	got, err := p.ref.values(o)
	if err != nil || got == nil {
		return v
	}
	return got[1]
}

// encode encodes an op's block, each column in any form that holds it.
func (p *propertyRun) encode(op testOp) []byte {
	t := p.table(op.table)
	var places []int
	for _, name := range fields(op.columns) {
		places = append(places, t.Column(name))
	}
	block := []any{t.ID, places, len(op.rows)}
	for i := range places {
		column := make([]any, len(op.rows))
		for j, r := range op.rows {
			column[j] = r[i]
		}
		block = append(block, p.column(column))
	}
	b, err := cbor.Marshal(block)
	if err != nil {
		p.Fatal(err)
	}
	return b
}

// forms are the typed arrays of the protocol: their tags, sizes and ranges.
var forms = []struct {
	tag, size int
	low, high int64
}{
	{64, 1, 0, 1<<8 - 1}, {72, 1, -1 << 7, 1<<7 - 1}, {69, 2, 0, 1<<16 - 1}, {77, 2, -1 << 15, 1<<15 - 1},
	{70, 4, 0, 1<<32 - 1}, {78, 4, -1 << 31, 1<<31 - 1}, {79, 8, -1 << 63, 1<<63 - 1},
}

func (p *propertyRun) column(values []any) any {
	ints, floats := len(values) > 0, len(values) > 0
	for _, v := range values {
		_, f := v.(float64)
		_, i := v.(int)
		_, j := v.(int64)
		ints, floats = ints && (i || j), floats && f
	}
	switch {
	case p.random.IntN(3) == 0:
	case ints:
		for range 5 {
			form := pick(p.random, forms...)
			if b, ok := packInts(values, form.size, form.low, form.high); ok {
				return cbor.Tag{Number: uint64(form.tag), Content: b}
			}
		}
	case floats:
		return packFloats(values)
	}
	return values
}

func packInts(values []any, size int, low, high int64) (b []byte, ok bool) {
	for _, v := range values {
		big, _, _ := numberOf(v)
		n := big.Int64()
		if n < low || n > high {
			return nil, false
		}
		for i := range size {
			b = append(b, byte(n>>(8*i)))
		}
	}
	return b, true
}

// parseKey reads back what literals made.
func parseKey(text string) []any {
	var key []any
	for part := range strings.SplitSeq(text, ", ") {
		kind, quoted, found := strings.Cut(part, " ")
		switch {
		case found && quoted == "real":
			f, _ := strconv.ParseFloat(kind, 64)
			key = append(key, f)
		case found:
			s, err := strconv.Unquote(quoted)
			if err != nil {
				panic(fmt.Sprint(part, err))
			}
			if kind == "BLOB" {
				key = append(key, []byte(s))
			} else {
				key = append(key, s)
			}
		default:
			n, _ := strconv.ParseInt(part, 10, 64)
			key = append(key, n)
		}
	}
	return key
}

func packFloats(values []any) cbor.Tag {
	var b4, b8 []byte
	exact := true
	for _, v := range values {
		f := v.(float64)
		exact = exact && float64(float32(f)) == f
		b4 = binary.LittleEndian.AppendUint32(b4, math.Float32bits(float32(f)))
		b8 = binary.LittleEndian.AppendUint64(b8, math.Float64bits(f))
	}
	if exact {
		return cbor.Tag{Number: 85, Content: b4}
	}
	return cbor.Tag{Number: 86, Content: b8}
}
