package hub_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"framehub/hub"
	"framehub/session"
	"framehub/session/wire"
	"framehub/store"
)

// BenchmarkTick has 200 devices write at 20 Hz, a server that closes frames 60
// times a second, and a device that watches what the server writes in each. In
// turns with that, the hub's own clock closes the frames, of the same writes. It
// tells how long a tick took to be answered, beside the commits of the same time;
// how much of that was no commit, and how often this alone was longer than a
// frame; the same of the calm moments, in which the machine woke everybody in time;
// and when the watching device saw what was written for a frame.
// FRAMEHUB_BENCH_SECONDS is how long the server ticks; default 5.
func BenchmarkTick(b *testing.B) {
	seconds, err := strconv.Atoi(os.Getenv("FRAMEHUB_BENCH_SECONDS"))
	if err != nil {
		seconds = 5
	}
	for b.Loop() {
		g := newTickGame(b)
		turns := max(1, seconds/5)
		turn := time.Duration(seconds) * time.Second / time.Duration(turns)
		for range turns {
			g.play(turn, true)
			g.play(turn, false)
		}
		g.report(b, turn*time.Duration(turns))
		g.stop()
	}
	b.ReportMetric(0, "ns/op")
}

const (
	tickDevices = 200
	tickPace    = 20 // writes a second, of each
	tickRow     = 1  // the server's own; the devices have those after it
)

// A tickGame is a hub with a game server and players.
type tickGame struct {
	b       *testing.B
	durable *hub.Recorder
	schema  uint64
	table   int
	server  *session.Client
	stop    func()
	writers sync.WaitGroup

	step    uint64     // of the server's, each a transaction of that number
	mu      sync.Mutex // guards the following
	sent    map[uint64]time.Time
	settled uint64 // transactions of the server's
	last    uint64 // step that was seen
	ticking bool
	seen    map[bool][]hub.Span // from sent to seen, by who closed the frames: a server's tick, or the hub's clock
	ticks   []hub.Span          // from sent to answered
	commits []hub.Span
	closed  map[uint64]bool
	naps    []time.Duration // how late a goroutine wakes that sleeps for a millisecond
	rough   []hub.Span      // when that was later than roughAt
}

