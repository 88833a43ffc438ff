package hub

import (
	"time"

	"github.com/google/uuid"

	"framehub/auth"
	"framehub/session/wire"
)

const (
	// maxTicks bounds the ticks of a session that wait for their answer; beyond, its
	// read loop waits.
	maxTicks = 64

	// leastFrame is the least time from one frame that ticks close to the next:
	// ticks that come faster share one.
	leastFrame = time.Millisecond
)

// A clock is who closes frames: the hub's own ticker, or while a session of the
// role server holds the clock, that session's ticks.
type clock struct {
	rang chan struct{} // has one place: ticks have come

	// Guarded by Hub.mu.
	holder *client   // nil: the hub's own
	heard  time.Time // when the holder last ticked, or was answered
	ticks  []tick    // for the next frame

	// Owned by the frame loop.
	taken  []tick    // frames were closed for them, and they wait for their answer
	closed time.Time // when a frame was last closed
}

// A tick closes a frame, and is answered with a version that has all that its
// device had sent before it.
type tick struct {
	client *client
	n      uint64
	last   uint64 // the highest number that its device had sent
	came   time.Time
}

// Tick implements session.Handler.
func (c *client) Tick(n uint64) (*wire.Refusal, error) {
	if c.ticking == nil {
		return wire.Refuse(wire.CodeForbidden, "only the role server may close frames, this session is of the role %s", c.who.Role), nil
	}
	came := time.Now()
	select {
	case c.ticking <- struct{}{}:
	case <-c.sess.Muted():
		return nil, nil //nolint:nilnil // the session ends, and nobody waits for an answer
	}
	last, open := c.hub.in.lastOf(c.device)
	if !open {
		return nil, nil //nolint:nilnil // the same: what came just before may not have been accepted
	}
	refused := c.hub.tick(tick{client: c, n: n, last: last, came: came})
	if refused != nil {
		<-c.ticking
	}
	return refused, nil
}

// tick takes a tick, and with the first one the clock, unless another holds it.
func (h *Hub) tick(t tick) *wire.Refusal {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := &h.clock
	switch {
	case k.holder == t.client:
	case k.holder == nil, k.holder.device == t.client.device: // a newer session, and the older is on its way out
		h.hold(t.client)
	default:
		return wire.Refuse(wire.CodeClockHeld, "the device %s holds the clock: it is free again when that has not ticked for %v, or leaves",
			uuid.UUID(k.holder.device.id), h.opts.ClockPatience)
	}
	k.heard = t.came
	k.ticks = append(k.ticks, t)
	select {
	case k.rang <- struct{}{}:
	default:
	}
	return nil
}

// hold gives the clock to a session, or with nil back to the hub, and tells all
// servers. mu is held.
func (h *Hub) hold(c *client) {
	h.clock.holder = c
	if c != nil {
		h.opts.Log.Info("a server closes the frames from now on", "session", c.sess.ID, "device", uuid.UUID(c.device.id))
	}
	for s := range h.clients {
		if s.who.Role == auth.RoleServer {
			s.tellHolder(c)
		}
	}
}

// release takes the clock from a session, if it has it. mu is held.
func (h *Hub) release(c *client, why string) {
	if c != nil && h.clock.holder == c {
		h.opts.Log.Info("the hub's own clock closes the frames from now on", "why", why, "session", c.sess.ID, "device", uuid.UUID(c.device.id))
		h.hold(nil)
	}
}

// ClockHolder returns the device whose ticks close frames, false where the hub's
// own clock does.
func (h *Hub) ClockHolder() (device uuid.UUID, held bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.clock.holder; c != nil {
		return uuid.UUID(c.device.id), true
	}
	return uuid.UUID{}, false
}

// beat is the hub's own clock: a frame, or while a server holds the clock what
// must go on beside its frames.
func (h *Hub) beat(now time.Time) {
	if h.held(now) {
		h.keep(now)
	} else {
		h.close(now)
	}
	h.sweep(now)
}

