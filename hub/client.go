package hub

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"framehub/auth"
	"framehub/rules"
	"framehub/session"
	"framehub/session/wire"
	"framehub/store"
)

// maxJobs bounds the requests of a session that wait for their turn: changes of
// its subscriptions, and pieces of large values.
const maxJobs = 16

// A client is the hub's side of a session.
type client struct {
	// Set before the session runs, never changed after.
	hub      *Hub
	sess     *session.Session
	device   *device
	form     form
	identity auth.Identity
	who      rules.Who // the same as rules take it
	unseen   bool      // an operator looks: the game does not know
	program  string    // how it calls itself
	greeted  *book     // the rules that the hello was answered by
	owner    owner     // whose part of what all have together it takes
	share    *share    // his
	jobs     chan job
	ticking  chan struct{}   // a place for each tick without an answer; nil: it is no server
	ctx      context.Context //nolint:containedctx // ends reading a snapshot; Serve's own, and Serve waits for what uses it
	cancel   context.CancelFunc
	reading  sync.WaitGroup
	counts   counts
	willing  atomic.Int32 // last wills on their way to a frame
	asking   atomic.Int32 // statements under way, see takeAnswered

	// Owned by the read loop.
	lastID uint64      // of a change of subscriptions
	pace   *rules.Pace // nil before the first message

	// What operators see of it.
	reached      atomic.Uint64 // the same as sent
	snapshotting atomic.Bool   // a snapshot is under way
	inspections  atomic.Pointer[[]*Inspection]

	// Owned by the write loop.
	subs    []*sub
	sent    uint64 // the newest version that the device has been sent, snapshotted or resumed at
	change  *change
	catchup bool           // it is not in step: it reads forward before it joins its audience
	rests   time.Time      // until when nothing more is read for it
	rested  *time.Timer    // wakes it then
	mixed   map[int]uint64 // tables of which it has, or had, parts at several versions: the newest of them
	due     []ticked       // ticks to be answered after the frames of their versions
	events  [][]byte       // that were taken from the mailbox last

	audience *audience         // guarded by Hub.mu
	wants    map[int]*interest // guarded by Hub.mu: by table, what it is subscribed to; shared, never changed
	changes  uint64            // guarded by Hub.mu: how often it was subscribed to something else

	mu        sync.Mutex // guards the following
	out       [][]byte   // answers
	answered  int32      // of them those to statements
	live      bool       // it is in an audience
	liveAt    uint64     // with live: the device will have everything up to here once it has what Next gave
	queue     []*frame
	queued    int // bytes
	committed []uint64
	rejected  []wire.Rejected
	acksAt    uint64
	ackedAt   time.Time // when the last acknowledgements went
	acking    bool      // it is in Hub.acking
	holder    []byte    // a message: who holds the clock now
	answers   []ticked  // to ticks
	news      *news     // another schema, to be taken up after the frames of before; nil: none
	mail      mailbox
}

// A job is a request that the write loop does in its turn.
type job func(*client)

// Write implements session.Handler.
func (c *client) Write(w *wire.Write, refused *wire.Refusal, size int) error {
	for i := range w.Ops {
		size = max(size, len(w.Ops[i].Block.Data)) // the message as it was before it was packed
	}
	if refused == nil {
		start := time.Now()
		refused = c.check(w, size)
		c.share.checked(start)
	}
	if refused != nil {
		w, size = &wire.Write{Seq: w.Seq}, 0 // nobody needs the rest
	}
	known, err := c.hub.in.put(item{device: c.device, write: w, who: &c.who, owner: c.owner, share: c.share, refused: refused, size: size + itemSize})
	if known {
		return c.again(w.Seq)
	}
	return err
}

// again answers a number that was taken before: what is still under way will
// be told when it settles, what has settled is told again.
func (c *client) again(seq uint64) error {
	refused, pending := c.hub.in.refusal(c.device, seq)
	if pending {
		return nil
	}
	o := outcome{item{device: c.device, write: &wire.Write{Seq: seq}}, refused}
	if refused == nil {
		state, _, err := c.hub.store.Device(c.device.id)
		if err != nil {
			return err
		}
		for i := range state.Rejected {
			if state.Rejected[i].Seq == seq {
				o.refused = &state.Rejected[i].Refusal
			}
		}
	}
	c.settled(c.hub.Version(), &o, time.Now())
	c.sess.Wake()
	return nil
}

// settle puts outcomes where the sessions find them that their devices have now. It
// returns those that are to tell theirs at once.
func (h *Hub) settle(version uint64, outcomes []outcome) (urgent []*client) {
	now := time.Now()
	for i := range outcomes {
		o := &outcomes[i]
		switch {
		case o.will != nil:
			h.willSettled(version, o)
			continue
		case o.ask != nil:
			o.ask.answer(version, o.refused)
			continue
		case o.edit != nil:
			h.editSettled(version, o)
			continue
		}
		c := h.in.settle(o)
		h.metrics.settled(o.refused)
		if o.refused != nil {
			h.auditRefused(c, o)
		}
		if c == nil {
			continue
		}
		c.counts.add(o)
		c.inspected(version, o)
		switch c.settled(version, o, now) {
		case ackNow:
			urgent = append(urgent, c)
		case ackFirst:
			h.acking = append(h.acking, c)
		case ackLater:
		}
	}
	return urgent
}

