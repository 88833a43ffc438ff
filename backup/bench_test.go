package backup_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"framehub/backup"
	"framehub/hub"
	"framehub/session"
	"framehub/session/wire"
	"framehub/store"
)

// A benchWorld is as large as FRAMEHUB_BENCH_SIZE says, 1GiB by default.
const benchWorld = `CREATE TABLE entity(id INTEGER PRIMARY KEY, x REAL, y REAL, zone INTEGER, note TEXT) STRICT;
	WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
	INSERT INTO entity SELECT i, i * 1.5, i * 2.5, i %% 1000, hex(randomblob(40 + i %% 20)) FROM c;
	CREATE INDEX entity_by_zone ON entity(zone);`

const benchRow = 155 // bytes of a row in the file, about

func benchSize(tb testing.TB, otherwise string) int {
	tb.Helper()
	text := os.Getenv("FRAMEHUB_BENCH_SIZE")
	if text == "" {
		text = otherwise
	}
	n, err := humanize.ParseBytes(text)
	if err != nil {
		tb.Fatal("FRAMEHUB_BENCH_SIZE:", err)
	}
	return int(n)
}

func benchSeconds(otherwise int) time.Duration {
	if n, err := strconv.Atoi(os.Getenv("FRAMEHUB_BENCH_SECONDS")); err == nil {
		otherwise = n
	}
	return time.Duration(otherwise) * time.Second
}

const benchDevices = 16

// A livingWorld is a large database behind a hub, with devices that write 20 rows 20 times a
// second each, and see what the others write.
type livingWorld struct {
	testing.TB
	dir     string
	path    string
	store   *store.Store
	hub     *hub.Hub
	metrics *prometheus.Registry
	stop    func()

	rows    int
	wal     int64 // the most bytes that the database's write-ahead log had during the last copy
	devices sync.WaitGroup
}

func newLivingWorld(tb testing.TB, size int) *livingWorld {
	tb.Helper()
	w := &livingWorld{TB: tb, dir: tb.TempDir(), rows: size / benchRow, metrics: prometheus.NewRegistry()}
	w.path = filepath.Join(w.dir, "world.db")
	o := store.Options{Path: w.path, Schema: fmt.Sprintf(benchWorld, w.rows), Scopes: map[string]string{"entity": "zone"}, Ship: true, PinSchemas: true, Log: quiet}
	var err error
	for range 2 { // closed once, so that all of it is in the file
		if w.store != nil {
			err = w.store.Close()
		}
		if err == nil {
			w.store, err = store.Open(o)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	w.hub = hub.New(w.store, hub.Options{Log: quiet})
	if err := w.hub.Metrics().Register(w.metrics); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- w.hub.Run(ctx) }()
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if s, err := session.Accept(rw, r, session.Options{}); err == nil {
			_ = w.hub.Serve(s)
		}
	}))
	writing, quit := context.WithCancel(context.Background())
	for i := range benchDevices {
		w.devices.Go(func() { w.device(writing, "ws"+strings.TrimPrefix(srv.URL, "http"), i) })
	}
	w.stop = func() {
		quit()
		w.devices.Wait()
		cancel()
		err := <-ran
		srv.Close()
		if err := errors.Join(err, w.store.Close()); err != nil {
			tb.Error(err)
		}
	}
	return w
}

// device writes until ctx ends. That its session ends before is an error.
func (w *livingWorld) device(ctx context.Context, url string, n int) {
	c, err := session.Dial(ctx, url, session.ClientOptions{Hello: wire.DeviceHello{SubsSet: true, Subs: []wire.Sub{{Name: "entity", Scoped: true, Scopes: []wire.Value{wire.IntegerValue(1)}}}}})
	if err != nil {
		w.Error(err)
		return
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	defer c.Close()
	const window = 64 // transactions under way, which the hub allows
	free := make(chan struct{}, window)
	for range window {
		free <- struct{}{}
	}
	reading.Go(func() {
		for {
			m, err := c.Next(ctx)
			if err != nil {
				if ctx.Err() == nil {
					w.Error("a session has ended:", err)
				}
				return
			}
			if s, ok := m.(*wire.Settled); ok {
				for range len(s.Committed) + len(s.Rejected) {
					free <- struct{}{}
				}
			}
		}
	})
	r := rand.New(rand.NewPCG(uint64(n), 1))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	t := w.store.Schema().Table("entity")
	for seq := uint64(1); ; seq++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-free:
		}
		g := wire.Grid{Stride: 3}
		for range 20 {
			g.Values = append(g.Values, wire.IntegerValue(1+r.Int64N(int64(w.rows))), wire.RealValue(r.Float64()), wire.RealValue(r.Float64()))
		}
		block := wire.AppendBlock(nil, t.ID, []int{0, 1, 2}, nil, g, nil)
		if err := c.Write(ctx, wire.WriteHeader{Seq: seq, SchemaVersion: w.store.Schema().Version}, [][]byte{wire.AppendOp(nil, wire.OpPut, block)}); err != nil {
			if ctx.Err() == nil {
				w.Error("a device can't write:", err)
			}
			return
		}
	}
}