func newTickGame(b *testing.B) *tickGame {
	b.Helper()
	s, err := store.Open(store.Options{
		Path: filepath.Join(b.TempDir(), "hub.db"), Schema: benchSchema + fill(10_000), Scopes: map[string]string{"entity": "zone"},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	h := hub.New(s, hub.Options{Log: slog.New(slog.DiscardHandler), ClockPatience: 100 * time.Millisecond})
	g := &tickGame{
		b: b, durable: h.RecordDurable(), schema: s.Schema().Version, table: s.Schema().Table("entity").ID,
		sent: map[uint64]time.Time{}, seen: map[bool][]hub.Span{}, closed: map[uint64]bool{},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- h.Run(ctx) }()
	srv := listen(h)
	g.stop = func() {
		cancel()
		g.writers.Wait()
		err := <-ran
		srv.Close()
		if err := errors.Join(err, s.Close()); err != nil {
			b.Error(err)
		}
	}
	url := "ws" + strings.TrimPrefix(srv.URL, "http")
	all := wire.DeviceHello{SubsSet: true, Subs: []wire.Sub{{Name: "entity"}}}
	watcher := g.dial(url, all)
	all.Role = "server"
	g.server = g.dial(url, all)
	var live sync.WaitGroup
	live.Add(2)
	g.writers.Go(func() { g.read(watcher, live.Done, g.see) })
	g.writers.Go(func() { g.read(g.server, live.Done, g.answered) })
	live.Wait()
	for i := range tickDevices {
		d := g.dial(url, wire.DeviceHello{SubsSet: true})
		var settled atomic.Uint64
		g.writers.Go(func() {
			g.read(d, func() {}, func(_ time.Time, m session.Message) { settled.Add(settledIn(m)) })
		})
		g.writers.Go(func() { g.write(ctx, d, i, &settled) })
	}
	return g
}

func (g *tickGame) dial(url string, hello wire.DeviceHello) *session.Client {
	g.b.Helper()
	c, err := session.Dial(context.Background(), url, session.ClientOptions{Hello: hello})
	if err != nil {
		g.b.Fatal(err)
	}
	return c
}

// read reads until the hub ends the session; live is called with the end of the
// snapshot, take with each message and when it came.
func (g *tickGame) read(c *session.Client, live func(), take func(time.Time, session.Message)) {
	defer c.Drop()
	for {
		m, err := c.Next(context.Background())
		if err != nil {
			return
		}
		now := time.Now()
		switch m := m.(type) {
		case *wire.SnapshotEnd:
			live()
		case *wire.Goodbye:
			c.Close()
			return
		default:
			take(now, m)
		}
	}
}

// settledIn returns how many transactions a message settles.
func settledIn(m session.Message) uint64 {
	s, ok := m.(*wire.Settled)
	if !ok {
		return 0
	}
	return uint64(len(s.Committed) + len(s.Rejected))
}

// underWay is how many transactions a session has under way at most: when the disk
// stops for seconds, it skips writes rather than be ended.
const underWay = 60

// write writes a device's row at its pace, each device at a moment of its own.
func (g *tickGame) write(ctx context.Context, c *session.Client, i int, settled *atomic.Uint64) {
	period := time.Second / tickPace
	due := time.Now().Add(period * time.Duration(i) / tickDevices)
	for seq := uint64(1); ctx.Err() == nil; seq++ {
		time.Sleep(time.Until(due)) //nolint:forbidigo // the benchmark is the clock
		due = due.Add(period)
		if seq > settled.Load()+underWay {
			seq--
			continue
		}
		if g.put(ctx, c, seq, int64(tickRow+1+i), float64(seq)) != nil {
			return
		}
	}
}

func (g *tickGame) put(ctx context.Context, c *session.Client, seq uint64, id int64, x float64) error {
	row := wire.Grid{Stride: 2, Values: []wire.Value{wire.IntegerValue(id), wire.RealValue(x)}}
	block := wire.AppendBlock(nil, g.table, []int{0, 1}, nil, row, nil)
	return c.Write(ctx, wire.WriteHeader{Seq: seq, SchemaVersion: g.schema}, [][]byte{wire.AppendOp(nil, wire.OpPut, block)})
}

// see takes note of when the watching device had what the server wrote.
func (g *tickGame) see(now time.Time, m session.Message) {
	f, ok := m.(*wire.Frame)
	if !ok {
		return
	}
	for i := range f.Changed {
		b := &f.Changed[i]
		for row := range b.N {
			if b.Value(0, row).Int64() != tickRow {
				continue
			}
			g.mu.Lock()
			for last := uint64(b.Value(1, row).Float64()); g.last < last; {
				g.last++ // also what it wrote over before anybody could see it
				g.seen[g.ticking] = append(g.seen[g.ticking], hub.Span{From: g.sent[g.last], To: now})
			}
			g.mu.Unlock()
		}
	}
}

// answered takes note of when a tick was.
func (g *tickGame) answered(now time.Time, m session.Message) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settled += settledIn(m)
	t, ok := m.(*wire.Tick)
	if !ok {
		return
	}
	g.ticks = append(g.ticks, hub.Span{From: g.sent[t.N], To: now})
	g.closed[t.Version] = true
}

// play lets the server step for a while, with ticks or without, and lets what is
// under way at its beginning and end pass.
func (g *tickGame) play(d time.Duration, ticking bool) {
	const pass = 300 * time.Millisecond
	time.Sleep(pass) //nolint:forbidigo // the benchmark is the clock
	g.durable.Take()
	g.mu.Lock()
	g.ticking = ticking
	g.mu.Unlock()
	var napping sync.WaitGroup
	over := make(chan struct{})
	napping.Go(func() { g.nap(over) })
	defer napping.Wait()
	defer close(over)
	due := time.Now()
	for end := due.Add(d); due.Before(end); due = due.Add(frameTime) {
		time.Sleep(time.Until(due)) //nolint:forbidigo // the same
		g.mu.Lock()
		full := g.step-g.settled >= underWay
		if !full {
			g.step++
			g.sent[g.step] = time.Now()
		}
		g.mu.Unlock()
		if full {
			continue
		}
		err := g.put(context.Background(), g.server, g.step, tickRow, float64(g.step))
		if ticking && err == nil {
			err = g.server.Tick(context.Background(), g.step)
		}
		if err != nil {
			g.b.Fatal(err)
		}
	}
	time.Sleep(pass) //nolint:forbidigo // the same
	if ticking {
		g.commits = append(g.commits, g.durable.Take()...)
	}
}

// roughAt is from when a machine that wakes a goroutine late disturbs what is
// measured: what meets such a moment says nothing of the hub.
const roughAt = time.Millisecond

// nap measures the machine, which has other things to do, and the benchmark itself.
func (g *tickGame) nap(over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		default:
		}
		start := time.Now()
		time.Sleep(time.Millisecond) //nolint:forbidigo // it is what is measured
		s := hub.Span{From: start.Add(time.Millisecond), To: time.Now()}
		g.mu.Lock()
		g.naps = append(g.naps, s.Took())
		if s.Took() > roughAt {
			g.rough = append(g.rough, s)
		}
		g.mu.Unlock()
	}
}

