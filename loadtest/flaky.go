package loadtest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
)

// flakyOf returns how many of the devices are flaky: one at least, and not all.
func (o *Options) flakyOf() int {
	return min(max(1, int(math.Round(o.FlakyShare*float64(o.Devices)))), o.Devices-1)
}

// flakyRow says whether a row is one that a flaky device writes.
func (o *Options) flakyRow(id int64) bool {
	return o.Profile == Flaky && id > int64((o.Devices-o.flakyOf())*o.Entities)
}

// spoil makes the last guests flaky.
func (o *Options) spoil(guests []guest) {
	for i := len(guests) - o.flakyOf(); i < len(guests); i++ {
		guests[i].line = &line{}
	}
}

// A trouble is what happens to one device's line: the mishaps in turns.
type trouble struct {
	conn *lasting
	next mishap
	rng  *rand.Rand
}

// mishapCounts are how many of each there were.
type mishapCounts [mishaps]atomic.Int64

// troubles returns what is to happen; everyone is connected.
func (r *run) troubles(c *cast) (all []*trouble) {
	if r.opts.Profile != Flaky {
		return nil
	}
	for _, a := range c.actors {
		if l, ok := a.device.conn.(*lasting); ok && l.line != nil {
			n := len(all)
			all = append(all, &trouble{conn: l, next: mishap(n) % mishaps, rng: rand.New(rand.NewPCG(uint64(n), 0))})
		}
	}
	return all
}

// come lets mishaps come, from the end of the warm-up to that of the load. Each comes from
// half to one and a half times the period after the last one was over.
func (t *trouble) come(load context.Context, last time.Duration) {
	r := t.conn.run
	timer := time.NewTimer(0)
	defer timer.Stop()
	every := r.opts.FlakyEvery
	at := r.warmup + time.Duration(t.rng.Int64N(int64(every)))
	for at < last && sleepUntil(load, timer, r.base.Add(r.start+at)) {
		if conn := t.conn.line.present(); conn != nil {
			r.mishaps[t.next].Add(1)
			t.happen(load, conn, timer, last)
			t.next = (t.next + 1) % mishaps
		} // else it is away: it is given time to come back
		at = time.Since(r.base) - r.start + every/2 + time.Duration(t.rng.Int64N(int64(every)))
	}
}

func (t *trouble) happen(load context.Context, conn *lineConn, timer *time.Timer, last time.Duration) {
	switch t.next {
	case cut:
		conn.cut()
	case slowed:
		lift := conn.slowDown()
		over := time.Now().Add(slowFor)
		if end := t.conn.run.base.Add(t.conn.run.start + last); end.Before(over) {
			over = end
		}
		sleepUntil(load, timer, over)
		lift()
	default:
		t.conn.lose()
		conn.silence()
	}
}

// Mishaps are what happened to the connections of flaky devices.
type Mishaps struct {
	Devices  int   `json:"devices"`
	Cut      int64 `json:"cut"`       // by a TCP reset
	Slowed   int64 `json:"slowed"`    // through which little came for a while
	HalfOpen int64 `json:"half_open"` // through which nothing came any more, without a word

	Age *Quantiles `json:"age_ms"` // from when a write was meant to be sent until it was in a copy, where a flaky device sent it or has the copy
}

// mishapsReport sums up what happened, nil where the profile has no mishaps.
func (r *run) mishapsReport() *Mishaps {
	if r.opts.Profile != Flaky {
		return nil
	}
	n := &r.mishaps
	return &Mishaps{
		Devices: r.opts.flakyOf(), Cut: n[cut].Load(), Slowed: n[slowed].Load(), HalfOpen: n[halfOpen].Load(),
		Age: r.flakyAges.quantiles(),
	}
}

func (m *Mishaps) fact() fact {
	return fact{"flaky devices", []string{fmt.Sprintf("%d, whose connections were cut %s times, slowed down %s times and half-open %s times", m.Devices,
		humanize.Comma(m.Cut), humanize.Comma(m.Slowed), humanize.Comma(m.HalfOpen))}}
}

// checkFlaky returns what is wrong with the options of the profile.
func (o *Options) checkFlaky() error {
	const least = 100 * time.Millisecond
	switch {
	case !(o.FlakyShare > 0 && o.FlakyShare < 1) || o.Devices < 2:
		return fmt.Errorf("%v of %d devices: it must be some, and not all", o.FlakyShare, o.Devices)
	case o.FlakyEvery < least:
		return fmt.Errorf("a mishap every %v: it must be %v at least", o.FlakyEvery, least)
	default:
		return nil
	}
}
