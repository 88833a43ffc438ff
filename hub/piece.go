package hub

import (
	"context"

	"framehub/session/wire"
	"framehub/store"
)

// ReadPiece implements session.Handler.
func (c *client) ReadPiece(m *wire.ReadPiece) error {
	c.do(func(c *client) {
		p := c.piece(m)
		p.ID = m.ID
		c.say(p.Append(nil))
	})
	return nil
}

// piece reads a part of a large value as it is now.
func (c *client) piece(m *wire.ReadPiece) wire.Piece {
	schema := c.hub.store.Schema()
	t := schema.ByID(m.Table)
	if t == nil || !t.Synced {
		return wire.Piece{Refused: wire.Refuse(wire.CodeUnknownTable, "there is no table with number %d", m.Table)}
	}
	if b := c.hub.book(); b.Rights(c.who.Role, t.ID)&wire.RightRead == 0 {
		return wire.Piece{Refused: b.MayRead(&c.who, t.ID, false, nil)}
	}
	if m.Column >= len(t.Columns) {
		return wire.Piece{Refused: wire.Refuse(wire.CodeUnknownColumn, "table %q has no column %d", t.Name, m.Column)}
	}
	key, refused := t.StoredKey(m.Key)
	if refused != nil {
		return wire.Piece{Refused: refused}
	}
	if refused := c.mayReadRow(t, key); refused != nil {
		return wire.Piece{Refused: refused}
	}
	v, version, found, err := c.hub.value(c.ctx, t, key, m.Column)
	switch {
	case err != nil:
		c.hub.opts.Log.Error("read a large value", "table", t.Name, "err", err)
		return wire.Piece{Refused: wire.Refuse(wire.CodeUnavailable, "the value can't be read at the moment")}
	case !found:
		return wire.Piece{Refused: wire.Refuse(wire.CodeMissing, "table %q has no row with that key", t.Name)}
	case v.Kind() != wire.Text && v.Kind() != wire.Blob:
		return wire.Piece{Refused: wire.Refuse(wire.CodeType, "only a TEXT or BLOB is read in pieces, this is %s", v.Kind())}
	}
	p := wire.Piece{Version: version, Size: uint64(v.Len())}
	const overhead = 64
	if m.Offset < p.Size {
		end := min(p.Size, m.Offset+uint64(c.form.max-overhead))
		p.Data = []byte(v.Bytes()[m.Offset:end])
	}
	return p
}

// mayReadRow says why a session may not read a row, for its table or its scope.
func (c *client) mayReadRow(t *store.Table, key []wire.Value) *wire.Refusal {
	b := c.hub.book()
	at := b.ByToken(&c.who, t.ID)
	if at < 0 {
		return b.MayRead(&c.who, t.ID, false, nil)
	}
	scope, _, found, err := c.hub.value(c.ctx, t, key, at)
	switch {
	case err != nil:
		c.hub.opts.Log.Error("read the scope of a row", "table", t.Name, "err", err)
		return wire.Refuse(wire.CodeUnavailable, "the value can't be read at the moment")
	case !found:
		scope = wire.Value{} // nothing is told of rows that are not there
	}
	return b.MayRead(&c.who, t.ID, true, []wire.Value{scope})
}

// value returns a value as of the last durable version: the game database's, unless
// an entry that it has not merged changed the row.
func (h *Hub) value(ctx context.Context, t *store.Table, key []wire.Value, column int) (v wire.Value, version uint64, found bool, err error) {
	last := h.Version()
	err = h.store.View(ctx, func(view *store.View) error {
		version = view.Version
		v, found, err = view.Value(t, key, column)
		return err
	})
	if err != nil {
		return v, 0, false, err
	}
	k := t.KeyOf(key)
	for ; version < last; version++ {
		e, err := h.store.Entry(version + 1)
		if err != nil {
			return v, 0, false, err
		}
		c := e.Change(t.ID)
		if c == nil {
			continue
		}
		if i, row := c.Find(k); row != nil {
			v, found = c.Images.Row(i)[column], row.After
		}
	}
	return v, version, found, nil
}
