package hub

import (
	"context"
	"errors"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// readSnapshot reads what a change snapshots into its spool, all at one version,
// in a read transaction that waits for no socket.
func (h *Hub) readSnapshot(ctx context.Context, form form, share *share, ch *change) error {
	return h.store.View(ctx, func(v *store.View) error {
		defer share.looked(time.Now())
		w := snapshotWriter{id: ch.id, version: v.Version, form: form, spool: ch.spool}
		w.packer.room = form.max - wire.SnapshotOverhead
		ch.spool.begin(v.Version)
		for _, n := range union(ch.snapshot) {
			switch t := v.Schema.ByID(n.table.ID); {
			case t == nil: // gone: nothing of it is there
			case t.Since != n.table.Since:
				return errReshaped
			default:
				if err := w.table(ctx, v, n); err != nil {
					return err
				}
			}
		}
		w.packer.next()
		return w.flush()
	})
}

var errReshaped = errors.New("the schema has changed since that was asked for")

// union joins subs by table, so that no row comes twice.
func union(subs []*sub) map[int]*interest {
	active := make([]*sub, len(subs))
	for i, s := range subs {
		copied := *s
		copied.active = true
		active[i] = &copied
	}
	return interests(active)
}

// A snapshotWriter packs rows into messages.
type snapshotWriter struct {
	id, version uint64
	form        form
	spool       *spool
	packer      packer
}

func (w *snapshotWriter) table(ctx context.Context, v *store.View, n *interest) error {
	var scopes []wire.Value
	for s := range n.scopes {
		if !n.all {
			scopes = append(scopes, s)
		}
	}
	columns := keyColumns(len(n.table.Columns))
	return v.Scan(n.table, !n.all, scopes, func(g wire.Grid) error {
		w.packer.add(&delta{table: n.table, rows: g}, picked{columns: columns, rows: validRows(n.table, g)})
		if err := w.flush(); err != nil {
			return err
		}
		return ctx.Err()
	})
}

// flush spools the messages that are full.
func (w *snapshotWriter) flush() error {
	for _, part := range w.packer.parts {
		if len(part.changed) == 0 {
			continue
		}
		msg := wire.AppendSnapshot(nil, w.id, w.version, part.changed)
		if err := w.spool.put(w.form.pack(msg)); err != nil {
			return err
		}
	}
	w.packer.parts = w.packer.parts[:0]
	return nil
}
