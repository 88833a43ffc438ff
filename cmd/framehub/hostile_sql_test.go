package main_test

import (
	"fmt"
	"strings"

	"framehub/session/wire"
)

// The ops.
const (
	put = iota
	insert
	update
	del
	add
	touch
	expect
)

// table returns a table by its number, or nil.
func (w *hostileWorld) table(number int) *wire.SchemaTable {
	for i := range w.schema.Tables {
		if w.schema.Tables[i].Number == number {
			return &w.schema.Tables[i]
		}
	}
	return nil
}

// number returns a table's.
func (w *hostileWorld) number(name string) int {
	for i := range w.schema.Tables {
		if w.schema.Tables[i].Name == name {
			return w.schema.Tables[i].Number
		}
	}
	panic("there is no table " + name)
}

// op makes an op of rows, each with a value for each of the columns, which are
// named with commas between.
func (w *hostileWorld) op(kind int, table, columns string, rows ...list) list {
	t := w.table(w.number(table))
	block := list{t.Number, list{}, len(rows)}
	for at, name := range strings.Split(columns, ",") {
		place := -1
		for i := range t.Columns {
			if t.Columns[i].Name == name {
				place = i
			}
		}
		block[1] = append(block[1].(list), place)
		column := list{}
		for _, row := range rows {
			column = append(column, row[at])
		}
		block = append(block, column)
	}
	return list{kind, block}
}

// A ledger collects cases that are one transaction of mallory's each.
type ledger struct {
	w     *hostileWorld
	kind  string
	cases []hostile
}

// add is a transaction that is refused with a code and words, or committed.
func (l *ledger) add(name, want, words string, ops ...any) {
	l.cases = append(l.cases, hostile{name: l.kind + ": " + name, want: want, words: words, do: func(i *intruder) string {
		i.as("mallory", nil)
		return i.goesOn(i.write(ops...))
	}})
}

// kept is a transaction that is committed, and leaves one row.
func (l *ledger) kept(name, row string, ops ...any) {
	l.add(name, "committed", "", ops...)
	l.cases[len(l.cases)-1].keeps = []string{row}
}

