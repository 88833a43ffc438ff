package store

import (
	"encoding/binary"
	"errors"
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

// A keyMap is a map by rowKey; one of numbers alone is twice as fast.
type keyMap[V any] struct {
	nums map[int64]V
	strs map[string]V
}

func newKeyMap[V any](t *Table, size int) keyMap[V] {
	if t.intKey {
		return keyMap[V]{nums: make(map[int64]V, size)}
	}
	return keyMap[V]{strs: make(map[string]V, size)}
}

// get returns a key's value, or the zero value.
func (m *keyMap[V]) get(k rowKey) (V, bool) {
	if k.str == "" {
		v, ok := m.nums[k.num]
		return v, ok
	}
	v, ok := m.strs[k.str]
	return v, ok
}

func (m *keyMap[V]) len() int { return len(m.nums) + len(m.strs) }

func (m *keyMap[V]) set(k rowKey, v V) {
	if k.str == "" {
		m.nums[k.num] = v
		return
	}
	m.strs[k.str] = v
}

// each calls f with every key and its value.
func (m *keyMap[V]) each(f func(rowKey, V)) {
	for num, v := range m.nums {
		f(rowKey{num: num}, v)
	}
	for str, v := range m.strs {
		f(rowKey{str: str}, v)
	}
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
		if c == collateRTrim {
			s = strings.TrimRight(s, " ")
		}
		b = binary.AppendUvarint(append(b, byte(wire.Text)), uint64(len(s)))
		if c == collateNoCase {
			return appendNoCase(b, s)
		}
		return append(b, s...)
	default:
		b = binary.AppendUvarint(append(b, byte(v.Kind())), uint64(v.Len()))
		return append(b, v.Bytes()...)
	}
}

// appendNoCase appends what SQLite's NOCASE compares: it knows the 26 letters of
// ASCII only, and nothing behind a NUL but the length.
func appendNoCase(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c == 0 {
			return append(b, 0)
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
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
			if v.Kind() == wire.Integer {
				v = wire.RealValue(v.Float64())
			}
			ok = v.Kind() == wire.Real
		case affinityText:
			ok = v.Kind() == wire.Text
		case affinityBlob: // keeps what it is given
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
// "inf" and "nan", which Go reads, are none to SQL.
func looksNumeric(s string) bool {
	_, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return (err == nil || errors.Is(err, strconv.ErrRange)) && strings.ContainsAny(s, "0123456789")
}
