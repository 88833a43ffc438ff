package hub_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"framehub/hub"
	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
	"framehub/store"
	"framehub/store/storetest"
)

func TestMain(m *testing.M) {
	wire.Pack(nil, nil) // zstd makes its channels at the first use, which must not be in a bubble
	goleak.VerifyTestMain(m)
}

const schema = `
	CREATE TABLE thing(id INTEGER PRIMARY KEY, zone INTEGER, a INTEGER, b TEXT, big BLOB) STRICT;
	CREATE TABLE other(name TEXT PRIMARY KEY, n INTEGER NOT NULL DEFAULT 0 CHECK (n >= 0)) STRICT;`

// A world is a hub in memory whose frames the test closes itself.
type world struct {
	*testing.T
	hub      *hub.Hub
	store    *store.Store
	path     string
	schema   string
	options  hub.Options
	presence bool
	sim      *storetest.Mvsim // where the database is; nil: in a file
	net      *sessiontest.Listener
	reads    *sql.DB
	calls    calls // to write to sessions
}

// newWorld must be called inside a synctest bubble.
func newWorld(t *testing.T, o hub.Options) *world {
	t.Helper()
	return newWorldOf(t, schema, o)
}

func newWorldOf(t *testing.T, schema string, o hub.Options) *world {
	t.Helper()
	return newWorldOn(t, nil, schema, o)
}

func newWorldOn(t *testing.T, sim *storetest.Mvsim, schema string, o hub.Options) *world {
	t.Helper()
	w := &world{T: t, path: filepath.Join(t.TempDir(), "world.db"), schema: schema, options: o, sim: sim}
	if sim != nil {
		w.path = "game"
	}
	w.begin()
	t.Cleanup(func() { w.end() })
	return w
}

// dsn is how to open the game database for reading.
func (w *world) dsn() string {
	if w.sim != nil {
		return "file:" + w.path + "?vfs=" + storetest.VFS
	}
	return "file:" + w.path + "?mode=ro"
}

// db is a connection to the game database that only reads; a run of many frames asks it more often than it could be opened.
func (w *world) db() *sql.DB {
	w.Helper()
	if w.reads == nil {
		var err error
		if w.reads, err = sql.Open("sqlite3", w.dsn()); err != nil {
			w.Fatal(err)
		}
	}
	return w.reads
}

// begin opens the store and makes a hub on it, until the test ends.
func (w *world) begin() {
	w.Helper()
	t, o := w.T, w.options
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var err error
	opts := store.Options{Path: w.path, Schema: w.schema, Scopes: map[string]string{"thing": "zone"}, Presence: w.presence, Log: o.Log}
	if w.sim != nil {
		opts.MVSQLite, opts.VFS, opts.MergeEvery = true, storetest.VFS, 100*time.Millisecond
	}
	w.store, err = store.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	w.hub = hub.New(w.store, o)
	w.net = sessiontest.Serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if s, err := session.Accept(w.calls.counted(rw), r, session.Options{}); err == nil {
			if err := w.hub.Serve(s); err != nil {
				o.Log.Info("session refused", "err", err)
			}
		}
	}))
}

// end stops the hub and closes the store.
func (w *world) end() {
	w.hub.Stop()
	if w.reads != nil {
		_ = w.reads.Close()
		w.reads = nil
	}
	if err := w.store.Close(); err != nil {
		w.Error(err)
	}
}

// frame waits until everything that was sent has been read, and closes a frame.
func (w *world) frame() {
	synctest.Wait()
	w.hub.Frame(time.Now())
	synctest.Wait()
}

// pass lets time pass on the bubble's clock.
func (w *world) pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // in a bubble, where it takes none

// A peer is a device that the test plays.
type peer struct {
	w *world
	*session.Client
	seq uint64
}

func (w *world) dial(hello wire.DeviceHello) *peer {
	w.Helper()
	p, err := w.tryDial(hello)
	if err != nil {
		w.Fatal(err)
	}
	return p
}

