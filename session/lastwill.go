package session

import (
	"framehub/session/wire"
)

// A lastWill is what the hub is to do when the device has gone.
type lastWill struct {
	tx   *Tx // nil: nothing
	id   uint64
	sent bool // on this connection
	done func(error)
}

// SetWill sets what the hub does when the device has gone for longer than the hub's
// grace, or has said goodbye: one transaction, without a base. It replaces the one
// before; nil: nothing. It is sent again after each connect. done, if not nil, is
// called once when it is durable, or with the [wire.Refusal] of the hub, which then
// keeps the one before; not if it is replaced first.
func (d *Device) SetWill(tx *Tx, done func(error)) error {
	if tx != nil && tx.err != nil {
		return tx.err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.will = &lastWill{tx: tx, done: done}
	d.wakeWriter()
	return nil
}

// nextWill returns the will if it is to be sent, nil otherwise, and why one can't
// be. mu is held.
func (d *Device) nextWill() (msg []byte, refused *lastWill, why *wire.Refusal) {
	w := d.will
	if w == nil || w.sent {
		return nil, nil, nil
	}
	var schema *wire.Schema
	d.replica.View(func(c *Copy) { schema = c.Schema })
	d.lastID++
	w.id, w.sent = d.lastID, true
	h := wire.WillHeader{ID: w.id, SchemaVersion: schema.Version}
	if w.tx == nil {
		return wire.AppendWill(nil, h, nil, false), nil, nil
	}
	ops, why := w.tx.encodeOps(schema)
	if why != nil {
		d.will = nil
		return nil, w, why
	}
	return wire.AppendWill(nil, h, ops, true), nil, nil
}

// willAnswered takes note of what became of the will.
func (d *Device) willAnswered(a *wire.WillAnswer) {
	d.mu.Lock()
	w := d.will
	if w == nil || w.id != a.ID {
		d.mu.Unlock()
		return // of one that was replaced
	}
	if a.Refused != nil || w.tx == nil {
		d.will = nil
	}
	done := w.done
	w.done = nil
	d.mu.Unlock()
	d.tellWill(done, a.Refused)
}

func (d *Device) tellWill(done func(error), refused *wire.Refusal) {
	if done == nil {
		return
	}
	d.call(func() {
		if refused != nil {
			done(refused)
		} else {
			done(nil)
		}
	})
}
