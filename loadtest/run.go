package loadtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"framehub/session/wire"
)

// A run is one load test under way.
type run struct {
	opts  Options
	base  time.Time     // all times count from it
	start time.Duration // when the load began, in whole µs; set before the writers begin

	cancel context.CancelFunc // ends the load

	warmup time.Duration // of the load, that the figures leave out; set with start
	warm   struct {      // what there was when the warm-up was over; set by play
		look  look
		tally tally
	}

	late, own, acks, ages   *latency // after the intended time: sent, sent but for waiting for the hub, acknowledged, seen
	stale, intervals, joins *latency
	enters                  *latency // from when a device asks for another zone until it has that

	sent, acked, refused, held               atomic.Int64 // transactions; held: had to wait for the hub to take more
	duplicated, reordered, gaps, resnapshots atomic.Int64
	frameBytes, watched                      atomic.Int64 // bytes to those who watch: of frames, of everything
	decoded, decodedBytes                    atomic.Int64 // rows and bytes of the frames that observers decoded
	calls                                    calls
	returns                                  returns
	mishaps                                  mishapCounts
	flakyAges                                *latency    // as ages, of flaky devices
	ledger                                   *ledger     // nil: nobody moves money; set before devices connect
	begun                                    atomic.Bool // the load has

	readers sync.WaitGroup

	mu        sync.Mutex           // guards the following
	devices   map[*device]struct{} // that are connected
	most      int                  // of them, at one time
	lost      int                  // that lost their session
	lostAs    string               // the first of them, in words
	cause     error                // why the load ended before its time
	failures  []string
	unspoken  int // failures beyond those
	refusals  map[wire.Code]int64
	refusedAs string // the first refusal, in words
}

func newRun(o Options) *run {
	return &run{
		opts: o, base: time.Now(), late: newLatency(), own: newSteppedLatency(), acks: newSteppedLatency(), ages: newSteppedLatency(),
		calls: calls{ages: newSteppedLatency()},
		stale: newLatency(), intervals: newLatency(), joins: newLatency(), enters: newLatency(), returns: returns{live: newLatency()}, flakyAges: newLatency(),
		devices: map[*device]struct{}{}, refusals: map[wire.Code]int64{},
	}
}

// fail notes that something went wrong: the run can't be a good one any more.
func (r *run) fail(format string, args ...any) {
	const most = 10
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failures) >= most {
		r.unspoken++
		return
	}
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// refusal counts one, of what somebody sent.
func (r *run) refusal(what string, why *wire.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusals[why.Code]++
	if r.refusedAs == "" {
		r.refusedAs = fmt.Sprintf("%s: %s", what, why.Error())
	}
}

func (r *run) enter(d *device) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.devices[d] = struct{}{}
	r.most = max(r.most, len(r.devices))
}

// exit is called when a session is over. When the last one has gone by itself,
// there is nothing left to load.
func (r *run) exit(d *device, err error) {
	r.mu.Lock()
	delete(r.devices, d)
	left := len(r.devices)
	lost := !d.leaving.Load()
	if lost {
		r.lost++
	}
	if lost && r.lostAs == "" {
		r.lostAs = fmt.Sprintf("%s: %v", d.name, err)
	}
	first := r.lostAs
	r.mu.Unlock()
	if !lost {
		return
	}
	d.conn.drop()
	if left == 0 {
		r.stop(fmt.Errorf("%w; the first of %s", errHubGone, first))
	}
}

// A tally is what came to those who watch.
type tally struct {
	frameBytes, watched   int64 // bytes: of frames, of everything
	decoded, decodedBytes int64 // rows and bytes of the frames that observers decoded
}

// delivered returns how many rows there were in the frames. Observers count rows as they
// decode them; who shares their frames without decoding gets as many for as many bytes.
func (t tally) delivered() int64 {
	if t.decodedBytes == 0 {
		return 0
	}
	return int64(float64(t.decoded) * float64(t.frameBytes) / float64(t.decodedBytes))
}

