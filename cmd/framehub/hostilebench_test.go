package main_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// The world of BenchmarkHostile: nothing in SQL looks at entity; it must judge
// account, for its CHECK and its triggers; nobody may write sealed.
const crowdSchema = `
	CREATE TABLE entity(id INTEGER PRIMARY KEY, x REAL, y REAL, heading REAL, speed REAL, zone INTEGER, due INTEGER, name TEXT) STRICT;
	CREATE TABLE account(id INTEGER PRIMARY KEY, coins INTEGER NOT NULL CHECK (coins >= 0)) STRICT;
	CREATE TRIGGER account_abort BEFORE UPDATE ON account WHEN new.coins = 13 BEGIN SELECT RAISE(ABORT, 'thirteen'); END;
	CREATE TRIGGER account_rollback BEFORE UPDATE ON account WHEN new.coins = 14 BEGIN SELECT RAISE(ROLLBACK, 'fourteen'); END;
	CREATE TABLE page(id INTEGER PRIMARY KEY, data BLOB) STRICT;
	CREATE TABLE sealed(id INTEGER PRIMARY KEY, a INTEGER) STRICT;
	WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20000)
		INSERT INTO entity SELECT i, i, i, 0, 0, 9, 0, 'a name' FROM c;
	INSERT INTO account SELECT id, 0 FROM entity;
	INSERT INTO page VALUES (1, zeroblob(900000));`

const crowdRules = `
	tables.entity = { scope = "zone", insert = "all", update = "all", delete = "all" }
	tables.account = { insert = "all", update = "all" }
	`

// What an operator of a game with 20 writes a second might allow.
const crowdLimits = `
	[limits]
	messages = { rate = 60, burst = 120 }
	rows = 2000
	bytes = { rate = "256KiB", burst = "1MiB" }`

const (
	honestDevices = 50
	honestEvery   = time.Second / 20
	honestWatch   = 4
	hostileTurns  = 2
	hostileSettle = 500 * time.Millisecond // of a turn, not measured: processes come and go
	hostileFrame  = time.Second / 60
)

// BenchmarkHostile measures what one device that sends at full speed does to
// others: 50 devices that write 20 times a second and 4 that watch them, in turns
// without it and with it, against the real program over loopback, all on this
// machine's cores. ratio is the transactions acknowledged with it by those
// without; of-frame-acked and of-frame-seen are how much later, in frames, the
// 99th percentile of all writes is acknowledged and seen, counted from when each
// was due. FRAMEHUB_BENCH_SECONDS is how long each side runs; default 5.
func BenchmarkHostile(b *testing.B) {
	seconds, err := strconv.Atoi(os.Getenv("FRAMEHUB_BENCH_SECONDS"))
	if err != nil {
		seconds = 5
	}
	for _, limits := range []struct{ name, rules string }{{"limits", crowdLimits}, {"free", ""}} {
		for _, kind := range hostilities {
			b.Run(limits.name+"/"+kind.name, func(b *testing.B) {
				h := newCrowd(b, crowdRules+limits.rules)
				var with, without turn
				for b.Loop() {
					for range hostileTurns {
						h.measure(b, &without, "", time.Duration(seconds)*time.Second/hostileTurns)
						h.measure(b, &with, kind.name, time.Duration(seconds)*time.Second/hostileTurns)
					}
				}
				h.stop(b)
				report(b, &with, &without)
			})
		}
	}
}

// A turn is what was measured, in one or more stretches of time.
type turn struct {
	acked, seen   []time.Duration // from when a write was due
	due           int
	took          time.Duration
	cpu, hostiles time.Duration // of the hub, of the hostile device
	sent          float64       // messages of the hostile device
}

func report(b *testing.B, with, without *turn) {
	b.Helper()
	for name, t := range map[string]*turn{"with": with, "without": without} {
		if len(t.acked) == 0 || len(t.seen) == 0 {
			b.Fatalf("%s the hostile device %d writes were acknowledged and %d seen: there is nothing to compare", name, len(t.acked), len(t.seen))
		}
	}
	b.ReportMetric(with.throughput()/without.throughput(), "ratio")
	later := func(with, without []time.Duration) float64 {
		return (p99(with) - p99(without)).Seconds() / hostileFrame.Seconds()
	}
	b.ReportMetric(later(with.acked, without.acked), "of-frame-acked")
	b.ReportMetric(later(with.seen, without.seen), "of-frame-seen")
	for name, t := range map[string]*turn{"with": with, "without": without} {
		b.ReportMetric(100*t.throughput(), "done-"+name+"-%")
		b.ReportMetric(p99(t.acked).Seconds()*1000, "acked-p99-"+name+"-ms")
		b.ReportMetric(p99(t.seen).Seconds()*1000, "seen-p99-"+name+"-ms")
		b.ReportMetric(100*t.cpu.Seconds()/t.took.Seconds(), "hub-cpu-"+name+"-%")
	}
	b.ReportMetric(100*with.hostiles.Seconds()/with.took.Seconds(), "hostile-cpu-%")
	b.ReportMetric(with.sent/with.took.Seconds(), "hostile-msg/s")
	b.ReportMetric(0, "ns/op")
}

