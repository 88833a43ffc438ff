package main_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"
)

// textCases are Unicode that is none, or looks like something else.
func (w *hostileWorld) textCases() []hostile {
	l := &ledger{w: w, kind: "text"}
	chat := func(column, text string) any { return w.op(put, "chat", "id,"+column, list{1, text}) }
	for name, bytes := range map[string]string{
		"a byte alone": "ff", "a lone surrogate": "eda080", "a pair of surrogates": "eda0bdedb880", "an overlong slash": "c0af", "an overlong NUL": "c080",
		"beyond Unicode": "f4908080", "five bytes": "f888808080", "cut in a letter": "c3", "a continuation alone": "80",
	} {
		b := raw(bytes)
		l.cases = append(l.cases, hostile{name: "text: " + name + ", which is not UTF-8", want: "goodbye 4000", words: "UTF-8", do: func(i *intruder) string {
			i.as("mallory", nil)
			text := append([]byte{0x60 | byte(len(b))}, b...)
			return i.write(w.op(put, "note", "id,body", list{"utf8", cborRaw(text)}))
		}})
	}
	const nul = "a\x00b'; DROP TABLE note;--"
	l.kept("a NUL in a plain text", "note('nul', "+strings.ToUpper(hex.EncodeToString([]byte(nul)))+", NULL)", w.op(put, "note", "id,body", list{"nul", nul}))
	l.kept("what no rule forbids", "note('bidi', '\u202e\u2066\ufeff\u200b', NULL)", w.op(put, "note", "id,body", list{"bidi", "\u202e\u2066\ufeff\u200b"}))
	l.add("a NUL", "refused constraint", "U+0000", chat("name", "a\x00b"))
	l.add("a NUL at the end", "refused constraint", "U+0000", chat("name", "admin\x00"))
	l.add("an escape", "refused constraint", "U+001B", chat("name", "\x1b[2J"))
	l.add("a C1 control", "refused constraint", "U+009B", chat("name", "\u009b31m"))
	l.add("a DEL", "refused constraint", "U+007F", chat("name", "\x7f"))
	l.add("a line break", "refused constraint", "U+000A", chat("name", "a\nb"))
	l.add("a line separator", "refused constraint", "U+2028", chat("message", "a\u2028b"))
	l.add("a writing direction", "refused constraint", "U+202E", chat("name", "\u202enimda"))
	l.add("an isolate", "refused constraint", "U+2066", chat("message", "\u2066a"))
	l.add("a byte order mark", "refused constraint", "U+FEFF", chat("name", "\ufeffa"))
	l.add("a zero width space", "refused constraint", "pattern", chat("name", "ad\u200bmin"))
	l.add("a tag of Unicode", "refused constraint", "pattern", chat("name", "a\U000E0041"))
	l.add("nine letters of four bytes", "refused constraint", "9 characters", chat("name", strings.Repeat("\U00010330", 9)))
	l.add("a flood of accents", "refused constraint", "characters", chat("name", "a"+strings.Repeat("\u0301", 1000)))
	l.add("100 KB of accents", "refused constraint", "characters", chat("message", "a"+strings.Repeat("\u0323\u0301", 25_000)))
	l.add("one sign that is 18 when normalized", "refused constraint", "characters", chat("message", strings.Repeat("\ufb2c", 14)))
	l.add("more than it takes, without its spaces", "refused constraint", "41 characters", chat("message", strings.Repeat(" ", 100)+strings.Repeat("a", 41)))
	l.add("bytes for a text", "refused type", "texts", w.op(put, "chat", "id,name", list{1, []byte("admin")}))
	l.add("a number for a text", "refused type", "texts", w.op(put, "chat", "id,name", list{1, 1}))
	l.add("a typed array for texts", "refused type", "texts", list{put, list{w.number("chat"), list{0, 1}, 1, list{1}, cborRaw([]byte{0xd8, 64, 0x41, 1})}})
	l.kept("eight letters of four bytes", "chat(50, '"+strings.Repeat("\U00010330", 8)+"', NULL)", w.op(put, "chat", "id,name", list{50, strings.Repeat("\U00010330", 8)}))
	l.kept("decomposed letters, which are composed", "chat(51, '\u00e9\u00c5', NULL)", w.op(put, "chat", "id,name", list{51, "e\u0301A\u030a"}))
	l.kept("spaces at the ends, of all kinds", "chat(52, NULL, 'a')", w.op(put, "chat", "id,message", list{52, "\u00a0\u2003 a \u3000\t"}))
	return l.cases
}

// cborRaw is an item as it stands.
func cborRaw(b []byte) any { return raw(hex.EncodeToString(b)) }

