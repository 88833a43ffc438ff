package main_test

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// helloCases are first messages.
func (w *hostileWorld) helloCases() (all []hostile) {
	add := func(name, want, words string, messages ...any) {
		all = append(all, hostile{name: "hello: " + name, want: want, words: words, do: func(i *intruder) string {
			i.upgrade()
			i.sendMessage(messages...)
			return i.outcome()
		}})
	}
	with := func(more dict) list {
		options := dict{"token": w.tokens["mallory"], "subs": list{}}
		maps.Copy(options, more)
		return list{0, options}
	}
	const first = "first message"
	all = append(all, hostile{name: "hello: none", want: "goodbye 4000", words: "no hello within", do: func(i *intruder) string {
		i.upgrade()
		return i.outcome()
	}}, hostile{name: "hello: one that never ends", want: "goodbye 4000", words: "no hello within", do: func(i *intruder) string {
		i.upgrade()
		i.send(maskedFrame(frameBinary, encode(with(nil)))[:50])
		return i.outcome()
	}})
	add("a transaction before it", "goodbye 4000", first, list{5, 1, nil, 1, list{}})
	add("a clock before it", "goodbye 4000", first, list{8, 1})
	add("a goodbye before it", "goodbye 4000", first, list{12, 1000, "bye"})
	add("no token", "goodbye 4001", "no token", list{0, dict{}})
	add("an empty token", "goodbye 4001", "no token", with(dict{"token": ""}))
	add("a token of another kind", "goodbye 4001", "not valid", with(dict{"token": "' OR 1=1;--"}))
	add("a token of 9,000 bytes", "goodbye 4001", "larger than", with(dict{"token": strings.Repeat("a", 9000)}))
	add("a token of a megabyte", "goodbye 4001", "larger than", with(dict{"token": strings.Repeat("a", 1000_000)}))
	add("a token as bytes", "goodbye 4000", "token", with(dict{"token": []byte("token")}))
	add("a token of another hub", "goodbye 4001", "not valid", with(dict{"token": w.tokens["stranger"]}))
	add("TOKEN in capitals", "goodbye 4001", "no token", list{0, dict{"TOKEN": w.tokens["mallory"]}})
	add("65 keys", "goodbye 4000", "hello", list{0, func() dict {
		all := dict{}
		for i := range 65 {
			all[fmt.Sprint(i)] = i
		}
		return all
	}()})
	add("a server's role", "goodbye 4003", `does not allow the role "server"`, with(dict{"role": "server"}))
	add("an admin's role", "goodbye 4003", `does not allow the role "admin"`, with(dict{"role": "admin"}))
	add("a role that there is not", "goodbye 4003", "no role", with(dict{"role": "root"}))
	add("a role in capitals", "goodbye 4003", "no role", with(dict{"role": "SERVER"}))
	add("a role with a space", "goodbye 4003", "no role", with(dict{"role": "server "}))
	add("a role of a megabyte", "goodbye 4003", "no role", with(dict{"role": strings.Repeat("\x1b[2J", 200_000)}))
	add("a budget", "goodbye 4000", "budget", with(dict{"budget": 1}))
	add("a max_message that is too small", "goodbye 4000", "max_message", with(dict{"max_message": 1023}))
	add("a max_message that its hello does not fit", "goodbye 4013", "raise max_message", with(dict{"max_message": 1024}))
	add("a max_message of 2^64-1", "hello", "", with(dict{"max_message": uint64(math.MaxUint64)}))
	add("257 subscriptions", "goodbye 4013", "subs", with(dict{"subs": slices.Repeat(list{list{"note"}}, 257)}))
	add("1,025 scopes", "goodbye 4013", "scopes", with(dict{"subs": list{list{"thing", numbers(1025)}}}))
	add("a name that reaches for a terminal", "hello", "", with(dict{"client": "\x1b[2J\x1b]0;owned\x07\n12:00:00 INF forged\u202e"}))
	add("a history that is not ours", "hello", "", with(dict{"epoch": bytes.Repeat([]byte{0xff}, 1000)}))
	add("a copy from the future", "hello", "", with(dict{"subs": list{list{"note", nil, nil, uint64(1<<53 - 1)}}}))
	add("null for everything", "goodbye 4001", "no token", list{0, dict{"token": nil, "device": nil, "epoch": nil, "subs": nil, "zstd": nil, "max_message": nil, "role": nil}})
	return all
}

