package backup_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"framehub/backup"
	"framehub/hub"
	"framehub/session"
	"framehub/session/wire"
	"framehub/store"
)

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

func (w *livingWorld) worker() (*backup.Worker, func()) {
	w.Helper()
	b, err := backup.New(w.store, backup.Options{
		Place: folderAt(w, filepath.Join(w.dir, "backups")), ShipEvery: 10 * time.Second, Keep: backup.DefaultKeep, Scratch: filepath.Join(w.dir, "scratch"),
		Child: plain(w), Log: quiet,
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