// ruleCases are what rules forbid.
func (w *hostileWorld) ruleCases() []hostile {
	l := &ledger{w: w, kind: "rules"}
	op := w.op
	l.add("a table that nobody writes", "refused forbidden", "ledger", op(put, "ledger", "id,v", list{1, 0}))
	l.add("a table that servers read", "refused forbidden", "secret", op(put, "secret", "id,word", list{1, "mine"}))
	l.add("a guess of what it has", "refused forbidden", "secret", op(expect, "secret", "id,word", list{1, "swordfish"}))
	l.add("a delete where it is not allowed", "refused forbidden", "purse", op(del, "purse", "id", list{1}))
	l.add("an update where only inserts are allowed", "refused forbidden", "word", op(update, "word", "id,w", list{1, "a"}))
	l.add("a put where only inserts are allowed", "refused forbidden", "insert", op(put, "word", "id,w", list{1, "a"}))
	l.add("a column of the server's", "refused read_only", "coins", op(put, "purse", "id,coins", list{51, 100}))
	l.add("adding to a column of the server's", "refused read_only", "coins", op(add, "purse", "id,coins", list{1, 100}))
	l.add("touching a column of the server's", "refused read_only", "coins", op(touch, "purse", "id,coins", list{1, 100}))
	l.add("a column of SQL's", "refused read_only", "stamp", op(put, "purse", "id,stamp", list{1, "mine"}))
	l.add("a row for somebody else", "refused not_owner", "owner", op(insert, "thing", "id,zone,owner", list{50, 7, "bob"}))
	l.add("a row for nobody", "refused not_owner", "owner", op(insert, "thing", "id,zone,owner", list{50, 7, nil}))
	l.add("a row for one who looks like oneself", "refused not_owner", "owner", op(insert, "thing", "id,zone,owner", list{50, 7, "mallоry"}))
	l.add("a row for oneself in capitals", "refused not_owner", "owner", op(insert, "thing", "id,zone,owner", list{50, 7, "MALLORY"}))
	l.add("a row for oneself as bytes", "refused not_owner", "owner", op(insert, "thing", "id,zone,owner", list{50, 7, []byte("mallory")}))
	l.add("somebody else's row", "refused not_owner", "somebody else", op(update, "thing", "id,x", list{1, 1.5}))
	l.add("touching somebody else's row", "refused not_owner", "somebody else", op(touch, "thing", "id,x", list{1, 1.5}))
	l.add("adding to somebody else's row", "refused not_owner", "somebody else", op(add, "thing", "id,x", list{1, 1.5}))
	l.add("deleting somebody else's row", "refused not_owner", "somebody else", op(del, "thing", "id", list{1}))
	l.add("deleting one's own row and somebody else's", "refused not_owner", "somebody else", op(del, "thing", "id", list{4}, list{1}))
	l.add("taking somebody else's row", "refused not_owner", "somebody else", op(update, "thing", "id,owner", list{1, "mallory"}))
	l.add("taking nobody's row", "refused not_owner", "somebody else", op(update, "thing", "id,owner", list{3, "mallory"}))
	l.add("giving a row away", "refused not_owner", "owner", op(update, "thing", "id,owner", list{4, "bob"}))
	l.add("more rows than one may own", "refused constraint", "max-owned", op(insert, "thing", "id,zone", list{50, 7}))
	l.add("a row in another scope", "refused forbidden", "scope", op(insert, "thing", "id,zone", list{50, 8}))
	l.add("a row in no scope", "refused forbidden", "scope", op(insert, "thing", "id", list{50}))
	l.add("moving a row to another scope", "refused forbidden", "scope", op(update, "thing", "id,zone", list{4, 8}))
	l.add("adding to a row's scope", "refused forbidden", "scope", op(add, "thing", "id,zone", list{4, 1}))
	l.add("a row in another scope, to be deleted", "refused forbidden", "scope", op(del, "thing", "id", list{2}))
	l.add("a guess of a row in another scope", "refused forbidden", "scope", op(expect, "thing", "id,x", list{2, 0.5}))
	l.add("a blob above its most", "refused too_large", "blob max", op(put, "note", "id,data", list{"blob", make([]byte, 1001)}))
	l.add("a text above a blob's most", "refused too_large", "blob max", op(put, "note", "id,data", list{"blob", strings.Repeat("a", 1001)}))
	l.add("1,001 rows at once", "refused rate", "rows", op(touch, "note", "id,body", rows(1001, "absent")...))
	l.add("140 KB at once", "refused rate", "bytes", op(touch, "note", "id,body", list{"absent", strings.Repeat("a", 140<<10)}))
	l.cases = append(l.cases, hostile{name: "rules: an observer's write", want: "refused forbidden", words: "only reads", do: func(i *intruder) string {
		i.as("game", dict{"role": "observer"})
		return i.goesOn(i.write(op(put, "note", "id,body", list{"observer", "writes"})))
	}}, hostile{name: "rules: an observer's guess", want: "refused forbidden", words: "only reads", do: func(i *intruder) string {
		i.as("game", dict{"role": "observer"})
		return i.goesOn(i.write(op(expect, "secret", "id,word", list{1, "swordfish"})))
	}})
	return l.cases
}

// rows are n rows of a key and a number.
func rows(n int, key string) []list {
	all := make([]list, n)
	for i := range all {
		all[i] = list{key, "x"}
	}
	return all
}