// throughput is what was acknowledged by what was due.
func (t *turn) throughput() float64 { return float64(len(t.acked)) / float64(t.due) }

func p99(took []time.Duration) time.Duration {
	if len(took) == 0 {
		return time.Hour // nothing came at all
	}
	sorted := slices.Sorted(slices.Values(took))
	return sorted[(len(sorted)-1)*99/100]
}

// A crowd is a hub with the devices that others are to leave in peace.
type crowd struct {
	hub   *hubProcess
	admin string
	began time.Time

	ctx     context.Context // of the devices, until stop
	cancel  context.CancelFunc
	running sync.WaitGroup
	failed  atomic.Pointer[error]

	mu  sync.Mutex // guards the following
	now *turn      // nil: nothing is measured
	from,
	until time.Time // due times that count
}

func newCrowd(b *testing.B, rules string) *crowd {
	b.Helper()
	h := &crowd{hub: newHubProcess(b, crowdSchema, rules), began: time.Now()}
	h.admin = h.hub.out.await(b, `operators\s+(http://\S+?)/ `)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	ready := make(chan struct{}, honestWatch)
	for range honestWatch {
		h.running.Go(func() { h.run(func() error { return h.watch(ready) }) })
	}
	for range honestWatch {
		<-ready
	}
	for i := range honestDevices {
		h.running.Go(func() { h.run(func() error { return h.device(i) }) })
	}
	return h
}

// run notes what ends a device before its time.
func (h *crowd) run(f func() error) {
	if err := f(); err != nil && h.ctx.Err() == nil {
		h.failed.CompareAndSwap(nil, &err)
		h.cancel()
	}
}

func (h *crowd) stop(b *testing.B) {
	b.Helper()
	h.cancel()
	h.running.Wait()
	if err := h.failed.Load(); err != nil {
		b.Fatalf("an honest device: %v", *err)
	}
	h.hub.kill(b)
}

// measure adds a stretch of time to a turn, with a hostile device of a kind, or
// with none.
func (h *crowd) measure(b *testing.B, t *turn, kind string, length time.Duration) {
	b.Helper()
	var hostile *hostileProcess
	if kind != "" {
		hostile = newHostileProcess(b, h.hub.addr, kind)
	}
	pause(b, h.ctx, hostileSettle)
	cpu := metric(b, h.admin, "process_cpu_seconds_total")
	start := time.Now()
	h.mu.Lock()
	h.now, h.from, h.until = t, start, start.Add(length)
	h.mu.Unlock()
	pause(b, h.ctx, length)
	h.mu.Lock()
	h.now = nil
	h.mu.Unlock()
	t.took += time.Since(start)
	t.cpu += time.Duration((metric(b, h.admin, "process_cpu_seconds_total") - cpu) * float64(time.Second))
	if hostile != nil {
		messages, used, lived := hostile.stop(b)
		share := length.Seconds() / lived.Seconds()
		t.sent += messages * share
		t.hostiles += time.Duration(used.Seconds() * share * float64(time.Second))
	}
	pause(b, h.ctx, hostileSettle)
}