func (w *world) tryDial(hello wire.DeviceHello) (*peer, error) {
	c, err := session.Dial(w.Context(), sessiontest.URL, session.ClientOptions{Hello: hello, HTTPClient: w.net.HTTPClient()})
	if err != nil {
		return nil, err
	}
	w.Cleanup(c.Drop)
	return &peer{w: w, Client: c}, nil
}

// next returns the next message, which must come within seconds of the bubble's clock.
func (p *peer) next() session.Message {
	p.w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	m, err := p.Next(ctx)
	if err != nil {
		p.w.Fatalf("no message came: %v", err)
	}
	return m
}

func expect[M session.Message](p *peer) M {
	p.w.Helper()
	m, ok := p.next().(M)
	if !ok {
		p.w.Fatalf("a message of another kind came: %#v", m)
	}
	return m
}

// await returns the next message of a kind, past others.
func await[M session.Message](p *peer) M {
	p.w.Helper()
	for {
		if m, ok := p.next().(M); ok {
			return m
		}
	}
}

// write sends a transaction of one op on one row of a table.
func (p *peer) write(kind wire.OpKind, table string, columns []string, values ...wire.Value) uint64 {
	p.w.Helper()
	p.seq++
	t := p.w.store.Schema().Table(table)
	var numbers []int
	for _, name := range columns {
		numbers = append(numbers, t.Column(name))
	}
	block := wire.AppendBlock(nil, t.ID, numbers, nil, wire.Grid{Stride: len(values), Values: values}, nil)
	h := wire.WriteHeader{Seq: p.seq, SchemaVersion: p.w.store.Schema().Version}
	if err := p.Write(p.w.Context(), h, [][]byte{wire.AppendOp(nil, kind, block)}); err != nil {
		p.w.Fatal(err)
	}
	return p.seq
}

func (p *peer) put(id, a int64) uint64 {
	p.w.Helper()
	return p.write(wire.OpPut, "thing", []string{"id", "zone", "a"}, num(id), num(1), num(a))
}

func num(i int64) wire.Value { return wire.IntegerValue(i) }

// nothing is the hello of a device that subscribes to nothing.
func nothing() wire.DeviceHello { return wire.DeviceHello{SubsSet: true} }

func watching(subs ...wire.Sub) wire.DeviceHello { return wire.DeviceHello{SubsSet: true, Subs: subs} }

func scoped(scopes ...int64) wire.Sub {
	s := wire.Sub{Name: "thing", Scoped: true}
	for _, v := range scopes {
		s.Scopes = append(s.Scopes, num(v))
	}
	return s
}

// bubble runs f in a synctest bubble with a world.
func bubble(t *testing.T, f func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newWorld(t, hub.Options{})) })
}

func (w *world) scalar(query string) int64 {
	w.Helper()
	var n int64
	if err := w.db().QueryRowContext(w.Context(), query).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

func TestWriteIsCommittedAndSeen(t *testing.T) {
	bubble(t, func(w *world) {
		writer, watcher := w.dial(nothing()), w.dial(watching(wire.Sub{Name: "thing"}))
		expect[*wire.SnapshotEnd](writer)
		end := expect[*wire.SnapshotEnd](watcher)
		seq := writer.put(7, 3)
		w.frame()
		f := expect[*wire.Frame](watcher)
		if f.Previous != end.Version || f.Version != end.Version+1 || len(f.Changed) != 1 || f.Changed[0].N != 1 {
			w.Fatalf("the frame is %+v", f)
		}
		w.hub.Sweep(time.Now().Add(time.Second))
		s := expect[*wire.Settled](writer)
		if s.Version != f.Version || !slices.Equal(s.Committed, []uint64{seq}) {
			w.Fatalf("settled is %+v", s)
		}
		if got := w.scalar(`SELECT a FROM thing WHERE id = 7`); got != 3 {
			w.Fatalf("SQL has %d", got)
		}
		if got := w.scalar(`SELECT value FROM _framehub_meta WHERE key = 'merged'`); uint64(got) != f.Version {
			w.Fatalf("SQL says it has merged version %d, told was %d", got, f.Version)
		}
	})
}

func TestRefusalsComeAtOnceAndSettleInOrder(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.dial(nothing())
		expect[*wire.SnapshotEnd](p)
		a := p.put(1, 1)
		b := p.write(wire.OpUpdate, "thing", []string{"id", "a"}, num(9), num(1))
		c := p.write(wire.OpPut, "other", []string{"name", "n"}, wire.TextValue("x"), num(-1))
		w.frame()
		s := expect[*wire.Settled](p)
		if !slices.Equal(s.Committed, []uint64{a}) || len(s.Rejected) != 2 {
			w.Fatalf("settled is %+v", s)
		}
		if r := s.Rejected[0]; r.Seq != b || r.Code != wire.CodeMissing {
			w.Errorf("the first refusal is %+v", r)
		}
		if r := s.Rejected[1]; r.Seq != c || r.Code != wire.CodeConstraint || !strings.Contains(r.Text, "n >= 0") {
			w.Errorf("the second refusal is %+v", r)
		}
	})
}

