package hub_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"framehub/hub"
	"framehub/session/wire"
	"framehub/store"
)

// A crowd is a hub with sessions whose other ends allocate nothing: bytes on a
// connection, without a library.
type crowd struct {
	testing.TB
	hub     *hub.Hub
	sender  net.Conn
	hearers []net.Conn
	batch   []byte // what the sender sends
	events  int    // in it
	heard   []byte // what each hearer gets of it
}

// newCrowd makes a hub, and events to hearers who are subscribed to one scope.
func newCrowd(tb testing.TB, hearers, events int) *crowd {
	tb.Helper()
	s, err := store.Open(store.Options{
		Path: filepath.Join(tb.TempDir(), "hub.db"), Schema: schema, Log: slog.New(slog.DiscardHandler), Scopes: map[string]string{"thing": "zone"},
	})
	if err != nil {
		tb.Fatal(err)
	}
	c := &crowd{TB: tb, hub: hub.New(s, hub.Options{Log: slog.New(slog.DiscardHandler)}), events: events}
	srv := listen(c.hub)
	tb.Cleanup(func() {
		c.hub.Stop()
		srv.Close()
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	dial := func(hello wire.DeviceHello) (net.Conn, wire.HubHello) {
		conn, h := dialBare(tb, srv.Listener.Addr().String(), &hello)
		tb.Cleanup(func() { _ = conn.Close() })
		return conn, h
	}
	var who wire.HubHello
	c.sender, who = dial(nothing())
	for range hearers {
		conn, _ := dial(watching(scoped(1, 2)))
		c.hearers = append(c.hearers, conn)
	}
	e := wire.SendEvent{To: wire.ToScope("thing", num(1)), Name: "shot", Value: wire.List(wire.RealValue(1.5), wire.RealValue(2.5), wire.IntegerValue(7))}
	for range events {
		c.batch = appendMasked(c.batch, e.Append(nil))
	}
	got := (&wire.Event{From: who.Device, Version: c.hub.Version(), Name: e.Name, Value: e.Value}).Append(nil)
	c.heard = make([]byte, events*(2+len(got)))
	c.post()
	c.hub.Frame(time.Now())
	c.hear()
	return c
}

// post sends the events, and waits until the hub has read them.
func (c *crowd) post() {
	if _, err := c.sender.Write(c.batch); err != nil {
		c.Fatal(err)
	}
	for c.hub.Waiting() < c.events {
		runtime.Gosched() // nothing says when the read loop is done
	}
}

// hear waits until every hearer has all events.
func (c *crowd) hear() {
	for _, conn := range c.hearers {
		if _, err := io.ReadFull(conn, c.heard); err != nil {
			c.Fatal(err)
		}
	}
}

// appendMasked appends a message as a client's WebSocket frame, with a mask of zeros.
func appendMasked(dst, msg []byte) []byte {
	const finalBinary, masked, in16 = 0x82, 0x80, 126
	if len(msg) < in16 {
		dst = append(dst, finalBinary, masked|byte(len(msg)))
	} else {
		dst = binary.BigEndian.AppendUint16(append(dst, finalBinary, masked|in16), uint16(len(msg)))
	}
	return append(append(dst, 0, 0, 0, 0), msg...)
}

// dialBare connects, says hello, and reads on until the first snapshot is whole.
func dialBare(tb testing.TB, address string, hello *wire.DeviceHello) (net.Conn, wire.HubHello) {
	tb.Helper()
	conn, err := net.Dial("tcp", address) //nolint:noctx // of a test
	if err != nil {
		tb.Fatal(err)
	}
	request := strings.Join([]string{
		"GET /v1/sync HTTP/1.1", "Host: hub", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: " + wire.Subprotocol, "", "",
	}, "\r\n")
	if _, err := conn.Write(appendMasked([]byte(request), hello.Append(nil))); err != nil {
		tb.Fatal(err)
	}
	r := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols { //nolint:bodyclose // it has none
		tb.Fatal(resp, err)
	}
	var h wire.HubHello
	for {
		msg, err := readBare(r)
		if err != nil {
			tb.Fatal(err)
		}
		switch kind, _ := wire.TypeOf(msg); kind {
		case wire.TypeHello:
			h, err = wire.DecodeHubHello(msg, wire.Limits{})
		case wire.TypeSnapshotEnd:
			if r.Buffered() > 0 {
				err = errors.New("more comes than the snapshot")
			}
			if err == nil {
				return conn, h
			}
		default:
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// readBare reads a message, a hub's WebSocket frame.
func readBare(r *bufio.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return nil, err
	}
	n := int(head[1])
	if n == 126 {
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return nil, err
		}
		n = int(binary.BigEndian.Uint16(head[2:]))
	}
	msg := make([]byte, n)
	_, err := io.ReadFull(r, msg)
	return msg, err
}

// BenchmarkEvents tells what an event costs for each session that it goes to: in
// the frame loop, and in all until the session's peer has read it, which is in the
// same process.
func BenchmarkEvents(b *testing.B) {
	for _, hearers := range []int{10, 100, 1000} {
		for _, events := range []int{1, 10} {
			b.Run(fmt.Sprintf("hearers=%d/events=%d", hearers, events), func(b *testing.B) {
				c := newCrowd(b, hearers, events)
				var routing time.Duration
				delivered := 0
				for b.Loop() {
					c.post()
					start := time.Now()
					c.hub.Frame(start)
					routing += time.Since(start)
					c.hear()
					delivered += hearers * events
				}
				b.ReportMetric(float64(routing.Nanoseconds())/float64(delivered), "loop-ns/delivered")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(delivered), "ns/delivered")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// TestEventAllocations: nothing is allocated for each session that an event goes to.
func TestEventAllocations(t *testing.T) {
	const few, many, events = 10, 90, 8
	var allocated [2]float64
	for i, hearers := range []int{few, many} {
		c := newCrowd(t, hearers, events)
		allocated[i] = testing.AllocsPerRun(50, func() {
			c.post()
			c.hub.Frame(time.Now())
			c.hear()
		})
	}
	each := (allocated[1] - allocated[0]) / ((many - few) * events)
	t.Logf("%v allocations for %d sessions, %v for %d: %.3f for each delivery", allocated[0], few, allocated[1], many, each)
	if each > 0.2 { // the lists of sessions grow, by doubling
		t.Errorf("%.3f allocations for each delivery", each)
	}
}
