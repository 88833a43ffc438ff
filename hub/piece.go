package hub

import (
	"context"
	"errors"

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
	b := c.hub.book()
	t := b.schema.ByID(m.Table)
	if t == nil || !t.Synced {
		return wire.Piece{Refused: wire.Refuse(wire.CodeUnknownTable, "there is no table with number %d", m.Table)}
	}
	if b.Rights(c.who.Role, t.ID)&wire.RightRead == 0 {
		return wire.Piece{Refused: b.MayRead(&c.who, t.ID, false, nil)}
	}
	if m.Column >= len(t.Columns) {
		return wire.Piece{Refused: wire.Refuse(wire.CodeUnknownColumn, "table %q has no column %d", t.Name, m.Column)}
	}
	key, refused := t.StoredKey(m.Key)
	if refused != nil {
		return wire.Piece{Refused: refused}
	}
	columns := []int{m.Column}
	scope := b.ByToken(&c.who, t.ID)
	if scope >= 0 {
		columns = append(columns, scope)
	}
	row, version, err := c.hub.values(c.ctx, t, key, columns)
	// The same of a row that is hidden as of none: who may not see it is not told that, or
	// where, it is.
	if scope >= 0 && err == nil && (row == nil || b.MayRead(&c.who, t.ID, true, row[1:]) != nil) {
		return wire.Piece{Refused: wire.Refuse(wire.CodeForbidden, "no row of table %q in a scope of the token's has that key", t.Name)}
	}
	switch {
	case err != nil:
		if !errors.Is(err, errReshaped) {
			c.hub.opts.Log.Error("read a large value", "table", t.Name, "err", err)
		}
		return wire.Piece{Refused: wire.Refuse(wire.CodeUnavailable, "the value can't be read at the moment")}
	case row == nil:
		return wire.Piece{Refused: wire.Refuse(wire.CodeMissing, "table %q has no row with that key", t.Name)}
	case row[0].Kind() != wire.Text && row[0].Kind() != wire.Blob:
		return wire.Piece{Refused: wire.Refuse(wire.CodeType, "only a TEXT or BLOB is read in pieces, this is %s", row[0].Kind())}
	}
	v := row[0]
	p := wire.Piece{Version: version, Size: uint64(v.Len())}
	const overhead = 64
	if m.Offset < p.Size {
		end := min(p.Size, m.Offset+uint64(c.form.max-overhead))
		p.Data = []byte(v.Bytes()[m.Offset:end])
	}
	return p
}

// values returns values of a row as of the last durable version: the game database's, unless
// an entry that it has not merged changed the row. All are of one version; nil: there is no
// such row.
func (h *Hub) values(ctx context.Context, t *store.Table, key []wire.Value, columns []int) (row []wire.Value, version uint64, err error) {
	last := h.Version()
	err = h.store.View(ctx, func(view *store.View) error {
		version = view.Version
		if is := view.Schema.ByID(t.ID); is == nil || is.Since != t.Since {
			return errReshaped // so that places of columns are others
		}
		row, err = view.Values(t, key, columns)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	k := t.KeyOf(key)
	for ; version < last; version++ {
		e, err := h.store.Entry(version + 1)
		if err != nil {
			return nil, 0, err
		}
		c := e.Change(t.ID)
		if c == nil {
			continue
		}
		i, changed := c.Find(k)
		if changed == nil {
			continue
		}
		row = nil
		for _, at := range columns {
			if changed.After {
				row = append(row, c.Images.Row(i)[at])
			}
		}
	}
	return row, version, nil
}
