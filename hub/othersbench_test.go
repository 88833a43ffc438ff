package hub_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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

const (
	othersEvery = 20 * time.Millisecond // a transaction
	othersRows  = 20                    // of it, so that there are 1,000 a second
)

// BenchmarkOthers has another program write 1,000 rows a second with SQL, and beside
// it a device write as many through the hub, at 60 frames a second. It tells how long
// it took from just before the COMMIT, and from when the device sent it, until a third
// device had the rows, as multiples of a frame's time. FRAMEHUB_BENCH_SECONDS is how
// long both write; default 5.
func BenchmarkOthers(b *testing.B) {
	seconds, err := strconv.Atoi(os.Getenv("FRAMEHUB_BENCH_SECONDS"))
	if err != nil {
		seconds = 5
	}
	for b.Loop() {
		newOthersGame(b).play(time.Duration(seconds) * time.Second)
	}
	b.ReportMetric(0, "ns/op")
}

// An othersGame is a hub, who writes its database, and who watches. The first row of
// each transaction tells its number: row 1 is SQL's, row 101 the device's.
type othersGame struct {
	*testing.B
	store *store.Store
	path  string
	url   string
	stop  func()

	mu   sync.Mutex // guards the following
	sent map[int64]map[int64]time.Time
	last map[int64]int64
	took map[int64][]time.Duration
}

func newOthersGame(b *testing.B) *othersGame {
	b.Helper()
	g := &othersGame{
		B: b, path: filepath.Join(b.TempDir(), "hub.db"), last: map[int64]int64{}, took: map[int64][]time.Duration{},
		sent: map[int64]map[int64]time.Time{1: {}, 101: {}},
	}
	var err error
	g.store, err = store.Open(store.Options{Path: g.path, Schema: benchSchema + fill(10_000), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	h := hub.New(g.store, hub.Options{Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- h.Run(ctx) }()
	srv := listen(h)
	g.url = "ws" + strings.TrimPrefix(srv.URL, "http")
	g.stop = func() {
		cancel()
		err := <-ran
		srv.Close()
		if err := errors.Join(err, g.store.Close()); err != nil {
			b.Error(err)
		}
	}
	return g
}

func (g *othersGame) dial(hello wire.DeviceHello) *session.Client {
	g.Helper()
	c, err := session.Dial(context.Background(), g.url, session.ClientOptions{Hello: hello})
	if err != nil {
		g.Fatal(err)
	}
	return c
}

func (g *othersGame) play(d time.Duration) {
	watcher, device := g.dial(wire.DeviceHello{SubsSet: true, Subs: []wire.Sub{{Name: "entity"}}}), g.dial(wire.DeviceHello{SubsSet: true})
	var running sync.WaitGroup
	live := make(chan struct{})
	running.Go(func() { g.watch(watcher, live) })
	var settled atomic.Uint64
	running.Go(func() {
		for m, err := device.Next(context.Background()); err == nil; m, err = device.Next(context.Background()) {
			settled.Add(settledIn(m))
		}
	})
	<-live
	var writing sync.WaitGroup
	end := time.Now().Add(d)
	writing.Go(func() { g.writeSQL(end) })
	writing.Go(func() { g.write(device, end, &settled) })
	writing.Wait()
	time.Sleep(300 * time.Millisecond) //nolint:forbidigo // the benchmark is the clock
	g.stop()
	running.Wait()
	for id, name := range map[int64]string{1: "sql", 101: "own"} {
		if len(g.took[id]) < 10*int(d/time.Second) {
			g.Errorf("%d transactions of %s were seen", len(g.took[id]), name)
			continue
		}
		g.ReportMetric(float64(quantile(g.took[id], 0.99))/float64(frameTime), "of-frame-"+name+"-p99")
		g.ReportMetric(float64(quantile(g.took[id], 0.5))/float64(frameTime), "of-frame-"+name+"-p50")
	}
	if n := g.store.Stats().Taken.Load(); n < uint64(len(g.took[1])*othersRows) {
		g.Errorf("%d rows were taken up", n)
	}
}

// note takes note of a transaction on its way.
func (g *othersGame) note(id, seq int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent[id][seq] = time.Now()
}

// watch takes note of what comes; of a transaction that was written over before it
// could be seen, when the later one was.
func (g *othersGame) watch(c *session.Client, live chan struct{}) {
	for m, err := c.Next(context.Background()); err == nil; m, err = c.Next(context.Background()) {
		now := time.Now()
		switch m := m.(type) {
		case *wire.SnapshotEnd:
			close(live)
		case *wire.Frame:
			g.mu.Lock()
			for i := range m.Changed {
				b := &m.Changed[i]
				for row := range b.N {
					id := b.Value(0, row).Int64()
					if g.sent[id] == nil {
						continue
					}
					for seen := b.Value(1, row).Float64(); float64(g.last[id]) < seen; {
						g.last[id]++
						g.took[id] = append(g.took[id], now.Sub(g.sent[id][g.last[id]]))
					}
				}
			}
			g.mu.Unlock()
		}
	}
}

func (g *othersGame) writeSQL(end time.Time) {
	db, err := sql.Open("sqlite3", "file:"+g.path+"?_busy_timeout=2000&_synchronous=NORMAL&_txlock=immediate")
	if err != nil {
		g.Error(err)
		return
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	seq := int64(0)
	for due := time.Now(); due.Before(end); due = due.Add(othersEvery) {
		time.Sleep(time.Until(due)) //nolint:forbidigo // the benchmark is the clock
		seq++
		tx, err := db.BeginTx(context.Background(), nil)
		for i := 0; i < othersRows && err == nil; i++ {
			_, err = tx.ExecContext(context.Background(), "UPDATE entity SET x = ?, y = ? WHERE id = ?", float64(seq), float64(i), 1+i)
		}
		g.note(1, seq)
		if err == nil {
			err = tx.Commit()
		}
		if err != nil {
			g.Error(err)
			return
		}
	}
}

func (g *othersGame) write(c *session.Client, end time.Time, settled *atomic.Uint64) {
	t := g.store.Schema().Table("entity")
	seq := int64(0)
	for due := time.Now().Add(othersEvery / 2); due.Before(end); due = due.Add(othersEvery) {
		time.Sleep(time.Until(due)) //nolint:forbidigo // the benchmark is the clock
		if uint64(seq) > settled.Load()+underWay {
			continue
		}
		seq++
		rows := wire.Grid{Stride: 3}
		for i := range int64(othersRows) {
			rows.Values = append(rows.Values, wire.IntegerValue(101+i), wire.RealValue(float64(seq)), wire.RealValue(float64(i)))
		}
		block := wire.AppendBlock(nil, t.ID, []int{0, 1, 2}, nil, rows, nil)
		g.note(101, seq)
		if err := c.Write(context.Background(), wire.WriteHeader{Seq: uint64(seq), SchemaVersion: g.store.Schema().Version}, [][]byte{wire.AppendOp(nil, wire.OpPut, block)}); err != nil {
			g.Error(fmt.Errorf("the device: %w", err))
			return
		}
	}
}
