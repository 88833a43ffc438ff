package wire_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"framehub/session/wire"
)

// badSample is a message that is refused.
type badSample struct {
	name   string
	from   string
	msg    []byte
	limits *vectorLimits
}

// invalidVectors writes down the code that each message is refused with. A code
// that changes shows in the difference.
func invalidVectors(t *testing.T) []vector {
	t.Helper()
	var all []vector
	for _, s := range badSamples() {
		_, err := decode(s.from, s.msg, s.limits.wire())
		if err == nil {
			t.Fatalf("%s: was accepted", s.name)
		}
		v := newVector(t, s.name, s.msg)
		v.Direction, v.Limits = s.from, s.limits
		if r, ok := errors.AsType[*wire.Refusal](err); ok {
			v.Refused, v.Reason = r.Code, r.Text
		} else {
			e := wire.AsError(err)
			v.Code, v.Reason = e.Code, e.Reason
		}
		all = append(all, v)
	}
	return all
}

func badSamples() []badSample {
	all := append(badItems(), badHellos()...)
	all = append(all, badWrites()...)
	all = append(all, badRequests()...)
	return append(append(all, badBlocks()...), badFromHub()...)
}

func bad(name string, items ...any) badSample {
	return badSample{name: name, from: fromDevice, msg: encode(items...)}
}

func badRaw(name string, msg ...byte) badSample {
	return badSample{name: name, from: fromDevice, msg: msg}
}