// wakeUnanswered wakes those sessions that still have outcomes to tell.
func wakeUnanswered(clients []*client) {
	for _, c := range clients {
		c.mu.Lock()
		if len(c.committed)+len(c.rejected) > 0 {
			c.sess.Wake()
		}
		c.mu.Unlock()
	}
}

// When an outcome is to be told.
type urgency uint8

const (
	ackLater urgency = iota // with others that wait already
	ackFirst                // ackWait after the last ones
	ackNow                  // a refusal, one that comes alone, or so many that the device may be waiting for room
)

// settled puts an outcome where the write loop finds it.
func (c *client) settled(version uint64, o *outcome, now time.Time) urgency {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acksAt = version
	if o.refused != nil {
		c.rejected = append(c.rejected, wire.Rejected{Seq: o.write.Seq, Refusal: *o.refused})
		return ackNow
	}
	c.committed = append(c.committed, o.write.Seq)
	switch n := len(c.committed); {
	case n == 1 && now.Sub(c.ackedAt) >= ackWait, n == store.Unsettled/2:
		return ackNow
	case !c.acking:
		c.acking = true
		return ackFirst
	default:
		return ackLater
	}
}

// acksWait says whether there are acknowledgements that wait for company. Those that
// have waited long enough go; most have gone with a frame.
func (c *client) acksWait(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.committed) > 0 {
		if now.Sub(c.ackedAt) < ackWait {
			return true
		}
		c.sess.Wake()
	}
	c.acking = false
	return false
}

// Version implements session.Handler.
func (c *client) Version() uint64 { return c.hub.Version() }

// do puts a request in its turn. When too many wait, the read loop waits, and
// with it only this device.
func (c *client) do(j job) {
	select {
	case c.jobs <- j:
		c.sess.Wake()
	case <-c.sess.Muted():
	}
}

// Next implements session.Handler: what to write now.
func (c *client) Next(dst [][]byte) [][]byte {
	dst = c.takeReform(c.takeQueued(dst))
	if c.change == nil {
		if j := c.takeJob(); j != nil {
			start := time.Now()
			j(c)
			c.share.looked(start)
			dst = c.takeOut(dst)
		}
	}
	if c.change != nil {
		dst = c.change.next(c, dst)
	}
	if len(dst) == 0 {
		dst = c.forward(dst)
	}
	c.reached.Store(c.sent)
	return c.appendTicked(dst)
}

// takeQueued takes what others have put there: answers, outcomes, frames.
func (c *client) takeQueued(dst [][]byte) [][]byte {
	c.mu.Lock()
	dst = append(dst, c.out...)
	c.out = nil
	c.takeAnswered()
	if c.holder != nil {
		dst = append(dst, c.holder)
		c.holder = nil
	}
	if len(c.committed)+len(c.rejected) > 0 {
		m := wire.Settled{Version: c.acksAt, Committed: c.committed, Rejected: c.rejected}
		dst = append(dst, m.Append(nil))
		c.committed, c.rejected = c.committed[:0], nil
		c.ackedAt = time.Now()
	}
	c.due, c.answers = append(c.due, c.answers...), nil
	frames := c.queue
	c.queue, c.queued = nil, 0
	live := c.live
	if n := len(frames); n > 0 {
		c.liveAt = frames[n-1].version
	}
	at := c.liveAt
	mail := live && len(c.mail.events) > 0
	if mail {
		c.events = c.mail.take(c.events)
	}
	c.mu.Unlock()
	for _, f := range frames {
		dst = append(dst, f.after(c.sent)...)
		c.sent = f.version
	}
	if mail {
		dst = append(dst, c.events...)
		c.hub.metrics.delivered.Add(float64(len(c.events)))
	}
	if !live && !c.catchup {
		c.fallBehind(at)
	}
	return dst
}

// fallBehind begins to catch up from a version that all active subs have.
func (c *client) fallBehind(at uint64) {
	c.catchup = true
	for _, s := range c.subs {
		if s.active {
			s.at = max(s.at, at)
		}
	}
}

func (c *client) takeOut(dst [][]byte) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	dst = append(dst, c.out...)
	c.out = nil
	c.takeAnswered()
	return dst
}

// takeJob takes the next request, unless too much has been read of late for who
// asks.
func (c *client) takeJob() job {
	if len(c.jobs) == 0 {
		return nil
	}
	now := time.Now()
	if now.Before(c.rests) {
		return nil
	}
	if wait := c.share.mayLook(now); wait > 0 {
		c.rests = now.Add(wait)
		c.rested = time.AfterFunc(wait, c.sess.Wake)
		return nil
	}
	select {
	case j := <-c.jobs:
		return j
	default:
		return nil
	}
}

// say puts an answer on its way.
func (c *client) say(msg []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, msg)
	c.sess.Wake()
}

func (c *client) wakeIfBehind() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.live {
		c.sess.Wake()
	}
}

// String names the session for logs.
func (c *client) String() string { return fmt.Sprintf("session %s", c.sess.ID) }
