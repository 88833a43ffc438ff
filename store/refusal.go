package store

import (
	"errors"
	"strings"
	"unicode/utf8"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// SQLite's primary result codes (sqlite3.h).
const (
	sqliteError      = 1
	sqlitePerm       = 3
	sqliteAbort      = 4
	sqliteBusy       = 5
	sqliteLocked     = 6
	sqliteNoMem      = 7
	sqliteReadOnly   = 8
	sqliteInterrupt  = 9
	sqliteIOErr      = 10
	sqliteIOErrLock  = 10 | 15<<8
	sqliteCorrupt    = 11
	sqliteFull       = 13
	sqliteCantOpen   = 14
	sqliteTooBig     = 18
	sqliteConstraint = 19
	sqliteMismatch   = 20
	sqliteAuth       = 23
	sqliteNotADB     = 26

	constraintDatatype = sqliteConstraint | 12<<8
	corruptVtab        = sqliteCorrupt | 1<<8 // a virtual table's own rows don't fit together: not the database
)

// refuses says whether a result code is SQL's judgement of the statement, as
// opposed to a failure of the database.
func refuses(code int) bool {
	if code == corruptVtab {
		return true
	}
	switch code & 0xff {
	case sqliteError, sqliteTooBig, sqliteConstraint, sqliteMismatch:
		return true
	default:
		return code >= sqlite.Missing
	}
}

// refusal says why an op's row was refused, with SQL's own words.
func (op *resolvedOp) refusal(row, code int, err error) *wire.Refusal {
	t := op.table
	switch code {
	case sqlite.Missing:
		return wire.Refuse(wire.CodeMissing, "table %q has no row with the key %s", t.Name, op.keyText(row))
	case sqlite.Exists:
		return wire.Refuse(wire.CodeExists, "table %q has a row with the key %s already", t.Name, op.keyText(row))
	case sqlite.Conflict:
		return wire.Refuse(wire.CodeConflict, "table %q: the row with the key %s is not as expected", t.Name, op.keyText(row))
	case sqlite.Overflow:
		return wire.Refuse(wire.CodeConstraint, "table %q: the sum in the row with the key %s is out of range", t.Name, op.keyText(row))
	case sqlite.BadType:
		return wire.Refuse(wire.CodeType, "table %q: only numbers can be added, to numbers, in the row with the key %s", t.Name, op.keyText(row))
	}
	refusal := wire.Refuse(wire.CodeConstraint, "table %q: %s", t.Name, words(err))
	switch {
	case code == constraintDatatype || code&0xff == sqliteMismatch:
		refusal.Code = wire.CodeType
	case code&0xff == sqliteTooBig:
		refusal.Code = wire.CodeTooLarge
	}
	return refusal
}

// maxWords bounds what is told of SQLite's words, in bytes.
const maxWords = 500

// words returns SQLite's own words for an error, without its code. A trigger may
// have made them of what a device wrote: they are cut, and UTF-8, which is all that
// the log and messages take.
func words(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[sqlite.Error](err); ok {
		text = e.Text
	}
	if len(text) > maxWords {
		end := maxWords
		for end > maxWords-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "…"
	}
	return strings.ToValidUTF8(text, "\ufffd")
}

func (op *resolvedOp) keyText(row int) string {
	if op.table.Key == 1 {
		return op.block.Value(0, row).String()
	}
	values := make([]string, op.table.Key)
	for i := range values {
		values[i] = op.block.Value(i, row).String()
	}
	return "(" + strings.Join(values, ", ") + ")"
}
