package session

import (
	"context"

	"framehub/session/wire"
)

// readLoop reads until the connection ends. ctx does not: the write loop sees to
// the end of Run's, with a goodbye.
func (d *Device) readLoop(ctx context.Context, c *Client) error {
	for {
		m, err := d.read(ctx, c)
		if err != nil {
			return err
		}
		if err := d.take(m); err != nil {
			return err
		}
	}
}

func (d *Device) read(ctx context.Context, c *Client) (Message, error) {
	if d.opts.OnRaw == nil {
		return c.Next(ctx)
	}
	raw, err := c.NextRaw(ctx, nil)
	if err != nil {
		return nil, err
	}
	d.call(func() { d.opts.OnRaw(raw) })
	return DecodeMessage(raw.Data, c.limit)
}

func (d *Device) take(m Message) error {
	switch m := m.(type) {
	case *wire.Goodbye:
		return &ClosedError{*m}
	case *wire.Settled:
		d.settle(m)
	case *wire.Piece:
		d.piece(m)
	case *wire.WillAnswer:
		d.willAnswered(m)
	case *wire.Tick:
		d.ticked(m)
	case *wire.SQLAnswer:
		d.answered(m)
	case *wire.Holder:
		if d.opts.OnHolder != nil {
			d.call(func() { d.opts.OnHolder(m.Device) })
		}
	case *wire.Event:
		d.event(m)
	case *wire.SnapshotEnd:
		if err := d.replica.Take(m); err != nil {
			return err
		}
		return d.snapshotEnded(m)
	case *wire.Schema:
		if err := d.replica.Take(m); err != nil {
			return err
		}
		d.schemaChanged(m)
	case *wire.Frame:
		if err := d.replica.Take(m); err != nil {
			return err
		}
		d.ripen()
		if d.opts.OnFrame != nil && !m.More {
			d.call(func() { d.opts.OnFrame(m.Version) })
		}
	default:
		return d.replica.Take(m)
	}
	return nil
}
