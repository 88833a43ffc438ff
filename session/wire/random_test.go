package wire_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"framehub/session/wire"
)

// A random makes messages of any content. Its seed is printed where a test
// fails with it.
type random struct{ *rand.Rand }

// eachRandom runs a test of a law many times, each with a seed of its own.
func eachRandom(t *testing.T, times uint64, law func(t *testing.T, r random)) {
	t.Helper()
	for seed := range times {
		law(t, random{rand.New(rand.NewPCG(seed, 1))})
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

func (r random) bool() bool { return r.IntN(2) == 0 }

// number is a number whose magnitude is random.
func (r random) number() int64 {
	n := int64(r.Uint64() >> r.IntN(64))
	if r.bool() {
		return ^n
	}
	return n
}

func (r random) uint() uint64 { return r.Uint64() & wire.MaxVersion >> r.IntN(53) }

func (r random) real() float64 {
	for {
		f := math.Float64frombits(r.Uint64())
		if r.bool() {
			f = float64(float32(r.NormFloat64()))
		}
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	}
}

func (r random) text() string {
	return strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(40)) + []string{"", "ü", "🌲", "\x00", "\""}[r.IntN(5)]
}

func (r random) bytes(most int) []byte {
	b := make([]byte, 1+r.IntN(most))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (r random) value() wire.Value {
	switch r.IntN(5) {
	case 0:
		return wire.IntegerValue(r.number())
	case 1:
		return wire.RealValue(r.real())
	case 2:
		return wire.TextValue(r.text())
	case 3:
		return wire.BlobValue(r.bytes(30))
	default:
		return wire.Value{}
	}
}

// columnOf returns what makes the values of one column: mostly of one kind, and
// of one magnitude.
func (r random) columnOf() func() wire.Value {
	shift := r.IntN(64)
	signed := r.bool()
	switch r.IntN(6) {
	case 0, 1:
		return func() wire.Value {
			n := int64(r.Uint64() >> shift)
			if signed && r.bool() {
				n = ^n
			}
			return wire.IntegerValue(n)
		}
	case 2:
		return func() wire.Value { return wire.RealValue(float64(float32(r.NormFloat64()))) }
	case 3:
		return func() wire.Value { return wire.RealValue(r.real()) }
	case 4:
		return func() wire.Value { return wire.TextValue(r.text()) }
	default:
		return r.value
	}
}

func (r random) grid() wire.Grid {
	g := wire.Grid{Stride: 1 + r.IntN(6)}
	columns := make([]func() wire.Value, g.Stride)
	for i := range columns {
		columns[i] = r.columnOf()
	}
	for range r.IntN(20) {
		for _, next := range columns {
			g.Values = append(g.Values, next())
		}
	}
	return g
}

// encodedBlock returns a block, and the rows that it must hold.
func (r random) encodedBlock() ([]byte, wire.Grid) {
	g := r.grid()
	at := r.Perm(g.Stride)[:1+r.IntN(g.Stride)]
	columns := r.Perm(wire.MaxColumns)[:len(at)]
	var pick []int32
	if r.bool() {
		pick = make([]int32, 0)
		for range r.IntN(2 * (g.Rows() + 1)) {
			if g.Rows() > 0 {
				pick = append(pick, int32(r.IntN(g.Rows())))
			}
		}
	}
	want := wire.Grid{Stride: len(at)}
	for i := range g.Rows() {
		if pick == nil {
			want.Values = appendPlaces(want.Values, g.Row(i), at)
		}
	}
	for _, i := range pick {
		want.Values = appendPlaces(want.Values, g.Row(int(i)), at)
	}
	return wire.AppendBlock(nil, r.IntN(math.MaxInt32), columns, at, g, pick), want
}

func appendPlaces(dst, row []wire.Value, at []int) []wire.Value {
	for _, i := range at {
		dst = append(dst, row[i])
	}
	return dst
}

func (r random) block() wire.Block {
	data, _ := r.encodedBlock()
	b, err := wire.DecodeBlock(data, wire.DefaultRowLimit)
	if err != nil {
		panic(err)
	}
	return b
}

// author makes an author of a row at least: of none, how many columns its keys
// have is not told.
func (r random) author() wire.Author {
	a := wire.Author{Device: uuid, Seq: r.uint(), Table: r.IntN(math.MaxInt32)}
	for a.Keys = r.grid(); a.Keys.Rows() == 0; {
		a.Keys = r.grid()
	}
	return a
}

// some makes up to n of something.
func some[T any](r random, n int, one func() T) (all []T) {
	for range r.IntN(n + 1) {
		all = append(all, one())
	}
	return all
}

func (r random) sub() wire.Sub {
	s := wire.Sub{Scoped: r.bool(), SinceSet: r.bool()}
	if s.Table = r.IntN(math.MaxInt32); r.bool() {
		s.Name, s.Table = "t"+r.text(), 0
	}
	if s.Scoped {
		s.Scopes = some(r, 4, r.value)
	}
	if r.bool() {
		s.Hz = math.Abs(r.real()) + math.SmallestNonzeroFloat64
	}
	if s.SinceSet {
		s.Since = r.uint()
	}
	return s
}

func (r random) rejected() wire.Rejected {
	return wire.Rejected{Seq: r.uint(), Refusal: wire.Refusal{
		Code: wire.CodeType, Text: r.text(), Op: r.IntN(100) - 1, Row: r.IntN(100) - 1,
	}}
}

func (r random) refusal() *wire.Refusal {
	if r.bool() {
		return nil
	}
	return wire.Refuse(wire.CodeForbidden, "%s", r.text())
}

func (r random) moment() time.Time { return time.UnixMicro(int64(r.uint())).UTC() }

func (r random) schema() wire.Schema {
	return wire.Schema{Version: r.uint(), Tables: some(r, 3, func() wire.SchemaTable {
		columns := some(r, 5, func() wire.SchemaColumn {
			return wire.SchemaColumn{Name: r.text(), Type: "ANY", Flags: wire.ColumnFlags(r.IntN(8))}
		})
		return wire.SchemaTable{
			Number: r.IntN(1000), Name: r.text(), KeyLength: r.IntN(len(columns) + 1), Scope: r.IntN(len(columns)+1) - 1,
			Columns: columns, Rights: wire.Rights(r.IntN(32)), Class: "durable",
		}
	})}
}

// deviceMessage makes a message of those that a device sends.
func (r random) deviceMessage() message {
	switch r.IntN(10) {
	case 0:
		h := &wire.DeviceHello{
			Token: r.text(), Device: r.bytes(9), Epoch: r.bytes(9), SubsSet: r.bool(), Zstd: r.bool(),
			MaxMessage: r.IntN(math.MaxInt32), Budget: r.Uint64(), Role: r.text(), Client: r.text(),
		}
		if h.Device = uuid; r.bool() {
			h.Device = nil
		}
		if h.SubsSet {
			h.Subs = some(r, 3, r.sub)
		}
		return h
	case 1, 2:
		return &wire.Write{Seq: r.uint(), Base: r.uint(), BaseSet: true, SchemaVersion: r.uint(), Ops: some(r, 4, func() wire.Op {
			return wire.Op{Kind: wire.OpKind(r.IntN(int(wire.OpExpect) + 1)), Block: r.block()}
		})}
	case 3:
		return &wire.Clock{Echo: wire.RealValue(r.real())}
	case 6:
		return &wire.Will{ID: r.uint(), SchemaVersion: r.uint(), Set: true, Ops: some(r, 4, func() wire.Op {
			return wire.Op{Kind: wire.OpKind(r.IntN(int(wire.OpExpect) + 1)), Block: r.block()}
		})}
	case 7:
		return &wire.SendEvent{To: r.target(), Name: "e" + strings.ReplaceAll(r.text(), "\x00", ""), Value: r.payload()}
	case 4:
		return &wire.Tick{N: r.uint()}
	case 8:
		return &wire.SQL{ID: r.uint(), Text: r.text(), Params: some(r, 4, r.value)}
	case 5:
		return &wire.Subscribe{ID: 1 + r.uint()>>1, Add: some(r, 3, r.sub), Remove: some(r, 3, r.sub)}
	default:
		return &wire.ReadPiece{
			ID: r.uint(), Table: r.IntN(99), Key: append(some(r, 2, r.value), r.value()), Column: r.IntN(99), Offset: r.uint(),
		}
	}
}

func (r random) target() wire.Target {
	switch r.IntN(4) {
	case 0:
		return wire.ToDevice(uuid)
	case 1:
		return wire.ToRole("r" + r.text())
	case 2:
		return wire.Target{Number: r.IntN(math.MaxInt32), Scope: r.value()}
	default:
		return wire.ToScope("t"+r.text(), r.value())
	}
}

func (r random) payload() wire.Payload {
	if r.bool() {
		return wire.One(r.value())
	}
	return wire.List(some(r, wire.MaxEventValues, r.value)...)
}

// hubMessage makes a message of those that a hub sends.
func (r random) hubMessage() message {
	switch r.IntN(13) {
	case 0:
		schema := r.schema()
		return &wire.HubHello{
			Session: r.bytes(9), Device: uuid, Epoch: r.bytes(9), Version: r.uint(), Settled: r.uint(), SettledKnown: true,
			Rejected: some(r, 3, r.rejected), Resumed: r.bool(), Schema: &schema, Limits: wire.HubLimits{Rows: r.IntN(99)},
			Capabilities: some(r, 3, r.text), FrameHz: math.Abs(r.real()), Time: r.moment(),
		}
	case 1:
		schema := r.schema()
		return &schema
	case 2:
		return &wire.Snapshot{ID: r.uint(), Version: r.uint(), Blocks: some(r, 3, r.block)}
	case 3:
		return &wire.SnapshotEnd{ID: r.uint(), Refused: r.refusal()}
	case 4:
		return &wire.Settled{
			Version: r.uint(), Committed: some(r, 5, r.uint), Rejected: some(r, 3, r.rejected),
		}
	case 5:
		return &wire.Goodbye{Code: wire.CloseCode(r.IntN(5000)), Text: r.text(), Retry: time.Duration(r.IntN(9999)) * time.Millisecond, RetrySet: true}
	case 9:
		if refused := r.refusal(); refused != nil {
			return &wire.WillAnswer{ID: r.uint(), Refused: refused}
		}
		return &wire.WillAnswer{ID: r.uint(), Version: r.uint()}
	case 10:
		if refused := r.refusal(); refused != nil {
			return &wire.Event{Name: r.text(), Refused: refused}
		}
		return &wire.Event{From: uuid, Version: r.uint(), Name: r.text(), Value: r.payload()}
	case 11:
		if refused := r.refusal(); refused != nil {
			return &wire.SQLAnswer{ID: r.uint(), Refused: refused}
		}
		a := &wire.SQLAnswer{ID: r.uint(), Version: r.uint(), Columns: some(r, 3, r.text)}
		if a.Rows.Stride = len(a.Columns); a.Rows.Stride > 0 {
			for range a.Rows.Stride * r.IntN(3) {
				a.Rows.Values = append(a.Rows.Values, r.value())
			}
		}
		return a
	case 6:
		if refused := r.refusal(); refused != nil {
			return &wire.Piece{ID: r.uint(), Refused: refused}
		}
		return &wire.Piece{ID: r.uint(), Version: r.uint(), Size: r.uint(), Data: r.bytes(99)}
	case 7:
		return &wire.Tick{N: r.uint(), Answer: true, Refused: r.refusal()}
	case 8:
		if r.bool() {
			return &wire.Holder{}
		}
		return &wire.Holder{Device: uuid}
	default:
		f := &wire.Frame{
			Version: r.uint(), Previous: r.uint(), Time: r.moment(), Changed: some(r, 3, r.block), Removed: some(r, 3, r.block),
			More: r.bool(), All: r.bool(), Authors: some(r, 3, r.author),
		}
		if !f.All {
			f.Complete = some(r, 4, func() int { return r.IntN(1000) })
		}
		return f
	}
}
