package session

import (
	"errors"
	"fmt"
	"slices"

	"framehub/session/wire"
)

// A subChange is a change of subscriptions that is not yet in force.
type subChange struct {
	wire.Subscribe      // its id is 0 before it is sent
	inHello        bool // it is part of what the hello asked for
	done           func(error)
}

var errNoSubs = errors.New("the hub refused the subscriptions: connecting again without the last change")

// Subscribe changes what the device sees, also while it is not connected: what
// was removed leaves the list, what was added goes to its end. Subscriptions are by
// the names of tables; one is removed by its table and scopes. done, if not nil, is
// called once the change is in force and its rows in place, or with the
// [wire.Refusal] of the hub, in which case nothing has changed.
func (d *Device) Subscribe(add, remove []wire.Sub, done func(error)) error {
	for _, s := range slices.Concat(add, remove) {
		if s.Name == "" {
			return fmt.Errorf("subscribe: a device names tables")
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes = append(d.changes, &subChange{Subscribe: wire.Subscribe{Add: slices.Clone(add), Remove: slices.Clone(remove)}, done: done})
	d.wakeWriter()
	return nil
}

// sayHello fills in what the device has to say for itself.
func (d *Device) sayHello(h *wire.DeviceHello) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h.Device, h.Epoch = d.id, d.epoch
	list := d.subs
	for _, c := range d.changes {
		// What every table means, only the hub knows; then changes come after.
		if c.inHello = list != nil || !d.all; c.inHello {
			list = c.apply(list)
		}
	}
	h.Subs, h.SubsSet = d.withSince(list), list != nil || !d.all
}

// apply returns a list of subscriptions after the change.
func (c *subChange) apply(list []wire.Sub) []wire.Sub {
	list = slices.Clone(list)
	for _, gone := range c.Remove {
		if i := slices.IndexFunc(list, newReplicaSub(gone).sameAs); i >= 0 {
			list = slices.Delete(list, i, i+1)
		}
	}
	return append(list, c.Add...)
}

func (s *replicaSub) sameAs(o wire.Sub) bool { return s.same(newReplicaSub(o)) }

// withSince tells of each subscription how far the copy has it.
func (d *Device) withSince(list []wire.Sub) []wire.Sub {
	var have []wire.Sub
	d.replica.View(func(c *Copy) { have = c.Subs() })
	list = slices.Clone(list)
	for i := range list {
		list[i].Since, list[i].SinceSet = 0, false
		if at := slices.IndexFunc(have, newReplicaSub(list[i]).sameAs); at >= 0 {
			list[i].Since, list[i].SinceSet = have[at].Since, have[at].SinceSet
		}
	}
	return list
}

// greet takes the hub's hello.
func (d *Device) greet(said *wire.DeviceHello, h *wire.HubHello) error {
	if err := d.replica.Hello(said, h); err != nil {
		return err
	}
	d.mu.Lock()
	done := d.greetPending(h)
	d.id, d.epoch, d.limits = h.Device, h.Epoch, h.Limits
	d.live, d.online = false, true
	for _, f := range d.fetches {
		f.restart()
	}
	d.mu.Unlock()
	d.call(func() {
		if d.opts.OnHello != nil {
			d.opts.OnHello(h)
		}
	})
	for _, f := range done {
		d.finish(f)
	}
	return nil
}

// disconnect forgets what was under way on a connection.
func (d *Device) disconnect() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.online, d.events = false, nil
	for _, c := range d.changes {
		c.ID = 0
	}
	d.wills.disconnect()
	d.dropTicks()
	d.dropAsks()
}

// nextChange returns the next change of subscriptions to send, nil when there is
// none. mu is held.
func (d *Device) nextChange() []byte {
	for _, c := range d.changes {
		if c.ID == 0 && !c.inHello {
			d.lastID++
			c.ID = d.lastID
			d.replica.Subscribing(&c.Subscribe)
			return c.Append(nil)
		}
	}
	return nil
}

// snapshotEnded takes note that subscriptions came into force, or were refused.
func (d *Device) snapshotEnded(e *wire.SnapshotEnd) error {
	if e.ID == 0 {
		return d.helloEnded(e)
	}
	d.mu.Lock()
	i := slices.IndexFunc(d.changes, func(c *subChange) bool { return c.ID == e.ID })
	if i < 0 {
		d.mu.Unlock()
		return nil
	}
	c := d.changes[i]
	d.changes = slices.Delete(d.changes, i, i+1)
	if e.Refused == nil {
		d.subs = c.apply(d.subs)
		d.all = d.all && len(c.Remove) == 0
	}
	d.mu.Unlock()
	d.changed(e.Refused, c)
	return nil
}

// helloEnded takes note of what became of the subscriptions of the hello, and of
// the changes that were part of them.
func (d *Device) helloEnded(e *wire.SnapshotEnd) error {
	d.mu.Lock()
	var merged []*subChange
	d.changes = slices.DeleteFunc(d.changes, func(c *subChange) bool {
		if c.inHello {
			merged = append(merged, c)
		}
		return c.inHello
	})
	again := e.Refused != nil && (len(merged) > 0 || d.all && d.subs != nil)
	switch {
	case e.Refused == nil:
		d.all = d.all && !slices.ContainsFunc(merged, func(c *subChange) bool { return len(c.Remove) > 0 })
		d.subs = d.inForce()
	case d.all:
		d.subs = nil // a table has gone: every table that is there
	}
	d.mu.Unlock()
	d.changed(e.Refused, merged...)
	if again {
		return errNoSubs
	}
	d.call(func() {
		switch {
		case e.Refused != nil:
			if d.opts.OnRefused != nil {
				d.opts.OnRefused(e.Refused)
			}
		case !d.live:
			d.live = true
			if d.opts.OnLive != nil {
				d.opts.OnLive()
			}
		}
	})
	return nil
}

// inForce returns the subscriptions that the copy is of. A device of every table
// asks for those that the hello could not name.
func (d *Device) inForce() []wire.Sub {
	var subs []wire.Sub
	var schema *wire.Schema
	d.replica.View(func(c *Copy) { subs, schema = c.Subs(), c.Schema })
	for i := range subs {
		subs[i].Since, subs[i].SinceSet = 0, false
	}
	if d.all {
		d.askForTheRest(subs, schema)
	}
	return subs
}

// schemaChanged asks for the tables that a device of every table may read since
// now.
func (d *Device) schemaChanged(s *wire.Schema) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all && d.subs != nil {
		d.askForTheRest(d.subs, s)
	}
}

// askForTheRest subscribes to the tables that are neither in a list nor asked for.
// mu is held.
func (d *Device) askForTheRest(subs []wire.Sub, schema *wire.Schema) {
	for _, c := range d.changes {
		subs = c.apply(subs)
	}
	more := &subChange{}
	for _, s := range everything(schema) {
		if !slices.ContainsFunc(subs, newReplicaSub(s).sameAs) {
			more.Add = append(more.Add, s)
		}
	}
	if len(more.Add) > 0 {
		d.changes = append(d.changes, more)
		d.wakeWriter()
	}
}

// changed tells those who asked for changes what became of them.
func (d *Device) changed(refused *wire.Refusal, changes ...*subChange) {
	var err error
	if refused != nil {
		err = refused
	}
	for _, c := range changes {
		if c.done != nil {
			d.call(func() { c.done(err) })
		}
	}
}
