package hub

import (
	"errors"
	"slices"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// maxUnsaid is how many refusals may wait to be written down.
const maxUnsaid = 1 << 16

// patience is how long transactions wait for a store that can't begin a frame,
// before they are refused.
const patience = time.Second

// trouble is what the frame loop remembers of a store that can't commit.
type trouble struct {
	since time.Time // zero: none
	next  time.Time // when to try again
	pause time.Duration
}

// frame closes a frame: it commits what has come in since the last one, and then
// sends on the events that came before it.
func (h *Hub) frame(now time.Time) {
	h.awaitMerge(now)
	defer h.route(h.events.waiting(), now) // of those before this: what they follow is in the frame
	if !h.trouble.since.IsZero() && !h.recover(now) {
		h.refuseWhileDown(now)
		return
	}
	h.count++
	items := h.in.take(func(it *item) bool { return !h.last && it.share.held(now) })
	var news bool
	var err error
	h.outside(func() { news, err = h.news(now) })
	if len(items) == 0 && len(h.unsaid) == 0 && !news && err == nil {
		h.merge(now, true)
		return
	}
	start := time.Now()
	var f *store.Frame
	if err == nil {
		h.outside(func() { f, err = h.begin() })
	}
	if err != nil {
		h.in.putBack(items)
		h.fail(now, err)
		return
	}
	var outcomes []outcome
	var attended *attendance
	h.outside(func() {
		if outcomes, err = h.apply(f, items); err == nil {
			attended, err = h.attend(f, start)
		}
	})
	if err != nil {
		h.fail(now, err)
		h.refuse(outcomes)
		return
	}
	refused, said := h.refusals(outcomes), len(h.unsaid)
	var entry *store.Entry
	h.outside(func() { entry, err = f.Commit(now, refused) })
	if err != nil {
		h.limbo, h.absent, h.saying = outcomes, attended, said
		h.fail(now, err)
		return
	}
	if entry == nil { // of what was written nothing was left, or only what was refused and has no number
		h.presence.written(attended)
		wakeUnanswered(h.settle(h.Version(), outcomes))
		h.merge(time.Now(), false)
		return
	}
	h.said(said)
	h.presence.written(attended)
	h.metrics.durable.Observe(time.Since(start).Seconds())
	h.publish(entry, outcomes)
	h.metrics.frame.Observe(time.Since(start).Seconds())
	h.merge(time.Now(), false)
}

// claim makes devices their users', and returns the transactions without those
// for a device that is somebody else's. A hello with such a device is refused, so
// that there should be none; one that slipped through is dropped with its session
// and settles nothing, for the numbers are the other's.
func (h *Hub) claim(f *store.Frame, items []item) ([]item, error) {
	mine := items[:0]
	for i, it := range items {
		theirs, err := f.Own(it.device.id, it.who.User)
		if err != nil {
			return append(mine, items[i:]...), err
		}
		if theirs {
			mine = append(mine, it)
			continue
		}
		if it.edit != nil {
			h.editSettled(h.Version(), &outcome{it, wire.Refuse(wire.CodeForbidden, "another user has the operator's device")})
		} else if c := h.in.settle(&outcome{item: it}); c != nil {
			c.sess.End(wire.Goodbye{Code: wire.CloseForbidden, Text: notYours().Reason})
		}
	}
	return mine, nil
}

// news says whether there is something to commit that no device has sent.
func (h *Hub) news(now time.Time) (bool, error) {
	people, err := h.presence.look(h.store, now)
	if err != nil {
		return false, err
	}
	written, err := h.store.Written()
	return people || written, err
}

// apply runs the frame's transactions in the order in which they came. What comes
// after a device has used up its user's share goes into a later frame: for all that
// anybody can tell, it reached the hub a moment later. If it fails, all are what the
// frame has not done.
func (h *Hub) apply(f *store.Frame, items []item) ([]outcome, error) {
	items, err := h.claim(f, items)
	if err != nil {
		return undone(items), err
	}
	g := &guard{frame: f, book: h.book()}
	outcomes := make([]outcome, 0, len(items))
	var held []item
	waits := waiting{}
	start := time.Now()
	for i := range items {
		it := &items[i]
		if waits.add(it, !h.last && it.share.over(h.count, h.Interval())) {
			held = append(held, *it)
			continue
		}
		o := outcome{*it, it.refused}
		if o.refused == nil {
			g.who = it.who
			var err error
			switch {
			case it.will != nil:
				o.refused, err = h.keepWill(f, it)
			case it.ask != nil:
				o.refused, err = it.ask.run(f)
			default:
				o.refused, err = f.Apply(it.device.id, it.write, g)
			}
			if err != nil {
				return undone(items), err
			}
			now := time.Now()
			it.share.spend(h.count, h.Interval(), it.write.Rows(), start, now)
			start = now
		}
		outcomes = append(outcomes, o)
	}
	if len(held) > 0 {
		h.in.putBack(held)
	}
	return outcomes, nil
}

// refusals returns what was refused, for the log: in this frame, and before it
// while the log could not be written.
func (h *Hub) refusals(outcomes []outcome) []store.Outcome {
	refused := slices.Clip(h.unsaid)
	for i := range outcomes {
		if o := &outcomes[i]; o.refused != nil && o.numbered() {
			refused = append(refused, o.logged())
		}
	}
	return refused
}

func (o *outcome) logged() store.Outcome {
	return store.Outcome{Device: o.device.id, Rejected: wire.Rejected{Seq: o.write.Seq, Refusal: *o.refused}}
}

// publish tells a durable version: outcomes to those who wrote, rows to those
// who watch. Who gets both gets them in one call to the system.
func (h *Hub) publish(e *store.Entry, outcomes []outcome) {
	urgent := h.settle(e.Version, outcomes)
	h.broadcast(e)
	wakeUnanswered(urgent)
}

// merge lets the store merge beside what the sessions now have to write. The next
// frame waits for it.
func (h *Hub) merge(now time.Time, idle bool) {
	h.merging.Go(func() { _, h.mergeErr = h.store.Merge(now, idle) })
}

func (h *Hub) awaitMerge(now time.Time) {
	h.outside(h.merging.Wait)
	if err := h.mergeErr; err != nil {
		h.mergeErr = nil
		h.fail(now, err)
	}
}

// fail takes note that the store can't commit, and says so.
func (h *Hub) fail(now time.Time, err error) {
	if errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrStale) {
		h.fenced = err
	}
	if h.trouble.since.IsZero() {
		h.trouble = trouble{since: now}
	}
	h.trouble.next = now.Add(h.trouble.pause)
	h.trouble.pause = min(2*h.trouble.pause+10*time.Millisecond, patience/2)
	why := err.Error()
	if old := h.down.Load(); old != nil && *old == why {
		return
	}
	if !errors.Is(err, store.ErrBusy) || now.Sub(h.trouble.since) >= patience {
		h.down.Store(&why)
		h.opts.Log.Error("the hub can't commit, writes are refused", "err", err)
	}
}

