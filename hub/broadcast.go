package hub

import (
	"slices"
	"time"

	"framehub/store"
)

const (
	// A session's queue holds this many frames and bytes that it has not taken;
	// beyond, it is behind and catches up from the log by itself.
	maxQueued      = 16
	maxQueuedBytes = 1 << 20

	aliveEvery = time.Second           // a session that got no frame for this long gets an empty one
	ackWait    = 50 * time.Millisecond // acknowledgements alone go no more often, unless they are urgent
)

// An audience is the sessions in step that see the same: each frame is encoded
// for it once.
type audience struct {
	key      string
	form     form
	wants    map[int]*interest
	complete []int
	clients  map[*client]struct{}
	last     uint64    // the version of the last frame sent to it
	pushed   time.Time // when that was
}

// A frame is a version as an audience is sent it.
type frame struct {
	version, previous uint64
	at                time.Time
	form              form
	bodies            []body
	messages          [][]byte // for those who have previous
	size              int
}

// after returns the messages for a session that was last sent a version.
func (f *frame) after(sent uint64) [][]byte {
	if sent == f.previous {
		return f.messages
	}
	return f.form.frame(f.bodies, f.version, sent, f.at)
}

func newFrame(form form, bodies []body, version, previous uint64, at time.Time) *frame {
	f := &frame{version: version, previous: previous, at: at, form: form, bodies: bodies}
	f.messages = form.frame(bodies, version, previous, at)
	for _, m := range f.messages {
		f.size += len(m)
	}
	return f
}

// broadcast tells a version to everyone in step, and wakes those who are not.
func (h *Hub) broadcast(e *store.Entry) {
	start := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told.Store(e.Version)
	h.toldTime = e.Time
	for _, a := range h.audiences {
		deltas := deltasOf(e, a.wants, a.form.authors)
		if len(deltas) == 0 {
			continue
		}
		h.send(a, a.form.bodies(deltas, e.Writers, a.complete), start)
	}
	for c := range h.clients {
		c.wakeIfBehind()
	}
	h.metrics.broadcast.Observe(time.Since(start).Seconds())
}

// send gives an audience a frame of the last version. mu is held.
func (h *Hub) send(a *audience, bodies []body, now time.Time) {
	f := newFrame(a.form, bodies, h.told.Load(), a.last, h.toldTime)
	a.last, a.pushed = h.told.Load(), now
	for c := range a.clients {
		h.push(c, f)
	}
}

// push puts a frame into a session's queue. mu is held. A session that does not
// take its frames leaves its audience.
func (h *Hub) push(c *client, f *frame) {
	c.mu.Lock()
	full := len(c.queue) >= maxQueued || c.queued+f.size > maxQueuedBytes && len(c.queue) > 0
	if full {
		c.queue, c.queued, c.live = nil, 0, false
		h.metrics.lostEvents(behind, c.mail.fallBehind())
	} else {
		c.queue, c.queued = append(c.queue, f), c.queued+f.size
	}
	c.mu.Unlock()
	if full {
		h.metrics.behind.Inc()
		h.leave(c)
	}
	c.sess.Wake()
}

// leave takes a session out of its audience. mu is held.
func (h *Hub) leave(c *client) {
	a := c.audience
	if a == nil {
		return
	}
	c.audience = nil
	delete(a.clients, c)
	if len(a.clients) == 0 {
		delete(h.audiences, a.key)
	}
}

// join puts a session that has everything up to now into its audience, and says
// whether it does have it. It is called by the session's write loop.
func (h *Hub) join(c *client) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.reforming() || slices.ContainsFunc(c.subs, func(s *sub) bool { return s.active && s.at < h.told.Load() }) {
		return false
	}
	key := audienceKey(c.subs, c.form)
	a := h.audiences[key]
	if a == nil {
		a = &audience{
			key: key, form: c.form, wants: interests(c.subs), complete: complete(c.subs),
			clients: map[*client]struct{}{}, last: c.sent, pushed: time.Now(),
		}
		h.audiences[key] = a
	}
	a.clients[c] = struct{}{}
	c.audience = a
	if a.complete == nil { // else it is subscribed to more than its frames hold yet
		c.wants = a.wants
	}
	c.mu.Lock()
	c.live, c.liveAt, c.mail.behind = true, h.told.Load(), false
	waiting := len(c.mail.events)
	c.mu.Unlock()
	if waiting > 0 {
		c.sess.Wake()
	}
	return true
}

// part takes a session out of its audience, if it is in one, for it has new
// subscriptions; it has then everything up to liveAt of those before. It is called
// by the session's write loop.
func (h *Hub) part(c *client, subs []*sub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leave(c)
	c.wants = union(subs)
	c.changes++
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = false
}