func badItems() []badSample {
	deep := any(0)
	for range 16 {
		deep = list{deep}
	}
	return []badSample{
		badRaw("no bytes"),
		badRaw("a number", 0x05),
		badRaw("a text", 0x61, '5'),
		badRaw("a map", 0xa1, 0x05, 0x01),
		badRaw("a tagged array", 0xc1, 0x82, 0x08, 0x00),
		badRaw("an empty array", 0x80),
		badRaw("an array of indefinite length", 0x9f, 0x08, 0x00, 0xff),
		badRaw("a reserved head", 0x9c),
		badRaw("an array that ends early", 0x82, 0x08),
		badRaw("a head that ends early", 0x82, 0x08, 0x1b, 0x00),
		badRaw("an array of 2^32-1 claimed elements", 0x9a, 0xff, 0xff, 0xff, 0xff, 0x08, 0x00),
		badRaw("an array of 2^64-1 claimed elements", 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x08, 0x00),
		badRaw("a byte behind the array", 0x82, 0x08, 0x00, 0x00),
		badRaw("a later element of indefinite length", 0x83, 0x08, 0x00, 0x5f, 0xff),
		badRaw("a later element that is not well-formed", 0x83, 0x08, 0x00, 0xf8, 0x14),
		badRaw("a later map that claims 2^63 pairs", 0x83, 0x08, 0x00, 0xbb, 0x80, 0, 0, 0, 0, 0, 0, 0),
		badRaw("a later text that claims 2^64-1 bytes", 0x83, 0x08, 0x00, 0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		bad("a later element nested too deep", 8, 0, deep),
		bad("a type that is a text", "5", 1),
		bad("a type that is null", nil, 1),
		bad("a type below 0", -1, 1),
		bad("an unknown type", 16, 1),
		bad("sql: no text", 11, 1),
		bad("sql: a text that is none", 11, 1, 5),
		bad("sql: a parameter that is undefined", 11, 1, "SELECT ?", list{undefined}),
		bad("an unknown type beyond 64 bits of anything", uint64(math.MaxUint64), 1),
		bad("a type that only a hub sends", 4, 1, 0, 0),
		{name: "a message larger than the limit", from: fromDevice, msg: encode(8, 0, strings.Repeat("x", 64)), limits: &vectorLimits{Message: 64}},
	}
}

func badHellos() []badSample {
	hello := func(name string, options tree) badSample { return bad("hello: "+name, 0, options) }
	sub := func(name string, items ...any) badSample {
		return hello(name, tree{"subs": list{append(list{}, items...)}})
	}
	return []badSample{
		bad("hello: no map", 0),
		bad("hello: null for the map", 0, nil),
		bad("hello: an array for the map", 0, list{}),
		badRaw("hello: a key twice", 0x82, 0x00, 0xa2, 0x64, 'z', 's', 't', 'd', 0xf5, 0x64, 'z', 's', 't', 'd', 0xf5),
		badRaw("hello: a map of indefinite length", 0x82, 0x00, 0xbf, 0xff),
		badRaw("hello: a token that is not UTF-8", 0x82, 0x00, 0xa1, 0x65, 't', 'o', 'k', 'e', 'n', 0x61, 0xff),
		hello("a device of 15 bytes", tree{"device": uuid[:15]}),
		hello("a device of 0 bytes", tree{"device": []byte{}}),
		hello("a device as text", tree{"device": "0199c0ff-ee00-7000-8000-00000000002a"}),
		hello("a device as an array", tree{"device": make(list, 16)}),
		hello("a role of bytes", tree{"role": []byte("server")}),
		hello("a max_message below 0", tree{"max_message": -1}),
		hello("a max_message with a fraction", tree{"max_message": 0.5}),
		hello("zstd as a number", tree{"zstd": 1}),
		hello("a tag", tree{"role": cbor.Tag{Number: 100, Content: "server"}}),
		hello("subs that are a text", tree{"subs": "item"}),
		hello("subs that are names", tree{"subs": list{"item"}}),
		sub("a sub of no table"),
		sub("a sub of null", nil),
		sub("a sub of a nameless table", ""),
		sub("a sub of a table below 0", -1),
		sub("a sub of a table beyond 31 bits", 1<<31),
		sub("a sub of a table with a fraction", 1.5),
		sub("a sub of a scope that is no list", "item", 5),
		sub("a sub of an undefined scope", "item", list{undefined}),
		sub("a sub of a scope that is a list", "item", list{list{1}}),
		sub("a sub at 0 Hz", "item", nil, 0),
		sub("a sub at -1 Hz", "item", nil, -1),
		sub("a sub at no number of Hz", "item", nil, math.NaN()),
		sub("a sub at text Hz", "item", nil, "10"),
		sub("a sub since a text", "item", nil, nil, "1"),
		sub("a sub since beyond 2^53", "item", nil, nil, 1<<53),
		{
			name: "hello: more subs than the limit", from: fromDevice, limits: &vectorLimits{Subs: 1},
			msg: encode(0, tree{"subs": list{list{1}, list{2}}}),
		},
		{
			name: "hello: more scopes than the limit", from: fromDevice, limits: &vectorLimits{Scopes: 2},
			msg: encode(0, tree{"subs": list{list{1, list{1, 2, 3}}}}),
		},
	}
}

func badWrites() []badSample {
	row := func(key int) list { return list{3, list{0}, 1, list{key}} }
	write := func(name string, ops ...any) badSample {
		return bad("write: "+name, 5, 1, nil, 1, append(list{}, ops...))
	}
	limited := func(s badSample, l vectorLimits) badSample {
		s.limits = &l
		return s
	}
	return []badSample{
		bad("write: no seq", 5),
		bad("write: a seq below 0", 5, -1, nil, 1, list{}),
		bad("write: a seq beyond 2^53", 5, 1<<53, nil, 1, list{}),
		bad("write: a base that is a text", 5, 1, "0", 1, list{}),
		bad("write: no schema version", 5, 1, nil),
		bad("write: ops that are a map", 5, 1, nil, 1, tree{}),
		write("an op that is a number", 0),
		write("an op without a block", list{0}),
		write("an op of null", nil),
		write("an unknown op", list{7, row(1)}),
		write("an op that holds undefined", list{0, list{3, list{0, 1}, 1, list{1}, list{undefined}}}),
		badRaw("write: 2^32-1 claimed ops", 0x85, 0x05, 0x01, 0xf6, 0x01, 0x9a, 0xff, 0xff, 0xff, 0xff),
		limited(write("more ops than the limit", list{3, row(1)}, list{3, row(2)}, list{3, row(3)}), vectorLimits{Ops: 2}),
		limited(write("more rows than the limit", list{3, row(1)}, list{3, list{3, list{0}, 2, list{2, 3}}}), vectorLimits{Rows: 2}),
	}
}

func badRequests() []badSample {
	frame := encode(8, 1)
	twice := wire.Pack(nil, wire.Pack(nil, frame))
	data := wire.Pack(nil, frame)[3:]
	return []badSample{
		bad("clock: nothing to echo", 8),
		bad("clock: a text to echo", 8, "now"),
		bad("tick: no number", 7),
		bad("tick: null for a number", 7, nil),
		bad("tick: a number below 0", 7, -1),
		bad("tick: a number beyond 2^53", 7, 1<<53),
		bad("tick: a text", 7, "now"),
		bad("subscribe: id 0", 10, 0, list{}, list{}),
		bad("subscribe: no id", 10),
		bad("subscribe: names for subs", 10, 1, list{"item"}),
		bad("goodbye: no code", 12),
		bad("goodbye: a code beyond 16 bits", 12, 65536, "bye"),
		bad("goodbye: a text of bytes", 12, 1001, []byte("bye")),
		bad("read piece: an empty key", 13, 1, 3, list{}, 4, 0),
		bad("read piece: a key of lists", 13, 1, 3, list{list{1}}, 4, 0),
		bad("read piece: no column", 13, 1, 3, 7),
		badRaw("read piece: it ends before its key", 0x84, 13, 0x18, 0x30, 3),
		bad("read piece: a column beyond the most", 13, 1, 3, 7, 2000, 0),
		bad("read piece: an offset below 0", 13, 1, 3, 7, 4, -1),
		bad("will: no id", 14, nil),
		bad("will: an id below 0", 14, -1, 2, nil),
		bad("will: a schema version of text", 14, 1, "2", list{}),
		bad("will: no schema version", 14, 1, nil, list{}),
		bad("event: nobody to send it to", 15),
		bad("event: to null", 15, nil, "chat", 1),
		bad("event: to a number", 15, 3, "chat", 1),
		bad("event: to a device of 15 bytes", 15, uuid[:15], "chat", 1),
		bad("event: to a device of 0 bytes", 15, []byte{}, "chat", 1),
		bad("event: to a role without a name", 15, "", "chat", 1),
		bad("event: to a scope of nothing", 15, list{}, "chat", 1),
		bad("event: to a scope of a nameless table", 15, list{"", 1}, "chat", 1),
		bad("event: to an undefined scope", 15, list{"entity", undefined}, "chat", 1),
		bad("event: to a list of scopes", 15, list{"entity", list{1, 2}}, "chat", 1),
		bad("event: no name", 15, "server"),
		bad("event: an empty name", 15, "server", "", 1),
		bad("event: a name of bytes", 15, "server", []byte("chat"), 1),
		bad("event: a name with a control character", 15, "server", "cha\tt", 1),
		bad("event: a name of 65 bytes", 15, "server", strings.Repeat("x", 65), 1),
		bad("event: a map for a value", 15, "server", "chat", tree{"x": 1}),
		bad("event: true for a value", 15, "server", "chat", true),
		bad("event: an undefined value", 15, "server", "chat", undefined),
		bad("event: NaN", 15, "server", "chat", math.NaN()),
		bad("event: an infinity in a list", 15, "server", "chat", list{1, math.Inf(1)}),
		bad("event: a list in a list", 15, "server", "chat", list{list{1}}),
		bad("event: 65 values", 15, "server", "chat", make(list, 65)),
		badRaw("event: 2^32-1 claimed values", 0x84, 15, 0x61, 'r', 0x61, 'n', 0x9a, 0xff, 0xff, 0xff, 0xff),
		bad("packed: not zstd", 9, 4, []byte("nope")),
		bad("packed: no bytes", 9, 3, []byte{}),
		bad("packed: a text", 9, 3, "nope"),
		{name: "packed: a packed message", from: fromDevice, msg: twice},
		badRaw("packed: a size too small", append([]byte{0x83, 0x09, 0x02}, data...)...),
		badRaw("packed: a size too large", append([]byte{0x83, 0x09, 0x04}, data...)...),
		{name: "packed: a size beyond the limit", from: fromDevice, limits: &vectorLimits{Message: 200}, msg: packedZeros(1000)},
	}
}

// packedZeros is a packed clock question with n bytes that mean nothing.
func packedZeros(n int) []byte { return wire.Pack(nil, encode(8, 0, make([]byte, n))) }

func badBlocks() []badSample {
	put := func(name string, block ...any) badSample {
		return bad("block: "+name, 5, 1, nil, 1, list{list{0, append(list{}, block...)}})
	}
	column := func(name string, rows int, c any) badSample { return put(name, 3, list{0}, rows, c) }
	return []badSample{
		put("empty"),
		put("no columns named", 3, list{}, 1),
		put("no number of rows", 3, list{0}),
		put("a table below 0", -1, list{0}, 1, list{1}),
		put("a table by name", "item", list{0}, 1, list{1}),
		put("a column below 0", 3, list{-1}, 1, list{1}),
		put("a column beyond the most", 3, list{2000}, 1, list{1}),
		put("a column twice", 3, list{0, 1, 0}, 1, list{1}, list{1}, list{1}),
		put("fewer columns than named", 3, list{0, 1}, 1, list{1}),
		put("rows below 0", 3, list{0}, -1, list{1}),
		put("2^31-1 rows in an array", 3, list{0}, math.MaxInt32, list{1}),
		put("2^31-1 rows in a typed array", 3, list{0}, math.MaxInt32, typed(79, 1)),
		put("2^64-1 rows", 3, list{0}, uint64(math.MaxUint64), list{1}),
		column("fewer values than rows", 2, list{1}),
		column("more values than rows", 1, list{1, 2}),
		column("a typed array that is too short", 2, typed(69, 1, 0, 2)),
		column("a typed array that is too long", 1, typed(64, 1, 2)),
		column("a typed array of an array", 1, cbor.Tag{Number: 64, Content: list{1}}),
		column("a byte string", 1, []byte{1}),
		column("big endian", 1, typed(65, 0, 1)),
		column("uint64", 1, typed(71, 1, 0, 0, 0, 0, 0, 0, 0)),
		column("float16", 1, typed(84, 0, 0x3c)),
		column("another tag", 1, typed(1000, 1)),
		column("NaN as float32", 1, typed(85, 0, 0, 0xc0, 0x7f)),
		column("infinity as float32", 1, typed(85, 0, 0, 0x80, 0x7f)),
		column("NaN as float64", 1, typed(86, 1, 0, 0, 0, 0, 0, 0xf0, 0xff)),
		column("infinity as float64", 1, typed(86, 0, 0, 0, 0, 0, 0, 0xf0, 0xff)),
		column("NaN in an array", 1, list{math.NaN()}),
		column("infinity in an array", 1, list{math.Inf(-1)}),
		column("true", 1, list{true}),
		column("a list as a value", 1, list{list{1}}),
		column("a map as a value", 1, list{tree{}}),
		column("a tag as a value", 1, list{cbor.Tag{Number: 0, Content: "2026-01-01T00:00:00Z"}}),
		column("2^63", 1, list{uint64(1 << 63)}),
		badRaw("block: -2^63-1", 0x85, 5, 1, 0xf6, 1, 0x81, 0x82, 0, 0x84, 3, 0x81, 0, 1, 0x81, 0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0),
		badRaw("block: a text that is not UTF-8", 0x85, 5, 1, 0xf6, 1, 0x81, 0x82, 0, 0x84, 3, 0x81, 0, 1, 0x81, 0x62, 0xc3, 0x28),
	}
}

// author is a frame whose only author is that.
func author(name string, items ...any) badSample {
	return bad("author: "+name, 4, 2, 1, 0, nil, nil, nil, nil, list{append(list{}, items...)})
}

func badFromHub() []badSample {
	all := []badSample{
		bad("hello: no schema", 0, tree{"device": uuid}),
		bad("hello: a device of 3 bytes", 0, tree{"device": uuid[:3], "schema": list{1}}),
		bad("hello: an infinite rate", 0, tree{"device": uuid, "schema": list{1}, "frame_hz": math.Inf(1)}),
		bad("hello: a settled text", 0, tree{"device": uuid, "schema": list{1}, "settled": "1"}),
		bad("schema: no version", 1, list{}),
		bad("schema: a key longer than the table", 1, list{1, list{list{0, "t", 2, nil, list{list{"a", "ANY", 0}}, 1, "durable"}}}),
		bad("schema: a scope column that isn't there", 1, list{1, list{list{0, "t", 1, 1, list{list{"a", "ANY", 0}}, 1, "durable"}}}),
		bad("snapshot: no version", 2, 0),
		bad("snapshot: what is no block", 2, 0, 1, "later"),
		bad("snapshot: null for a block", 2, 0, 1, nil),
		bad("snapshot end: neither version nor code", 3, 0),
		bad("frame: no time", 4, 2, 1),
		bad("frame: authors that are a text", 4, 2, 1, 0, nil, nil, nil, nil, "me"),
		bad("frame: an author of null", 4, 2, 1, 0, nil, nil, nil, nil, list{nil}),
		author("a device of 15 bytes", uuid[:15], 3, 3, list{9}),
		author("a number below 0", uuid, -3, 3, list{9}),
		author("a table by name", uuid, 3, "item", list{9}),
		author("keys that are a number", uuid, 3, 3, 9),
		author("a key that is undefined", uuid, 3, 3, list{undefined}),
		author("a key that is empty", uuid, 3, 3, list{list{}}),
		author("keys of one and of two columns", uuid, 3, 3, list{9, list{9, 9}}),
		author("keys in a typed array that ends early", uuid, 3, 3, typed(69, 1, 0, 2)),
		author("keys in big endian", uuid, 3, 3, typed(65, 0, 1)),
		author("keys in a typed array of an array", uuid, 3, 3, cbor.Tag{Number: 64, Content: list{1}}),
		author("NaN for a key", uuid, 3, 3, typed(85, 0, 0, 0xc0, 0x7f)),
		bad("tick: a number that is a text", 7, "5", 42),
		bad("tick: a version that is a text", 7, 5, "42"),
		bad("tick: neither version nor code", 7, 5),
		bad("tick: a holder of 15 bytes", 7, nil, uuid[:15]),
		bad("tick: a holder as a text", 7, nil, "somebody"),
		bad("frame: a time beyond 2^53", 4, 2, 1, 1<<53),
		bad("frame: a version below 0", 4, -2, 1, 1),
		bad("frame: more that is a number", 4, 2, 1, 1, list{}, list{}, 1),
		bad("frame: a subscription below 0", 4, 2, 1, 1, list{}, list{}, false, list{-1}),
		bad("settled: a seq of null", 6, 2, list{nil}),
		bad("settled: a refusal without words", 6, 2, list{}, list{list{1, "type"}}),
		bad("clock: no time", 8, 1),
		bad("goodbye: a retry below 0", 12, 1001, "bye", -1),
		bad("piece: no bytes", 13, 1, 2, 3),
		bad("piece: refused without a code", 13, 1, nil),
		bad("sql: no id", 11, nil, 42, list{}, list{}),
		bad("sql: refused without a code", 11, 1, nil),
		bad("sql: a row that is too short", 11, 1, 42, list{"a", "b"}, list{list{1, 2}, list{3}}),
		bad("sql: a row that is none", 11, 1, 42, list{"a"}, list{1}),
		bad("sql: rows without columns", 11, 1, 42, list{}, list{list{1}}),
		bad("event: nothing", 15),
		bad("event: from a device of 3 bytes", 15, uuid[:3], 42, "chat", 1),
		bad("event: from a role", 15, "server", 42, "chat", 1),
		bad("event: no version", 15, uuid, nil, "chat", 1),
		bad("event: no name", 15, uuid, 42),
		bad("event: an undefined value", 15, uuid, 42, "chat", undefined),
		bad("event: 65 values", 15, uuid, 42, "chat", make(list, 65)),
		bad("event: refused without a code", 15, nil, nil),
		bad("event: refused with a version", 15, nil, 42, "rate", "too many"),
		bad("a type that only a device sends", 5, 1, nil, 1, list{}),
	}
	for i := range all {
		all[i].from = fromHub
	}
	return all
}
