package main_test

import (
	"bytes"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// frameCases break the WebSocket protocol, in a session that is good so far.
func (w *hostileWorld) frameCases() (all []hostile) {
	add := func(name, want string, words string, b ...[]byte) {
		all = append(all, hostile{name: "frame: " + name, want: want, words: words, do: func(i *intruder) string {
			i.as("mallory", nil)
			i.send(b...)
			return i.outcome()
		}})
	}
	clock := encode(list{8, 1})
	whole := maskedFrame(frameBinary, clock)
	add("not masked", "cut", "", frameHead(frameBinary, 0, uint64(len(clock))), clock)
	for name, bits := range map[string]byte{"RSV1, as if compressed": 0x40, "RSV2": 0x20, "RSV3": 0x10} {
		add(name, "close 1002", "rsv", maskedFrame(frameBinary|bits, clock))
	}
	for _, opcode := range []byte{0x3, 0x7, 0xb, 0xf} {
		add("the reserved opcode "+string("0123456789abcdef"[opcode]), "close 1002", "opcode", maskedFrame(0x80|opcode, clock))
	}
	add("a ping in fragments", "close 1002", "fragmented", maskedFrame(0x09, clock))
	add("a ping of 126 bytes", "close 1002", "length", maskedFrame(framePing, make([]byte, 126)))
	add("a ping that claims 64 KiB", "close 1002", "length", frameHead(framePing, 0x80, 1<<16), make([]byte, 4))
	add("a close frame of one byte", "close 1002", "close", maskedFrame(frameClose, []byte{3}))
	for name, code := range map[string][]byte{"999": {0x03, 0xe7}, "1005": {0x03, 0xed}, "1006": {0x03, 0xee}, "1015": {0x03, 0xf7}, "5000": {0x13, 0x88}} {
		add("a close frame with the code "+name, "close 1002", "close", maskedFrame(frameClose, code))
	}
	add("a close frame whose reason is not UTF-8", "close 1000", "", maskedFrame(frameClose, []byte{0x03, 0xe8, 0xff, 0xfe}))
	add("a text", "goodbye 4000", "binary", maskedFrame(frameText, []byte("[8, 1]")))
	add("an empty text", "goodbye 4000", "binary", maskedFrame(frameText, nil))
	add("an empty message", "goodbye 4000", "middle of an item", maskedFrame(frameBinary, nil))
	add("a continuation of nothing", "close 1002", "continuation", maskedFrame(0x80, clock))
	add("a message within a message", "close 1002", "", maskedFrame(0x02, clock[:1]), whole)
	add("a length with its top bit set", "cut", "", []byte{frameBinary, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, clock)
	add("a length of 2^62", "goodbye 4013", "larger than", frameHead(frameBinary, 0x80, 1<<62), make([]byte, 4+1<<20+1))
	add("a megabyte and a byte", "goodbye 4013", "larger than", maskedFrame(frameBinary, make([]byte, 1<<20+1)))
	add("a megabyte and a byte in fragments", "goodbye 4013", "larger than", maskedFrame(0x02, make([]byte, 1<<20)), maskedFrame(0x80, make([]byte, 1)))
	add("HTTP after the upgrade", "close 1002", "", []byte(goodUpgrade))

	// Against the advice of the protocol, but no harm.
	add("a message in fragments", "clock", "", maskedFrame(0x02, clock[:1]), maskedFrame(frameContinued, nil), maskedFrame(0x80, clock[1:]))
	add("a message in 2,000 fragments", "clock", "", maskedFrame(0x02, clock), bytes.Repeat(maskedFrame(frameContinued, nil), 2000), maskedFrame(0x80, nil))
	add("a length that is longer than need be", "clock", "", []byte{frameBinary, 0xfe, 0, byte(len(clock)), 0, 0, 0, 0}, clock)
	add("20,000 pings", "pong", "", bytes.Repeat(maskedFrame(framePing, []byte("here?")), 20_000))
	add("pongs that nobody asked for", "clock", "", bytes.Repeat(maskedFrame(0x8a, []byte("here")), 1000), whole)

	all = append(all, hostile{name: "frame: half a frame", want: "hello, cut short", do: func(i *intruder) string {
		for at := range whole {
			i.as("mallory", nil)
			i.send(whole[:at])
		}
		i.as("mallory", nil)
		return "hello, cut short"
	}}, hostile{name: "frame: a transaction after the close frame", want: "close 1000", do: func(i *intruder) string {
		i.as("mallory", nil)
		late := encode(list{5, 1, nil, w.schema.Version, list{w.op(put, "note", "id,body", list{"late", "after the close"})}})
		i.send(maskedFrame(frameClose, []byte{0x03, 0xe8}), maskedFrame(frameBinary, late))
		return i.outcome()
	}})
	return all
}

// cborCases are messages that are no good CBOR, or not what the protocol has.
func (w *hostileWorld) cborCases() (all []hostile) {
	add := func(name, want, words string, messages ...any) {
		all = append(all, hostile{name: "cbor: " + name, want: want, words: words, do: func(i *intruder) string {
			i.as("mallory", dict{"zstd": true})
			i.sendMessage(messages...)
			return i.outcome()
		}})
	}
	tx := func(ops ...any) list { return list{5, 1, nil, w.schema.Version, ops} }
	block := func(columns ...any) list {
		return tx(list{0, append(list{w.number("number"), list{0, 1}}, columns...)})
	}
	whole := encode(tx(w.op(put, "note", "id,body", list{"cut", "short"})))
	all = append(all, hostile{name: "cbor: a transaction that ends after each of its bytes", want: "refused each", do: func(i *intruder) string {
		for at := 1; at < len(whole); at++ {
			i.as("mallory", nil)
			i.send(maskedFrame(frameBinary, whole[:at]))
			if got := i.outcome(); got != "goodbye 4000" {
				return got
			}
		}
		return "refused each"
	}})
	add("two messages in one", "goodbye 4000", "follow", raw("820801820801"))
	add("a type as a bignum", "goodbye 4000", "message type", raw("82c2410801"))
	add("a type as a float", "goodbye 4000", "message type", raw("82f9480001"))
	add("a type in eight bytes", "clock", "", raw("821b000000000000000801"))
	add("a break alone", "goodbye 4000", "indefinite", raw("ff"))
	add("a text of indefinite length", "goodbye 4000", "indefinite", raw("82087f6161ff"))
	add("a thousand arrays in each other", "goodbye 4000", "deep", raw("830801"+strings.Repeat("81", 1000)+"00"))
	add("a thousand tags in each other", "goodbye 4000", "deep", raw("830801"+strings.Repeat("c1", 1000)+"00"))
	add("half a million arrays in each other", "goodbye 4000", "deep", raw("830801"+strings.Repeat("81", 500_000)+"00"))
	add("a map of 2^32 pairs", "goodbye 4000", "middle", raw("830801ba ffffffff"))
	add("a byte string of 2^63 bytes", "goodbye 4000", "middle", raw("830801 5b8000000000000000"))
	add("ops of 2^63 claimed", "goodbye 4000", "middle", raw("850501f601 9b8000000000000000"))
	add("an integer as a bignum", "goodbye 4000", "tagged", block(1, list{1}, list{raw("c249010000000000000000")}))
	add("a date", "goodbye 4000", "tagged", block(1, list{1}, list{raw("c11a5f5e1000")}))
	add("2^64-1", "goodbye 4000", "64 bits", block(1, list{1}, list{uint64(1<<64 - 1)}))
	add("a half that is not a number", "goodbye 4000", "NaN", block(1, list{1}, list{raw("f97e00")}))
	add("an infinite half", "goodbye 4000", "infinities", block(1, list{1}, list{raw("f97c00")}))
	add("a NaN with a payload", "goodbye 4000", "NaN", block(1, list{1}, list{raw("fb7ff4000000000001")}))
	add("a simple value that nobody has defined", "goodbye 4000", "simple values", block(1, list{1}, list{raw("f0")}))
	add("undefined", "goodbye 4000", "undefined", block(1, list{1}, list{undefined}))
	add("true", "goodbye 4000", "true", block(1, list{1}, list{true}))
	add("2^31-1 rows and nothing else", "goodbye 4000", "holds 0", block(1<<31-1))
	add("2^31 rows", "goodbye 4000", "rows", block(uint64(1<<31), list{}, list{}))
	add("rows below 0", "goodbye 4000", "rows", block(-1, list{}, list{}))
	add("a big-endian typed array", "goodbye 4000", "CBOR tag", block(1, list{1}, raw("d84b48 0000000000000001")))
	add("a typed array of float128", "goodbye 4000", "CBOR tag", block(1, list{1}, raw("d857 50 00000000000000000000000000000000")))
	add("a typed array of typed arrays", "goodbye 4000", "tagged", block(1, list{1}, raw("d84fd84f480000000000000000")))
	add("a typed array of an odd length", "goodbye 4000", "bytes", block(1, list{1}, raw("d84d43000000")))
	add("no rows at all", "committed", "", tx(list{1, list{w.number("note"), list{0}, 0, list{}}}))
	add("a column of a map", "goodbye 4000", "array", block(1, list{1}, dict{1: 1}))
	add("16,385 rows", "refused too_large", "rows", block(16_385, numbers(16_385), numbers(16_385)))
	add("1,025 ops", "refused too_large", "ops", tx(slices.Repeat(list{w.op(put, "note", "id", list{"x"})}, 1025)...))

	pack := func(b []byte) []byte {
		e, err := zstd.NewWriter(nil)
		if err != nil {
			panic(err)
		}
		return e.EncodeAll(b, nil)
	}
	clock := encode(list{8, 1})
	inner := encode(list{9, len(clock), pack(clock)})
	add("zstd", "clock", "", list{9, len(clock), pack(clock)})
	bomb := make([]byte, 8<<20) // of which little is left when it is packed
	add("zstd of 8 MB that says so", "goodbye 4013", "unpacked", list{9, len(bomb), pack(bomb)})
	add("zstd of 8 MB that says 10 bytes", "goodbye 4000", "another size", list{9, 10, pack(bomb)})
	add("zstd that hides its 8 MB", "goodbye 4000", "another size", list{9, 1 << 20, hidden(bomb)})
	add("zstd in zstd", "goodbye 4000", "packed message holds", list{9, len(inner), pack(inner)})
	add("zstd that is cut short", "goodbye 4000", "unpacked", list{9, 1000, pack(bytes.Repeat([]byte("abcdefgh"), 125))[:20]})
	add("zstd with a window of 2 GB", "goodbye 4000", "unpacked", list{9, 10, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00}})
	add("zstd of nothing", "goodbye 4000", "middle", list{9, 0, pack(nil)})
	add("gzip", "goodbye 4000", "zstd", list{9, 10, []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3}})
	all = append(all, hostile{name: "cbor: zstd that was not agreed on", want: "goodbye 4000", words: "zstd", do: func(i *intruder) string {
		i.as("mallory", nil)
		i.sendMessage(list{9, len(clock), pack(clock)})
		return i.outcome()
	}}, hostile{name: "cbor: a hello in zstd", want: "goodbye 4000", words: "first message", do: func(i *intruder) string {
		hello := encode(list{0, dict{"token": w.tokens["mallory"], "zstd": true}})
		i.upgrade()
		i.sendMessage(list{9, len(hello), pack(hello)})
		return i.outcome()
	}})
	return all
}

// hidden packs bytes as a stream, which does not say how many they are.
func hidden(b []byte) []byte {
	var out bytes.Buffer
	e, err := zstd.NewWriter(&out)
	if err == nil {
		_, err = e.Write(b)
	}
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		panic(err)
	}
	return out.Bytes()
}

func numbers(n int) list {
	all := make(list, n)
	for i := range all {
		all[i] = i
	}
	return all
}
