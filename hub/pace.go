package hub

import (
	"sync"
	"time"

	"framehub/rules"
	"framehub/store"
)

// maxPaces bounds the devices whose pace is remembered after they have gone.
const maxPaces = 1 << 16

// paces remembers how much devices have sent of late, so that connecting again
// gives none a new burst.
type paces struct {
	mu    sync.Mutex
	of    map[store.Device]*rules.Pace
	sweep int // at that many, those that have nothing to remember are forgotten
}

// get returns the device's pace. It takes as long as there are devices, once in
// that many calls.
func (p *paces) get(id store.Device, now time.Time) *rules.Pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.of[id]; known != nil {
		return known
	}
	if len(p.of) >= p.sweep {
		p.forget(now)
	}
	if p.of == nil {
		p.of = map[store.Device]*rules.Pace{}
	}
	pace := rules.NewPace()
	p.of[id] = pace
	return pace
}

func (p *paces) forget(now time.Time) {
	for id, pace := range p.of {
		if pace.Full(now) || len(p.of) >= maxPaces {
			delete(p.of, id)
		}
	}
	p.sweep = min(max(1024, 2*len(p.of)), maxPaces)
}

// Admit implements session.Handler: a device that sends too many messages is read
// no faster than it may send, and ended when it goes on for a second.
func (c *client) Admit() error {
	limits := c.hub.book().Limits(c.who.Role)
	wait, err := c.pace.Message(limits, time.Now())
	if err != nil || wait == 0 {
		return err
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
