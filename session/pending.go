package session

import (
	"bytes"
	"context"
	"slices"

	"framehub/session/wire"
)

// A pendingTx is a transaction without an outcome.
type pendingTx struct {
	tx     *Tx
	number uint64 // in the order of Submit
	seq    uint64 // 0: it was never sent
	sent   bool   // on this connection
	done   func(Outcome)
}

// finished is a transaction with its outcome, which is told without locks.
type finished struct {
	*pendingTx
	outcome Outcome
}

// Submit takes a transaction to be sent, also while the device is not connected.
// done, if not nil, is called once with its outcome, as the callbacks of
// [DeviceOptions] are. The error says why it can't even be sent, or is [ErrFull].
// A device that ends takes what is without an outcome into its [State].
func (d *Device) Submit(tx *Tx, done func(Outcome)) error {
	if tx.err != nil {
		return tx.err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.pending) >= d.opts.MaxPending {
		return ErrFull
	}
	d.submitted++
	d.pending = append(d.pending, &pendingTx{tx: tx, number: d.submitted, done: done})
	d.wakeWriter()
	return nil
}

// Do submits a transaction and waits for its outcome. The error is Submit's, or
// that of ctx, after which the transaction may still be applied.
func (d *Device) Do(ctx context.Context, tx *Tx) (Outcome, error) {
	outcome := make(chan Outcome, 1)
	if err := d.Submit(tx, func(o Outcome) { outcome <- o }); err != nil {
		return Outcome{}, err
	}
	select {
	case o := <-outcome:
		return o, nil
	case <-ctx.Done():
		return Outcome{}, ctx.Err()
	}
}

// nextTx returns the next transaction to send, encoded against the present
// schema; nil when there is none, or as many are under way as the hub takes. What
// can't be encoded has its outcome at once. mu is held.
func (d *Device) nextTx() (msg []byte, refused []finished) {
	limit := d.limits.Unsettled
	for i := 0; i < len(d.pending) && (limit == 0 || i < limit); i++ {
		p := d.pending[i]
		if p.sent {
			continue
		}
		fresh := p.seq == 0
		if fresh {
			p.seq = d.seq + 1
		}
		msg, why := d.encode(p)
		if why == nil {
			p.sent = true
			d.seq = max(d.seq, p.seq)
			return msg, refused
		}
		if fresh {
			p.seq = 0
		}
		refused = append(refused, finished{p, Outcome{Seq: p.seq, Err: why}})
		d.pending = slices.Delete(d.pending, i, i+1)
		i--
	}
	return nil, refused
}

func (d *Device) encode(p *pendingTx) ([]byte, *wire.Refusal) {
	var schema *wire.Schema
	d.replica.View(func(c *Copy) { schema = c.Schema })
	msg, refused := p.tx.encode(schema, p.seq)
	if most := d.limits.Message; refused == nil && most > 0 && len(msg) > most {
		return nil, wire.Refuse(wire.CodeTooLarge, "the transaction has %d bytes, the hub takes %d", len(msg), most)
	}
	return msg, refused
}

// greetPending compares what has no outcome with what the hub knows of it: what
// has settled gets its outcome, the rest is sent again. mu is held.
func (d *Device) greetPending(h *wire.HubHello) []finished {
	forgotten := d.known && !h.SettledKnown
	another := d.epoch != nil && !bytes.Equal(d.epoch, h.Epoch)
	d.known, d.seq = h.SettledKnown, max(d.seq, h.Settled)
	var done []finished
	d.pending = slices.DeleteFunc(d.pending, func(p *pendingTx) bool {
		o := Outcome{Seq: p.seq, Version: h.Version}
		p.sent = false
		switch {
		case p.seq != 0 && forgotten:
			o.Err = ErrForgotten
		case p.seq != 0 && h.SettledKnown && p.seq <= h.Settled:
			o.Err = refusal(h.Rejected, p.seq)
		case another && p.tx.baseSet:
			o.Err = wire.Refuse(wire.CodeStale, "the hub's history is another one than that of version %d", p.tx.base)
		default:
			return false
		}
		done = append(done, finished{p, o})
		return true
	})
	return done
}

// refusal returns why a transaction was refused, nil when it wasn't.
func refusal(rejected []wire.Rejected, seq uint64) error {
	i := slices.IndexFunc(rejected, func(r wire.Rejected) bool { return r.Seq == seq })
	if i < 0 {
		return nil
	}
	return &rejected[i].Refusal
}

// settle gives transactions the outcomes that the hub tells.
func (d *Device) settle(m *wire.Settled) {
	d.mu.Lock()
	d.known = true
	var done []finished
	d.pending = slices.DeleteFunc(d.pending, func(p *pendingTx) bool {
		err := refusal(m.Rejected, p.seq)
		if p.seq == 0 || err == nil && !slices.Contains(m.Committed, p.seq) {
			return false
		}
		done = append(done, finished{p, Outcome{Seq: p.seq, Version: m.Version, Err: err}})
		return true
	})
	d.mu.Unlock()
	for _, f := range done {
		d.finish(f)
	}
	d.wakeWriter() // there may be room for more
}

// finish tells an outcome. No lock but that of callbacks may be held.
func (d *Device) finish(f finished) {
	d.calling.Lock()
	defer d.calling.Unlock()
	if f.done != nil {
		f.done(f.outcome)
	}
	if d.opts.OnSettled != nil {
		d.opts.OnSettled(f.outcome)
	}
}