// frames returns the histogram of the frames' times.
func (w *livingWorld) frames() *dto.Histogram {
	w.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "framehub_frame_seconds" {
			return f.GetMetric()[0].GetHistogram()
		}
	}
	w.Fatal("there is no framehub_frame_seconds")
	return nil
}

// p99 returns the 99th percentile of the frames between two moments, as a time; within a
// bucket they are taken to lie evenly.
func p99(from, to *dto.Histogram) time.Duration {
	total := float64(to.GetSampleCount() - from.GetSampleCount())
	below, was := 0.0, 0.0
	for i, b := range to.GetBucket() {
		count := float64(b.GetCumulativeCount() - from.GetBucket()[i].GetCumulativeCount())
		if count >= 0.99*total {
			at := was + (b.GetUpperBound()-was)*(0.99*total-below)/max(1, count-below)
			return time.Duration(at * float64(time.Second))
		}
		below, was = count, b.GetUpperBound()
	}
	return time.Hour
}

// phase lets the world live for some time, and returns the p99 of its frames.
func (w *livingWorld) phase(d time.Duration) time.Duration {
	before := w.frames()
	time.Sleep(d) //nolint:forbidigo // the benchmark is the clock
	return p99(before, w.frames())
}

// program returns the hub's program. It has no race detector: with it, a child takes minutes to
// pack what it packs in a second, and other tests have children that have it.
func program(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "framehub")
	if out, err := exec.CommandContext(tb.Context(), "go", "build", "-o", path, "framehub/cmd/framehub").CombinedOutput(); err != nil {
		tb.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

func (w *livingWorld) worker() (*backup.Worker, func()) {
	w.Helper()
	b, err := backup.New(w.store, backup.Options{
		Place: folderAt(w, filepath.Join(w.dir, "backups")), ShipEvery: 10 * time.Second, Keep: backup.DefaultKeep, Scratch: filepath.Join(w.dir, "scratch"),
		Child: []string{program(w), backup.ChildCommand}, Log: quiet,
	})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	return b, func() {
		cancel()
		if err := <-done; err != nil {
			w.Error(err)
		}
	}
}

// phases has a copy made, and returns the p99 of the frames during each phase of it, by its
// name, and of all of them, by "".
func (w *livingWorld) phases(b *backup.Worker) (*backup.Outcome, map[string]time.Duration, map[string]time.Duration) {
	w.Helper()
	all, took, since := map[string]time.Duration{}, map[string]time.Duration{}, time.Now()
	start := w.frames()
	w.wal = 0
	n := b.Ask("a benchmark")
	for phase, from := "", start; ; {
		time.Sleep(10 * time.Millisecond) //nolint:forbidigo // the benchmark is the clock
		if f, err := os.Stat(w.path + "-wal"); err == nil {
			w.wal = max(w.wal, f.Size())
		}
		s := b.State()
		if s.Phase == phase && s.Answer < n {
			continue
		}
		at := w.frames()
		if phase != "" {
			all[phase], took[phase] = p99(from, at), time.Since(since)
		}
		since = time.Now()
		phase, from = s.Phase, at
		if s.Answer < n {
			continue
		}
		if !s.Last.Good {
			w.Fatalf("%+v", s.Last)
		}
		all[""] = p99(start, at)
		return s.Last, all, took
	}
}

// copyNow has a copy made, and returns what became of it.
func (w *livingWorld) copyNow(b *backup.Worker) *backup.Outcome {
	w.Helper()
	o, _, _ := w.phases(b)
	return o
}

// BenchmarkBackupUnderLoad backs up a database of FRAMEHUB_BENCH_SIZE (1GiB) while 16 devices
// write 6,400 rows a second at 60 frames a second. It tells the 99th percentile of a
// frame's time before, during and after, and in each phase of the copy, as multiples of a
// frame's 16.7 ms, and by how much it grew. FRAMEHUB_BENCH_SECONDS is how long before and
// after are; default 20.
func BenchmarkBackupUnderLoad(b *testing.B) {
	const frame = float64(time.Second / 60)
	for b.Loop() {
		w := newLivingWorld(b, benchSize(b, "1GiB"))
		worker, stop := w.worker()
		w.phase(2 * time.Second) // until all are there
		before := w.phase(benchSeconds(20))
		start := time.Now()
		o, during, lasted := w.phases(worker)
		took := time.Since(start)
		after := w.phase(benchSeconds(20))
		stop()
		if n := w.hub.SessionCount(); n != benchDevices {
			b.Errorf("%d of %d sessions are left", n, benchDevices)
		}
		w.stop()
		b.ReportMetric(float64(before)/frame, "of-frame-before-p99")
		for phase, d := range during {
			b.ReportMetric(float64(d)/frame, "of-frame-"+cmp.Or(phase, "during")+"-p99")
		}
		for phase, d := range lasted {
			b.ReportMetric(d.Seconds(), phase+"-s")
		}
		b.ReportMetric(float64(after)/frame, "of-frame-after-p99")
		b.ReportMetric(float64(during[""]-before)/frame, "of-frame-growth")
		b.ReportMetric(float64(w.wal)/1e6, "wal-MB")
		b.ReportMetric(float64(o.RawSize)/1e6/took.Seconds(), "MB/s")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkBackupSpeed copies a quiet database of FRAMEHUB_BENCH_SIZE (1GiB) and packs it,
// beside `cp` and `zstd -3` of the same file; the ratio is of their speeds. It tells also how
// long the proof took, and the most memory that this process and a child process of its had
// resident, in MB.
func BenchmarkBackupSpeed(b *testing.B) {
	if _, err := exec.LookPath("zstd"); err != nil {
		b.Skip("there is no zstd")
	}
	size := benchSize(b, "1GiB")
	for b.Loop() {
		w := newWorld(b, 1)
		w.close()
		w.dir = b.TempDir()
		o := w.options()
		makeElsewhere(b, o.Path, size)
		w.open(o)
		peak := watchMemory(b)
		worker, stop := w.backup(backup.Options{})
		for asked := worker.Ask("a benchmark"); worker.State().Answer < asked; {
			time.Sleep(10 * time.Millisecond) //nolint:forbidigo // the benchmark is the clock
		}
		stop()
		own, child := peak()
		out := worker.State().LastGood
		if out == nil {
			b.Fatalf("%+v", worker.State().Last)
		}
		c, err := backup.List(b.Context(), w.place)
		if err != nil {
			b.Fatal(err)
		}
		proof := time.Duration(c.Histories[0].Copies[0].Manifest.Proof.Millis) * time.Millisecond
		ours := time.Duration(out.Millis)*time.Millisecond - proof
		w.close() // which brings all of it into the file
		theirs := timeOf(b, "cp", o.Path, filepath.Join(w.dir, "cp.db")) + timeOf(b, "zstd", "-3", "-q", "-f", filepath.Join(w.dir, "cp.db"), "-o", filepath.Join(w.dir, "cp.zst"))
		b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
		b.ReportMetric(float64(out.RawSize)/1e6/ours.Seconds(), "MB/s")
		b.ReportMetric(float64(out.RawSize)/1e6/proof.Seconds(), "proof-MB/s")
		b.ReportMetric(float64(own)/1e6, "hub-MB")
		b.ReportMetric(float64(child)/1e6, "child-MB")
		b.ReportMetric(float64(out.Size)/float64(out.RawSize), "packed")
		runtime.GC()
	}
	b.ReportMetric(0, "ns/op")
}

func timeOf(tb testing.TB, name string, args ...string) time.Duration {
	tb.Helper()
	start := time.Now()
	if out, err := exec.CommandContext(tb.Context(), name, args...).CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, out)
	}
	return time.Since(start)
}

// TestBackupUnderLoad: while 64 MiB are backed up, no session ends, and what was copied while
// devices wrote is what it should be.
func TestBackupUnderLoad(t *testing.T) {
	w := newLivingWorld(t, benchSize(t, "64MiB"))
	worker, stop := w.worker()
	o := w.copyNow(worker)
	if o.RawSize < 32<<20 {
		t.Errorf("the database has %d bytes only", o.RawSize)
	}
	at := w.store.Version()
	if second := w.copyNow(worker); second.Version <= o.Version || w.store.Version() <= at {
		t.Errorf("no frames went on: versions %d and %d, then %d", o.Version, second.Version, w.store.Version())
	}
	stop()
	if n := w.hub.SessionCount(); n != benchDevices {
		t.Errorf("%d of %d sessions are left", n, benchDevices)
	}
	w.stop()
}
