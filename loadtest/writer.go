package loadtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// A writer keeps one device's writes to their times, and learns what became of them.
type writer struct {
	// Set before it runs, never changed after.
	run     *run
	script  script
	layout  *layout
	conn    connection
	seq     uint64                                             // the number of its first transaction
	slots   chan struct{}                                      // holds one for each transaction under way
	idle    chan struct{}                                      // gets one when none is left under way
	compose func(i int) *session.Tx                            // a write, instead of the script; nil: the script does
	told    func(i int, refused *wire.Refusal)                 // what became of a write; nil: nobody needs it
	after   func(sessions context.Context, first *place) error // each write; nil: nothing

	// The writing goroutine's own.
	rows []place // of the last write

	mu        sync.Mutex // guards the following
	sent      int        // writes
	open      []int      // of those, the ones under way, by their place in the script
	committed int        // the last one that was committed, -1: none
	exists    bool       // the put was
	settledTo uint64     // the newest number that has settled
	underWay  int        // writes that were sent before the connection was last lost
	sentAgain int        // of those, the ones without an outcome were sent again: they may be told twice
	settledAt uint64     // the newest version at which any were committed
}

func newWriter(r *run, s script, l *layout, d *device) *writer {
	const unsettled = 64 // where the hub does not say
	room := d.hello.Limits.Unsettled
	if room == 0 {
		room = unsettled
	}
	return &writer{
		run: r, script: s, layout: l, conn: d.conn, seq: d.hello.Settled + 1,
		slots: make(chan struct{}, room), idle: make(chan struct{}, 1), committed: -1,
	}
}

// write sends every write of the script at its time, until the load ends. A write
// that is late is sent at once, so that none is left out. An end of the load cuts
// no message short.
func (w *writer) write(load, sessions context.Context, timer *time.Timer) error {
	var free time.Time // the hub last took another again
	for i := range w.script.count() {
		due := w.run.base.Add(w.at(i))
		if !sleepUntil(load, timer, due) {
			return nil
		}
		held, ok := w.takeSlot(load)
		if !ok {
			return nil
		}
		now := time.Now()
		if held.After(free) {
			free = held
		}
		w.run.took(w.run.late, w.at(i), now.Sub(due))
		w.run.took(w.run.own, w.at(i), min(now.Sub(due), now.Sub(free))) // what was due in the meantime was held, too
		err := w.send(sessions, i)
		if err == nil && w.after != nil {
			err = w.after(sessions, &w.rows[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sleepUntil sleeps until a time, and says whether the load went on until then.
func sleepUntil(load context.Context, timer *time.Timer, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return load.Err() == nil
	}
	timer.Reset(wait)
	select {
	case <-timer.C:
		return true
	case <-load.Done():
		return false
	}
}

// takeSlot waits until the hub takes another transaction of this device. It
// returns when that was, if the writer had to wait.
func (w *writer) takeSlot(load context.Context) (free time.Time, ok bool) {
	select {
	case w.slots <- struct{}{}:
		return free, true
	default:
	}
	w.run.held.Add(1)
	select {
	case w.slots <- struct{}{}:
		return time.Now(), true
	case <-load.Done():
		return free, false
	}
}

func (w *writer) send(sessions context.Context, i int) error {
	w.mu.Lock()
	w.sent++
	w.open = append(w.open, i)
	w.mu.Unlock()
	w.run.sent.Add(1)
	return w.conn.write(sessions, w, i)
}

// places returns the rows of a write, until the next one.
func (w *writer) places(i int) (kind wire.OpKind, rows []place) {
	kind, w.rows = w.script.write(w.rows[:0], i)
	return kind, w.rows
}

// at returns when a write is meant to be sent.
func (w *writer) at(i int) time.Duration { return w.run.start + w.script.at(i) }

// stamp returns what a write's rows have in their stamp column.
func (w *writer) stamp(i int) int64 { return w.at(i).Microseconds() }

// settle takes in what became of transactions.
func (w *writer) settle(m *wire.Settled, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range outcomes(m) {
		if o.seq < w.seq || o.seq >= w.seq+uint64(w.sent) {
			return fmt.Errorf("the hub settles transaction %d, which was not sent", o.seq)
		}
		w.settledTo = max(w.settledTo, o.seq)
		i := int(o.seq - w.seq)
		switch {
		case !w.close(i):
		case o.refused != nil:
			w.refuse(i, o.refused)
		default:
			w.commit(i, now)
		}
	}
	w.settledAt = max(w.settledAt, m.Version)
	if len(w.open) == 0 {
		select {
		case w.idle <- struct{}{}:
		default:
		}
	}
	return nil
}

// An outcome is what became of a transaction.
type outcome struct {
	seq     uint64
	refused *wire.Refusal // nil: it was committed
}

// outcomes returns those of a message, in the order of their numbers.
func outcomes(m *wire.Settled) []outcome {
	all := make([]outcome, 0, len(m.Committed)+len(m.Rejected))
	for _, seq := range m.Committed {
		all = append(all, outcome{seq: seq})
	}
	for i := range m.Rejected {
		all = append(all, outcome{m.Rejected[i].Seq, &m.Rejected[i].Refusal})
	}
	slices.SortFunc(all, func(a, b outcome) int { return cmp.Compare(a.seq, b.seq) })
	return all
}

// commit takes in that a write was committed. mu is held.
func (w *writer) commit(i int, now time.Time) {
	w.run.acked.Add(1)
	if w.told != nil {
		w.told(i, nil)
	}
	w.run.took(w.run.acks, w.at(i), now.Sub(w.run.base)-w.at(i))
	w.committed = max(w.committed, i)
	w.exists = w.exists || i == 0
}

// refuse takes in that a write was refused. mu is held.
func (w *writer) refuse(i int, why *wire.Refusal) {
	w.run.refused.Add(1)
	if w.told != nil {
		w.told(i, why)
	}
	w.run.refusal(fmt.Sprintf("%s, transaction %d", w.script.name(), w.seq+uint64(i)), why)
}

// close takes a write off those under way, and says whether it was. mu is held.
func (w *writer) close(i int) bool {
	at := slices.Index(w.open, i)
	switch {
	case at < 0 && i < w.sentAgain: // it settled before it came again, and was told then, too
		return false
	case at < 0:
		w.run.duplicated.Add(1) // settled twice
		return false
	case at > 0:
		w.run.reordered.Add(1) // before an older one
	}
	w.open = slices.Delete(w.open, at, at+1)
	<-w.slots
	return true
}

// settled waits until nothing is under way, or over or late, and says whether it is so.
func (w *writer) settled(over <-chan struct{}, late <-chan time.Time) bool {
	for {
		if open, _ := w.state(); open == 0 {
			return true
		}
		select {
		case <-w.idle:
		case <-over:
			return false
		case <-late:
			return false
		}
	}
}

// state returns how many writes are under way, and the newest version at which
// any were committed.
func (w *writer) state() (open int, version uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.open), w.settledAt
}

// A wanted row is what the writer's last acknowledged write makes of one of its
// rows.
type wanted struct {
	values []wire.Value // in the order of the layout's columns
	gone   bool         // there must be none
}

// wants returns what must be in the database of the writer's rows: nothing can be
// said while writes are under way, or where the first one, the put, was refused.
func (w *writer) wants() []wanted {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) > 0 || !w.exists {
		return nil
	}
	kind, places := w.script.write(nil, w.committed)
	rows := make([]wanted, len(places))
	for i := range places {
		rows[i] = wanted{values: w.layout.values(nil, &places[i], w.stamp(w.committed)), gone: kind == wire.OpDelete}
	}
	return rows
}
