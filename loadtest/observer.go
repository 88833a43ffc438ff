package loadtest

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// An observer keeps a copy of everything that a device may see, and finds how
// old what comes is: from when a write was meant to be sent until its row is in
// the copy.
type observer struct {
	run     *run
	name    string
	table   string      // whose rows tell when they were meant to be written
	stamped string      // by this column
	times   bool        // what it sees is in the figures
	flaky   bool        // its line is
	view    viewer      // what keeps the copy; set by dial
	over    atomic.Bool // nothing more will come

	mu      sync.Mutex        // taken inside view, and when rows have come; guards the following
	changed map[string]uint64 // by table: the version that last changed it
	money   balances
	seen    map[int64]int64 // by entity: the newest stamp that came in a frame
	ages    []time.Duration // of one message
	early   []time.Duration // of one message, of the warm-up
	flawed  []time.Duration // of one message, where the observer or the writer is flaky
}

// A viewer shows a copy, which does not change meanwhile.
type viewer interface{ View(f func(*session.Copy)) }

func newObserver(r *run, name string, times bool) *observer {
	o := &observer{
		run: r, name: name, table: r.opts.Table, stamped: stampColumn, times: times,
		changed: map[string]uint64{}, seen: map[int64]int64{}, money: balances{of: map[string]int64{}},
	}
	if r.opts.Profile == Transfers {
		o.table, o.stamped = transfers, "note"
	}
	return o
}

// onRows is called when a message is in place, while nobody else may view the copy.
func (o *observer) onRows(rows session.Rows) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed[rows.Table.Name] = max(o.changed[rows.Table.Name], rows.Version)
	if o.run.ledger != nil && rows.Table.Name == accounts {
		o.money.take(&rows)
		o.run.ledger.check(o.name, &o.money, rows.Version)
	}
	if rows.Snapshot {
		return
	}
	o.run.decoded.Add(int64(len(rows.Changed) + len(rows.Removed)))
	stamp := rows.Table.Column(o.stamped)
	if rows.Table.Name != o.table || stamp < 0 {
		return
	}
	for _, row := range rows.Removed {
		delete(o.seen, row[0].Int64()) // its next life begins anew
	}
	now := time.Since(o.run.base)
	o.ages, o.early, o.flawed = o.ages[:0], o.early[:0], o.flawed[:0]
	for _, row := range rows.Changed {
		o.see(row.Values[0].Int64(), stampOf(row.Values[stamp]), now)
	}
	o.run.ages.record(o.ages...)
	o.run.ages.early(o.early...)
	o.run.flakyAges.record(o.flawed...)
}

// stampOf returns a stamp, also one that is written as text.
func stampOf(v wire.Value) wire.Value {
	if n, err := strconv.ParseInt(v.Bytes(), 10, 64); v.Kind() == wire.Text && err == nil {
		return wire.IntegerValue(n)
	}
	return v
}

// see takes note of a row's stamp. Each write of a row has a newer one, so the
// same again was delivered twice, and an older one in the wrong order.
func (o *observer) see(id int64, stamp wire.Value, now time.Duration) {
	age := now - time.Duration(stamp.Int64())*time.Microsecond
	if stamp.Kind() != wire.Integer || age < 0 {
		return // somebody else's
	}
	last, again := o.seen[id]
	switch {
	case again && stamp.Int64() == last:
		o.run.duplicated.Add(1)
		return
	case again && stamp.Int64() < last:
		o.run.reordered.Add(1)
		return
	}
	o.seen[id] = stamp.Int64()
	switch measured := o.run.measures(now - age); {
	case !o.times && !o.flaky:
	case measured && (o.flaky || o.run.opts.flakyRow(id)):
		o.flawed = append(o.flawed, age)
	case measured:
		o.ages = append(o.ages, age)
	default:
		o.early = append(o.early, age)
	}
}

// sample takes down how old the rows are that the load writes, as a player who looks at a
// moment sees them.
func (o *observer) sample(now time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ages = o.ages[:0]
	for id, stamp := range o.seen {
		if o.run.opts.flakyRow(id) {
			continue
		}
		o.ages = append(o.ages, now-time.Duration(stamp)*time.Microsecond)
	}
	o.run.stale.record(o.ages...)
}

// complete returns the version to which the copy has every table.
func (o *observer) complete() (version uint64) {
	if o.view != nil { // it has come
		o.view.View(func(c *session.Copy) { version = completeTo(c) })
	}
	return version
}

func completeTo(c *session.Copy) (version uint64) {
	for i, s := range c.Subs() {
		if i == 0 || s.Since < version {
			version = s.Since
		}
	}
	return version
}

// at calls f with the copy as it was at a version, and says whether it could: the
// copy must be complete to it, and have changed no more since.
func (o *observer) at(version uint64, f func(*session.Copy)) (ok bool) {
	o.view.View(func(c *session.Copy) {
		o.mu.Lock()
		defer o.mu.Unlock()
		ok = completeTo(c) >= version
		for _, changed := range o.changed {
			ok = ok && changed <= version
		}
		if ok {
			f(c)
		}
	})
	return ok
}
