package hub

import (
	"errors"
	"fmt"
	"slices"

	"framehub/session/wire"
	"framehub/store"
)

// begin begins a frame, and before that takes up a schema that another program has
// changed.
func (h *Hub) begin() (*store.Frame, error) {
	const tries = 3 // one that changes faster is for the next frame
	f, err := h.store.Begin()
	for range tries {
		if !errors.Is(err, store.ErrSchemaChanged) {
			break
		}
		if err = h.reshape(); err == nil {
			f, err = h.store.Begin()
		}
	}
	return f, err
}

// reshape takes up a schema that another program has changed. Sessions are told it
// after the frames of before, and then what they need to be in step by it.
func (h *Hub) reshape() error {
	h.reforming.Lock()
	defer h.reforming.Unlock()
	e, err := h.store.Reshape()
	if err != nil {
		return err
	}
	h.presence.reshape(h.store)
	was, is := h.toldBook, h.book()
	h.toldBook = is
	if e == nil {
		return nil
	}
	h.opts.Log.Info("another program has changed the schema", "version", e.Version, "schema", e.Schema.Version)
	h.mu.Lock()
	defer h.mu.Unlock()
	told := is.since(was)
	for c := range h.clients {
		c.reform(told)
	}
	h.toldTime = e.Time
	h.told.Store(e.Version) // after that: who reads further than before finds that there is a reform
	return nil
}

// news is another schema on its way to a session.
type news struct {
	was, is *book
	msg     []byte // nil: the session sees nothing of it
}

// reform makes a session take up another schema, in its turn. Hub.mu is held.
func (c *client) reform(r *reform) {
	c.hub.leave(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.news != nil { // two at once are one
		r = r.is.since(c.news.was)
	}
	c.news, c.live = &news{r.was, r.is, r.schema(c.who.Role)}, false
	c.sess.Wake()
}

// reforming says whether another schema waits for its turn.
func (c *client) reforming() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.news != nil
}

// takeReform takes up another schema, if there is one: all frames of before are in
// dst. What it did to the session's subscriptions is snapshotted.
func (c *client) takeReform(dst [][]byte) [][]byte {
	c.mu.Lock()
	r := c.news
	c.news = nil
	c.mu.Unlock()
	if r == nil {
		return dst
	}
	if lost := r.was.Lost(r.is.Compiled, &c.who); lost != "" {
		c.sess.End(wire.Goodbye{Code: wire.CloseForbidden, Text: lost})
		return dst
	}
	if len(r.msg) > c.form.max {
		c.sess.End(schemaTooLarge(len(r.msg), c.form.max))
		return dst
	}
	if r.msg != nil {
		dst = append(dst, r.msg)
	}
	for ch := c.change; ch != nil; ch = ch.then {
		if slices.ContainsFunc(ch.snapshot, func(s *sub) bool { _, how := s.under(r.is.schema); return how != untouched }) {
			c.sess.End(wire.Goodbye{Code: wire.CloseInternal, Text: "the schema changed while a snapshot of it was under way: connect again", RetrySet: true})
			return dst
		}
	}
	c.retable(r.is.schema)
	return dst
}

func schemaTooLarge(size, most int) wire.Goodbye {
	return wire.Goodbye{Code: wire.CloseTooLarge, Text: fmt.Sprintf("the schema takes %d bytes, the device takes %d: raise max_message", size, most)}
}

// A touch is what a change of the schema did to a subscription.
type touch uint8

const (
	untouched touch = iota
	anew            // its rows are not to be relied on, though its columns are as they were: devices can't see that
	changed         // its table has other columns, is gone, or is there again
)

// under returns the table of a subscription under another schema: the one that it
// had where that has none any more.
func (s *sub) under(schema *store.Schema) (*store.Table, touch) {
	was, is := s.table, schema.Table(s.table.Name)
	switch {
	case is == nil || !is.Synced:
		if s.gone {
			return was, untouched
		}
		return was, changed
	case s.gone || was.ID != is.ID || was.Key != is.Key || was.Scope != is.Scope || len(was.Columns) != len(is.Columns):
		return is, changed
	}
	for i := range is.Columns {
		if was.Columns[i].Name != is.Columns[i].Name || was.Columns[i].Type != is.Columns[i].Type {
			return is, changed
		}
	}
	if was.Since != is.Since {
		return is, anew
	}
	return is, untouched
}

// retable gives the session's subscriptions the tables of another schema, and has
// those snapshotted that it touched: first what devices see that it touched, and
// where there is more, everything.
func (c *client) retable(schema *store.Schema) {
	replaced := map[*sub]*sub{}
	var seen []*sub
	all := false
	for _, s := range c.subs {
		t, how := s.under(schema)
		if how == untouched {
			continue
		}
		is := *s
		is.table, is.gone = t, schema.ByID(t.ID) == nil
		replaced[s] = &is
		if how == changed {
			seen = append(seen, &is)
		} else {
			all = true
		}
	}
	if len(replaced) == 0 {
		return
	}
	c.subs = replacedIn(c.subs, replaced)
	for ch := c.change; ch != nil; ch = ch.then {
		ch.subs = replacedIn(ch.subs, replaced)
	}
	if all {
		c.begin(&change{subs: c.subs, snapshot: c.subs})
	}
	if len(seen) > 0 {
		c.begin(&change{subs: c.subs, snapshot: seen})
	}
}

func replacedIn(subs []*sub, by map[*sub]*sub) []*sub {
	subs = slices.Clone(subs)
	for i, s := range subs {
		if is := by[s]; is != nil {
			subs[i] = is
		}
	}
	return subs
}
