package session

import (
	"context"
	"time"
)

// writeLoop sends what there is, until the connection has gone, and sees to it
// that it goes when ctx ends or the hub falls silent.
func (d *Device) writeLoop(ctx context.Context, c *Client, gone <-chan struct{}) {
	look := time.NewTicker(d.opts.Silence / 2)
	defer look.Stop()
	for {
		if d.sendAll(ctx, c) != nil {
			c.Drop()
			return
		}
		select {
		case <-d.wake:
		case <-gone:
			return
		case <-ctx.Done():
			c.Close()
			return
		case now := <-look.C:
			if !d.stillThere(ctx, c, now) {
				c.Drop()
				return
			}
		}
	}
}

// stillThere says whether the hub was heard lately, and asks it for a sign when
// it was not heard for a while.
func (d *Device) stillThere(ctx context.Context, c *Client, now time.Time) bool {
	switch silent := c.Silent(now); {
	case silent >= d.opts.Silence:
		return false
	case silent >= d.opts.Silence/2:
		ctx, cancel := context.WithTimeout(ctx, d.opts.Silence/2)
		defer cancel()
		return c.Clock(ctx, 0) == nil
	default:
		return true
	}
}

// sendAll sends what has not been sent. A hub that takes nothing for as long as
// it may be silent is as good as gone.
func (d *Device) sendAll(ctx context.Context, c *Client) error {
	for {
		if err := d.sendWill(ctx, c); err != nil {
			return err
		}
		msg, finished := d.next()
		for _, f := range finished {
			d.finish(f)
		}
		if msg == nil {
			if len(finished) > 0 {
				continue
			}
			return nil
		}
		if err := d.send(ctx, c, msg); err != nil {
			return err
		}
	}
}

func (d *Device) send(ctx context.Context, c *Client, msg []byte) error {
	ctx, cancel := context.WithTimeout(ctx, d.opts.Silence)
	defer cancel()
	return c.SendRaw(ctx, msg)
}

// sendWill sends the last wills that the hub does not have from this connection.
func (d *Device) sendWill(ctx context.Context, c *Client) error {
	for {
		d.mu.Lock()
		msg, refused, why := d.nextWill()
		d.mu.Unlock()
		if refused != nil {
			d.tellWill(refused.done, why)
		}
		if msg == nil {
			return nil
		}
		if err := d.send(ctx, c, msg); err != nil {
			return err
		}
	}
}

// next returns the next message to send, nil when there is none for now, and the
// outcomes of transactions that can't be sent.
func (d *Device) next() ([]byte, []finished) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if msg := d.nextChange(); msg != nil {
		return msg, nil
	}
	if msg := d.nextPiece(); msg != nil {
		return msg, nil
	}
	if msg := d.nextEvent(); msg != nil {
		return msg, nil
	}
	if msg := d.nextAsk(); msg != nil {
		return msg, nil
	}
	if msg, refused := d.nextTx(); msg != nil || len(refused) > 0 {
		return msg, refused
	}
	return d.nextTick(), nil // after what it is to close the frame for
}

func (d *Device) wakeWriter() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}