// sessionCases are messages at the wrong time, or of the wrong side.
func (w *hostileWorld) sessionCases() (all []hostile) {
	add := func(name, want, words string, messages ...any) {
		all = append(all, hostile{name: "session: " + name, want: want, words: words, do: func(i *intruder) string {
			i.as("mallory", nil)
			i.sendMessage(messages...)
			return i.outcome()
		}})
	}
	const here = "does not send messages of type"
	tx := func(seq, base, schema any, ops ...any) list { return list{5, seq, base, schema, ops} }
	version := w.schema.Version
	late := w.op(put, "note", "id,body", list{"late", "after the end"})
	add("a second hello", "goodbye 4000", here, list{0, dict{}})
	add("a schema", "goodbye 4000", here, list{1, list{1, list{}}})
	add("a snapshot", "goodbye 4000", here, list{2, 0, 1})
	add("a snapshot's end", "goodbye 4000", here, list{3, 0, 1})
	add("a frame", "goodbye 4000", here, list{4, 1, 0, 0})
	add("an outcome", "goodbye 4000", here, list{6, 1, list{1}, list{}})
	add("a type that there is not", "goodbye 4000", "unknown", list{99})
	add("a tick", "answer 7 forbidden", "server", list{7, 1})
	add("SQL", "answer 11 forbidden", "roles server, editor and admin", list{11, 1, "DROP TABLE note", list{}})
	add("SQL with too many parameters", "answer 11 too_large", "parameters", list{11, 2, "SELECT 1", make(list, 300)})
	add("SQL that is too long", "answer 11 too_large", "bytes", list{11, 3, strings.Repeat("x", 65<<10)})
	will := func(schema any, ops ...any) list { return list{14, 1, schema, ops} }
	add("a will for a table that servers write", "answer 14 forbidden", "secret", will(version, w.op(put, "secret", "id", list{1})))
	add("a will against the table of sessions", "answer 14 forbidden", "framehub_session", will(version, w.op(del, "framehub_session", "device", list{make([]byte, 16)})))
	add("a will for a column that servers set", "answer 14 read_only", "stamp", will(version, w.op(put, "purse", "id,stamp", list{50, "mine"})))
	add("a will for a row in somebody else's scope", "answer 14 forbidden", "zone", will(version, w.op(put, "thing", "id,zone", list{60, 8})))
	add("a will of 100 KB", "answer 14 too_large", "most is", will(version, w.op(del, "note", "id", list{strings.Repeat("a", 100_000)})))
	add("a will of 2,000 ops", "answer 14 too_large", "ops", will(version, slices.Repeat(list{w.op(del, "note", "id", list{"x"})}, 2000)...))
	add("a will in a schema that is to come", "answer 14 schema", "not known", will(version+1, late))
	add("a will that is none", "goodbye 4000", "op", will(version, 1))
	add("a will without a number", "goodbye 4000", "id", list{14, nil, version, list{late}})
	add("an event without a rule", "answer 15 forbidden", "no rule", list{15, "server", "run", "rm -rf /"})
	add("an event to a role that must not hear it", "answer 15 forbidden", "shout", list{15, "admin", "shout", "hey"})
	add("an event to somebody else's scope", "answer 15 forbidden", "thing", list{15, list{"thing", 8}, "shout", "hey"})
	add("an event to the scope NULL", "answer 15 forbidden", "thing", list{15, list{"thing", nil}, "shout", "hey"})
	add("an event to a private table", "answer 15 unknown_table", "no table", list{15, list{"_framehub_will", 1}, "shout", "hey"})
	add("an event of 17 bytes where 16 may be", "answer 15 too_large", "16", list{15, list{"thing", 7}, "shout", strings.Repeat("a", 17)})
	add("an event of a megabyte", "answer 15 too_large", "", list{15, list{"thing", 7}, "shout", strings.Repeat("a", 1000_000)})
	add("NaN for a time", "goodbye 4000", "NaN", list{8, math.NaN()})
	add("a goodbye that claims to be the hub's", "goodbye 1000", "", list{12, 4011, "the hub is stopping"})
	add("a transaction after the goodbye", "goodbye 1000", "", list{12, 1000, "bye"}, tx(1, nil, version, late))
	add("a transaction after a mistake", "goodbye 4000", "", list{99}, tx(1, nil, version, late))
	add("200 mistakes", "goodbye 4000", "", slices.Repeat([]any{list{99}}, 200)...)
	add("a schema that is to come", "refused schema", "not known", tx(1, nil, version+1, late))
	add("schema 0", "refused schema", "not known", tx(1, nil, 0, late))
	add("schema 2^53-1", "refused schema", "not known", tx(1, nil, uint64(1<<53-1), late))
	add("a base from the future", "refused stale", "version", tx(1, uint64(1<<53-1), version, late))
	add("the number 2^53", "goodbye 4000", "number", tx(uint64(1<<53), nil, version, late))
	add("the number 2^53-1", "committed", "", tx(uint64(1<<53-1), nil, version))
	add("nothing in a transaction", "committed", "", tx(1, nil, version))
	return all
}