// held says whether frames are a server's to close. One that is silent loses the
// clock; while it waits for an answer, the silence is the hub's. Frames that can't
// wait are the hub's always: those for ticks that waited for the store, and those
// without which read loops, the server's too, would wait for room.
func (h *Hub) held(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := &h.clock
	if k.holder == nil {
		return false
	}
	waits := len(k.taken)+len(k.ticks) > 0
	if !waits && now.Sub(k.heard) > h.opts.ClockPatience {
		h.release(k.holder, "the server has not ticked")
		return false
	}
	return len(k.taken) == 0 && !h.in.full(k.holder.device)
}

// keep does what frames without anything to commit do: it brings back a store that
// can't commit, and merges when no frame has come for a while.
func (h *Hub) keep(now time.Time) {
	h.awaitMerge(now)
	switch idle := time.Duration(1.5 * float64(time.Second) / h.opts.FrameHz); {
	case !h.trouble.since.IsZero():
		if !h.recover(now) {
			h.refuseWhileDown(now)
		}
	case now.Sub(h.clock.closed) > idle:
		h.merge(now, true)
	}
}

// close closes a frame for what has come, and answers the ticks that it is for.
func (h *Hub) close(now time.Time) {
	h.clock.closed = now
	h.mu.Lock()
	h.clock.taken = append(h.clock.taken, h.clock.ticks...) // before the inbox is emptied: what they follow is in it
	h.clock.ticks = nil
	h.mu.Unlock()
	h.frame(now)
	h.answerTicks()
}

// answerTicks answers the ticks before which nothing is under way any more.
func (h *Hub) answerTicks() {
	k := &h.clock
	if len(k.taken) == 0 {
		return
	}
	version, waiting := h.Version(), k.taken[:0]
	for _, t := range k.taken {
		if h.in.settledTo(t.client.device, t.last) {
			t.client.ticked(t.n, version)
			h.metrics.ticks.Observe(time.Since(t.came).Seconds())
		} else {
			waiting = append(waiting, t)
		}
	}
	clear(k.taken[len(waiting):])
	k.taken = waiting
	h.mu.Lock()
	defer h.mu.Unlock()
	k.heard = time.Now()
}

// lastOf returns the highest number that a device has sent, and whether what it
// sends is still taken in.
func (b *inbox) lastOf(d *device) (last uint64, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return d.last, !b.closed
}

// settledTo says whether all that a device sent has settled, up to a number.
func (b *inbox) settledTo(d *device, last uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(d.pending) == 0 || d.pending[0] > last
}

// full says whether a device's read loop waits for a frame, or everybody's does.
func (b *inbox) full(d *device) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return d.waits || b.bytes > maxPendingBytes
}

// A ticked is a tick with its version, on the way to the one who ticked.
type ticked struct{ n, version uint64 }

// ticked puts an answer where the write loop finds it.
func (c *client) ticked(n, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers = append(c.answers, ticked{n, version})
	c.sess.Wake()
}

// tellHolder puts who holds the clock where the write loop finds it; only the last
// counts.
func (c *client) tellHolder(holder *client) {
	m := wire.Holder{}
	if holder != nil {
		m.Device = holder.device.id[:]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holder = m.Append(nil)
	c.sess.Wake()
}

// appendTicked appends the answers to ticks whose versions the session has been
// told, as far as its subscriptions are active: an answer comes after the frames
// that it speaks of. It is called by the write loop.
func (c *client) appendTicked(dst [][]byte) [][]byte {
	for len(c.due) > 0 && c.has(c.due[0].version) {
		m := wire.Tick{N: c.due[0].n, Answer: true, Version: c.due[0].version}
		dst = append(dst, m.Append(nil))
		c.due = c.due[1:]
		<-c.ticking
	}
	return dst
}

// has says whether the session has been given all that its active subs show up to
// a version.
func (c *client) has(version uint64) bool {
	if !c.catchup {
		return true
	}
	for _, s := range c.subs {
		if s.active && s.at < version {
			return false
		}
	}
	return true
}
