package store_test

import (
	"context"
	sqldriver "database/sql/driver"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	driver "github.com/mattn/go-sqlite3"

	"framehub/session/wire"
	"framehub/store"
)

// The tables of the benchmarks: one whose transactions run in memory, and one
// that SQL judges.
const (
	benchPlain  = `CREATE TABLE entity(id INTEGER PRIMARY KEY, x REAL, y REAL, zone INTEGER, hp INTEGER) STRICT`
	benchJudged = `CREATE TABLE entity(id INTEGER PRIMARY KEY, x REAL, y REAL, zone INTEGER, hp INTEGER CHECK (hp >= 0)) STRICT`
)

const benchTransaction = 100 // rows

// BenchmarkFrames commits frames of upserts of random rows, in transactions of
// 100 rows, and beside each the same upserts as one transaction of the bare
// driver, with synchronous=FULL. It tells the rows/s of both, and their ratio.
func BenchmarkFrames(b *testing.B) {
	for _, c := range []struct{ name, schema string }{{"plain", benchPlain}, {"judged", benchJudged}} {
		for _, table := range []int{10_000, 100_000} {
			for _, frame := range []int{100, 1_000, 10_000} {
				b.Run(fmt.Sprintf("%s/table=%d/frame=%d", c.name, table, frame), func(b *testing.B) { benchFrames(b, c.schema, table, frame) })
			}
		}
	}
}

// BenchmarkWatched commits frames of upserts with the triggers by which other
// programs' writes are found, and beside each the same without them. The ratio is of
// the rows/s.
func BenchmarkWatched(b *testing.B) {
	const elsewhere = `; CREATE TABLE other(id INTEGER PRIMARY KEY); CREATE TRIGGER t AFTER INSERT ON other BEGIN SELECT 1; END`
	const here = `; CREATE TRIGGER t AFTER UPDATE OF hp ON entity WHEN NEW.hp < 0 BEGIN SELECT RAISE(ABORT, 'dead'); END`
	for _, c := range []struct{ name, schema string }{
		{"plain", benchPlain}, {"judged", benchJudged}, {"plain-beside-a-trigger", benchPlain + elsewhere}, {"judged-beside-a-trigger", benchJudged + elsewhere}, {"trigger", benchJudged + here},
	} {
		for _, frame := range []int{100, 1_000, 10_000} {
			b.Run(fmt.Sprintf("%s/frame=%d", c.name, frame), func(b *testing.B) { benchWatched(b, c.schema, frame) })
		}
	}
}

func benchWatched(b *testing.B, schema string, frame int) {
	b.Helper()
	const table = 10_000
	r := rand.New(rand.NewPCG(1, 1))
	watched, bare := newBenchHub(b, schema, table), newBenchHub(b, schema, table)
	if err := store.Unwatch(bare.Store); err != nil {
		b.Fatal(err)
	}
	rows := make([]benchRow, frame)
	var with, without time.Duration
	for b.Loop() {
		for i := range rows {
			rows[i] = benchRow{int64(r.IntN(table)), int64(r.IntN(1000)), float64(r.Float32()), float64(r.Float32())}
		}
		for _, one := range []struct {
			hub  *benchHub
			took *time.Duration
		}{{watched, &with}, {bare, &without}} {
			writes := one.hub.encode(rows)
			start := time.Now()
			one.hub.frame(writes)
			*one.took += time.Since(start)
		}
	}
	n := float64(b.N) * float64(frame)
	b.ReportMetric(n/with.Seconds(), "rows/s")
	b.ReportMetric(n/without.Seconds(), "unwatched-rows/s")
	b.ReportMetric(without.Seconds()/with.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op") // both together: says nothing
}

type benchRow struct {
	id, hp int64
	x, y   float64
}

func benchFrames(b *testing.B, schema string, table, frame int) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	hub, bare := newBenchHub(b, schema, table), newBenchBare(b, schema, table)
	rows := make([]benchRow, frame)
	var inHub, inBare time.Duration
	for b.Loop() {
		for i := range rows {
			rows[i] = benchRow{int64(r.IntN(table)), int64(r.IntN(1000)), float64(r.Float32()), float64(r.Float32())}
		}
		writes := hub.encode(rows)
		start := time.Now()
		hub.frame(writes)
		inHub += time.Since(start)
		start = time.Now()
		bare.frame(rows)
		inBare += time.Since(start)
	}
	n := float64(b.N) * float64(frame)
	b.ReportMetric(n/inHub.Seconds(), "rows/s")
	b.ReportMetric(n/inBare.Seconds(), "bare-rows/s")
	b.ReportMetric(inBare.Seconds()/inHub.Seconds(), "ratio")
	for name, nanos := range map[string]uint64{
		"check": hub.Stats().CheckNanos.Load(), "log": hub.Stats().LogNanos.Load(), "merge": hub.Stats().MergeNanos.Load(),
	} {
		b.ReportMetric(float64(nanos)/1000/float64(hub.Stats().Frames.Load()), name+"-µs/frame")
	}
	b.ReportMetric(0, "ns/op") // both together: says nothing
}

