package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"framehub/audit"
	"framehub/auth"
	"framehub/rules"
	"framehub/session"
	"framehub/session/wire"
	"framehub/store"
)

// Options say how a hub works. The zero value of each field means its default.
type Options struct {
	FrameHz float64     // frames a second; default 60
	Limits  wire.Limits // of what devices send

	Grace time.Duration         // how long a device may be away before it has gone, with [store.Options].Presence; default 10 s
	SQL   store.StatementLimits // of SQL through the hub: default 100 ms, which frames wait for, and 10,000 rows

	// ClockPatience is how long a server that closes the frames may be silent before
	// the hub's own clock does; default 1 s.
	ClockPatience time.Duration

	// SnapshotDisk is how many bytes snapshots have in files, all together, that sessions
	// take more slowly than they are read; default 4 GiB. One alone may have more.
	SnapshotDisk int64

	PingEvery time.Duration // a session silent for this long is pinged, for twice as long is ended; default 15 s

	// Gate says who a session's token belongs to. nil: nobody is asked, and the role
	// that a hello asks for is believed.
	Gate *auth.Gate

	// Bans keep devices, users and tokens out. nil: there are none.
	Bans *auth.Bans

	// Watchdog is how long a call of the store may take before writes are refused until
	// it returns, for databases whose calls can hang; 0: however long.
	Watchdog time.Duration

	Log   *slog.Logger // default: slog.Default()
	Audit *audit.Log   // of refused writes, and of sessions that the hub ends; default: one that writes to Log
}

