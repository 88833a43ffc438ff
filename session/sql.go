package session

import (
	"context"
	"errors"
	"slices"

	"framehub/session/wire"
)

// ErrAsking means that as many statements wait for their answers as the hub takes.
var ErrAsking = errors.New("8 statements wait for their answers already")

// maxAsks is how many statements a hub lets a session have under way.
const maxAsks = 8

// An ask is a statement that waits for its answer.
type ask struct {
	statement wire.SQL
	sent      bool
	answer    chan *wire.SQLAnswer // nil comes with the end of the connection
}

// SQL runs one statement at the hub, for devices of the roles server, editor and admin:
// a SELECT, INSERT, UPDATE or DELETE, with parameters. What it changes is in the version
// of the answer, and seen like any other write; what it reads is of that version. It is
// sent before transactions that still wait, and unlike them not again: where the
// connection ends first, [ErrNotConnected] leaves open whether it has run.
//
// The error is a [wire.Refusal], as of a transaction, [ErrNotConnected], [ErrAsking], or
// that of ctx, after which the statement may still run. It must not be called by a
// callback.
func (d *Device) SQL(ctx context.Context, text string, params ...wire.Value) (*wire.SQLAnswer, error) {
	a, err := d.enqueueAsk(text, params)
	if err != nil {
		return nil, err
	}
	select {
	case m := <-a.answer:
		switch {
		case m == nil:
			return nil, ErrNotConnected
		case m.Refused != nil:
			return nil, m.Refused
		}
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *Device) enqueueAsk(text string, params []wire.Value) (*ask, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.online:
		return nil, ErrNotConnected
	case len(d.asks) >= maxAsks:
		return nil, ErrAsking
	}
	d.lastID++
	a := &ask{statement: wire.SQL{ID: d.lastID, Text: text, Params: slices.Clone(params)}, answer: make(chan *wire.SQLAnswer, 1)}
	d.asks = append(d.asks, a)
	d.wakeWriter()
	return a, nil
}

// nextAsk returns the next statement to send, nil when there is none. mu is held.
func (d *Device) nextAsk() []byte {
	for _, a := range d.asks {
		if !a.sent {
			a.sent = true
			return a.statement.Append(nil)
		}
	}
	return nil
}

// answered takes the answer to a statement.
func (d *Device) answered(m *wire.SQLAnswer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.asks, func(a *ask) bool { return a.statement.ID == m.ID })
	if i < 0 {
		return // of one that nobody waits for
	}
	d.asks[i].answer <- m
	d.asks = slices.Delete(d.asks, i, i+1)
}

// dropAsks ends those that wait, with the connection. mu is held.
func (d *Device) dropAsks() {
	for _, a := range d.asks {
		a.answer <- nil
	}
	d.asks = nil
}