func (r *run) tally() tally {
	return tally{r.frameBytes.Load(), r.watched.Load(), r.decoded.Load(), r.decodedBytes.Load()}
}

func (t tally) minus(o tally) tally {
	return tally{t.frameBytes - o.frameBytes, t.watched - o.watched, t.decoded - o.decoded, t.decodedBytes - o.decodedBytes}
}

// measures says whether a moment of the run, since its base, is in the figures.
func (r *run) measures(at time.Duration) bool { return at >= r.start+r.warmup }

// took records how long something took that was meant to be done at a moment.
func (r *run) took(l *latency, meant, took time.Duration) {
	if r.measures(meant) {
		l.record(took)
	} else {
		l.early(took)
	}
}

// stop ends the load before its time.
func (r *run) stop(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cause == nil {
		r.cause = cause
	}
	r.cancel()
}

// stopped returns why the load was ended before its time, nil where it was not.
func (r *run) stopped() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause
}

var errHubGone = errors.New("no session is left")

// Run makes a load and returns what came of it. The error is for a run that could
// not begin; whatever goes wrong later is in the report. When ctx ends, the
// writers stop, and the report is of what there was.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Kills > 0 && o.Restart == nil {
		return nil, errors.New("only a hub that the load test started itself can be killed")
	}
	r := newRun(o.withDefaults())
	scripts, err := r.scripts()
	if err != nil {
		return nil, err
	}
	// Sessions outlive the load: what is under way is still to be acknowledged.
	sessions := context.WithoutCancel(ctx)
	defer r.readers.Wait()
	defer r.leave()
	load, stop := context.WithCancel(ctx)
	defer stop()
	r.cancel = stop
	c, err := r.connect(load, sessions, scripts)
	if err == nil {
		err = r.lookAhead(load, c)
	}
	if err != nil {
		return nil, err
	}
	silence, err := metronome()
	if err != nil {
		return nil, err
	}
	elapsed, series := r.play(load, sessions, c)
	silence()
	r.hearAll(sessions)
	after := r.look(sessions).plus(r.returns.used)
	report := r.report(c, elapsed, after, r.judge(sessions, c))
	report.Series, report.Interrupted = series, ctx.Err() != nil
	return report, nil
}

// lookAhead says whether the hub's own figures and its database can be read, so that no load is
// for nothing.
func (r *run) lookAhead(ctx context.Context, c *cast) error {
	if r.opts.AdminURL != "" {
		if _, err := readMetrics(ctx, r.opts.AdminURL, r.opts.AdminToken); err != nil {
			return fmt.Errorf("the hub's figures: %w", err)
		}
	}
	if r.opts.DB == "" {
		return nil
	}
	db, err := openDatabase(r.opts.DB, c.schema)
	if err != nil {
		return err
	}
	return errors.Join(db.isOf(ctx, c.epoch), db.close())
}

func (r *run) scripts() ([]script, error) {
	switch {
	case r.opts.Profile.writesAlone():
		return serverScripts(&r.opts), nil
	case r.opts.Profile == Transfers:
		times := r.opts
		times.Entities = 0 // what is written is the tellers' business
		return meshScripts(&times), nil
	case r.opts.Trace == "":
		return meshScripts(&r.opts), nil
	}
	t, err := readTrace(r.opts.Trace)
	if err != nil {
		return nil, err
	}
	return t.scripts(r.opts.Speed, r.opts.Duration), nil
}

// leave says goodbye for every session that is left.
func (r *run) leave() {
	const together = 64
	var group errgroup.Group
	group.SetLimit(together)
	for _, d := range r.left() {
		group.Go(func() error { d.leave(); return nil })
	}
	_ = group.Wait() // nobody fails
}

// drop ends every session that is left, so that nobody waits for the hub any more.
func (r *run) drop() {
	r.fail("the hub takes nothing any more: its sessions are given up")
	for _, d := range r.left() {
		d.conn.drop()
	}
}

// connected returns how many devices have a session.
func (r *run) connected() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.devices) - int(r.returns.away.Load())
}

// left returns the devices that are connected.
func (r *run) left() []*device {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.devices))
}
