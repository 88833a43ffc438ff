package loadtest

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"framehub/session/wire"
)

const (
	// eventName is what the load's events are called: rules must let devices send
	// it, as those of the example city do.
	eventName = "blip"

	// firstGroup is the scope of the first group of devices, far from those that the
	// load's rows have: a device gets its group's events and no rows.
	firstGroup = 1_000_000

	// quiet is how long nothing must have come for what is missing to be lost.
	quiet = time.Second
)

// A caller keeps one device's events to their times: in turns to its group and to
// the next device.
type caller struct {
	run    *run
	number int // of the device, from 0
	device *device
	next   *device
	group  wire.Value
	hears  int64 // how many sessions an event to the group must reach

	period, phase time.Duration
	count         int
}

// calls are what became of all events.
type calls struct {
	sent, expected, heard, refused, twice, reordered atomic.Int64

	ages *latency // from when an event was meant to be sent until it was heard
}

// groupOf returns the scope of a device's group.
func (o *Options) groupOf(device int) wire.Value {
	return wire.IntegerValue(int64(firstGroup + device/o.Group))
}

// callers returns who sends events; everyone is connected. Their first events are
// spread over one period.
func (r *run) callers(c *cast) []*caller {
	if r.opts.Profile != Events {
		return nil
	}
	all := make([]*caller, len(c.actors))
	period := time.Duration(float64(time.Second) / r.opts.EventHz)
	for i, a := range c.actors {
		first := i - i%r.opts.Group
		members := min(first+r.opts.Group, len(c.actors)) - first
		phase := (period * time.Duration(i) / time.Duration(len(c.actors))).Truncate(time.Microsecond)
		all[i] = &caller{
			run: r, number: i, device: a.device, next: c.actors[(i+1)%len(c.actors)].device,
			group: r.opts.groupOf(i), hears: int64(members - 1 + len(c.observers)),
			period: period, phase: phase, count: max(1, int(math.Ceil(float64(r.opts.Duration-phase)/float64(period)))),
		}
	}
	return all
}

// at returns when an event is meant to be sent, since the run began.
func (c *caller) at(i int) time.Duration { return c.run.start + c.phase + time.Duration(i)*c.period }

// call sends every event at its time, until the load ends.
func (c *caller) call(load, sessions context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range c.count {
		due := c.run.base.Add(c.at(i))
		if !sleepUntil(load, timer, due) {
			return
		}
		late := time.Since(due)
		c.run.took(c.run.late, c.at(i), late)
		c.run.took(c.run.own, c.at(i), late)
		to, reaches := wire.ToDevice(c.next.hello.Device), int64(1)
		if i%2 == 0 {
			to, reaches = wire.ToScope(c.run.opts.Table, c.group), c.hears
		}
		said := wire.List(wire.IntegerValue(int64(c.number)), wire.IntegerValue(int64(i)), wire.IntegerValue(c.at(i).Microseconds()))
		c.run.calls.sent.Add(1)
		c.run.calls.expected.Add(reaches)
		if err := c.device.conn.sendEvent(sessions, &wire.SendEvent{To: to, Name: eventName, Value: said}); err != nil {
			c.device.conn.drop() // so that its reader ends, and tells why
			return
		}
	}
}

// hear takes in an event. last has, by sender, the number of the one that came
// last: those of one sender come in their order.
func (d *device) hear(msg []byte, now time.Time) error {
	e, err := wire.DecodeEvent(msg, wire.Limits{})
	if err != nil {
		return err
	}
	calls := &d.run.calls
	if e.Refused != nil {
		calls.refused.Add(1)
		d.run.refusal(d.name+", an event", e.Refused)
		return nil //nolint:nilerr // it is counted
	}
	if len(e.Value.Values) != 3 {
		return fmt.Errorf("an event of somebody else's: %q", e.Name)
	}
	sender, number, stamp := e.Value.Values[0].Int64(), e.Value.Values[1].Int64(), e.Value.Values[2].Int64()
	last, again := d.last[sender]
	switch {
	case again && number == last:
		calls.twice.Add(1)
		return nil
	case again && number < last:
		calls.reordered.Add(1)
		return nil
	}
	d.last[sender] = number
	calls.heard.Add(1)
	meant := time.Duration(stamp) * time.Microsecond
	d.run.took(calls.ages, meant, now.Sub(d.run.base)-meant)
	return nil
}

// hearAll waits until all events have been heard, or nothing has come for a while.
func (r *run) hearAll(ctx context.Context) {
	heard, since := int64(-1), time.Now()
	for r.calls.heard.Load() < r.calls.expected.Load() && pause(ctx) == nil {
		if now := r.calls.heard.Load(); now != heard {
			heard, since = now, time.Now()
		}
		if time.Since(since) > quiet {
			return
		}
	}
}

// EventReport is what came of a run's events.
type EventReport struct {
	Sent       int64      `json:"sent"`
	Refused    int64      `json:"refused"`
	Delivered  int64      `json:"delivered"`  // to all whom they were for
	Lost       int64      `json:"lost"`       // deliveries that did not come
	Duplicated int64      `json:"duplicated"` // deliveries that came twice
	Reordered  int64      `json:"reordered"`  // that came after a later one of the same sender
	Age        *Quantiles `json:"age_ms"`     // from when an event was meant to be sent until it was heard
}

// events sums up what became of events, nil where there were none.
func (r *run) events() *EventReport {
	if r.opts.Profile != Events {
		return nil
	}
	c := &r.calls
	return &EventReport{
		Sent: c.sent.Load(), Refused: c.refused.Load(), Delivered: c.heard.Load(), Lost: c.expected.Load() - c.heard.Load(),
		Duplicated: c.twice.Load(), Reordered: c.reordered.Load(), Age: c.ages.quantiles(),
	}
}