func TestANumberIsRunOnce(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.dial(nothing())
		expect[*wire.SnapshotEnd](p)
		p.put(1, 0)
		add := func(seq uint64) {
			p.seq = seq - 1
			p.write(wire.OpAdd, "thing", []string{"id", "a"}, num(1), num(5))
		}
		add(2)
		add(2) // under way
		w.frame()
		add(2) // settled
		w.frame()
		device := p.Hello.Device
		p.Drop()
		synctest.Wait()
		hello := nothing()
		hello.Device = device
		p = w.dial(hello)
		if !p.Hello.SettledKnown || p.Hello.Settled != 2 {
			w.Fatalf("the hub says that %d is settled", p.Hello.Settled)
		}
		p.seq = 1
		p.write(wire.OpAdd, "thing", []string{"id", "a"}, num(1), num(5))
		w.frame()
		expect[*wire.SnapshotEnd](p)
		if s := expect[*wire.Settled](p); !slices.Equal(s.Committed, []uint64{2}) {
			w.Errorf("a settled number is answered %+v", s)
		}
		if got := w.scalar(`SELECT a FROM thing WHERE id = 1`); got != 5 {
			w.Fatalf("5 was added once, SQL has %d", got)
		}
	})
}

func TestRowsEnterAndLeaveScopes(t *testing.T) {
	bubble(t, func(w *world) {
		writer, one, two := w.dial(nothing()), w.dial(watching(scoped(1))), w.dial(watching(scoped(2)))
		expect[*wire.SnapshotEnd](one)
		expect[*wire.SnapshotEnd](two)
		writer.put(7, 3)
		w.frame()
		if f := expect[*wire.Frame](one); len(f.Changed) != 1 || len(f.Removed) != 0 {
			w.Fatalf("zone 1 is told %+v", f)
		}
		writer.write(wire.OpTouch, "thing", []string{"id", "zone"}, num(7), num(2))
		w.frame()
		if f := expect[*wire.Frame](one); len(f.Changed) != 0 || len(f.Removed) != 1 {
			w.Fatalf("zone 1 is told %+v", f)
		}
		f := expect[*wire.Frame](two)
		if len(f.Changed) != 1 || len(f.Changed[0].Columns) != 5 {
			w.Fatalf("a row that enters comes whole, zone 2 is told %+v", f)
		}
	})
}

func TestReplacedSessionIsTold(t *testing.T) {
	bubble(t, func(w *world) {
		old := w.dial(nothing())
		expect[*wire.SnapshotEnd](old)
		hello := nothing()
		hello.Device = old.Hello.Device
		w.dial(hello)
		if g := expect[*wire.Goodbye](old); g.Code != wire.CloseReplaced {
			w.Fatalf("the goodbye is %+v", g)
		}
	})
}

func TestHellosThatAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		hello wire.DeviceHello
		code  wire.CloseCode
	}{
		"a role that is not known":    {wire.DeviceHello{Role: "king"}, wire.CloseForbidden},
		"a budget":                    {wire.DeviceHello{Budget: 1000}, wire.CloseProtocol},
		"too small a largest message": {wire.DeviceHello{MaxMessage: 100}, wire.CloseProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				_, err := w.tryDial(tc.hello)
				closed, ok := errors.AsType[*session.ClosedError](err)
				if !ok || closed.Code != tc.code {
					w.Fatalf("the answer is %v, want a goodbye with %d", err, tc.code)
				}
			})
		})
	}
}

func TestSubscriptionsThatAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change wire.Subscribe
		code   wire.Code
	}{
		"unknown table":         {wire.Subscribe{Add: []wire.Sub{{Name: "ghost"}}}, wire.CodeUnknownTable},
		"a long name":           {wire.Subscribe{Add: []wire.Sub{{Name: strings.Repeat("\x01", 100_000)}}}, wire.CodeUnknownTable},
		"private table":         {wire.Subscribe{Add: []wire.Sub{{Name: "_framehub_meta"}}}, wire.CodeUnknownTable},
		"no scope column":       {wire.Subscribe{Add: []wire.Sub{{Name: "other", Scoped: true}}}, wire.CodeUnknownColumn},
		"scope of wrong type":   {wire.Subscribe{Add: []wire.Sub{{Name: "thing", Scoped: true, Scopes: []wire.Value{wire.TextValue("x")}}}}, wire.CodeType},
		"hz":                    {wire.Subscribe{Add: []wire.Sub{{Name: "thing", Hz: 5}}}, wire.CodeUnavailable},
		"removal of what isn't": {wire.Subscribe{Remove: []wire.Sub{scoped(1)}}, wire.CodeMissing},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.dial(nothing())
				expect[*wire.SnapshotEnd](p)
				tc.change.ID = 1
				if err := p.Subscribe(w.Context(), &tc.change); err != nil {
					w.Fatal(err)
				}
				end := expect[*wire.SnapshotEnd](p)
				if len(end.Refused.Text) > 1000 {
					w.Errorf("the words are %d bytes", len(end.Refused.Text))
				}
				if end.ID != 1 || end.Refused == nil || end.Refused.Code != tc.code {
					w.Fatalf("the answer is %+v", end)
				}
			})
		})
	}
}

func TestObserverOnlyReads(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.dial(wire.DeviceHello{Role: "observer", SubsSet: true})
		expect[*wire.SnapshotEnd](p)
		if r := p.Hello.Schema.Tables[0].Rights; r != wire.RightRead {
			w.Errorf("its rights are %d", r)
		}
		p.put(1, 1)
		w.frame()
		if s := expect[*wire.Settled](p); len(s.Rejected) != 1 || s.Rejected[0].Code != wire.CodeForbidden {
			w.Fatalf("settled is %+v", s)
		}
	})
}

func TestAnIdleSessionHearsEverySecond(t *testing.T) {
	bubble(t, func(w *world) {
		writer, p := w.dial(nothing()), w.dial(watching(wire.Sub{Name: "other"}))
		expect[*wire.SnapshotEnd](p)
		writer.put(1, 1)
		w.frame()
		w.pass(time.Second)
		w.hub.Sweep(time.Now())
		f := expect[*wire.Frame](p)
		if f.Version != w.hub.Version() || len(f.Changed) != 0 || !f.All {
			w.Fatalf("the frame is %+v", f)
		}
	})
}