func (g *tickGame) report(b *testing.B, ticked time.Duration) {
	b.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	calm := func(all []hub.Span) []hub.Span {
		return slices.DeleteFunc(slices.Clone(all), func(s hub.Span) bool { return overlap(s, g.rough) > 0 })
	}
	g.reportTicks(b, "", g.ticks, g.commits)
	g.reportSeen(b, "", g.seen[true], g.seen[false])
	ticks := calm(g.ticks)
	g.reportTicks(b, "calm-", ticks, calm(g.commits))
	g.reportSeen(b, "calm-", calm(g.seen[true]), calm(g.seen[false]))
	b.ReportMetric(100*float64(len(ticks))/float64(max(1, len(g.ticks))), "calm-%")
	b.ReportMetric(float64(len(g.closed))/ticked.Seconds(), "closes/s")
	report(b, "machine", g.naps)
	b.ReportMetric(float64(quantile(g.naps, 1))/float64(time.Millisecond), "machine-most-ms")
}

// took returns how long spans were, of which there may be none.
func took(all []hub.Span) []time.Duration {
	out := []time.Duration{0}
	for _, s := range all {
		out = append(out, s.Took())
	}
	return out
}

// reportSeen tells when the server's writes were seen, beside those that the hub's
// own clock closed the frames of.
func (g *tickGame) reportSeen(b *testing.B, which string, ticked, own []hub.Span) {
	b.Helper()
	a, o := took(ticked), took(own)
	report(b, which+"seen", a)
	report(b, which+"seen-own-clock", o)
	b.ReportMetric(float64(quantile(a, 0.5))/float64(quantile(o, 0.5)), "of-"+which+"own-clock-p50")
	b.ReportMetric(float64(quantile(a, 0.99))/float64(quantile(o, 0.99)), "of-"+which+"own-clock-p99")
}

// reportTicks tells of ticks, of commits, and of what ticks took beside all commits.
func (g *tickGame) reportTicks(b *testing.B, which string, ticks, commits []hub.Span) {
	b.Helper()
	tick, commit, rest := took(ticks), took(commits), []time.Duration{0}
	for _, s := range ticks {
		rest = append(rest, s.Took()-overlap(s, g.commits))
	}
	const ms = float64(time.Millisecond)
	report(b, which+"tick", tick)
	report(b, which+"commit", commit)
	b.ReportMetric(float64(quantile(tick, 0.99)-quantile(commit, 0.99))/ms, which+"tick-over-commit-p99-ms")
	b.ReportMetric(float64(quantile(rest, 0.99))/ms, which+"no-commit-p99-ms")
	b.ReportMetric(float64(quantile(rest, 1))/ms, which+"no-commit-most-ms")
	b.ReportMetric(float64(lateOf(rest)), which+"late-without-commit")
}

// overlap returns how much of a span lies in others, which are in order and do not
// overlap each other.
func overlap(s hub.Span, others []hub.Span) (sum time.Duration) {
	first, _ := slices.BinarySearchFunc(others, s.From, func(o hub.Span, t time.Time) int { return o.To.Compare(t) })
	for _, o := range others[first:] {
		if o.From.After(s.To) {
			break
		}
		from, to := o.From, o.To
		if from.Before(s.From) {
			from = s.From
		}
		if to.After(s.To) {
			to = s.To
		}
		sum += to.Sub(from)
	}
	return sum
}
