package hub

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"framehub/session/wire"
)

// A change is a new list of subscriptions on its way into force: what is new is
// being snapshotted. It is owned by the session's write loop.
type change struct {
	id       uint64
	subs     []*sub // the list, once it is in force
	snapshot []*sub // those of it that are snapshotted

	spool *spool  // nil: there is nothing to read
	then  *change // waits for this one
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
		if refused == nil {
			refused = c.hub.book().mayRead(&c.who, s)
		}
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

// begin starts a change: its snapshot is read beside everything else. One that is
// under way waits for it.
func (c *client) begin(ch *change) {
	ch.then, c.change = c.change, ch
	for _, s := range ch.snapshot {
		s.active = false
	}
	if len(ch.snapshot) == 0 {
		return
	}
	ch.spool = newSpool(c.sess.Wake, &c.hub.spools)
	c.snapshotting.Store(true)
	c.hub.metrics.snapshots.Inc()
	c.reading.Go(func() { ch.spool.end(c.snapshot(ch)) })
}

// snapshot reads a change's snapshot, when it is its turn.
func (c *client) snapshot(ch *change) error {
	if wait := c.share.mayLook(time.Now()); wait > 0 {
		select {
		case <-time.After(wait):
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	return c.hub.readSnapshot(c.ctx, c.form, c.share, ch)
}

// next appends what there is of the change to dst: the next part of the
// snapshot, or its end, with which the list comes into force.
func (ch *change) next(c *client, dst [][]byte) [][]byte {
	version := c.sent
	if version == 0 {
		version = c.hub.Version()
	}
	if ch.spool != nil {
		msg, at, done, err := ch.spool.take()
		switch {
		case errors.Is(err, errReshaped):
			return dst // the session ends when it takes up the new schema
		case errors.Is(err, errTakenSlowly), errors.Is(err, errNoRoom):
			c.hub.opts.Log.Warn("a snapshot is given up", "session", c.sess.ID, "remote", c.sess.Remote, "user", c.identity.User, "err", err)
			c.sess.End(wire.Goodbye{Code: wire.CloseTooSlow, Text: err.Error() + ": connect again", Retry: spoolRetry, RetrySet: true})
			return dst
		case err != nil:
			c.hub.opts.Log.Error("snapshot", "session", c.sess.ID, "err", err)
			c.sess.End(wire.Goodbye{Code: wire.CloseInternal, Text: "the hub could not read the snapshot: connect again"})
			return dst
		case msg != nil:
			return append(dst, msg)
		case !done || c.lags(at):
			return dst
		}
		version = at
		ch.spool.discard()
	}
	ch.enter(c, version)
	return append(dst, (&wire.SnapshotEnd{ID: ch.id, Version: version}).Append(nil))
}

// lags says whether a sub that frames go on for has less than version: the
// snapshot waits for it, so that no later frame is older.
func (c *client) lags(version uint64) bool {
	return c.catchup && slices.ContainsFunc(c.subs, func(s *sub) bool { return s.active && s.at < version })
}

// enter puts the list in force; the subs that were snapshotted have version.
func (ch *change) enter(c *client, version uint64) {
	c.hub.part(c, ch.subs)
	c.mu.Lock()
	at := c.liveAt
	c.queue, c.queued = nil, 0 // catching up tells them, with what the new list adds
	c.mu.Unlock()
	if !c.catchup {
		c.fallBehind(at)
	}
	for _, s := range ch.snapshot {
		s.at, s.active = version, true
	}
	c.noteMixed(slices.Concat(c.subs, ch.subs))
	c.subs, c.change = ch.subs, ch.then
	c.snapshotting.Store(c.change != nil && c.change.spool != nil)
	c.sent = max(c.sent, version)
}

// noteMixed remembers the tables of which the device has parts at several
// versions. Until a frame is as new as the newest, rows come whole, and every key
// that went is told: also when the sub that brought a row has been removed since.
func (c *client) noteMixed(subs []*sub) {
	for table, n := range interests(subs) {
		if !n.mixed {
			continue
		}
		for _, s := range subs {
			if s.active && s.table.ID == table {
				if c.mixed == nil {
					c.mixed = map[int]uint64{}
				}
				c.mixed[table] = max(c.mixed[table], s.at)
			}
		}
	}
}