// subCases are subscriptions, and reads of large values.
func (w *hostileWorld) subCases() (all []hostile) {
	add := func(name, want, words string, messages ...any) {
		all = append(all, hostile{name: "subs: " + name, want: want, words: words, do: func(i *intruder) string {
			i.as("mallory", nil)
			i.sendMessage(messages...)
			got := i.outcome()
			if len(messages) > 1 {
				got += ", then " + i.outcome()
			}
			if strings.Contains(got, "goodbye") {
				return got
			}
			return i.goesOn(got)
		}})
	}
	one := func(items ...any) list { return list{10, 1, list{items}} }
	for _, name := range []string{"nothing", "_private", "_framehub_meta", "_framehub_device", "_framehub_will", "sqlite_schema", "sqlite_sequence", "NOTE", "main.note", `note"; DROP TABLE note;--`, "note' OR '1'='1", "note\x00", "nоte"} {
		add(fmt.Sprintf("the table %q", name), "sub unknown_table", "no table", one(name))
	}
	add("a name of a megabyte", "sub unknown_table", "no table", one(strings.Repeat("\x01", 1000_000)))
	add("a number that no table has", "sub unknown_table", "no table", one(1<<31-1))
	all = append(all, hostile{name: "subs: every number that may be a private table's", want: "sub unknown_table each", do: func(i *intruder) string {
		i.as("mallory", nil)
		id := 0
		for number := range 64 {
			if w.table(number) != nil {
				continue
			}
			id++
			i.sendMessage(list{10, id, list{list{number}}})
			if got := i.outcome(); got != "sub unknown_table" {
				return fmt.Sprintf("%s for %d", got, number)
			}
		}
		return "sub unknown_table each"
	}})
	add("a table that servers read", "sub forbidden", "secret", one("secret"))
	add("its number", "sub forbidden", "secret", one(w.number("secret")))
	add("the whole of a table by token", "sub forbidden", "thing", one("thing"))
	add("somebody else's scope", "sub forbidden", "thing", one("thing", list{8}))
	add("one's own scope and another", "sub forbidden", "thing", one("thing", list{7, 8}))
	add("the scope NULL", "sub forbidden", "thing", one("thing", list{nil}))
	add("a scope of another type", "sub type", "zone", one("thing", list{"7"}))
	add("a scope that is all but one's own", "sub forbidden", "thing", one("thing", list{7.000000000000001}))
	add("one's own scope as a float", "subscribed", "", one("thing", list{7.0}))
	add("scopes of a table that has none", "sub unknown_column", "scope", one("note", list{1}))
	add("a rate", "sub unavailable", "hz", one("note", nil, 1e-300))
	add("one to remove that is not there", "sub missing", "remove", list{10, 1, list{}, list{list{"note"}}})
	add("257 at once", "goodbye 4013", "subscriptions", list{10, 1, slices.Repeat(list{list{"word"}}, 257)})
	add("257 in all", "subscribed, then sub too_large", "256", list{10, 1, slices.Repeat(list{list{"word"}}, 256)}, list{10, 2, list{list{"word"}}})
	add("ids that go backwards", "subscribed, then goodbye 4000", "above the last", list{10, 5, list{}}, list{10, 5, list{}})
	add("an id of 2^53", "goodbye 4000", "id", list{10, uint64(1 << 53), list{}})

	note := w.number("note")
	piece := func(table, key, column, offset any) list { return list{13, 1, table, key, column, offset} }
	add("a piece of a table that there is not", "piece unknown_table", "no table", piece(1<<31-1, 1, 0, 0))
	add("a piece of a table that servers read", "piece forbidden", "secret", piece(w.number("secret"), 1, 1, 0))
	add("a piece of a row in somebody else's scope", "piece forbidden", "thing", piece(w.number("thing"), 2, 2, 0))
	add("a piece of a row that is not there, in a table by token", "piece forbidden", "thing", piece(w.number("thing"), 99, 2, 0))
	add("a piece of a column that there is not", "piece unknown_column", "column", piece(note, "large", 3, 0))
	add("a piece of a row that is not there", "piece missing", "no row", piece(note, "' OR 1=1;--", 2, 0))
	add("a piece by a key of another type", "piece type", "key", piece(note, 1, 2, 0))
	add("a piece by a key that is too long", "piece type", "key", piece(note, list{"large", "large"}, 2, 0))
	add("a piece of a number", "piece type", "BLOB", piece(w.number("number"), 1, 1, 0))
	add("a piece beyond the end", "piece", "", piece(note, "large", 2, uint64(1<<53-1)))
	return all
}

