package hub

import (
	"fmt"
	"slices"

	"framehub/session/wire"
)

// A change is a new list of subscriptions on its way into force: what is new is
// being snapshotted. It is owned by the session's write loop.
type change struct {
	id       uint64
	subs     []*sub // the list, once it is in force
	snapshot []*sub // those of it that are snapshotted

	spool *spool // nil: there is nothing to read
}

// Subscribe implements session.Handler.
func (c *client) Subscribe(m *wire.Subscribe) error {
	if m.ID <= c.lastID {
		return &wire.Error{Code: wire.CloseProtocol, Reason: fmt.Sprintf("the id of a change of subscriptions is %d, it must be above the last one, %d", m.ID, c.lastID)}
	}
	c.lastID = m.ID
	c.do(func(c *client) { c.resubscribe(m) })
	return nil
}

func (c *client) resubscribe(m *wire.Subscribe) {
	subs, added, refused := c.changed(m)
	if refused != nil {
		c.say((&wire.SnapshotEnd{ID: m.ID, Refused: refused}).Append(nil))
		return
	}
	c.begin(&change{id: m.ID, subs: subs, snapshot: added})
}

// changed returns the list after a change, or why it can't be made.
func (c *client) changed(m *wire.Subscribe) (subs, added []*sub, refused *wire.Refusal) {
	schema := c.hub.store.Schema()
	subs = slices.Clone(c.subs)
	for i := range m.Remove {
		s, refused := resolveSub(schema, &m.Remove[i])
		if refused != nil {
			return nil, nil, refused
		}
		at := slices.IndexFunc(subs, s.same)
		if at < 0 {
			return nil, nil, wire.Refuse(wire.CodeMissing, "there is no such subscription of table %q to remove", s.table.Name)
		}
		subs = slices.Delete(subs, at, at+1)
	}
	for i := range m.Add {
		s, refused := resolveSub(schema, &m.Add[i])
		if refused != nil {
			return nil, nil, refused
		}
		subs, added = append(subs, s), append(added, s)
	}
	if most := c.hub.opts.Limits.Subs; len(subs) > most {
		return nil, nil, wire.Refuse(wire.CodeTooLarge, "a session has %d subscriptions at most", most)
	}
	return subs, added, nil
}

// begin starts a change: its snapshot is read beside everything else.
func (c *client) begin(ch *change) {
	c.change = ch
	for _, s := range ch.snapshot {
		s.active = false
	}
	if len(ch.snapshot) == 0 {
		return
	}
	ch.spool = newSpool(c.sess.Wake)
	c.hub.metrics.snapshots.Inc()
	c.reading.Go(func() { ch.spool.end(c.hub.readSnapshot(c.ctx, c.form, ch)) })
}

// next appends what there is of the change to dst: the next part of the
// snapshot, or its end, with which the list comes into force.
func (ch *change) next(c *client, dst [][]byte) [][]byte {
	end := wire.SnapshotEnd{ID: ch.id, Version: c.hub.Version()}
	if ch.spool != nil {
		msg, version, done, err := ch.spool.take()
		if err != nil {
			c.hub.opts.Log.Error("snapshot", "session", c.sess.ID, "err", err)
			c.sess.End(wire.Goodbye{Code: wire.CloseInternal, Text: "the hub could not read the snapshot: connect again"})
			return dst
		}
		if !done {
			if msg != nil {
				dst = append(dst, msg)
			}
			return dst
		}
		end.Version = version
		ch.spool.discard()
	}
	ch.enter(c, end.Version)
	return append(dst, end.Append(nil))
}

// enter puts the list in force; the subs that were snapshotted have version.
func (ch *change) enter(c *client, version uint64) {
	c.hub.part(c)
	c.mu.Lock()
	at := c.liveAt
	c.queue, c.queued = nil, 0 // catching up tells them, with what the new list adds
	c.mu.Unlock()
	if !c.catchup {
		c.fallBehind(at)
	}
	c.subs, c.change = ch.subs, nil
	for _, s := range ch.snapshot {
		s.at, s.active = version, true
	}
	c.sent = max(c.sent, version)
}
