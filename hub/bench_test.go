package hub_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	sqlite3 "github.com/mattn/go-sqlite3"

	"framehub/hub"
	"framehub/rules"
	"framehub/session"
	"framehub/session/wire"
	"framehub/store"
)

const benchSchema = `CREATE TABLE entity(id INTEGER PRIMARY KEY, x REAL, y REAL, heading REAL, speed REAL,
	zone INTEGER, score INTEGER, owner TEXT) STRICT;`

func fill(rows int) string {
	return fmt.Sprintf(`WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
		INSERT INTO entity SELECT i, i * 1.5, i * 2.5, 0.0, 0.0, i %% 100, 0, 'owner' FROM c;`, rows)
}

// listen serves a hub's sessions on loopback.
func listen(h *hub.Hub) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sess, err := session.Accept(w, r, session.Options{}); err == nil {
			_ = h.Serve(sess)
		}
	}))
}

// BenchmarkRows compares rows committed per second through the whole hub, from
// the bytes that sessions read to the bytes that a watching session gets, with a
// bare loop on the same driver that commits the same upserts with
// synchronous=FULL.
func BenchmarkRows(b *testing.B) {
	for _, table := range []int{10_000, 100_000} {
		for _, frame := range []int{100, 1_000, 10_000} {
			b.Run(fmt.Sprintf("table=%d/frame=%d", table, frame), func(b *testing.B) {
				compareRows(b, table, frame)
			})
		}
	}
}