func (o Options) withDefaults() Options {
	if o.FrameHz == 0 {
		o.FrameHz = 60
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
	if o.SQL.Time == 0 {
		o.SQL.Time = 100 * time.Millisecond
	}
	if o.SQL.Rows == 0 {
		o.SQL.Rows = 10_000
	}
	if o.ClockPatience == 0 {
		o.ClockPatience = time.Second
	}
	if o.SnapshotDisk == 0 {
		o.SnapshotDisk = 4 << 30
	}
	if o.PingEvery == 0 {
		o.PingEvery = 15 * time.Second
	}
	if o.Limits.Message == 0 {
		o.Limits.Message = wire.DefaultMessageLimit
	}
	if o.Limits.Rows == 0 {
		o.Limits.Rows = wire.DefaultRowLimit
	}
	if o.Limits.Subs == 0 {
		o.Limits.Subs = wire.DefaultSubLimit
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Audit == nil {
		o.Audit = audit.New(o.Log)
	}
	return o
}

// A Hub keeps devices and one store in step.
type Hub struct {
	// Set by New, never changed after.
	opts    Options
	store   *store.Store
	metrics *Metrics

	// Owned by the frame loop.
	trouble trouble
	limbo   []outcome       // of a frame whose append has an unknown outcome
	absent  *attendance     // the same
	unsaid  []store.Outcome // refused while the store could not write it down
	saying  int             // of them are in the frame whose append has an unknown outcome
	fenced  error           // another hub has written the database; nil: none has
	swept   time.Time       // when sweep last looked at every session
	sweeps  uint64          // how often it did
	acking  []*client       // with acknowledgements that wait for company
	count   uint64          // of frames, committed or not
	last    bool            // no frame comes after: nothing is held over

	clock clock // in parts the frame loop's, in parts guarded by mu

	watchdog watchdog

	merging  sync.WaitGroup
	mergeErr error // of the last merge; read after merging

	told   atomic.Uint64             // the last version broadcast; written under mu
	looked atomic.Pointer[time.Time] // when an operator last looked at the sessions; nil: never

	mu        sync.Mutex // guards the following
	toldTime  time.Time  // when the last version broadcast was committed
	audiences map[string]*audience
	clients   map[*client]struct{}
	strangers map[*session.Session]struct{} // that have not said hello
	stopping  bool
	sessions  sync.WaitGroup

	presence presence

	ended   traffic // of sessions that have ended; guarded by mu
	history samples

	rules     atomic.Pointer[book] // written under reforming, or by book
	reforming sync.Mutex           // held while rules or the schema change; taken before mu
	toldBook  *book                // guarded by reforming: that sessions were told last
	paces     recall[store.Device, *rules.Pace]
	shares    recall[owner, *share]

	data    Data
	editors editors
	spools  spools

	in     inbox
	events eventQueue
	down   atomic.Pointer[string] // why the hub can't commit, in words; nil: it can
}

// New returns a hub on a store, of which it is then the only frame loop.
func New(s *store.Store, o Options) *Hub {
	h := &Hub{
		opts: o.withDefaults(), store: s, toldTime: time.Now(),
		audiences: map[string]*audience{}, clients: map[*client]struct{}{}, strangers: map[*session.Session]struct{}{},
	}
	h.told.Store(s.Version())
	var none *rules.Set
	compiled, _ := none.Compile(RuleTables(s.Schema().Tables))
	h.toldBook = &book{none, s.Schema(), compiled}
	h.rules.Store(h.toldBook)
	h.spools.most = h.opts.SnapshotDisk
	h.presence.init(s, h.opts.Grace)
	h.paces.fresh, h.shares.fresh = rules.NewPace, func() *share { return &share{} }
	h.in.init()
	h.in.moved = h.presence.moved
	h.clock.rang = make(chan struct{}, 1)
	h.metrics, h.data.hub = newMetrics(h), h
	return h
}

// Ready returns nil while the hub takes writes, or why it doesn't.
func (h *Hub) Ready() error {
	for _, why := range []*string{h.watchdog.hung.Load(), h.down.Load()} {
		if why != nil {
			return errors.New(*why)
		}
	}
	return nil
}

// Version returns the last version that is durable. Devices may not all have been
// told of it yet; an answer to one of them may not be older than what another knows.
func (h *Hub) Version() uint64 { return h.store.Version() }

// Data returns what operators see and change of the database.
func (h *Hub) Data() *Data { return &h.data }

// Metrics returns the hub's Prometheus metrics.
func (h *Hub) Metrics() *Metrics { return h.metrics }

// Run closes frames until ctx ends, or another hub has taken over the database
// ([store.ErrFenced]), or has been taken over and still wrote ([store.ErrStale]). Then it commits everything that it has accepted, tells the
// outcomes, says goodbye to every session, and waits for them to be gone.
func (h *Hub) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	until, stop := context.WithCancel(context.WithoutCancel(ctx))
	failed := make(chan error, 1)
	beside.Go(func() { failed <- h.store.Run(until) })
	beside.Go(func() { h.watch(until) })
	beside.Go(func() { h.record(until) })
	h.frames(ctx)
	h.stop()
	stop()
	beside.Wait()
	return errors.Join(h.fenced, <-failed)
}

func (h *Hub) frames(ctx context.Context) {
	h.watchdog.turn.Lock()
	defer h.watchdog.turn.Unlock()
	own := time.NewTicker(h.Interval())
	defer own.Stop()
	soon := time.NewTimer(leastFrame) // for ticks that come too fast
	soon.Stop()
	defer soon.Stop()
	for h.fenced == nil {
		select {
		case <-ctx.Done():
			return
		case now := <-own.C:
			h.beat(now)
		case <-h.clock.rang:
			if wait := time.Until(h.clock.closed.Add(leastFrame)); wait > 0 {
				soon.Reset(wait)
			} else {
				h.close(time.Now())
			}
		case now := <-soon.C:
			h.close(now)
		}
	}
}

// Sizes returns the bytes of the files of the game database and of the frame log; 0 on
// mvSQLite, where there are none.
func (h *Hub) Sizes() (database, log int64) { return h.store.Sizes() }

// Interval returns the time from one frame to the next by the hub's own clock.
func (h *Hub) Interval() time.Duration {
	return time.Duration(float64(time.Second) / h.opts.FrameHz)
}

// goodbyeStopping tells devices to come back in a second.
var goodbyeStopping = wire.Goodbye{Code: wire.CloseStopping, Text: "the hub is stopping", Retry: time.Second, RetrySet: true}

// stop ends every session after a last frame.
func (h *Hub) stop() {
	h.watchdog.turn.Lock()
	defer h.watchdog.turn.Unlock()
	h.in.close()
	h.last = true
	h.close(time.Now())
	h.mu.Lock()
	h.stopping = true
	for c := range h.clients {
		c.sess.End(goodbyeStopping)
	}
	for sess := range h.strangers {
		sess.Drop()
	}
	h.mu.Unlock()
	h.sessions.Wait()
	h.merging.Wait()
	if _, err := h.store.Merge(time.Now(), true); err != nil {
		h.opts.Log.Error("last merge", "err", err)
	}
}

// sweepEvery is how often each session is looked after.
const sweepEvery = 250 * time.Millisecond

// sweep looks after sessions that nothing happens to: acknowledgements that have
// waited long enough, and, every quarter of a second, an empty frame for those
// that had nothing to see for a second, pings, and the end of those that are
// silent or whose token is good no longer.
func (h *Hub) sweep(now time.Time) {
	h.wakeAcking(now)
	if now.Sub(h.swept) < sweepEvery {
		return
	}
	h.swept = now
	h.sweeps++
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.audiences {
		if now.Sub(a.pushed) >= aliveEvery {
			h.send(a, a.form.bodies(nil, nil, a.complete), now)
		}
	}
	for c := range h.clients {
		h.recheck(c, now)
		switch silent := c.sess.Silent(now); {
		case silent > 2*h.opts.PingEvery:
			c.sess.End(wire.Goodbye{Code: wire.CloseTooSlow, Text: fmt.Sprintf("nothing was heard for %v", silent.Round(time.Second))})
		case silent > h.opts.PingEvery, h.watched(c, now):
			c.sess.Ping()
		}
	}
}

// wakeAcking wakes the sessions whose acknowledgements found no company.
func (h *Hub) wakeAcking(now time.Time) {
	waiting := h.acking[:0]
	for _, c := range h.acking {
		if c.acksWait(now) {
			waiting = append(waiting, c)
		}
	}
	clear(h.acking[len(waiting):])
	h.acking = waiting
}
