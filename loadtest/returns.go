package loadtest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"framehub/session/wire"
)

// The returns are how devices came back from what happened to their connections.
type returns struct {
	away                                         atomic.Int64 // devices now
	lost, connects, resumed, caughtUp, snapshots atomic.Int64 // connections
	resent, told                                 atomic.Int64 // transactions that were under way
	live                                         *latency     // from the loss until the device had everything again

	mu   sync.Mutex      // guards the following
	down []time.Duration // by kill: how long the hub was away
	used look            // what hubs that were killed had counted
}

// resumes counts a device that came back with a copy.
func (r *returns) resumes(resumed, missed bool) {
	switch {
	case !resumed:
		r.snapshots.Add(1)
	case missed:
		r.caughtUp.Add(1)
		fallthrough
	default:
		r.resumed.Add(1)
	}
}

// A Recovery is how devices came back after the hub was killed, and after their connections
// were lost.
type Recovery struct {
	Kills      int        `json:"kills"`   // of the hub
	Down       *Quantiles `json:"down_ms"` // from a kill until the hub took devices again; nil: none
	Lost       int64      `json:"connections_lost"`
	Reconnects int64      `json:"reconnects"`
	Resumed    int64      `json:"resumed"`           // of those who see something: that went on from the version that they had
	CaughtUp   int64      `json:"caught_up"`         // of them, that had missed versions
	Snapshots  int64      `json:"snapshots"`         // that took everything anew
	Resent     int64      `json:"resent"`            // transactions that were under way, and sent again
	Told       int64      `json:"settled_meanwhile"` // transactions that were under way, whose outcome the hub told with its hello
	Mishaps    *Mishaps   `json:"mishaps"`           // nil: nothing was done to connections
	Live       *Quantiles `json:"live_ms"`           // from the loss of a connection until the device had everything again
}

// recovery sums up how devices came back, nil where they don't.
func (r *run) recovery() *Recovery {
	if !r.opts.lasts() {
		return nil
	}
	b := &r.returns
	b.mu.Lock()
	defer b.mu.Unlock()
	down := newLatency()
	down.record(b.down...)
	return &Recovery{
		Kills: len(b.down), Down: down.quantiles(), Lost: b.lost.Load(), Reconnects: b.connects.Load(),
		Resumed: b.resumed.Load(), CaughtUp: b.caughtUp.Load(), Snapshots: b.snapshots.Load(),
		Resent: b.resent.Load(), Told: b.told.Load(), Mishaps: r.mishapsReport(), Live: b.live.quantiles(),
	}
}

// interrupt is called when the connection is lost: what was sent until now and has no
// outcome was under way.
func (w *writer) interrupt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.underWay = w.sent
}

// recall takes in what the hub knows of the writer's transactions when the device has come
// back.
func (w *writer) recall(h *wire.HubHello, now time.Time) error {
	m := wire.Settled{Version: h.Version}
	w.mu.Lock()
	w.sentAgain = 0
	if w.settledTo > h.Settled {
		w.mu.Unlock()
		return fmt.Errorf("the hub came back and knows of transactions up to %d, it had settled %d", h.Settled, w.settledTo)
	}
	for _, i := range w.open {
		seq := w.seq + uint64(i)
		switch at := slices.IndexFunc(h.Rejected, func(r wire.Rejected) bool { return r.Seq == seq }); {
		case seq > h.Settled:
			if i < w.underWay {
				w.run.returns.resent.Add(1)
				w.sentAgain = i + 1
			}
		case at >= 0:
			m.Rejected = append(m.Rejected, h.Rejected[at])
		default:
			m.Committed = append(m.Committed, seq)
		}
	}
	w.mu.Unlock()
	w.run.returns.told.Add(int64(len(m.Committed) + len(m.Rejected)))
	return w.settle(&m, now)
}

// any says whether there was anything to come back from.
func (b *Recovery) any() bool { return b != nil && (b.Kills > 0 || b.Lost > 0 || b.Mishaps != nil) }

func (b *Recovery) facts() (facts []fact) {
	if !b.any() {
		return nil
	}
	if b.Kills > 0 {
		facts = append(facts, fact{"kills", []string{fmt.Sprintf("%d of the hub, which was down for %.0f ms at most", b.Kills, b.Down.Max)}})
	}
	if b.Mishaps != nil {
		facts = append(facts, b.Mishaps.fact())
	}
	return append(facts, fact{"connections", []string{
		fmt.Sprintf("%d lost, %d came back: %d resumed, of which %d had missed versions, %d took a snapshot", b.Lost, b.Reconnects, b.Resumed, b.CaughtUp, b.Snapshots),
		fmt.Sprintf("of the writes under way %d were sent again, %d had their outcome", b.Resent, b.Told),
	}})
}