// confess commits a frame of the refusals that could not be written down; that it
// can is the sign that frames go on.
func (h *Hub) confess(now time.Time) error {
	unsaid := h.unsaid
	var e *store.Entry
	var err error
	h.outside(func() {
		var f *store.Frame
		if f, err = h.begin(); err == nil {
			e, err = f.Commit(now, unsaid)
		}
	})
	if err != nil {
		return err
	}
	h.said(len(unsaid))
	if e != nil {
		h.broadcast(e)
	}
	return nil
}

// refuseWhileDown refuses what has come in, once it has waited long enough for
// the store. The refusals are told at once and written down when that is possible
// again; at maxUnsaid of them the rest waits, and with it those who wrote it.
func (h *Hub) refuseWhileDown(now time.Time) {
	if now.Sub(h.trouble.since) < patience {
		return
	}
	if len(h.unsaid) < maxUnsaid {
		h.refuse(undone(h.in.take(func(*item) bool { return false })))
	}
	if _, err := h.presence.look(h.store, now); err == nil && len(h.presence.going) > 0 { // else it is looked again
		h.presence.forget(h.in.held())
	}
}

// said takes note that the first n of the refusals that wait are written down.
func (h *Hub) said(n int) {
	h.in.said(h.unsaid[:n])
	h.unsaid = h.unsaid[n:]
}

func undone(items []item) []outcome {
	outcomes := make([]outcome, len(items))
	for i, it := range items {
		outcomes[i] = outcome{item: it}
	}
	return outcomes
}

// refuse refuses transactions that the store could not commit. What SQL said to one
// does not count: that was said of others that were not committed either.
func (h *Hub) refuse(outcomes []outcome) {
	if len(outcomes) == 0 {
		return
	}
	for i := range outcomes {
		o := &outcomes[i]
		if o.refused = o.item.refused; o.refused == nil {
			o.refused = wire.Refuse(wire.CodeUnavailable, "the hub can't commit at the moment: try again later")
		}
		if o.numbered() {
			h.unsaid = append(h.unsaid, o.logged())
			h.in.unsaid(o)
		}
	}
	wakeUnanswered(h.settle(h.Version(), outcomes))
}

// recover tries to bring the store back, and says whether frames can go on.
func (h *Hub) recover(now time.Time) bool {
	if now.Before(h.trouble.next) {
		return false
	}
	var late *store.Entry
	var err error
	h.outside(func() { late, err = h.store.Recover() })
	if late != nil {
		h.presence.written(h.absent)
		h.publish(late, h.limbo)
		h.limbo, h.absent = nil, nil
		h.said(h.saying)
	}
	if errors.Is(err, store.ErrSchemaChanged) {
		h.outside(func() {
			if err = h.reshape(); err == nil {
				_, err = h.store.Recover()
			}
		})
	}
	if err != nil {
		h.fail(now, err)
		return false
	}
	h.refuse(h.limbo)
	h.limbo, h.absent = nil, nil
	if err := h.confess(now); err != nil {
		h.fail(now, err)
		return false
	}
	if h.down.Swap(nil) != nil {
		h.opts.Log.Info("the hub can commit again", "after", now.Sub(h.trouble.since).Round(time.Millisecond))
	}
	h.trouble = trouble{}
	return true
}
