package session

import (
	"framehub/session/wire"
)

// lastWills are what the hub is to do when the device has gone: what it has taken, and
// what it is asked to take.
type lastWills struct {
	taken *Tx   // the last one: the hub keeps it where it refuses the next; nil: none
	again bool  // it is to be said on this connection
	next  *will // nil: none is asked for

	said map[uint64]*will // on this connection, without an answer
}

// A will is one that the hub was asked to take, or is to be.
type will struct {
	tx   *Tx // nil: nothing is to be done
	sent bool
	done func(error)
}

// SetWill sets what the hub does when the device has gone for longer than the hub's
// grace, or has said goodbye: one transaction, without a base. It replaces the one
// before; nil: nothing. It is sent again after each connect. done, if not nil, is
// called once when it is durable, or with the [wire.Refusal] of the hub, which then
// keeps the one before, as the device does; not if it is replaced first.
func (d *Device) SetWill(tx *Tx, done func(error)) error {
	if tx != nil && tx.err != nil {
		return tx.err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wills.next = &will{tx: tx, done: done}
	d.wakeWriter()
	return nil
}

// disconnect forgets what was said, for the next connection may be another hub's.
func (l *lastWills) disconnect() {
	l.said, l.again = nil, l.taken != nil
	if l.next != nil {
		l.next.sent = false
	}
}

// nextWill returns a will to send, nil where the hub has been told all, and one that
// was asked for and can't be sent, with the reason. mu is held.
func (d *Device) nextWill() (msg []byte, refused *will, why *wire.Refusal) {
	l := &d.wills
	if l.again {
		l.again = false
		if msg, _ := d.sayWill(&will{tx: l.taken}); msg != nil {
			return msg, nil, nil
		} // else another schema has no place for it
	}
	if l.next == nil || l.next.sent {
		return nil, nil, nil
	}
	l.next.sent = true
	if msg, why = d.sayWill(l.next); why != nil {
		refused, l.next = l.next, nil
	}
	return msg, refused, why
}

// sayWill returns the message that sets a will, or why there is none. mu is held.
func (d *Device) sayWill(w *will) ([]byte, *wire.Refusal) {
	var schema *wire.Schema
	d.replica.View(func(c *Copy) { schema = c.Schema })
	var ops [][]byte
	if w.tx != nil {
		var why *wire.Refusal
		if ops, why = w.tx.encodeOps(schema); why != nil {
			return nil, why
		}
	}
	d.lastID++
	if d.wills.said == nil {
		d.wills.said = map[uint64]*will{}
	}
	d.wills.said[d.lastID] = w
	return wire.AppendWill(nil, wire.WillHeader{ID: d.lastID, SchemaVersion: schema.Version}, ops, w.tx != nil), nil
}

// willAnswered takes note of what became of a will.
func (d *Device) willAnswered(a *wire.WillAnswer) {
	d.mu.Lock()
	l := &d.wills
	w := l.said[a.ID]
	delete(l.said, a.ID)
	if w != nil && a.Refused == nil {
		l.taken = w.tx
	}
	asked := w != nil && w == l.next // else it is the one before, or was replaced
	if asked {
		l.next = nil
	}
	d.mu.Unlock()
	if asked {
		d.tellWill(w.done, a.Refused)
	}
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
