package hub

import (
	"time"

	"framehub/rules"
)

// Admit implements session.Handler: a device that sends more than it may is read
// no faster than that, and ended when it goes on for a second above what the rules
// say.
func (c *client) Admit(size int) error {
	now := time.Now()
	wait, err := c.limiter().Message(c.hub.book().Limits(c.who.Role), now)
	if err != nil {
		return err
	}
	if wait = max(wait, c.share.read(now, size)); wait == 0 {
		return nil
	}
	c.hub.metrics.slowed.Inc()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.sess.Muted():
	}
	return nil
}

// limiter returns what the device has sent lately. It is called by the read loop: a
// session that sends nothing has none.
func (c *client) limiter() *rules.Pace {
	if c.pace == nil {
		c.pace = c.hub.paces.get(c.device.id, time.Now())
	}
	return c.pace
}
