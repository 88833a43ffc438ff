package session

import (
	"context"
	"errors"

	"framehub/session/wire"
)

var (
	// ErrNotConnected is why a tick closes no frame: the device has no connection, or
	// lost it before the answer.
	ErrNotConnected = errors.New("there is no connection to the hub, which then closes frames by its own clock")

	// ErrTicking means that as many ticks wait for their answer as a session may have.
	ErrTicking = errors.New("64 ticks wait for their answer")
)

// maxTicks is how many ticks of a session may wait for their answer (protocol,
// section 6): beyond, the hub would read the session no further.
const maxTicks = 64

// A tick is one that waits for its answer.
type tick struct {
	n      uint64
	sent   bool
	answer chan tickAnswer // has one place
}

type tickAnswer struct {
	version uint64
	err     error
}

// Tick closes a frame, for a device of the role server, and waits for its version:
// that has all that was submitted before and could be sent, which is no more than
// the hub lets be under way; and when Tick returns, the copy has that version, as
// far as no snapshot is under way. The first tick takes the hub's clock, which
// then closes no frame of its own while ticks go on coming.
//
// The error is a [wire.Refusal] with [wire.CodeClockHeld] while another session
// holds the clock, and with [wire.CodeForbidden] or [wire.CodeUnavailable] where
// the role or the hub can't; [ErrNotConnected], [ErrTicking], or that of ctx, after
// which the tick may still close a frame. It must not be called by a callback.
func (d *Device) Tick(ctx context.Context) (version uint64, err error) {
	t, err := d.enqueueTick()
	if err != nil {
		return 0, err
	}
	select {
	case a := <-t.answer:
		return a.version, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (d *Device) enqueueTick() (*tick, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.online:
		return nil, ErrNotConnected
	case len(d.ticks) >= maxTicks:
		return nil, ErrTicking
	}
	d.lastTick++
	t := &tick{n: d.lastTick, answer: make(chan tickAnswer, 1)}
	d.ticks = append(d.ticks, t)
	d.wakeWriter()
	return t, nil
}

// nextTick returns the next tick to send, nil when there is none. mu is held.
func (d *Device) nextTick() []byte {
	for _, t := range d.ticks {
		if !t.sent {
			t.sent = true
			return (&wire.Tick{N: t.n}).Append(nil)
		}
	}
	return nil
}

// ticked takes the answer to a tick.
func (d *Device) ticked(m *wire.Tick) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, t := range d.ticks {
		if t.n != m.N {
			continue
		}
		d.ticks = append(d.ticks[:i:i], d.ticks[i+1:]...)
		a := tickAnswer{version: m.Version}
		if m.Refused != nil {
			a.err = m.Refused
		}
		t.answer <- a
		return
	}
}

// dropTicks ends those that wait, with the connection. mu is held.
func (d *Device) dropTicks() {
	for _, t := range d.ticks {
		t.answer <- tickAnswer{err: ErrNotConnected}
	}
	d.ticks = nil
}
