package loadtest_test

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"framehub/hub"
	"framehub/loadtest"
	"framehub/session"
	"framehub/store"
	"framehub/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A testHub is a hub in this process, on sockets of this machine.
type testHub struct {
	testing.TB
	url, admin, db string
}

func startHub(tb testing.TB, schema string) *testHub {
	tb.Helper()
	h := &testHub{TB: tb, db: filepath.Join(tb.TempDir(), "world.db")}
	log := slog.New(slog.DiscardHandler)
	o := store.Options{Path: h.db, Schema: schema, Log: log, Alone: map[string]bool{"entity": true}} // what tests do to it stays there
	if strings.Contains(schema, "zone") {
		o.Scopes = map[string]string{"entity": "zone"}
	}
	st, err := store.Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	running := hub.New(st, hub.Options{Log: log})
	admin, err := web.Admin(running, web.Options{Log: log})
	if err != nil {
		tb.Fatal(err)
	}
	devices, operators := httptest.NewServer(web.Device(running, web.Options{Log: log})), httptest.NewServer(admin)
	h.url, h.admin = "ws"+strings.TrimPrefix(devices.URL, "http")+session.Path, operators.URL
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- running.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			tb.Error(err)
		}
		http.DefaultClient.CloseIdleConnections() // of whoever asked for metrics
		devices.Close()
		operators.Close()
		if err := st.Close(); err != nil {
			tb.Error(err)
		}
	})
	return h
}

// options returns those of a short load of the hub.
func (h *testHub) options() loadtest.Options {
	return loadtest.Options{URL: h.url, DB: h.db, Devices: 4, Observers: 2, Duration: 500e6}
}

// run runs a load that can begin. A machine that others keep busy, and whose disk stops
// now and then, has its time.
func (h *testHub) run(o loadtest.Options) *loadtest.Report {
	h.Helper()
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	report, err := loadtest.Run(h.Context(), o)
	if err != nil {
		h.Fatal(err)
	}
	return report
}

// exec changes the database behind the hub's back, as no program should.
func (h *testHub) exec(query string) {
	h.Helper()
	db, err := sql.Open("sqlite3", "file:"+h.db+"?_busy_timeout=5000")
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(h.Context(), query); err != nil {
		h.Fatal(err)
	}
}

// scalar returns what a query finds in the database, NULL as "".
func (h *testHub) scalar(query string) string {
	h.Helper()
	db, err := sql.Open("sqlite3", "file:"+h.db+"?mode=ro")
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var got sql.NullString
	if err := db.QueryRowContext(h.Context(), query).Scan(&got); err != nil {
		h.Fatal(err)
	}
	return got.String
}

// text returns the report as a person reads it.
func text(tb testing.TB, r *loadtest.Report) string {
	tb.Helper()
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// good fails the test unless the run was a good one.
func good(tb testing.TB, r *loadtest.Report) {
	tb.Helper()
	if !r.OK || r.Converged == nil || !*r.Converged || r.Lost+r.Duplicated+r.Reordered+r.Refused+r.Unsettled != 0 || r.Sent != r.Acked {
		tb.Fatalf("the run is not a good one:\n%s", text(tb, r))
	}
}

// A cable is between a load and a hub.
type cable struct {
	url string

	mu    sync.Mutex // guards the following
	conns []net.Conn
	told  int // bytes from the hub
	from  int // bytes from the hub, then:
	then  func(*cable)
}

// lay lays a cable to an address. Once so many bytes have come from the hub, well
// after its hellos, it calls then.
func lay(tb testing.TB, url string, from int, then func(*cable)) *cable {
	tb.Helper()
	address, path, _ := strings.Cut(strings.TrimPrefix(url, "ws://"), "/")
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	c := &cable{url: "ws://" + l.Addr().String() + "/" + path, from: from, then: then}
	var passing sync.WaitGroup
	passing.Go(func() { c.accept(l, address, &passing) })
	tb.Cleanup(func() {
		_ = l.Close()
		c.cut()
		passing.Wait()
	})
	return c
}

func (c *cable) accept(l net.Listener, address string, passing *sync.WaitGroup) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
		if err != nil {
			_ = near.Close()
			continue
		}
		c.mu.Lock()
		c.conns = append(c.conns, near, far)
		c.mu.Unlock()
		passing.Go(func() { pass(far, near, func(int) {}) })
		passing.Go(func() { pass(near, far, c.count) })
	}
}

func pass(to io.WriteCloser, from io.Reader, count func(bytes int)) {
	defer func() { _ = to.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		count(n)
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

func (c *cable) count(bytes int) {
	c.mu.Lock()
	reached := c.told < c.from && c.told+bytes >= c.from
	c.told += bytes
	c.mu.Unlock()
	if reached {
		c.then(c)
	}
}

// cut ends every connection at once.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

// schema is a table that the load can write.
const schema = `CREATE TABLE entity (id INTEGER PRIMARY KEY, x REAL, y REAL, heading REAL, speed REAL, zone INTEGER, score INTEGER) STRICT;`
