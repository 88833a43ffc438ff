package loadtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"framehub/session/wire"
)

// lead is how long before its first write a device connects, so that the write
// goes out at its time. Those whose first write comes sooner after the start of
// the load connect before it.
const lead = time.Second

// A cast is who takes part in a run.
type cast struct {
	epoch     []byte // the hub's history
	schema    *wire.Schema
	layout    *layout
	actors    []*actor
	observers []*observer
	storm     []guest // who come later, all at once
	watchers  int     // who subscribe, observers included
}

// An actor plays a script.
type actor struct {
	script script
	device *device // nil before it has connected
	writer *writer // nil before it has connected
}

// connect connects everyone who is there from the start, and waits until those
// who watch have their snapshots.
func (r *run) connect(load, sessions context.Context, scripts []script) (*cast, error) {
	c := &cast{}
	if r.opts.Profile == Transfers {
		var err error
		if r.ledger, err = r.openAccounts(load); err != nil {
			return nil, err
		}
	}
	for _, s := range scripts {
		c.actors = append(c.actors, &actor{script: s})
	}
	for i := range r.opts.Observers {
		c.observers = append(c.observers, newObserver(r, fmt.Sprintf("observer %d", i+1), true))
	}
	const together = 16
	var group errgroup.Group
	group.SetLimit(together)
	var first *device
	var once sync.Once
	early, storm := r.guests(c)
	if r.opts.lasts() {
		c.observeAll(r, early)
		c.observeAll(r, storm)
	}
	c.storm = storm
	c.watchers = len(storm)
	for _, g := range early {
		if g.watches {
			c.watchers++
		}
		group.Go(func() error {
			if load.Err() != nil {
				return load.Err()
			}
			d, err := r.dial(sessions, &g)
			if err == nil {
				once.Do(func() { first = d })
				err = d.snapshot(load, r.opts.Patience)
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", g.name, err)
				r.stop(err) // nobody else need try
				return err
			}
			if g.actor != nil {
				g.actor.device = d
			}
			return nil
		})
	}
	err := group.Wait()
	if cause := r.stopped(); cause != nil {
		err = cause // others only gave up for it
	}
	if err == nil {
		c.epoch, c.schema = first.hello.Epoch, first.hello.Schema
		if r.ledger == nil {
			c.layout, err = newLayout(c.schema, r.opts.Table)
		}
		if err == nil && r.opts.Profile == Zones && !c.layout.zoned() {
			err = fmt.Errorf("the profile zones needs a table with the column zone, and table %q has none", r.opts.Table)
		}
	}
	return c, err
}

// observeAll lets everyone who watches keep a copy.
func (c *cast) observeAll(r *run, guests []guest) {
	for i := range guests {
		if g := &guests[i]; g.watches && g.observer == nil {
			g.observer = newObserver(r, g.name, false)
			g.observer.flaky = g.line != nil
			c.observers = append(c.observers, g.observer)
		}
	}
}

// snapshot waits until the device has what it subscribes to.
func (d *device) snapshot(load context.Context, patience time.Duration) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-d.ready:
		return nil
	case <-d.over:
		return fmt.Errorf("the session ended before its snapshot had come: %w", d.end)
	case <-late.C:
		return errors.New("the snapshot does not come")
	case <-load.Done():
		return load.Err()
	}
}

var errFellBehind = errors.New("the run fell too far behind")

// play plays every script and waits until everything is acknowledged. It returns
// how long that took, and how it went.
func (r *run) play(load, sessions context.Context, c *cast) (time.Duration, *Series) {
	r.start = time.Since(r.base).Truncate(time.Microsecond)
	var last time.Duration
	for _, a := range c.actors {
		last = max(last, a.script.at(a.script.count()-1))
	}
	r.warmup = r.opts.warmupOf(last)
	r.begun.Store(true)
	behind := time.AfterFunc(last+r.opts.Patience, func() { r.stop(errFellBehind) })
	defer behind.Stop()
	// A write that the hub does not take is let go so long after the end.
	stuck := time.AfterFunc(last+2*r.opts.Patience, r.drop)
	defer stuck.Stop()
	defer context.AfterFunc(load, func() { stuck.Reset(r.opts.Patience) })()
	watching, series := r.watch(last), r.takeDown(sessions, last)
	var acting, looking sync.WaitGroup
	looking.Go(func() { r.warmUp(load, sessions) })
	looking.Go(func() { r.sample(load, c, last) })
	for _, a := range c.actors {
		acting.Go(func() { r.act(load, sessions, c.layout, a) })
	}
	acting.Go(func() { r.storm(load, sessions, c.storm) })
	acting.Go(func() { r.killAll(load, sessions, last) })
	for _, t := range r.troubles(c) {
		acting.Go(func() { t.come(load, last) })
	}
	for _, caller := range r.callers(c) {
		acting.Go(func() { caller.call(load, sessions) })
	}
	acting.Wait()
	stuck.Stop()
	late := time.NewTimer(r.opts.Patience)
	defer late.Stop()
	for _, a := range c.actors {
		if a.writer != nil && !a.writer.settled(a.device.over, late.C) {
			late.Reset(0) // for the others
		}
	}
	watching()
	elapsed := time.Since(r.base) - r.start
	went := series()
	r.cancel() // nobody need look any more
	looking.Wait()
	return elapsed, went
}

// warmUp takes down what there is when the figures begin.
func (r *run) warmUp(load, sessions context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	sleepUntil(load, timer, r.base.Add(r.start+r.warmup))
	r.warm.look, r.warm.tally = r.look(sessions), r.tally()
}

// sample looks at every copy some ten times a second, never in step with the writes, after the warm-up, for as long as
// everybody writes.
func (r *run) sample(load context.Context, c *cast, last time.Duration) {
	const often = 97 * time.Millisecond
	timer := time.NewTimer(0)
	defer timer.Stop()
	for at := r.warmup; at <= last && sleepUntil(load, timer, r.base.Add(r.start+at)); at += often {
		for _, o := range c.observers {
			if !o.times || r.ledger != nil { // transfers are written once
				continue
			}
			o.sample(time.Since(r.base))
		}
	}
}

// act plays one script. A device that is gone for good leaves.
func (r *run) act(load, sessions context.Context, l *layout, a *actor) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	if !sleepUntil(load, timer, r.base.Add(r.start+a.script.at(0)-lead)) {
		return
	}
	if a.device == nil {
		d, err := r.dial(sessions, &guest{name: a.script.name(), actor: a})
		if err != nil {
			r.fail("%s: %v", a.script.name(), err)
			return
		}
		a.device = d
	}
	a.writer = newWriter(r, a.script, l, a.device)
	if r.ledger != nil {
		r.ledger.employ(a)
	}
	a.device.writer.Store(a.writer)
	if r.opts.Profile == Zones {
		a.device.zone = firstZone(a.script)
		a.writer.after = a.device.wander
	}
	if err := a.writer.write(load, sessions, timer); err != nil {
		a.device.conn.drop() // so that its reader ends, and tells why
		return
	}
	if t, ok := a.script.(*traceScript); ok && t.gone > 0 && load.Err() == nil {
		timer.Reset(r.opts.Patience)
		if a.writer.settled(a.device.over, timer.C) {
			a.device.leave()
		}
	}
}