// deviceCases are about device ids and the numbers of transactions.
func (w *hostileWorld) deviceCases() (all []hostile) {
	add := func(name, want, words string, do func(i *intruder) string) {
		all = append(all, hostile{name: "device: " + name, want: want, words: words, do: do})
	}
	hello := func(user string, device any, more dict) dict {
		options := dict{"token": w.tokens[user], "device": device, "subs": list{}}
		maps.Copy(options, more)
		return options
	}
	// used is a device of bob's that has settled a transaction.
	used := func(i *intruder) []byte {
		i.as("bob", nil)
		if got := i.write(); got != "committed" {
			i.t.Fatal(got)
		}
		return i.device()
	}
	const another = "belongs to another user"
	add("stolen while it has a session", "goodbye 4003", another, func(i *intruder) string {
		victim := &intruder{t: i.t, w: w}
		defer victim.leave()
		victim.as("bob", nil)
		got := i.greet(hello("mallory", victim.device(), nil))
		return victim.goesOn(got)
	})
	add("stolen after it has gone", "goodbye 4003", another, func(i *intruder) string {
		return i.greet(hello("mallory", used(i), nil))
	})
	add("stolen with its history, to resume", "goodbye 4003", another, func(i *intruder) string {
		device := used(i)
		since := list{list{"note", nil, nil, i.said("version")}}
		return i.greet(hello("mallory", device, dict{"epoch": i.said("epoch"), "subs": since}))
	})
	add("stolen by an observer", "goodbye 4003", another, func(i *intruder) string {
		return i.greet(hello("mallory", used(i), dict{"role": "observer"}))
	})
	add("stolen by a game server", "goodbye 4003", another, func(i *intruder) string {
		return i.greet(hello("game", used(i), nil))
	})
	for name, device := range map[string]any{
		"15 bytes": make([]byte, 15), "17 bytes": make([]byte, 17), "a megabyte": make([]byte, 1000_000), "a text": strings.Repeat("a", 16), "an array": numbers(16),
	} {
		add("of "+name, "goodbye 4000", "device", func(i *intruder) string { return i.greet(hello("mallory", device, nil)) })
	}
	add("that comes twice", "goodbye 4009, then hello", "", func(i *intruder) string {
		first := &intruder{t: i.t, w: w}
		defer first.leave()
		first.as("mallory", nil)
		second := i.greet(hello("mallory", first.device(), nil))
		return first.outcome() + ", then " + second
	})
	add("whose hello is recorded and played again", "hello, committed, committed", "", func(i *intruder) string {
		i.as("mallory", nil)
		device := i.device()
		var came []string
		tx := list{5, 1, nil, w.schema.Version, list{w.op(insert, "note", "id,body", list{"replayed", "once"}), w.op(del, "note", "id", list{"replayed"})}}
		for range 2 { // the second time it is told of the first, and nothing is run
			i.greet(hello("mallory", device, nil))
			i.sendMessage(tx)
			came = append(came, i.outcome())
		}
		return "hello, " + strings.Join(came, ", ")
	})
	add("whose number is used for something else", "committed, then committed", "", func(i *intruder) string {
		i.as("mallory", nil)
		first := i.write()
		i.seq--
		return first + ", then " + i.write(w.op(put, "note", "id,body", list{"again", "under a number that was taken"}))
	})
	add("whose numbers go backwards", "committed, then committed", "", func(i *intruder) string {
		i.as("mallory", nil)
		i.seq = 10
		first := i.write()
		i.seq = 4
		return first + ", then " + i.write(w.op(put, "note", "id,body", list{"again", "under a number that was taken"}))
	})
	add("whose refused number is used again", "refused read_only, then refused read_only", "stamp", func(i *intruder) string {
		i.as("mallory", nil)
		first := i.write(w.op(put, "purse", "id,stamp", list{50, "mine"}))
		i.seq--
		return first + ", then " + i.write(w.op(put, "note", "id,body", list{"again", "under a number that was taken"}))
	})
	return all
}