// numberCases are numbers at the edges.
func (w *hostileWorld) numberCases() []hostile {
	l := &ledger{w: w, kind: "numbers"}
	op := func(kind, id int, column string, v any) any { return w.op(kind, "number", "id,"+column, list{id, v}) }
	const biggest, smallest = int64(math.MaxInt64), int64(math.MinInt64)
	l.add("adding 1 to the largest integer", "refused constraint", "out of range", op(add, 1, "i", 1))
	l.add("adding the largest integer to itself", "refused constraint", "out of range", op(add, 1, "i", biggest))
	l.add("adding -1 to the smallest integer", "refused constraint", "out of range", op(add, 2, "i", -1))
	l.add("adding the smallest integer to itself", "refused constraint", "out of range", op(add, 2, "i", smallest))
	l.add("adding to the largest float", "refused constraint", "out of range", op(add, 1, "r", 1.5e308))
	l.add("adding a float to an integer", "refused type", "integers", op(add, 1, "i", 0.5))
	l.add("adding 1.0 to an integer", "refused type", "integers", op(add, 2, "i", 1.0))
	l.add("adding to a text in a column of anything", "refused type", "numbers", op(add, 2, "a", 1))
	l.add("adding NULL", "refused type", "numbers", op(add, 2, "i", nil))
	l.add("adding a text", "refused type", "numbers", op(add, 2, "i", "1"))
	l.add("a fraction in a column of integers", "refused type", "number", op(put, 50, "i", 0.5))
	l.add("2^63 as a float in a column of integers", "refused type", "number", op(put, 50, "i", 9223372036854775808.0))
	l.add("1e308 in a column of integers", "refused type", "number", op(put, 50, "i", 1e308))
	l.add("a text for a precise number", "refused type", "precision", op(put, 50, "p", "0.1"))
	l.add("adding 1e308 to itself in a loose table", "refused constraint", "out of range",
		w.op(put, "loose", "id,r", list{60, 1e308}), w.op(add, "loose", "id,r", list{60, 1e308}))
	l.add("a column that overflows where SQL computes it", "committed", "", w.op(touch, "loose", "id,i", list{99, biggest}))
	l.kept("the largest and the smallest", "number(51, 9223372036854775807, -1.7976931348623157e+308, NULL, -9223372036854775808)",
		w.op(put, "number", "id,i,r,a", list{51, biggest, -math.MaxFloat64, smallest}))
	l.kept("a zero below zero", "number(52, 0, 0.0, 0.0, NULL)", w.op(put, "number", "id,i,r,p", list{52, 0, math.Copysign(0, -1), math.Copysign(0, -1)}))
	l.kept("the smallest difference there is", "number(53, NULL, 4.9406564584124654e-324, 0.0, NULL)", w.op(put, "number", "id,r,p", list{53, math.SmallestNonzeroFloat64, math.SmallestNonzeroFloat64}))
	l.kept("2^53+1 for a float", "number(54, 9007199254740993, 9007199254740992.0, NULL, 9007199254740993)",
		w.op(put, "number", "id,i,r,a", list{54, int64(1<<53 + 1), int64(1<<53 + 1), int64(1<<53 + 1)}))
	l.kept("a whole float for an integer", "number(55, 7, NULL, NULL, NULL)", op(put, 55, "i", 7.0))
	l.kept("a precise number that is too large to be", "number(56, NULL, NULL, 1.7976931348623157e+308, NULL)", op(put, 56, "p", math.MaxFloat64))
	l.kept("a half that rounds to even", "number(57, NULL, NULL, 0.002, NULL)", op(put, 57, "p", 0.0025))
	l.kept("the key that is the smallest integer", "number(-9223372036854775808, 1, NULL, NULL, NULL)", w.op(put, "number", "id,i", list{smallest, 1}))
	l.kept("a key that is a whole float", "number(58, 1, NULL, NULL, NULL)", w.op(put, "number", "id,i", list{58.0, 1}))
	l.kept("a float32 for an integer", "number(59, 3, NULL, NULL, NULL)", list{put, list{w.number("number"), list{0, 1}, 1, list{59}, cborRaw(append([]byte{0xd8, 85, 0x44}, binary.LittleEndian.AppendUint32(nil, math.Float32bits(3))...))}})
	l.add("a float32 with a fraction for an integer", "refused type", "number", list{put, list{w.number("number"), list{0, 1}, 1, list{50}, cborRaw(append([]byte{0xd8, 85, 0x44}, binary.LittleEndian.AppendUint32(nil, math.Float32bits(0.5))...))}})
	return l.cases
}

// floodCases send more than a device may.
func (w *hostileWorld) floodCases() []hostile {
	clock := maskedFrame(frameBinary, encode(list{8, 1}))
	return []hostile{
		{name: "flood: 3,000 messages", want: "goodbye 4008", words: "more messages", do: func(i *intruder) string {
			i.as("mallory", nil)
			i.send(bytes.Repeat(clock, 3000))
			return i.last("clock")
		}},
		{name: "flood: half of that, from two sessions of a device", want: "clock, then goodbye 4008", words: "more messages", do: func(i *intruder) string {
			i.as("mallory", nil)
			i.send(bytes.Repeat(clock, 300))
			got := ""
			for range 300 {
				got = i.outcome()
			}
			i.as("mallory", dict{"device": i.device()}) // which gives it no new burst
			i.send(bytes.Repeat(clock, 300))
			return got + ", then " + i.last("clock")
		}},
		{name: "flood: more than 64 transactions under way", want: "goodbye 4008", words: "under way", do: func(i *intruder) string {
			var many []any
			for seq := range 390 {
				many = append(many, list{5, seq + 1, nil, w.schema.Version, list{}})
			}
			got := ""
			for range 20 { // frames may begin in the middle of them
				i.as("mallory", nil)
				i.sendMessage(many...)
				i.sendMessage(list{8, 1})
				if got = i.last("committed"); got != "clock" {
					break
				}
			}
			return got
		}},
		{name: "flood: 60 large reads at once", want: "piece", do: func(i *intruder) string {
			i.as("mallory", nil)
			var many []any
			for id := range 60 {
				many = append(many, list{13, id, w.number("note"), "large", 2, 0})
			}
			i.sendMessage(many...)
			got := ""
			for range many {
				got = i.outcome()
			}
			return got
		}},
		{name: "flood: a device that takes nothing", want: "cut", do: func(i *intruder) string {
			i.as("mallory", nil)
			var many []any
			for id := range 300 {
				many = append(many, list{13, id, w.number("note"), "large", 2, 0})
			}
			i.sendMessage(many...)
			i.leave() // without having read a byte of 18 MB
			return "cut"
		}},
	}
}
