package store

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"framehub/session/wire"
)

// A rowKey tells a row within its table: by number where the key is the rowid,
// by bytes otherwise. Two keys that SQL holds equal, by the collations of the
// key's columns, are equal.
type rowKey struct {
	num int64
	str string
}

// key returns the key of a row whose first values are the key as stored.
func (t *Table) key(values []wire.Value) rowKey {
	if t.intKey && values[0].Kind() == wire.Integer {
		return rowKey{num: values[0].Int64()}
	}
	var b []byte
	for i := range t.Key {
		b = appendKeyValue(b, values[i], t.Columns[i].collation)
	}
	return rowKey{str: string(b)}
}

func appendKeyValue(b []byte, v wire.Value, c collation) []byte {
	switch v.Kind() {
	case wire.Real:
		f := v.Float64()
		if f >= -(1<<63) && f < 1<<63 && f == math.Trunc(f) { // SQL holds 1.0 and 1 equal
			return binary.BigEndian.AppendUint64(append(b, byte(wire.Integer)), uint64(int64(f)))
		}
		return binary.BigEndian.AppendUint64(append(b, byte(wire.Real)), math.Float64bits(f))
	case wire.Integer:
		return binary.BigEndian.AppendUint64(append(b, byte(wire.Integer)), uint64(v.Int64()))
	case wire.Text:
		s := v.Bytes()
		switch c {
		case collateNoCase:
			s = foldASCII(s)
		case collateRTrim:
			s = strings.TrimRight(s, " ")
		}
		b = binary.AppendUvarint(append(b, byte(wire.Text)), uint64(len(s)))
		return append(b, s...)
	default:
		b = binary.AppendUvarint(append(b, byte(v.Kind())), uint64(v.Len()))
		return append(b, v.Bytes()...)
	}
}

// foldASCII is what SQLite's NOCASE does: it knows the 26 letters of ASCII only.
func foldASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// storedKey turns a key as a device sent it into the key as SQLite stores it,
// or says why it can't be one.
func (t *Table) storedKey(b *wire.Block, row int, dst []wire.Value) ([]wire.Value, *wire.Refusal) {
	for i := range t.Key {
		col := &t.Columns[i]
		v := b.Value(i, row)
		ok := v.Kind() != wire.Null
		switch col.affinity {
		case affinityInteger:
			if f := v.Float64(); v.Kind() == wire.Real && wire.SameNumber(v, wire.IntegerValue(int64(f))) {
				v = wire.IntegerValue(int64(f))
			}
			ok = v.Kind() == wire.Integer
		case affinityReal:
			ok = v.Kind() == wire.Real || v.Kind() == wire.Integer
		case affinityText:
			ok = v.Kind() == wire.Text || v.Kind() == wire.Blob && col.Type == "ANY"
		case affinityNumeric:
			ok = ok && !(v.Kind() == wire.Text && looksNumeric(v.Bytes()))
		}
		if !ok {
			return nil, &wire.Refusal{
				Code: wire.CodeType, Row: row,
				Text: "a key of table " + strconv.Quote(t.Name) + " needs " + article(col.Type) + " in column " +
					strconv.Quote(col.Name) + ", not " + v.String(),
			}
		}
		dst = append(dst, v)
	}
	return dst, nil
}

func article(kind string) string {
	switch kind {
	case "INTEGER":
		return "an INTEGER"
	case "ANY":
		return "a value"
	default:
		return "a " + kind
	}
}

// looksNumeric says whether NUMERIC affinity may turn a text into a number.
func looksNumeric(s string) bool {
	_, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return err == nil
}