// sqlCases are names and values that mean something to SQL, and what SQL refuses.
func (w *hostileWorld) sqlCases() []hostile {
	l := &ledger{w: w, kind: "sql"}
	op := w.op
	note := w.number("note")
	odd := `x"; DROP TABLE note;--`
	for name, text := range map[string]string{
		"a quote": `'); DROP TABLE note;--`, "a double quote": `"; DELETE FROM note; --`, "a comment": `/* -- */`, "a parameter": `?1 :id @id $id`,
		"a union": `' UNION SELECT key, value FROM _framehub_meta --`, "a wildcard": `%_*?[a]`, "a backslash": `\'; ATTACH '/etc/passwd' AS x; --`,
		"a pragma": `PRAGMA writable_schema = ON`, "a number": `1e999`, "a blob literal": `x'00'`, "nothing": ``,
	} {
		l.kept("a value like "+name, "note("+sqlQuote("sql "+name)+", "+sqlQuote(text)+", NULL)", op(put, "note", "id,body", list{"sql " + name, text}))
	}
	l.kept("a key that drops a table", `note(`+sqlQuote(`k'); DROP TABLE note;--`)+`, NULL, NULL)`, op(put, "note", "id", list{`k'); DROP TABLE note;--`}))
	l.kept("a table that is called as it would be dropped", odd+`(1, 'a', 'b')`, op(put, odd, "id,select,a\"b'c", list{1, "a", "b"}))
	l.cases = append(l.cases, hostile{name: "sql: every number that may be a private table's", want: "refused unknown_table each", do: func(i *intruder) string {
		i.as("mallory", nil)
		for number := range 32 {
			if w.table(number) != nil {
				continue
			}
			if got := i.write(list{put, list{number, list{0, 1}, 1, list{1}, list{1}}}); got != "refused unknown_table" {
				return fmt.Sprintf("%s for %d", got, number)
			}
		}
		return "refused unknown_table each"
	}})
	l.add("a column that there is not", "refused unknown_column", "column", list{put, list{note, list{0, 3}, 1, list{"a"}, list{1}}})
	l.add("the key behind", "refused type", "begin with its key", list{put, list{note, list{1, 0}, 1, list{"a"}, list{"b"}}})
	l.add("no key", "refused type", "begin with its key", list{put, list{note, list{1}, 1, list{"a"}}})
	l.add("a delete with more than the key", "refused type", "key", op(del, "note", "id,body", list{"short", "words"}))
	l.add("a key of NULL", "refused type", "key", op(put, "note", "id", list{nil}))
	l.add("a rowid of NULL", "refused type", "key", op(put, "beat", "id,n", list{nil, 1}))
	l.add("a rowid of a text", "refused type", "key", op(put, "beat", "id,n", list{"1", 0}))
	l.add("a rowid of a fraction", "refused type", "key", op(put, "beat", "id,n", list{1.5, 0}))
	l.add("a rowid of 2^63, as a float", "refused type", "key", op(put, "beat", "id,n", list{9223372036854775808.0, 0}))
	l.add("a key of 513 bytes", "refused too_large", "512", op(put, "note", "id", list{strings.Repeat("k", 513)}))
	l.add("a key as bytes", "refused type", "key", op(put, "note", "id", list{[]byte("short")}))
	l.add("a text in a STRICT column of integers", "refused type", "number", op(put, "number", "id,i", list{50, "1; DROP"}))
	l.add("a blob in a STRICT column of texts", "refused type", "note", op(put, "note", "id,body", list{"blob", []byte("x")}))
	l.add("a text in a STRICT column of blobs", "refused type", "note", op(put, "note", "id,data", list{"blob", "x"}))
	l.add("NULL where it may not be", "refused constraint", "NOT NULL", op(put, "purse", "id,worth", list{50, nil}))
	l.add("what a CHECK refuses", "refused constraint", "CHECK", op(put, "purse", "id,worth", list{50, 101}))
	l.add("adding beyond a CHECK", "refused constraint", "CHECK", op(add, "purse", "id,worth", list{1, 101}))
	l.add("what is there already, in a UNIQUE column", "refused constraint", "UNIQUE", op(put, "purse", "id,label", list{50, "taken"}))
	l.add("a row that is there already", "refused exists", "already", op(insert, "note", "id", list{"short"}))
	l.add("a row that is not there", "refused missing", "no row", op(update, "note", "id,body", list{"nowhere", "x"}))
	l.add("a row that is not as expected", "refused conflict", "expected", op(expect, "note", "id,body", list{"short", "' OR 1=1"}), op(put, "note", "id", list{"conflict"}))
	l.add("a child without a parent", "refused constraint", "FOREIGN KEY", op(put, "child", "id,parent", list{1, 999}))
	l.add("a column that SQL computes", "refused read_only", "more", op(put, "loose", "id,more", list{1, 5}))
	l.add("adding to a text", "refused type", "numbers", op(add, "note", "id,body", list{"short", 1}))
	l.add("a good op before a bad one", "refused constraint", "CHECK", op(put, "note", "id", list{"half"}), op(put, "purse", "id,worth", list{50, -1}))
	l.add("a GLOB that looks at 100 KB", "refused constraint", "CHECK", op(insert, "word", "id,w", list{1, strings.Repeat("a", 100_000) + "!"}))
	l.add("a LIKE that looks at 100 KB", "refused constraint", "CHECK", op(insert, "word", "id,l", list{1, strings.Repeat("a", 50_000) + strings.Repeat("abcdefg", 7000)}))
	l.add("RAISE(ABORT)", "refused constraint", "it is aborted", op(insert, "raise", "id,how", list{1, "abort"}))
	l.add("RAISE(FAIL)", "refused constraint", "it has failed", op(insert, "raise", "id,how", list{1, "fail"}))
	l.add("RAISE(ROLLBACK)", "refused constraint", "it is rolled back", op(put, "note", "id", list{"rolled back"}), op(insert, "raise", "id,how", list{1, "rollback"}))
	l.add("RAISE(IGNORE)", "committed", "", op(insert, "raise", "id,how", list{1, "ignore"}))
	l.add("RAISE of words of 100 KB", "refused constraint", "raise", op(insert, "raise", "id,how,what", list{1, "say", strings.Repeat("x", 100_000)}))
	l.add("RAISE of words that are not UTF-8", "refused constraint", "raise", op(insert, "raise", "id,how,what", list{1, "say", []byte{0xff, 0xfe, 'x'}}))
	l.add("RAISE of words for a terminal", "refused constraint", "raise", op(insert, "raise", "id,how,what", list{1, "say", "\x1b[2J\n00:00:00 INF forged"}))
	l.add("a path of JSON that is not UTF-8", "refused constraint", "JSON path", op(insert, "raise", "id,how,what", list{1, "path", []byte{0xff, 0xfe, 'x'}}))
	l.add("a text that SQL makes and is not UTF-8", "refused constraint", "UTF-8", op(insert, "raise", "id,how,what", list{1, "text", []byte{0xff}}))
	l.add("an infinity that SQL makes", "refused constraint", "raise", op(insert, "raise", "id,how", list{1, "real"}))
	l.kept("a trigger that would call itself for ever", "raise(70, 'again', NULL)", op(put, "raise", "id,how", list{70, "again"}))
	l.cases[len(l.cases)-1].keeps = append(l.cases[len(l.cases)-1].keeps, "raise(71, 'again', NULL)") // SQLite's triggers don't

	// The last number that AUTOINCREMENT has, and what follows.
	l.cases = append(l.cases, hostile{
		name: "sql: the last number there is", want: "committed, then refused constraint", words: "numbered",
		keeps: []string{"numbered(9223372036854775807, 'last')", "sqlite_sequence('numbered', 9223372036854775807)"},
		do: func(i *intruder) string {
			i.as("mallory", nil)
			first := i.write(op(put, "numbered", "id,v", list{int64(1<<63 - 1), "last"}))
			return first + ", then " + i.goesOn(i.write(op(put, "note", "id", list{"rings"}), op(insert, "ring", "id", list{1})))
		},
	})
	l.add("the last number there is, used up at once", "refused constraint", "numbered",
		op(put, "numbered", "id,v", list{int64(1<<63 - 1), "last"}), op(insert, "ring", "id", list{1}))
	return l.cases
}

// sqlQuote is SQL's quote.
func sqlQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