func compareRows(b *testing.B, table, frame int) {
	b.Helper()
	var ours, bare time.Duration
	h := newBenchHub(b, benchOptions{table: table, rows: frame})
	loop := newBareLoop(b, table)
	rows := 0
	// In turns, so that both meet the same weather on a shared machine.
	for b.Loop() {
		ours += h.frames(b, 4)
		bare += loop.frames(b, 4, frame)
		rows += 4 * frame
	}
	b.ReportMetric(float64(rows)/ours.Seconds(), "hub-rows/s")
	b.ReportMetric(float64(rows)/bare.Seconds(), "bare-rows/s")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

// benchOptions say what is measured.
type benchOptions struct {
	table, rows int // in it; of a frame
	mergeEvery  time.Duration
	users       bool // each writer has a token, and writes rows of its own alone
	rules       *rules.Set
	turnover    bool // frames insert rows and delete them again, in turns
}

type benchHub struct {
	benchOptions
	hub     *hub.Hub
	writers []*websocket.Conn
	watcher *websocket.Conn
	seqs    []uint64
	per     int
	schema  uint64
	number  int
	turn    int
}

func newBenchHub(b *testing.B, o benchOptions) *benchHub {
	b.Helper()
	bh := &benchHub{benchOptions: o, per: min(100, o.rows)}
	bh.seqs = make([]uint64, (o.rows/bh.per+31)/32)
	s, err := store.Open(store.Options{
		Path: filepath.Join(b.TempDir(), "hub.db"), Schema: benchSchema + fill(o.table) + bh.owners(), Log: slog.New(slog.DiscardHandler),
		Scopes: map[string]string{"entity": "zone"}, MergeEvery: o.mergeEvery,
	})
	if err != nil {
		b.Fatal(err)
	}
	gate, token := bh.gate(b)
	h := hub.New(s, hub.Options{FrameHz: 1, Gate: gate, Log: slog.New(slog.DiscardHandler)}) // a frame is as large as the benchmark makes it
	if err := h.SetRules(o.rules); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	srv := listen(h)
	b.Cleanup(func() {
		h.Stop()
		srv.Close()
		cancel()
		if err := errors.Join(<-ran, s.Close()); err != nil {
			b.Error(err)
		}
	})
	t := s.Schema().Table("entity")
	bh.hub, bh.schema, bh.number = h, s.Schema().Version, t.ID
	url := "ws" + strings.TrimPrefix(srv.URL, "http")
	for i := range bh.seqs {
		bh.writers = append(bh.writers, dialBench(b, url, wire.DeviceHello{SubsSet: true, Token: token(i, "device")}))
	}
	bh.watcher = dialBench(b, url, wire.DeviceHello{MaxMessage: 16 << 20, Token: token(0, "server")})
	for _, c := range bh.writers {
		go drainBench(c, func(why string) {
			b.Errorf("a write is refused: %s", why)
			_ = bh.watcher.CloseNow() // whoever waits for it
		})
	}
	for {
		_, msg, err := bh.watcher.Read(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		if kind, _ := wire.TypeOf(msg); kind == wire.TypeSnapshotEnd {
			break
		}
	}
	bh.frames(b, 4)
	return bh
}

func dialBench(b *testing.B, url string, hello wire.DeviceHello) *websocket.Conn {
	b.Helper()
	c, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		b.Fatal(err)
	}
	c.SetReadLimit(-1)
	if err := c.Write(context.Background(), websocket.MessageBinary, hello.Append(nil)); err != nil {
		b.Fatal(err)
	}
	if _, _, err := c.Read(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// drainBench reads what a writer is told, and calls refused when that is a refusal.
func drainBench(c *websocket.Conn, refused func(string)) {
	for {
		_, msg, err := c.Read(context.Background())
		if err != nil {
			return
		}
		if kind, _ := wire.TypeOf(msg); kind != wire.TypeSettled {
			continue
		}
		if m, err := wire.DecodeSettled(msg, wire.Limits{}); err == nil && len(m.Rejected) > 0 {
			refused(m.Rejected[0].Text)
		}
	}
}

// frames commits n frames, and returns how long the hub took from the moment
// that it had read them to the moment that the watcher had each.
func (h *benchHub) frames(b *testing.B, n int) time.Duration {
	b.Helper()
	var took time.Duration
	for range n {
		h.send(b)
		start := time.Now()
		h.hub.Frame(time.Now())
		h.await(b)
		took += time.Since(start)
	}
	return took
}

func (h *benchHub) send(b *testing.B) {
	b.Helper()
	h.post(b, h.messages())
}

// messages makes a frame's transactions, each for a writer in turn.
func (h *benchHub) messages() (all [][]byte) {
	g := wire.Grid{Stride: 6}
	h.turn++
	for i := range h.rows / h.per {
		w := i % len(h.writers)
		g.Values = g.Values[:0]
		for j := range h.per {
			id := rand.IntN(h.table) + 1
			switch {
			case h.turnover:
				id = h.table + 1 + i*h.per + j
			case h.users:
				id = w + len(h.writers)*(1+rand.IntN(h.table/len(h.writers)-1))
			}
			g.Values = append(g.Values, wire.IntegerValue(int64(id)),
				wire.RealValue(rand.Float64()), wire.RealValue(rand.Float64()), wire.RealValue(rand.Float64()), wire.RealValue(rand.Float64()), wire.IntegerValue(int64(w)))
		}
		h.seqs[w]++
		kind, columns := wire.OpPut, []int{0, 1, 2, 3, 4}
		if h.turnover {
			kind, columns = wire.OpInsert, []int{0, 1, 2, 3, 4, 5}
			if h.turn%2 == 0 {
				kind, columns = wire.OpDelete, []int{0}
			}
		}
		block := wire.AppendBlock(nil, h.number, columns, columns, g, nil)
		all = append(all, wire.AppendWrite(nil, wire.WriteHeader{Seq: h.seqs[w], SchemaVersion: h.schema}, [][]byte{wire.AppendOp(nil, kind, block)}))
	}
	return all
}

// post sends messages and waits until the hub has read them.
func (h *benchHub) post(b *testing.B, all [][]byte) {
	b.Helper()
	for i, msg := range all {
		if err := h.writers[i%len(h.writers)].Write(context.Background(), websocket.MessageBinary, msg); err != nil {
			b.Fatal(err)
		}
	}
	for h.hub.Pending() < h.rows/h.per {
		time.Sleep(20 * time.Microsecond) //nolint:forbidigo // nothing says when the read loops are done
	}
}

func (h *benchHub) await(b *testing.B) {
	b.Helper()
	for {
		_, msg, err := h.watcher.Read(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		f, err := wire.DecodeFrame(msg, wire.Limits{})
		if err == nil && len(f.Changed)+len(f.Removed) > 0 && !f.More {
			return
		}
	}
}

// A bareLoop is what a program that writes each frame straight to SQLite does.
type bareLoop struct {
	conn  *sqlite3.SQLiteConn
	put   driver.Stmt
	table int
}

func newBareLoop(b *testing.B, table int) *bareLoop {
	b.Helper()
	c, err := (&sqlite3.SQLiteDriver{}).Open("file:" + filepath.Join(b.TempDir(), "bare.db") + "?_journal_mode=WAL&_synchronous=FULL&_mutex=no")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	l := &bareLoop{conn: c.(*sqlite3.SQLiteConn), table: table}
	l.exec(b, benchSchema+fill(table))
	if l.put, err = c.Prepare(`INSERT INTO entity(id, x, y, heading, speed) VALUES (?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET
		x = excluded.x, y = excluded.y, heading = excluded.heading, speed = excluded.speed`); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.put.Close() })
	return l
}

func (l *bareLoop) exec(b *testing.B, sql string) {
	b.Helper()
	if _, err := l.conn.Exec(sql, nil); err != nil {
		b.Fatal(err)
	}
}

func (l *bareLoop) frames(b *testing.B, n, rows int) time.Duration {
	b.Helper()
	args := make([]driver.Value, 5)
	values := make([]float64, 4*rows)
	var took time.Duration
	for range n {
		for i := range values {
			values[i] = rand.Float64()
		}
		start := time.Now()
		l.exec(b, "BEGIN IMMEDIATE")
		for i := range rows {
			args[0] = int64(rand.IntN(l.table) + 1)
			for j := range 4 {
				args[j+1] = values[4*i+j]
			}
			if _, err := l.put.Exec(args); err != nil { //nolint:staticcheck // the driver's own call, without database/sql
				b.Fatal(err)
			}
		}
		l.exec(b, "COMMIT")
		took += time.Since(start)
	}
	return took
}
