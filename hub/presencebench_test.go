package hub_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"framehub/hub"
	"framehub/session/wire"
	"framehub/store"
)

// BenchmarkLeave cuts 1,000 devices at once, each of which has a last will, and says
// how many frames their wills take once they are due, and how long the longest of
// those frames took as a multiple of a frame's time: what it holds up others.
func BenchmarkLeave(b *testing.B) {
	const devices, frameTime = 1000, time.Second / 60
	var frames, longest float64
	for b.Loop() {
		h, url := newPresentHub(b)
		conns := make([]*websocket.Conn, devices)
		for i := range conns {
			conns[i] = dialBench(b, url, wire.DeviceHello{SubsSet: true})
			block := wire.AppendBlock(nil, h.number, []int{0, 1}, nil, wire.Grid{Stride: 2, Values: []wire.Value{wire.IntegerValue(int64(i)), wire.RealValue(1)}}, nil)
			will := wire.AppendWill(nil, wire.WillHeader{ID: 1, SchemaVersion: h.schema}, [][]byte{wire.AppendOp(nil, wire.OpPut, block)}, true)
			if err := conns[i].Write(context.Background(), websocket.MessageBinary, will); err != nil {
				b.Fatal(err)
			}
		}
		until(b, func() bool { return h.count(b, `_framehub_will`) == devices }, h.frame)
		for _, c := range conns {
			_ = c.CloseNow()
		}
		until(b, func() bool { return h.SessionCount() == 0 }, h.frame)
		h.frame()
		time.Sleep(h.grace) //nolint:forbidigo // the grace is the point
		before := h.store.Version()
		until(b, func() bool { return h.count(b, store.SessionTable) == 0 }, func() {
			began := time.Now()
			h.frame()
			longest = max(longest, float64(time.Since(began))/float64(frameTime))
		})
		frames = max(frames, float64(h.store.Version()-before))
		h.close(b)
	}
	b.ReportMetric(frames, "frames")
	b.ReportMetric(longest, "of-frame")
	b.ReportMetric(0, "ns/op")
}

func until(b *testing.B, holds func() bool, do func()) {
	b.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(end) {
			b.Fatal("it does not come")
		}
		do()
	}
}

// A presentHub keeps presence; the benchmark closes its frames.
type presentHub struct {
	*hub.Hub
	store  *store.Store
	server *httptest.Server
	grace  time.Duration
	number int
	schema uint64
}

func newPresentHub(b *testing.B) (h *presentHub, url string) {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(store.Options{
		Path: filepath.Join(b.TempDir(), "hub.db"), Schema: benchSchema + fill(10_000), Presence: true, Log: log,
	})
	if err != nil {
		b.Fatal(err)
	}
	h = &presentHub{store: s, grace: 2 * time.Second, number: s.Schema().Table("entity").ID, schema: s.Schema().Version}
	h.Hub = hub.New(s, hub.Options{Grace: h.grace, Log: log})
	h.server = listen(h.Hub)
	return h, "ws" + strings.TrimPrefix(h.server.URL, "http")
}

func (h *presentHub) frame() { h.Frame(time.Now()) }

func (h *presentHub) count(b *testing.B, table string) (n int) {
	b.Helper()
	err := h.store.View(b.Context(), func(v *store.View) error {
		return v.Scan(v.Schema.Table(table), false, nil, func(g wire.Grid) error { n += g.Rows(); return nil })
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func (h *presentHub) close(b *testing.B) {
	b.Helper()
	h.Stop()
	h.server.Close()
	if err := h.store.Close(); err != nil {
		b.Error(err)
	}
}