// A benchHub is a store as a hub drives it, with its checkpointer running.
type benchHub struct{ *testDB }

func newBenchHub(b *testing.B, schema string, table int) *benchHub {
	b.Helper()
	d := openDB(b, schema)
	h := &benchHub{d}
	rows := make([]benchRow, table)
	for i := range rows {
		rows[i].id = int64(i)
	}
	h.frame(h.encode(rows))
	d.merge()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return h
}

func (h *benchHub) encode(rows []benchRow) []*wire.Write {
	var writes []*wire.Write
	t := h.table("entity")
	for at := 0; at < len(rows); at += benchTransaction {
		part := rows[at:min(at+benchTransaction, len(rows))]
		g := wire.Grid{Stride: 4, Values: make([]wire.Value, 0, 4*len(part))}
		for _, r := range part {
			g.Values = append(g.Values, wire.IntegerValue(r.id), wire.RealValue(r.x), wire.RealValue(r.y), wire.IntegerValue(r.hp))
		}
		h.seq[alice]++
		block := h.decode(wire.AppendBlock(nil, t.ID, []int{0, 1, 2, 4}, nil, g, nil))
		writes = append(writes, &wire.Write{Seq: h.seq[alice], SchemaVersion: 1, Ops: []wire.Op{{Kind: wire.OpPut, Block: block}}})
	}
	return writes
}

func (h *benchHub) frame(writes []*wire.Write) {
	now := time.Now()
	f, err := h.Begin()
	if err != nil {
		h.Fatal(err)
	}
	for _, w := range writes {
		if r, err := f.Apply(alice, w, nil); r != nil || err != nil {
			h.Fatal(r, err)
		}
	}
	if _, err := f.Commit(now, nil); err != nil {
		h.Fatal(err)
	}
	if _, err := h.Merge(now, false); err != nil {
		h.Fatal(err)
	}
}

// A benchBare is the driver's own connection.
type benchBare struct {
	testing.TB
	conn                  *driver.SQLiteConn
	begin, commit, upsert sqldriver.Stmt
}

func newBenchBare(b *testing.B, schema string, table int) *benchBare {
	b.Helper()
	conn, err := (&driver.SQLiteDriver{}).Open("file:" + filepath.Join(b.TempDir(), "bare.db") + "?_journal_mode=WAL&_synchronous=FULL&_cache_size=-65536&_mutex=no")
	if err != nil {
		b.Fatal(err)
	}
	n := &benchBare{TB: b, conn: conn.(*driver.SQLiteConn)}
	b.Cleanup(func() { _ = n.conn.Close() })
	if _, err := n.conn.Exec(schema, nil); err != nil {
		b.Fatal(err)
	}
	n.begin, n.commit = n.prepare(`BEGIN IMMEDIATE`), n.prepare(`COMMIT`)
	n.upsert = n.prepare(`INSERT INTO entity(id, x, y, hp) VALUES (?1, ?2, ?3, ?4) ON CONFLICT(id) DO UPDATE SET x = ?2, y = ?3, hp = ?4`)
	rows := make([]benchRow, table)
	for i := range rows {
		rows[i].id = int64(i)
	}
	n.frame(rows)
	return n
}

func (n *benchBare) prepare(query string) sqldriver.Stmt {
	s, err := n.conn.Prepare(query)
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() { _ = s.Close() })
	return s
}

func (n *benchBare) frame(rows []benchRow) {
	n.run(n.begin, nil)
	args := make([]sqldriver.Value, 4)
	for _, r := range rows {
		args[0], args[1], args[2], args[3] = r.id, r.x, r.y, r.hp
		n.run(n.upsert, args)
	}
	n.run(n.commit, nil)
}

func (n *benchBare) run(s sqldriver.Stmt, args []sqldriver.Value) {
	if _, err := s.Exec(args); err != nil { //nolint:staticcheck // the driver's own way, without a context
		n.Fatal(err)
	}
}

// BenchmarkDevices writes down what 10,000 devices have settled in a second.
func BenchmarkDevices(b *testing.B) {
	d := openDB(b, benchPlain, func(o *store.Options) { o.MergeBudget = time.Hour })
	const n = 10_000
	for b.Loop() {
		b.StopTimer()
		f, err := d.Begin()
		if err != nil {
			b.Fatal(err)
		}
		for i := range n {
			dev := store.Device{1, byte(i), byte(i >> 8)}
			if r, err := f.Apply(dev, d.write(dev), nil); r != nil || err != nil {
				b.Fatal(r, err)
			}
		}
		d.now = d.now.Add(2 * time.Second)
		if _, err := f.Commit(d.now, nil); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		d.merge()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/device")
}
