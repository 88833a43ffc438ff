package hub

import (
	"errors"
	"maps"
	"slices"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

const (
	// One catch-up frame covers no more versions, and takes up no more once it has
	// this many rows.
	catchUpVersions = 256
	catchUpRows     = 32768

	// From so many versions behind, reading all of them costs more than a snapshot.
	maxBehind = 8192
)

// forward brings a session that is not in step forward: a frame of what it
// missed, merged, or its place in an audience when it missed nothing.
func (c *client) forward(dst [][]byte) [][]byte {
	if !c.catchup || len(c.subs) > 0 && !slices.ContainsFunc(c.subs, func(s *sub) bool { return s.active }) {
		return dst // in step, or there is nothing that frames could hold yet
	}
	for len(dst) == 0 {
		if c.hub.join(c) {
			c.catchup = false
			clear(c.mixed)
			return dst
		}
		msgs, err := c.missed()
		switch {
		case errors.Is(err, errReforming):
			return dst
		case err != nil:
			c.resnapshot(err)
			return dst
		}
		dst = append(dst, msgs...)
	}
	return dst
}

var errReforming = errors.New("another schema is to be taken up first")

// missed returns a frame of what the active subs lack; none where it was nothing
// that they want.
func (c *client) missed() ([][]byte, error) {
	told := c.hub.told.Load()
	if c.reforming() { // from then on it is by another schema
		return nil, errReforming
	}
	from := told
	for _, s := range c.subs {
		if s.active {
			from = min(from, s.at)
		}
	}
	if told-from > maxBehind {
		return nil, store.ErrGone
	}
	wants := interests(c.subs)
	for table := range c.mixed {
		if n := wants[table]; n != nil {
			n.mixed = true
		}
	}
	m := newMerger(wants, c.form.authors)
	to, at := from, time.Time{}
	for rows := 0; to < min(told, from+catchUpVersions) && rows < catchUpRows; {
		e, err := c.hub.store.Entry(to + 1)
		if err != nil {
			return nil, err
		}
		m.add(e)
		to, at, rows = e.Version, e.Time, rows+e.RowCount()
		if c.form.authors {
			rows += len(e.Writers)
		}
	}
	for _, s := range c.subs {
		if s.active {
			s.at = max(s.at, to)
		}
	}
	maps.DeleteFunc(c.mixed, func(_ int, newest uint64) bool { return newest <= to })
	deltas := m.deltas()
	if len(deltas) == 0 {
		return nil, nil
	}
	c.hub.metrics.caughtUp.Inc()
	msgs := c.form.frame(c.form.bodies(deltas, m.writers, complete(c.subs)), to, c.sent, at)
	c.sent = max(c.sent, to)
	return msgs, nil
}

// resnapshot gives a session that can't be brought forward from the log all of
// its subscriptions anew.
func (c *client) resnapshot(why error) {
	if !errors.Is(why, store.ErrGone) {
		c.hub.opts.Log.Error("catching up", "session", c.sess.ID, "err", why)
		c.sess.End(wire.Goodbye{Code: wire.CloseInternal, Text: "the hub could not read what this session missed: connect again"})
		return
	}
	c.mu.Lock()
	lost := c.mail.fallBehind()
	c.mu.Unlock()
	c.hub.metrics.lostEvents(behind, lost)
	c.begin(&change{subs: c.subs, snapshot: c.subs})
}