func pause(b *testing.B, ctx context.Context, d time.Duration) { //nolint:revive // b comes first, as elsewhere
	b.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// note counts a write that was due, or what became of one.
func (h *crowd) note(due time.Time, f func(*turn, time.Duration)) {
	took := time.Since(due)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now != nil && !due.Before(h.from) && due.Before(h.until) {
		f(h.now, took)
	}
}

// device writes its row, 20 times a second.
func (h *crowd) device(i int) error {
	c, err := session.Dial(h.ctx, "ws://"+h.hub.addr, session.ClientOptions{Hello: wire.DeviceHello{SubsSet: true}})
	if err != nil {
		return err
	}
	defer c.Drop()
	var underWay atomic.Int64
	start := time.Now().Add(honestEvery * time.Duration(i) / honestDevices)
	due := func(seq uint64) time.Time { return start.Add(time.Duration(seq) * honestEvery) }
	h.running.Go(func() {
		h.run(func() error {
			for {
				m, err := c.Next(h.ctx)
				if err != nil {
					return err
				}
				switch m := m.(type) {
				case *wire.Goodbye:
					return fmt.Errorf("the hub says goodbye: %s", m.Text)
				case *wire.Settled:
					underWay.Add(-int64(len(m.Committed)))
					for _, seq := range m.Committed {
						h.note(due(seq), func(t *turn, took time.Duration) { t.acked = append(t.acked, took) })
					}
					if len(m.Rejected) > 0 {
						return fmt.Errorf("a write is refused: %s", m.Rejected[0].Text)
					}
				}
			}
		})
	})
	table := tableNumber(c.Hello.Schema, "entity")
	var block, op []byte
	for seq := uint64(1); ; seq++ {
		select {
		case <-h.ctx.Done():
			return nil
		case <-time.After(time.Until(due(seq))):
		}
		h.note(due(seq), func(t *turn, _ time.Duration) { t.due++ })
		if underWay.Load() >= unsettled {
			continue // it may not; that the hub is so late shows in what is acknowledged
		}
		g := wire.Grid{Stride: 4, Values: []wire.Value{
			wire.IntegerValue(int64(i + 1)), wire.RealValue(float64(seq)), wire.IntegerValue(1), wire.IntegerValue(due(seq).Sub(h.began).Microseconds()),
		}}
		block = wire.AppendBlock(block[:0], table, []int{0, 1, 5, 6}, nil, g, nil)
		op = wire.AppendOp(op[:0], wire.OpPut, block)
		underWay.Add(1)
		if err := c.Write(h.ctx, wire.WriteHeader{Seq: seq, SchemaVersion: c.Hello.Schema.Version}, [][]byte{op}); err != nil {
			return err
		}
	}
}

// watch sees what honest devices write.
func (h *crowd) watch(ready chan<- struct{}) error {
	c, err := session.Dial(h.ctx, "ws://"+h.hub.addr, session.ClientOptions{Hello: wire.DeviceHello{
		Role: "observer", SubsSet: true, Subs: []wire.Sub{{Name: "entity", Scoped: true, Scopes: []wire.Value{wire.IntegerValue(1)}}},
	}})
	if err != nil {
		return err
	}
	defer c.Drop()
	for {
		m, err := c.Next(h.ctx)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *wire.Goodbye:
			return fmt.Errorf("the hub says goodbye to who watches: %s", m.Text)
		case *wire.SnapshotEnd:
			if ready != nil {
				ready <- struct{}{}
				ready = nil
			}
		case *wire.Frame:
			h.saw(m)
		}
	}
}

// saw notes the writes that a frame shows.
func (h *crowd) saw(f *wire.Frame) {
	for i := range f.Changed {
		block := &f.Changed[i]
		at := slices.Index(block.Columns, 6)
		if at < 0 {
			continue
		}
		for row := range block.N {
			due := h.began.Add(time.Duration(block.Value(at, row).Int64()) * time.Microsecond)
			h.note(due, func(t *turn, took time.Duration) { t.seen = append(t.seen, took) })
		}
	}
}

// A hostileProcess is a hostile device in a process of its own.
type hostileProcess struct {
	cmd   *exec.Cmd
	in    io.Closer
	out   *bufio.Reader
	began time.Time
}

func newHostileProcess(b *testing.B, addr, kind string) *hostileProcess {
	b.Helper()
	p := &hostileProcess{cmd: exec.Command(os.Args[0], kind, addr), began: time.Now()} //nolint:noctx // ended by stop
	p.cmd.Env = append(os.Environ(), hostileArgs+"=1")
	p.cmd.Stderr = os.Stderr
	in, err1 := p.cmd.StdinPipe()
	out, err2 := p.cmd.StdoutPipe()
	if err := errors.Join(err1, err2, p.cmd.Start()); err != nil {
		b.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	return p
}

// stop ends the device, and returns how many messages it has sent, what it took
// of the processors, and how long it lived.
func (p *hostileProcess) stop(b *testing.B) (messages float64, used, lived time.Duration) {
	b.Helper()
	lived = time.Since(p.began)
	_ = p.in.Close()
	line, err := p.out.ReadString('\n')
	if err := errors.Join(err, p.cmd.Wait()); err != nil {
		b.Fatalf("the hostile device: %v", err)
	}
	if messages, err = strconv.ParseFloat(strings.TrimSpace(line), 64); err != nil {
		b.Fatal(err)
	}
	return messages, p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), lived
}

func metric(tb testing.TB, admin, name string) float64 {
	tb.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, admin+"/metrics", nil)
	if err != nil {
		tb.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				tb.Fatal(err)
			}
			return v
		}
	}
	tb.Fatalf("there is no metric %s", name)
	return 0
}