// A session that takes nothing is brought forward in one frame once it does, and
// the others never notice.
func TestSlowSessionCatchesUp(t *testing.T) {
	bubble(t, func(w *world) {
		writer, slow, quick := w.dial(nothing()), w.dial(watching(wire.Sub{Name: "thing"})), w.dial(watching(wire.Sub{Name: "thing"}))
		expect[*wire.SnapshotEnd](slow)
		expect[*wire.SnapshotEnd](quick)
		big := wire.BlobValue(make([]byte, 20<<10))
		const frames = 300
		for i := range int64(frames) {
			writer.write(wire.OpPut, "thing", []string{"id", "a", "big"}, num(i%3), num(i), big)
			w.frame()
			expect[*wire.Frame](quick)
			if i%20 == 19 { // the writer takes its acknowledgements
				w.pass(time.Second / 10)
				w.hub.Sweep(time.Now())
				await[*wire.Settled](writer)
			}
		}
		copied, seen := map[int64]int64{}, 0
		last := uint64(0)
		for last < w.hub.Version() {
			f := expect[*wire.Frame](slow)
			seen++
			if f.Previous < last {
				w.Fatalf("a frame goes back: previous %d after %d", f.Previous, last)
			}
			last = f.Version
			for _, b := range f.Changed {
				for row := range b.N {
					if at := slices.Index(b.Columns, 2); at >= 0 {
						copied[b.Value(0, row).Int64()] = b.Value(at, row).Int64()
					}
				}
			}
		}
		if seen >= frames/2 {
			w.Errorf("%d frames for %d versions: they were not merged", seen, frames)
		}
		for id, want := range map[int64]int64{0: frames - 3, 1: frames - 2, 2: frames - 1} {
			if copied[id] != want {
				w.Errorf("row %d is %d, want %d", id, copied[id], want)
			}
		}
	})
}

func TestStopCommitsWhatWasAccepted(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.dial(nothing())
		expect[*wire.SnapshotEnd](p)
		seq := p.put(1, 42)
		synctest.Wait()
		stopped := make(chan struct{})
		go func() { w.hub.Stop(); close(stopped) }()
		if s := await[*wire.Settled](p); !slices.Equal(s.Committed, []uint64{seq}) {
			w.Fatalf("settled is %+v", s)
		}
		if g := expect[*wire.Goodbye](p); g.Code != wire.CloseStopping || !g.RetrySet {
			w.Fatalf("the goodbye is %+v", g)
		}
		p.Close()
		<-stopped
		if got := w.scalar(`SELECT a FROM thing WHERE id = 1`); got != 42 {
			w.Fatalf("SQL has %d", got)
		}
		if _, err := w.tryDial(nothing()); err == nil {
			w.Error("a hub that has stopped takes a session")
		}
	})
}

// While another program holds the write lock, writes wait a second, then are
// refused, and are taken again by themselves.
func TestLockedDatabase(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.dial(nothing())
		expect[*wire.SnapshotEnd](p)
		unlock := w.lock()
		short := p.put(1, 1)
		w.frame()
		if err := w.hub.Ready(); err != nil {
			w.Errorf("a moment's wait is no trouble yet: %v", err)
		}
		w.pass(1100 * time.Millisecond)
		w.frame()
		if s := await[*wire.Settled](p); len(s.Rejected) != 1 || s.Rejected[0].Seq != short || s.Rejected[0].Code != wire.CodeUnavailable {
			w.Fatalf("settled is %+v", s)
		}
		if err := w.hub.Ready(); err == nil || !strings.Contains(err.Error(), "lock") {
			w.Errorf("readiness says %v", err)
		}
		unlock()
		w.pass(time.Second)
		w.frame()
		if err := w.hub.Ready(); err != nil {
			w.Errorf("the lock is gone, readiness says %v", err)
		}
		again := p.put(2, 2)
		w.frame()
		w.pass(100 * time.Millisecond)
		w.hub.Sweep(time.Now())
		if s := await[*wire.Settled](p); !slices.Equal(s.Committed, []uint64{again}) {
			w.Fatalf("settled is %+v", s)
		}
		state, _, err := w.store.Device(store.Device(p.Hello.Device))
		if err != nil || len(state.Rejected) != 1 || state.Rejected[0].Seq != short {
			w.Errorf("the log has of the refusal: %+v, %v", state, err)
		}
	})
}
