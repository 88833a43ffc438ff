package web_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"framehub/auth"
	"framehub/hub"
	"framehub/session"
	"framehub/session/wire"
	"framehub/store"
	"framehub/web"
)

// patience is how long tests wait for what must come.
const patience = 30 * time.Second

// A world is the example city with its hub and both listeners, which can be
// stopped and started again on the same ports, as `framehub serve` is.
type world struct {
	backups fakeBackups
	tb      testing.TB

	Path          string // of the game database
	Device, Admin string // addresses, host:port

	options []func(*web.Options)
	admin   func(http.Handler) http.Handler // nil, or what stands before the admin listener's handler from the next Start on
	gate    *auth.Gate                      // nil, or who says, from the next Start on, who connects
	hub     *hub.Hub
	stop    func() // nil: it is stopped
}

// newWorld starts a world, and stops it when the test ends.
func newWorld(tb testing.TB, options ...func(*web.Options)) *world {
	tb.Helper()
	w := &world{tb: tb, options: options, Path: filepath.Join(tb.TempDir(), "world.db"), Device: "127.0.0.1:0", Admin: "127.0.0.1:0"}
	w.Start()
	tb.Cleanup(w.Stop)
	return w
}

// Start starts the hub, after Stop on the ports that it had.
func (w *world) Start() {
	w.tb.Helper()
	sql, err := os.ReadFile("../examples/city/schema.sql")
	if err != nil {
		w.tb.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	st, err := store.Open(store.Options{Path: w.Path, Schema: string(sql), Scopes: map[string]string{"entity": "zone"}, Log: log})
	if err != nil {
		w.tb.Fatal(err)
	}
	bans, err := auth.OpenBans(w.Path + ".bans")
	if err != nil {
		w.tb.Fatal(err)
	}
	w.hub = hub.New(st, hub.Options{Log: log, Bans: bans, Gate: w.gate})
	o := web.Options{Bans: bans, Demo: true, Version: "v0.0.0-test", Log: log, Backups: &w.backups}
	for _, set := range w.options {
		set(&o)
	}
	admin, err := web.Admin(w.hub, o)
	if err != nil {
		w.tb.Fatal(err)
	}
	admin = checked(w.tb, admin)
	if w.admin != nil {
		admin = w.admin(admin)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	devices, operators := w.serve(&running, &w.Device, web.Device(w.hub, o)), w.serve(&running, &w.Admin, admin)
	var ran error
	running.Go(func() { ran = errors.Join(w.hub.Run(ctx), devices.Close(), operators.Close()) })
	w.stop = func() {
		cancel()
		running.Wait()
		if err := errors.Join(ran, st.Close()); err != nil {
			w.tb.Error("stop:", err)
		}
	}
}

// serve listens on addr, and sets it to what that was.
func (w *world) serve(running *sync.WaitGroup, addr *string, h http.Handler) *http.Server {
	w.tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", *addr)
	if err != nil {
		w.tb.Fatal(err)
	}
	*addr = l.Addr().String()
	server := &http.Server{Handler: h, ReadHeaderTimeout: patience, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			w.tb.Error(err)
		}
	})
	return server
}

// Stop stops the hub, if it runs.
func (w *world) Stop() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// dial connects a device.
func (w *world) dial(hello wire.DeviceHello) *session.Client {
	w.tb.Helper()
	return w.dialAs("", hello)
}

// dialAs connects a device with a token.
func (w *world) dialAs(token string, hello wire.DeviceHello) *session.Client {
	w.tb.Helper()
	c, err := session.Dial(w.tb.Context(), "ws://"+w.Device, session.ClientOptions{Token: token, Hello: hello})
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(c.Drop)
	return c
}

// answer is what was answered to a request.
type answer struct {
	code   int
	header http.Header
	body   string
}

// get asks an address, under its own name or with another as Host.
func (w *world) get(addr, path string, set ...func(*http.Request)) answer {
	w.tb.Helper()
	r, err := http.NewRequestWithContext(w.tb.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		w.tb.Fatal(err)
	}
	for _, f := range set {
		f(r)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		w.tb.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return answer{code: resp.StatusCode, header: resp.Header} // there is no end to read up to
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.tb.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// eventually waits until what holds.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("within %v not: %s", patience, what)
		}
	}
}

func contains(tb testing.TB, text string, parts ...string) {
	tb.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			tb.Errorf("%q is not in:\n%.2000s", p, text)
		}
	}
}
