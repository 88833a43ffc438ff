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
	mu                    sync.Mutex
	limits                Limits
	messages, rows, bytes *rate.Limiter
	waited                time.Duration // since it last needed not to
}

// NewPace returns a pace with all that a burst allows.
func NewPace() *Pace {
	return &Pace{messages: rate.NewLimiter(rate.Inf, 0), rows: rate.NewLimiter(rate.Inf, 0), bytes: rate.NewLimiter(rate.Inf, 0)}
}

// follow takes up limits that have changed.
func (p *Pace) follow(l Limits, now time.Time) {
	if p.limits == l {
		return
	}
	set := func(limiter **rate.Limiter, was, is Rate) {
		switch {
		case was == is:
		case was == Rate{}: // from now on, with a whole burst
			*limiter = rate.NewLimiter(rate.Limit(is.PerSecond), is.Burst)
		case is == Rate{}:
			*limiter = rate.NewLimiter(rate.Inf, 0)
		default:
			(*limiter).SetLimitAt(now, rate.Limit(is.PerSecond))
			(*limiter).SetBurstAt(now, is.Burst)
		}
	}
	set(&p.messages, p.limits.Messages, l.Messages)
	set(&p.rows, p.limits.Rows, l.Rows)
	set(&p.bytes, p.limits.Bytes, l.Bytes)
	p.limits = l
}

// Message counts a message, and says how long to wait before it is done. The
// error, a [wire.Error], ends the session: it has been slowed for a second, and
// still sends too fast.
func (p *Pace) Message(l Limits, now time.Time) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.follow(l, now)
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

// Full says whether the pace is one that a new device would have: then it need
// not be remembered.
func (p *Pace) Full(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range []*rate.Limiter{p.messages, p.rows, p.bytes} {
		if l.Limit() != rate.Inf && l.TokensAt(now) < float64(l.Burst()) {
			return false
		}
	}
	return true
}

func take(l *rate.Limiter, r Rate, now time.Time, n int, what string) *wire.Refusal {
	switch {
	case l.AllowN(now, n):
		return nil
	case n > r.Burst:
		return wire.Refuse(wire.CodeRate, "the transaction has %d %s, a device may send %d at once: make it smaller", n, what, r.Burst)
	default:
		after := time.Duration((float64(n) - l.TokensAt(now)) / r.PerSecond * float64(time.Second))
		return wire.Refuse(wire.CodeRate, "more %s than the %s that a device may send: send it again in %v", what, perSecond(r), after.Round(time.Millisecond)+time.Millisecond)
	}
}

func perSecond(r Rate) string {
	return fmt.Sprintf("%.0f a second", r.PerSecond)
}
