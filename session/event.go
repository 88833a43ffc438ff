package session

import (
	"errors"

	"framehub/session/wire"
)

// maxEvents bounds the events of a device that wait to be sent.
const maxEvents = 256

// ErrEventLost means that an event was not sent: the device is not connected, or
// as many events wait already as it keeps. Events are never sent later: what they
// tell of is then over.
var ErrEventLost = errors.New("the event was not sent: the device is not connected, or sends more than the connection takes")

// A pendingEvent waits to be sent.
type pendingEvent struct {
	msg   []byte
	after uint64 // the transaction that was submitted last before it
}

// SendEvent sends an event, after the transactions that were submitted before it.
// Nothing is heard of it any more, but of a refusal by
// [DeviceOptions.OnEventRefused]. The error is [ErrEventLost], or says why no hub
// would take it.
func (d *Device) SendEvent(e *wire.SendEvent) error {
	if err := e.Check(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.online || len(d.events) >= maxEvents {
		return ErrEventLost
	}
	d.events = append(d.events, pendingEvent{e.Append(nil), d.submitted})
	d.wakeWriter()
	return nil
}

// nextEvent returns the next event to send, nil where there is none, or a
// transaction comes first. mu is held.
func (d *Device) nextEvent() []byte {
	if len(d.events) == 0 {
		return nil
	}
	e := d.events[0]
	for _, p := range d.pending {
		if !p.sent && p.number <= e.after {
			return nil
		}
	}
	d.events = d.events[1:]
	return e.msg
}

// event hands on an event, or why one was refused.
func (d *Device) event(e *wire.Event) {
	switch {
	case e.Refused != nil && d.opts.OnEventRefused != nil:
		d.call(func() { d.opts.OnEventRefused(e.Name, e.Refused) })
	case e.Refused == nil && d.opts.OnEvent != nil:
		d.call(func() { d.opts.OnEvent(e) })
	}
}
