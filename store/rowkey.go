package store

import "framehub/session/wire"

// A Key tells a row within its table; it can be compared and be a map's key. Two
// keys that SQL holds equal, by the collations of the key's columns, are equal.
type Key = rowKey

// KeyOf returns the key of a row, of which values are the first ones, as stored.
func (t *Table) KeyOf(values []wire.Value) Key { return t.key(values) }

// Find returns the row's change, and its place in Images, if the entry changed it.
func (c *Change) Find(k Key) (int, *Row) {
	i, row := c.find(k)
	return int(i), row
}

// StoredKey turns a key as a device sent it into the key as SQLite stores it.
func (t *Table) StoredKey(key []wire.Value) ([]wire.Value, *wire.Refusal) {
	if len(key) != t.Key {
		return nil, wire.Refuse(wire.CodeType, "the key of table %q has %d columns, not %d", t.Name, t.Key, len(key))
	}
	b := wire.Block{N: 1, Cols: make([]wire.Column, len(key))}
	b.Cells, b.Data = wire.Flatten(nil, nil, key)
	for i := range b.Cols {
		b.Cols[i] = wire.Column{Form: wire.Cells, At: i}
	}
	return t.storedKey(&b, 0, nil)
}
