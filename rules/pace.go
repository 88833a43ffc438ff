package rules

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"framehub/session/wire"
)

// maxWait is how long a device may be slowed without a break.
const maxWait = time.Second

// A Pace holds a device to its limits. It may be used by many at a time.
type Pace struct {
	mu                            sync.Mutex
	limits                        Limits
	messages, rows, bytes, events *rate.Limiter         // nil: there is no limit
	named                         map[string]*namedPace // by event, of those that have a rate of their own
	waited                        time.Duration         // since it last needed not to
}

// A namedPace is that of one event.
type namedPace struct {
	rate    Rate
	limiter *rate.Limiter
}

// NewPace returns a pace with all that a burst allows.
func NewPace() *Pace { return &Pace{} }

// follow takes up limits that have changed.
func (p *Pace) follow(l Limits, now time.Time) {
	if p.limits == l {
		return
	}
	adjust(&p.messages, p.limits.Messages, l.Messages, now)
	adjust(&p.rows, p.limits.Rows, l.Rows, now)
	adjust(&p.bytes, p.limits.Bytes, l.Bytes, now)
	adjust(&p.events, p.limits.Events, l.Events, now)
	p.limits = l
}

// adjust takes a limiter from one rate to another.
func adjust(limiter **rate.Limiter, was, is Rate, now time.Time) {
	switch {
	case was == is:
	case was == Rate{}: // from now on, with a whole burst
		*limiter = rate.NewLimiter(rate.Limit(is.PerSecond), is.Burst)
	case is == Rate{}:
		*limiter = nil
	default:
		(*limiter).SetLimitAt(now, rate.Limit(is.PerSecond))
		(*limiter).SetBurstAt(now, is.Burst)
	}
}

// Message counts a message, and says how long to wait before it is done. The
// error, a [wire.Error], ends the session: it has been slowed for a second, and
// still sends too fast.
func (p *Pace) Message(l Limits, now time.Time) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.follow(l, now)
	if p.messages == nil {
		p.waited = 0
		return 0, nil
	}
	place := p.messages.ReserveN(now, 1)
	wait := place.DelayFrom(now)
	if wait == 0 {
		p.waited = 0
		return 0, nil
	}
	if p.waited += wait; p.waited > maxWait {
		place.CancelAt(now)
		p.waited = 0 // of the device's next session
		return 0, &wire.Error{Code: wire.CloseRate, Reason: "more messages than the " + perSecond(l.Messages) + " that a device may send, for longer than a second"}
	}
	return wait, nil
}

// Write counts a transaction, or says why it is too much.
func (p *Pace) Write(l Limits, now time.Time, rows, bytes int) *wire.Refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.follow(l, now)
	if r := take(p.rows, l.Rows, now, rows, "rows"); r != nil {
		return r
	}
	return take(p.bytes, l.Bytes, now, bytes, "bytes")
}

// Event counts an event that has a rate of its own, if that is not zero, or says
// why it is too much. It never waits: an event that is late is worth nothing.
func (p *Pace) Event(l Limits, now time.Time, name string, own Rate) *wire.Refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.follow(l, now)
	if limiter := p.ofEvent(name, own, now); limiter != nil && !limiter.AllowN(now, 1) {
		return tooMuch(limiter, own, now, 1, fmt.Sprintf("events %q", name))
	}
	return take(p.events, l.Events, now, 1, "events")
}

// ofEvent returns what holds an event to its own rate, nil where it has none. mu is held.
func (p *Pace) ofEvent(name string, own Rate, now time.Time) *rate.Limiter {
	n := p.named[name]
	switch {
	case own == Rate{} && n == nil:
		return nil
	case own == Rate{}:
		delete(p.named, name)
		return nil
	case n == nil:
		n = &namedPace{}
		if p.named == nil {
			p.named = map[string]*namedPace{}
		}
		p.named[name] = n
	}
	adjust(&n.limiter, n.rate, own, now)
	n.rate = own
	return n.limiter
}

// Full says whether the pace is one that a new device would have: then it need
// not be remembered.
func (p *Pace) Full(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	limiters := []*rate.Limiter{p.messages, p.rows, p.bytes, p.events}
	for _, n := range p.named {
		limiters = append(limiters, n.limiter)
	}
	for _, l := range limiters {
		if l != nil && l.TokensAt(now) < float64(l.Burst()) {
			return false
		}
	}
	return true
}

func take(l *rate.Limiter, r Rate, now time.Time, n int, what string) *wire.Refusal {
	switch {
	case l == nil || l.AllowN(now, n):
		return nil
	case n > r.Burst:
		return wire.Refuse(wire.CodeRate, "the transaction has %d %s, a device may send %d at once: make it smaller", n, what, r.Burst)
	default:
		return tooMuch(l, r, now, n, what)
	}
}

func tooMuch(l *rate.Limiter, r Rate, now time.Time, n int, what string) *wire.Refusal {
	after := time.Duration((float64(n) - l.TokensAt(now)) / r.PerSecond * float64(time.Second))
	return wire.Refuse(wire.CodeRate, "more %s than the %s that a device may send: send it again in %v", what, perSecond(r), after.Round(time.Millisecond)+time.Millisecond)
}

func perSecond(r Rate) string {
	return fmt.Sprintf("%.0f a second", r.PerSecond)
}
