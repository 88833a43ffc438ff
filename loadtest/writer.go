package loadtest

import (
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
	run    *run
	script script
	layout *layout
	seq    uint64                                             // the number of its first transaction
	slots  chan struct{}                                      // holds one for each transaction under way
	idle   chan struct{}                                      // gets one when none is left under way
	after  func(sessions context.Context, first *place) error // each write; nil: nothing

	// The writing goroutine's own.
	places  []place
	scratch scratch

	mu        sync.Mutex // guards the following
	sent      int        // writes
	open      []int      // of those, the ones under way, by their place in the script
	committed int        // the last one that was committed, -1: none
	exists    bool       // the put was
	settledAt uint64     // the newest version at which any were committed
}

func newWriter(r *run, s script, l *layout, hello *wire.HubHello) *writer {
	const unsettled = 64 // where the hub does not say
	room := hello.Limits.Unsettled
	if room == 0 {
		room = unsettled
	}
	return &writer{
		run: r, script: s, layout: l, seq: hello.Settled + 1,
		slots: make(chan struct{}, room), idle: make(chan struct{}, 1), committed: -1,
	}
}

// write sends every write of the script at its time, until the load ends. A write
// that is late is sent at once, so that none is left out. An end of the load cuts
// no message short.
func (w *writer) write(load, sessions context.Context, timer *time.Timer, c *session.Client) error {
	for i := range w.script.count() {
		due := w.run.base.Add(w.at(i))
		if !sleepUntil(load, timer, due) {
			return nil
		}
		free, ok := w.takeSlot(load)
		if !ok {
			return nil
		}
		now := time.Now()
		if free.Before(due) {
			free = due
		}
		w.run.took(w.run.late, w.at(i), now.Sub(due))
		w.run.took(w.run.own, w.at(i), now.Sub(free))
		err := w.send(sessions, c, i)
		if err == nil && w.after != nil {
			err = w.after(sessions, &w.places[0])
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

func (w *writer) send(sessions context.Context, c *session.Client, i int) error {
	kind, places := w.script.write(w.places[:0], i)
	w.places = places
	op := w.layout.op(&w.scratch, kind, places, w.stamp(i))
	w.mu.Lock()
	w.sent++
	w.open = append(w.open, i)
	w.mu.Unlock()
	w.run.sent.Add(1)
	return c.Write(sessions, wire.WriteHeader{Seq: w.seq + uint64(i), SchemaVersion: w.layout.schema}, [][]byte{op})
}

// at returns when a write is meant to be sent.
func (w *writer) at(i int) time.Duration { return w.run.start + w.script.at(i) }

// stamp returns what a write's rows have in their stamp column.
func (w *writer) stamp(i int) int64 { return w.at(i).Microseconds() }

// settle takes in what became of transactions.
func (w *writer) settle(m *wire.Settled, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	seqs := slices.Clone(m.Committed)
	for i := range m.Rejected {
		seqs = append(seqs, m.Rejected[i].Seq)
		w.run.refusal(fmt.Sprintf("%s, transaction %d", w.script.name(), m.Rejected[i].Seq), &m.Rejected[i].Refusal)
	}
	slices.Sort(seqs)
	for _, seq := range seqs {
		if seq < w.seq || seq >= w.seq+uint64(w.sent) {
			return fmt.Errorf("the hub settles transaction %d, which was not sent", seq)
		}
		w.close(int(seq - w.seq))
	}
	for _, seq := range m.Committed {
		i := int(seq - w.seq)
		w.run.took(w.run.acks, w.at(i), now.Sub(w.run.base)-w.at(i))
		w.committed = max(w.committed, i)
		w.exists = w.exists || i == 0
	}
	w.settledAt = max(w.settledAt, m.Version)
	if len(w.open) == 0 {
		select {
		case w.idle <- struct{}{}:
		default:
		}
	}
	w.run.acked.Add(int64(len(m.Committed)))
	w.run.refused.Add(int64(len(m.Rejected)))
	return nil
}

// close takes a write off those under way. mu is held.
func (w *writer) close(i int) {
	at := slices.Index(w.open, i)
	switch {
	case at < 0:
		w.run.duplicated.Add(1) // settled twice
		return
	case at > 0:
		w.run.reordered.Add(1) // before an older one
	}
	w.open = slices.Delete(w.open, at, at+1)
	<-w.slots
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
