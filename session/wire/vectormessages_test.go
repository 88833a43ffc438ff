package wire_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"framehub/session/wire"
)

// sample is one valid message; what was not encoded by us is not canonical.
type sample struct {
	name      string
	from      string
	msg       []byte
	canonical bool
}

func ours(name, from string, m message) sample { return sample{name, from, m.Append(nil), true} }

// theirs is a message that another encoder wrote: forms that we never send and
// always take.
func theirs(name, from string, items ...any) sample {
	return sample{name, from, encode(items...), false}
}

// encode encodes an array with somebody else's CBOR.
func encode(items ...any) []byte {
	if items == nil {
		items = list{}
	}
	data, err := sorted.Marshal(items)
	if err != nil {
		panic(err)
	}
	return data
}

// sorted writes a map the same way every time.
var sorted = func() cbor.EncMode {
	mode, err := cbor.EncOptions{Sort: cbor.SortLengthFirst}.EncMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// typed is a typed array.
func typed(tag uint64, raw ...byte) cbor.Tag {
	return cbor.Tag{Number: tag, Content: append([]byte{}, raw...)}
}

// undefined is CBOR's.
var undefined = cbor.SimpleValue(23)

func messageVectors(t *testing.T) []vector {
	t.Helper()
	var all []vector
	for _, s := range append(deviceSamples(), hubSamples()...) {
		m, err := decode(s.from, s.msg, limits)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		v := newVector(t, s.name, s.msg)
		kind, _ := wire.TypeOf(s.msg)
		v.Direction, v.Type, v.Canonical = s.from, &kind, &s.canonical
		v.Meaning = json.RawMessage(marshal(t, meaning(m)))
		all = append(all, v)
	}
	return all
}

var (
	uuid    = []byte{0x01, 0x99, 0xc0, 0xff, 0xee, 0x00, 0x70, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2a}
	epoch   = []byte{0xe9, 0x0c, 0x00, 0x01}
	session = []byte{0x5e, 0x55, 0x10, 0x01}
	moment  = time.UnixMicro(1_785_000_000_123_456).UTC()
)

// texts, integers, reals make values.
func integers(numbers ...int64) (values []wire.Value) {
	for _, n := range numbers {
		values = append(values, wire.IntegerValue(n))
	}
	return values
}

// encoded is a block of rows with as many columns as there are numbers.
func encoded(table int, columns []int, values ...wire.Value) []byte {
	return wire.AppendBlock(nil, table, columns, nil, wire.Grid{Stride: len(columns), Values: values}, nil)
}

// block is encoded, and decoded again.
func block(table int, columns []int, values ...wire.Value) wire.Block {
	b, err := wire.DecodeBlock(encoded(table, columns, values...), wire.DefaultRowLimit)
	if err != nil {
		panic(err)
	}
	return b
}

func positions() wire.Block {
	return block(3, []int{0, 2, 3},
		wire.IntegerValue(7), wire.RealValue(1.5), wire.TextValue("goblin"),
		wire.IntegerValue(300), wire.RealValue(-2), wire.Value{})
}

func deviceSamples() []sample {
	whole := wire.Sub{Name: "item"}
	zones := wire.Sub{Table: 3, Scoped: true, Scopes: []wire.Value{wire.IntegerValue(-4), wire.TextValue("mill"), wire.RealValue(0.5)}}
	slow := wire.Sub{Name: "entity", Hz: 7.5, Since: 9_007_199_254_740_991, SinceSet: true}
	none := wire.Sub{Name: "entity", Scoped: true}
	return append([]sample{
		ours("hello: nothing known", fromDevice, &wire.DeviceHello{}),
		ours("hello: everything", fromDevice, &wire.DeviceHello{
			Token: "s3cret-ü", Device: uuid, Epoch: epoch, Subs: []wire.Sub{whole, zones, slow, none}, SubsSet: true,
			Zstd: true, MaxMessage: 61440, Budget: 100_000, Role: "server", Client: "godot 4.6",
		}),
		ours("hello: subscribed to nothing", fromDevice, &wire.DeviceHello{SubsSet: true}),
		theirs("hello: keys and elements of a later version, nulls", fromDevice, 0, tree{
			"token": nil, "device": nil, "subs": nil, "role": "device", "later": list{1, tree{"a": 2}},
		}, "later"),
		theirs("hello: a subscription with elements of a later version", fromDevice, 0, tree{
			"subs": list{list{"item", nil, 10.0, nil, "later"}},
		}),
		ours("write: one of every op", fromDevice, &wire.Write{Seq: 12, SchemaVersion: 2, Ops: everyOp()}),
		ours("write: with a base", fromDevice, &wire.Write{Seq: 13, Base: 41, BaseSet: true, SchemaVersion: 2, Ops: everyOp()[:1]}),
		ours("write: base 0 is not null", fromDevice, &wire.Write{Seq: 14, BaseSet: true, SchemaVersion: 2}),
		ours("write: the largest seq, no ops", fromDevice, &wire.Write{Seq: wire.MaxVersion, SchemaVersion: 1}),
		theirs("write: elements of a later version", fromDevice, 5, 15, nil, 2,
			list{list{0, list{3, list{0}, 1, list{7}, "later in a block"}, "later in an op"}}, "later"),
		ours("clock: question", fromDevice, &wire.Clock{Echo: wire.IntegerValue(123_456_789)}),
		ours("clock: question, fraction", fromDevice, &wire.Clock{Echo: wire.RealValue(12.1)}),
		theirs("clock: question with elements of a later version", fromDevice, 8, -1, "later", 2),
		ours("tick", fromDevice, &wire.Tick{N: 1234}),
		ours("tick: the largest number", fromDevice, &wire.Tick{N: wire.MaxVersion}),
		theirs("tick: elements of a later version", fromDevice, 7, 0, "later", nil),
		ours("subscribe: add and remove", fromDevice, &wire.Subscribe{
			ID: 1, Add: []wire.Sub{zones, slow}, Remove: []wire.Sub{whole},
		}),
		theirs("subscribe: what is left out is null", fromDevice, 10, 2),
		theirs("subscribe: remove only", fromDevice, 10, 3, nil, list{list{4}}),
		ours("goodbye", fromDevice, &wire.Goodbye{Code: wire.CloseGoingAway, Text: "the player left"}),
		ours("read piece: a key of one", fromDevice, &wire.ReadPiece{ID: 1, Table: 3, Key: integers(7), Column: 4}),
		ours("read piece: a composite key", fromDevice, &wire.ReadPiece{
			ID: 2, Table: 5, Key: []wire.Value{wire.TextValue("a"), wire.BlobValue([]byte{0}), wire.RealValue(0.25)}, Column: 3, Offset: 1 << 20,
		}),
		ours("will: set", fromDevice, &wire.Will{ID: 1, SchemaVersion: 2, Ops: everyOp()[3:4], Set: true}),
		ours("will: with nothing in it", fromDevice, &wire.Will{ID: 2, SchemaVersion: 2, Set: true}),
		ours("will: cleared", fromDevice, &wire.Will{ID: 3, SchemaVersion: 2}),
		theirs("will: what is left out is null", fromDevice, 14, 4, 2),
		packedSample("packed: a write", fromDevice, &wire.Write{Seq: 12, SchemaVersion: 2, Ops: everyOp()}),
		ours("sql", fromDevice, &wire.SQL{ID: 5, Text: "SELECT ?", Params: []wire.Value{wire.IntegerValue(1)}}),
		ours("sql: without parameters", fromDevice, &wire.SQL{ID: 6, Text: "DELETE FROM item"}),
		theirs("sql: what is left out is null", fromDevice, 11, 7, "DELETE FROM item"),
	}, sendEventSamples()...)
}

func sendEventSamples() []sample {
	everyKind := wire.List(wire.Value{}, wire.IntegerValue(-1), wire.RealValue(0.1), wire.TextValue("grün"), wire.BlobValue([]byte{0, 255}))
	return []sample{
		ours("event: to a device, a text", fromDevice, &wire.SendEvent{To: wire.ToDevice(uuid), Name: "chat", Value: wire.One(wire.TextValue("hei"))}),
		ours("event: to a role, every kind of value", fromDevice, &wire.SendEvent{To: wire.ToRole("server"), Name: "ask", Value: everyKind}),
		ours("event: to a scope by a table's name, a list of one", fromDevice, &wire.SendEvent{
			To: wire.ToScope("entity", wire.IntegerValue(-4)), Name: "shot", Value: wire.List(wire.RealValue(1.5)),
		}),
		ours("event: to a scope by a table's number, an empty list", fromDevice, &wire.SendEvent{
			To: wire.Target{Number: 3, Scope: wire.TextValue("mill")}, Name: strings.Repeat("ü", 32), Value: wire.List(),
		}),
		ours("event: to the scope NULL, no value", fromDevice, &wire.SendEvent{To: wire.ToScope("entity", wire.Value{}), Name: "horn"}),
		ours("event: as many values as there may be", fromDevice, &wire.SendEvent{
			To: wire.ToRole("editor"), Name: "many", Value: wire.List(make([]wire.Value, wire.MaxEventValues)...),
		}),
		theirs("event: what is left out is null", fromDevice, 15, list{"entity"}, "horn"),
		theirs("event: elements of a later version", fromDevice, 15, list{3, "mill", "later"}, "horn", 1.5, "later"),
	}
}

func packedSample(name, from string, m message) sample {
	return sample{name, from, wire.Pack(nil, m.Append(nil)), false}
}

func everyOp() []wire.Op {
	key := block(3, []int{0}, integers(7, 8)...)
	return []wire.Op{
		{Kind: wire.OpPut, Block: positions()},
		{Kind: wire.OpInsert, Block: block(4, []int{0, 1, 2}, wire.TextValue("k"), wire.IntegerValue(1), wire.BlobValue([]byte{0, 255}))},
		{Kind: wire.OpUpdate, Block: block(3, []int{0, 3}, wire.IntegerValue(7), wire.TextValue(""))},
		{Kind: wire.OpDelete, Block: key},
		{Kind: wire.OpAdd, Block: block(3, []int{0, 2}, wire.IntegerValue(7), wire.RealValue(-0.1))},
		{Kind: wire.OpTouch, Block: positions()},
		{Kind: wire.OpExpect, Block: key},
	}
}

func hubSamples() []sample {
	all := append(hubHelloSamples(), snapshotSamples()...)
	all = append(all, frameSamples()...)
	all = append(all, tickSamples()...)
	refused := wire.Refuse(wire.CodeUnknownTable, "there is no table %q", "iten")
	return append(all,
		ours("settled: committed and refused", fromHub, &wire.Settled{Version: 42, Committed: []uint64{3, 4, 7}, Rejected: rejected()}),
		ours("settled: nothing refused", fromHub, &wire.Settled{Version: 43, Committed: []uint64{8}}),
		theirs("settled: what is left out is null", fromHub, 6, 44, list{9}),
		ours("clock: answer", fromHub, &wire.Clock{Echo: wire.IntegerValue(123_456_789), Time: moment, Version: 42, Answer: true}),
		ours("clock: answer to a fraction", fromHub, &wire.Clock{Echo: wire.RealValue(12.1), Time: moment, Version: 42, Answer: true}),
		ours("goodbye", fromHub, &wire.Goodbye{Code: wire.CloseReplaced, Text: "another session has this device"}),
		ours("goodbye: come back", fromHub, &wire.Goodbye{
			Code: wire.CloseStopping, Text: "the hub restarts", Retry: 1500 * time.Millisecond, RetrySet: true,
		}),
		ours("piece", fromHub, &wire.Piece{ID: 1, Version: 42, Size: 1 << 20, Data: []byte("part")}),
		ours("piece: refused", fromHub, &wire.Piece{ID: 2, Refused: refused}),
		ours("sql: rows", fromHub, &wire.SQLAnswer{ID: 1, Version: 42, Columns: []string{"name", "n"}, Rows: wire.Grid{Stride: 2, Values: []wire.Value{
			wire.TextValue("grün"), wire.IntegerValue(-1), {}, wire.RealValue(0.1),
		}}}),
		ours("sql: nothing returned", fromHub, &wire.SQLAnswer{ID: 2, Version: 43}),
		ours("sql: no rows", fromHub, &wire.SQLAnswer{ID: 3, Version: 43, Columns: []string{"n"}, Rows: wire.Grid{Stride: 1}}),
		ours("sql: refused", fromHub, &wire.SQLAnswer{ID: 4, Refused: wire.Refuse(wire.CodeConstraint, "near \"SELEC\": syntax error")}),
		ours("sql: unavailable", fromHub, &wire.SQLAnswer{ID: 5, Refused: wire.Refuse(wire.CodeUnavailable, "this hub does not do that")}),
		ours("will: taken", fromHub, &wire.WillAnswer{ID: 1, Version: 42}),
		ours("will: refused", fromHub, &wire.WillAnswer{ID: 2, Refused: refused}),
		ours("event: a text", fromHub, &wire.Event{From: uuid, Version: 42, Name: "chat", Value: wire.One(wire.TextValue("hei"))}),
		ours("event: a list", fromHub, &wire.Event{From: uuid, Version: wire.MaxVersion, Name: "shot", Value: wire.List(wire.RealValue(1.5), wire.IntegerValue(7))}),
		ours("event: an empty list at version 0", fromHub, &wire.Event{From: uuid, Name: "horn", Value: wire.List()}),
		theirs("event: what is left out is null", fromHub, 15, uuid, 42, "horn"),
		theirs("event: elements of a later version", fromHub, 15, uuid, 42, "horn", list{}, "later"),
		ours("event: refused", fromHub, &wire.Event{Name: "chat", Refused: wire.Refuse(wire.CodeRate, "more than 5 a second")}),
		theirs("event: unavailable", fromHub, 15, nil, nil, "unavailable", "this hub does not do that"),
		packedSample("packed: a frame", fromHub, &wire.Frame{
			Version: 42, Previous: 41, Time: moment, Changed: []wire.Block{positions()}, All: true,
		}),
	)
}

func rejected() []wire.Rejected {
	return []wire.Rejected{
		{Seq: 5, Refusal: *wire.Refuse(wire.CodeRate, "more than 60 messages a second")},
		{Seq: 6, Refusal: wire.Refusal{Code: wire.CodeConstraint, Text: "item.count: CHECK (count >= 0)", Op: 1, Row: 0}},
		{Seq: 10, Refusal: wire.Refusal{Code: wire.CodeForbidden, Text: "item: no right to delete", Op: 2, Row: -1}},
	}
}

func hubHelloSamples() []sample {
	schema := &wire.Schema{Version: 2, Tables: []wire.SchemaTable{
		{
			Number: 3, Name: "entity", KeyLength: 1, Scope: 1, Class: "durable",
			Rights: wire.RightRead | wire.RightInsert | wire.RightUpdate | wire.RightDelete,
			Columns: []wire.SchemaColumn{
				{Name: "id", Type: "INTEGER", Flags: wire.FlagNotNull}, {Name: "zone", Type: "ANY"},
				{Name: "x", Type: "REAL", Flags: wire.FlagNotNull | wire.FlagHasDefault},
				{Name: "name", Type: "TEXT"}, {Name: "portrait", Type: "BLOB", Flags: wire.FlagReadOnly},
			},
		},
		{
			Number: 0, Name: "pose", KeyLength: 2, Scope: -1, Class: "live", Rights: wire.RightRead,
			Columns: []wire.SchemaColumn{{Name: "a", Type: "TEXT"}, {Name: "b", Type: "INTEGER"}},
		},
	}}
	return []sample{
		ours("hello: first contact", fromHub, &wire.HubHello{
			Session: session, Device: uuid, Epoch: epoch, Version: 41, Schema: &wire.Schema{Version: 1},
			Limits: wire.HubLimits{Message: 1 << 20, Rows: 16384, Unsettled: 64}, FrameHz: 60, Time: moment,
		}),
		ours("hello: resumed", fromHub, &wire.HubHello{
			Session: session, Device: uuid, Epoch: epoch, Version: 42, Settled: 11, SettledKnown: true, Rejected: rejected(),
			Resumed: true, Schema: schema, Limits: wire.HubLimits{Message: 65536, Rows: 100, Unsettled: 64, Rate: 120},
			Capabilities: []string{"zstd", "hz"}, FrameHz: 12.5, Time: moment,
		}),
		ours("schema", fromHub, schema),
		theirs("schema: elements of a later version", fromHub, 1, list{
			3, list{list{1, "t", 1, nil, list{list{"id", "INTEGER", 1, "later"}, list{"v", "ANY"}}, 1, "durable", "later"}}, "later",
		}, "later"),
	}
}

func snapshotSamples() []sample {
	large := block(3, []int{0, 4}, wire.IntegerValue(7), wire.UndefinedValue(), wire.IntegerValue(8), wire.BlobValue([]byte{1}))
	return []sample{
		ours("snapshot: two blocks", fromHub, &wire.Snapshot{Version: 42, Blocks: []wire.Block{positions(), large}}),
		ours("snapshot: no block", fromHub, &wire.Snapshot{ID: 3, Version: 42}),
		ours("snapshot end", fromHub, &wire.SnapshotEnd{ID: 3, Version: 42}),
		ours("snapshot end: version 0 is not null", fromHub, &wire.SnapshotEnd{}),
		ours("snapshot end: refused", fromHub, &wire.SnapshotEnd{
			ID: 4, Refused: wire.Refuse(wire.CodeUnknownTable, "there is no table %q", "iten"),
		}),
	}
}

func tickSamples() []sample {
	return []sample{
		ours("tick: answer", fromHub, &wire.Tick{N: 1234, Answer: true, Version: 42}),
		ours("tick: answer 0 in version 0", fromHub, &wire.Tick{Answer: true}),
		ours("tick: another holds the clock", fromHub, &wire.Tick{
			N: 1234, Answer: true, Refused: wire.Refuse(wire.CodeClockHeld, "another server holds the clock"),
		}),
		ours("tick: unavailable", fromHub, &wire.Tick{
			N: 1234, Answer: true, Refused: wire.Refuse(wire.CodeUnavailable, "this hub does not do that"),
		}),
		ours("tick: a server holds the clock", fromHub, &wire.Holder{Device: uuid}),
		ours("tick: the hub's own clock is back", fromHub, &wire.Holder{}),
		theirs("tick: answer with elements of a later version", fromHub, 7, 5, 42, "later"),
		theirs("tick: holder with elements of a later version", fromHub, 7, nil, uuid, "later", 1),
		theirs("tick: what is left out is null", fromHub, 7),
	}
}

func authors() []wire.Author {
	return []wire.Author{
		{Device: uuid, Seq: 12, Table: 3, Keys: wire.Grid{Stride: 1, Values: integers(7)}},
		{Device: uuid, Seq: 12, Table: 4, Keys: wire.Grid{Stride: 1, Values: []wire.Value{wire.TextValue("k"), wire.TextValue("ü")}}},
		{Device: make([]byte, 16), Seq: wire.MaxVersion, Table: 3, Keys: wire.Grid{Stride: 1, Values: integers(300, 9, 7)}},
		{Device: uuid, Seq: 13, Table: 5, Keys: wire.Grid{Stride: 3, Values: integers(1, 2, -3, 1, 2, 300)}},
	}
}

func frameSamples() []sample {
	gone := block(3, []int{0}, integers(9, 70_000)...)
	return []sample{
		ours("frame: nothing to see", fromHub, &wire.Frame{Version: 42, Previous: 41, Time: moment, All: true}),
		ours("frame: changed and removed", fromHub, &wire.Frame{
			Version: 42, Previous: 40, Time: moment, Changed: []wire.Block{positions(), block(4, []int{0}, integers(math.MinInt64)...)},
			Removed: []wire.Block{gone}, All: true,
		}),
		ours("frame: the first of several", fromHub, &wire.Frame{
			Version: 42, Previous: 40, Time: moment, Changed: []wire.Block{positions()}, More: true, All: true,
		}),
		ours("frame: two subscriptions complete", fromHub, &wire.Frame{
			Version: 42, Previous: 40, Time: moment, Removed: []wire.Block{gone}, Complete: []int{0, 300},
		}),
		ours("frame: with authors", fromHub, &wire.Frame{
			Version: 42, Previous: 41, Time: moment, Changed: []wire.Block{positions()}, Removed: []wire.Block{gone}, All: true, Authors: authors(),
		}),
		ours("frame: no subscription complete", fromHub, &wire.Frame{Version: 42, Previous: 40, Time: moment}),
		theirs("frame: what is left out is null", fromHub, 4, 42, 41, 1_785_000_000_123_456),
		theirs("frame: nulls, authors, elements of a later version", fromHub, 4, 42, 41, 1, nil,
			list{list{3, list{0}, 1, typed(79, 9, 0, 0, 0, 0, 0, 0, 0)}}, nil, list{1}, list{list{uuid, 3, 3, list{9}, "later in an author"}}, "later"),
		theirs("frame: authors whose keys are plain, composite of one, none", fromHub, 4, 42, 41, 1, nil, nil, nil, nil,
			list{list{uuid, 3, 3, list{9, 1.5, nil}}, list{uuid, 3, 3, list{list{9}}}, list{uuid, 3, 3, list{}}}),
	}
}
