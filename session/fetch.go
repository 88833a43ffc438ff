package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"framehub/session/wire"
)

// A fetch is a large value on its way.
type fetch struct {
	table  string
	key    []wire.Value
	column string
	result chan error

	id             uint64 // of the piece that was asked for last
	asked          bool
	first, version uint64 // of the first and the last piece
	size           uint64
	data           []byte
	whole          bool
	over           bool   // it has its result
	touched        uint64 // the last version that changed the row
	value          wire.Value
}

// restart begins anew with the first piece.
func (f *fetch) restart() { f.asked, f.whole, f.data = false, false, nil }

// Fetch reads a value that was too large to come with its row, and puts it into
// the copy if its row is there. It waits until ctx ends, also while the device is
// not connected, and begins anew when the row changes meanwhile. The error is a
// [wire.Refusal] when the hub refuses. The value is TEXT or BLOB as its column's
// type says, in a column of any type TEXT where it is valid UTF-8.
func (d *Device) Fetch(ctx context.Context, table string, key []wire.Value, column string) (wire.Value, error) {
	f := &fetch{table: table, key: slices.Clone(key), column: column, result: make(chan error, 1)}
	d.mu.Lock()
	d.lastID++
	f.id = d.lastID
	d.fetches[f.id] = f
	d.mu.Unlock()
	d.wakeWriter()
	var err error
	select {
	case err = <-f.result:
	case <-ctx.Done():
		err = ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.fetches, f.id)
	if err != nil {
		return wire.Value{}, fmt.Errorf("fetch %s.%s: %w", table, column, err)
	}
	return f.value, nil
}

// nextPiece returns the next question for a piece, nil when there is none. mu is held.
func (d *Device) nextPiece() []byte {
	for id, f := range d.fetches {
		if f.asked || f.whole || f.over {
			continue
		}
		var table, column int
		found := false
		d.replica.View(func(c *Copy) {
			if t := c.Table(f.table); t != nil {
				table, column = t.Number, t.Column(f.column)
				found = column >= 0 && len(f.key) == t.KeyLength
			}
		})
		if !found {
			f.end(wire.Refuse(wire.CodeUnknownColumn, "there is no table %q with a column %q and such a key", f.table, f.column))
			continue
		}
		delete(d.fetches, id)
		d.lastID++
		f.id, f.asked = d.lastID, true
		d.fetches[f.id] = f
		m := wire.ReadPiece{ID: f.id, Table: table, Key: f.key, Column: column, Offset: uint64(len(f.data))}
		return m.Append(nil)
	}
	return nil
}

// end gives a fetch its result. mu is held.
func (f *fetch) end(err error) {
	f.over = true
	f.result <- err
}

// piece takes a part of a value.
func (d *Device) piece(p *wire.Piece) {
	d.mu.Lock()
	f := d.fetches[p.ID]
	if f != nil && f.asked && !f.over {
		f.take(p)
	}
	d.mu.Unlock()
	d.ripen()
	d.wakeWriter()
}

func (f *fetch) take(p *wire.Piece) {
	f.asked = false
	switch {
	case p.Refused != nil:
		f.end(p.Refused)
		return
	case len(f.data) == 0:
		f.first, f.size = p.Version, p.Size
	case f.size != p.Size:
		f.restart()
		return
	}
	f.data, f.version = append(f.data, p.Data...), p.Version
	switch n := uint64(len(f.data)); {
	case n == f.size:
		f.whole = true
	case n > f.size || len(p.Data) == 0:
		f.end(errors.New("the hub's pieces don't make up the value"))
	}
}

// touch notes that rows have changed which are being fetched.
func (d *Device) touch(r *Rows) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.fetches {
		if f.table != r.Table.Name {
			continue
		}
		key := string(appendKey(nil, f.key))
		same := func(k []wire.Value) bool { return string(appendKey(nil, k)) == key }
		if slices.ContainsFunc(r.Changed, func(row Row) bool { return same(row.Key()) }) || slices.ContainsFunc(r.Removed, same) {
			f.touched = max(f.touched, r.Version)
		}
	}
}

// ripen ends the fetches whose value is whole, once the copy is as new as the
// last piece: only then it is sure that the pieces are of one value.
func (d *Device) ripen() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.fetches {
		if !f.whole || f.over {
			continue
		}
		if d.replica.place(f) {
			f.end(nil)
		} else if f.touched > f.first {
			f.restart()
			d.wakeWriter()
		}
	}
}

// place puts a fetched value into the copy, and says whether it could: the copy is
// as new as the value, and the row has not changed since its first piece.
func (r *Replica) place(f *fetch) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told < f.version || f.touched > f.first {
		return false
	}
	f.value = wire.BlobValue(f.data)
	t := r.copy.Table(f.table)
	if t == nil {
		return true
	}
	column := t.Column(f.column)
	if column >= 0 && t.Columns[column].Type != "BLOB" && utf8.Valid(f.data) {
		f.value = wire.TextValue(string(f.data))
	}
	if row, ok := t.Get(f.key...); ok && column >= 0 && row.Values[column].Kind() == wire.Undefined {
		row.Values[column] = f.value
	}
	return true
}
