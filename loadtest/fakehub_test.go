package loadtest_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"framehub/loadtest"
	"framehub/session"
	"framehub/session/wire"
)

// A fakeHub says what a test wants it to. It has no database.
type fakeHub struct {
	url     string
	onWrite func(*fakeSession, *wire.Write) error
	again   func(s *fakeSession, answer *wire.HubHello)           // when a device first comes back: what it is answered; nil: as promised
	open    func(*fakeSession, *wire.DeviceHello, *wire.HubHello) // says the first words to a session; nil: a hello and nothing to see

	over chan struct{} // closed when the test is

	mu       sync.Mutex              // guards the following
	sessions map[string]*fakeSession // by device, the last of each
}

// A fakeSession is one with a fakeHub.
type fakeSession struct {
	session.Handler // panics at what no test needs
	*session.Session
	hub     *fakeHub
	device  string // set by open
	watches bool
	first   bool // of its device

	mu      sync.Mutex // guards the following
	out     [][]byte
	told    uint64 // the version of the last frame
	settled uint64 // the last transaction
}

func startFake(tb testing.TB, onWrite func(*fakeSession, *wire.Write) error) *fakeHub {
	tb.Helper()
	f := &fakeHub{onWrite: onWrite, over: make(chan struct{}), sessions: map[string]*fakeSession{}}
	var serving sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serving.Add(1)
		defer serving.Done()
		f.serve(tb, w, r)
	}))
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		_ = c.(*net.TCPConn).SetReadBuffer(64 << 10) // so that what is not read soon can't be sent
		return ctx
	}
	server.Start()
	f.url = "ws" + strings.TrimPrefix(server.URL, "http") + session.Path
	tb.Cleanup(func() {
		close(f.over)
		server.Close()
		serving.Wait()
	})
	return f
}

func (f *fakeHub) serve(tb testing.TB, w http.ResponseWriter, r *http.Request) {
	tb.Helper()
	sess, err := session.Accept(w, r, session.Options{})
	if err != nil {
		tb.Error(err)
		return
	}
	hello, err := sess.Hello()
	if err != nil {
		tb.Error(err)
		return
	}
	s := &fakeSession{Session: sess, hub: f, watches: !hello.SubsSet, first: hello.Device == nil, told: 7}
	answer := wire.HubHello{
		Session: sess.ID[:], Device: sess.ID[:], Epoch: []byte{1}, Version: 7, Schema: fakeSchema(), Limits: wire.HubLimits{Unsettled: 64},
	}
	if f.open != nil {
		f.open(s, &hello, &answer)
	} else {
		if hello.Device != nil {
			f.resume(s, &hello, &answer)
		}
		s.out = append(s.out, answer.Append(nil), (&wire.SnapshotEnd{Version: answer.Version}).Append(nil))
	}
	f.mu.Lock()
	f.sessions[string(answer.Device)] = s
	f.mu.Unlock()
	_ = sess.Run(s) // its end is the load's business
}

// resume lets a session go on where the device's last one has ended.
func (f *fakeHub) resume(s *fakeSession, hello *wire.DeviceHello, answer *wire.HubHello) {
	f.mu.Lock()
	last, again := f.sessions[string(hello.Device)], f.again
	f.again = nil
	f.mu.Unlock()
	last.mu.Lock()
	s.told, s.settled, s.watches = last.told, last.settled, last.watches
	last.mu.Unlock()
	answer.Device, answer.Version, answer.Resumed = hello.Device, s.told, true
	answer.Settled, answer.SettledKnown = s.settled, s.settled > 0
	if again != nil {
		again(s, answer)
	}
}

// cut drops every session, as a hub does that is killed.
func (f *fakeHub) cut() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sessions {
		s.Drop()
	}
	return nil
}

func fakeSchema() *wire.Schema {
	t := fakeTable(1, "entity", "id INTEGER", "x REAL", "y REAL", "heading REAL", "speed REAL", "score INTEGER")
	return &wire.Schema{Version: 1, Tables: []wire.SchemaTable{t}}
}

// fakeTable returns a table whose key is its first column.
func fakeTable(number int, name string, columns ...string) wire.SchemaTable {
	t := wire.SchemaTable{Number: number, Name: name, KeyLength: 1, Scope: -1, Rights: 15, Class: "durable"}
	for _, c := range columns {
		name, kind, _ := strings.Cut(c, " ")
		t.Columns = append(t.Columns, wire.SchemaColumn{Name: name, Type: kind})
	}
	return t
}

// Write implements session.Handler.
func (s *fakeSession) Write(w *wire.Write, _ *wire.Refusal, _ int) error { return s.hub.onWrite(s, w) }

// Admit implements session.Handler.
func (s *fakeSession) Admit(int) error { return nil }

// Version implements session.Handler.
func (s *fakeSession) Version() uint64 { return 7 }

// Next implements session.Handler.
func (s *fakeSession) Next(dst [][]byte) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	dst = append(dst, s.out...)
	s.out = nil
	return dst
}

// say sends a message.
func (s *fakeSession) say(m session.Message) {
	s.mu.Lock()
	s.out = append(s.out, m.Append(nil))
	s.mu.Unlock()
	s.Wake()
}

// settle says that a transaction was committed, and shows its rows to who wrote it.
func (s *fakeSession) settle(w *wire.Write) {
	s.mu.Lock()
	s.told++
	v := s.told
	s.settled = w.Seq
	s.mu.Unlock()
	s.say(&wire.Settled{Version: v, Committed: []uint64{w.Seq}})
	if s.watches {
		s.show(w, v)
	}
}

func (s *fakeSession) show(w *wire.Write, version uint64) {
	s.say(&wire.Frame{Version: version, Previous: version - 1, Time: time.Now(), Changed: []wire.Block{w.Ops[0].Block}, All: true})
}

// A hub that says nothing, or takes nothing, does not make the run wait for ever.
func TestHubIsSilent(t *testing.T) {
	for name, tc := range map[string]struct {
		onWrite  func(*fakeSession, *wire.Write) error
		entities int
		duration time.Duration
		want     string
	}{
		"says nothing":  {func(*fakeSession, *wire.Write) error { return nil }, 1, time.Second, "have no outcome"},
		"takes nothing": {func(s *fakeSession, _ *wire.Write) error { <-s.hub.over; return nil }, 16000, 4 * time.Second, "takes nothing any more"}, // a busy machine takes long to fill what the kernel keeps
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t, tc.onWrite)
			r, err := loadtest.Run(t.Context(), loadtest.Options{
				URL: f.url, Devices: 1, Entities: tc.entities, Hz: 60, Duration: tc.duration, Patience: time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.OK || r.Acked != 0 || r.Sent == 0 || r.Unsettled != r.Sent || !mentions(r, tc.want) {
				t.Errorf("the report says\n%s", text(t, r))
			}
		})
	}
}

// What breaks a promise of the protocol is found.
func TestBrokenPromises(t *testing.T) {
	for name, tc := range map[string]struct {
		onWrite func(*fakeSession, *wire.Write) error
		want    string // "": it is as promised
	}{
		"none": {func(s *fakeSession, w *wire.Write) error {
			s.settle(w)
			return nil
		}, ""},
		"an outcome comes twice": {func(s *fakeSession, w *wire.Write) error {
			s.settle(w)
			s.say(&wire.Settled{Version: 7, Committed: []uint64{w.Seq}})
			return nil
		}, "10 came twice, 0 out of order"},
		"outcomes come out of order": {func(s *fakeSession, w *wire.Write) error {
			if w.Seq%2 == 0 {
				s.settle(w)
				s.say(&wire.Settled{Version: 7, Committed: []uint64{w.Seq - 1}})
			}
			return nil
		}, "5 out of order"},
		"an outcome of nothing": {func(s *fakeSession, w *wire.Write) error {
			s.say(&wire.Settled{Version: 8, Committed: []uint64{w.Seq + 1000}})
			return nil
		}, "was not sent"},
		"an acknowledged write is not there": {func(s *fakeSession, w *wire.Write) error {
			s.say(&wire.Settled{Version: 7, Committed: []uint64{w.Seq}})
			return nil
		}, "1 rows are not as"},
		"an update comes twice": {func(s *fakeSession, w *wire.Write) error {
			s.settle(w)
			s.show(w, 8)
			return nil
		}, "sessions were lost"},
		"a version is left out": {func(s *fakeSession, w *wire.Write) error {
			s.told++
			s.settle(w)
			return nil
		}, "1 versions were left out"},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t, tc.onWrite)
			r, err := loadtest.Run(t.Context(), loadtest.Options{URL: f.url, Unchecked: true, Devices: 1, Duration: 500 * time.Millisecond, Patience: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if found := tc.want != "" && mentions(r, tc.want); r.OK != (tc.want == "") || tc.want != "" && !found {
				t.Errorf("the report says\n%s", text(t, r))
			}
		})
	}
}

// Times count from when a write was meant to be sent, and know the hub's delay.
func TestDelay(t *testing.T) {
	const delay = 30 * time.Millisecond
	var answering sync.WaitGroup
	f := startFake(t, func(s *fakeSession, w *wire.Write) error {
		answering.Add(1)
		time.AfterFunc(delay, func() { defer answering.Done(); s.settle(w) })
		return nil
	})
	r, err := loadtest.Run(t.Context(), loadtest.Options{URL: f.url, Unchecked: true, Devices: 2, Duration: time.Second})
	answering.Wait()
	if err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]*loadtest.Quantiles{"acknowledged": r.Ack, "seen": r.Age} {
		// A busy machine adds to it, but nothing takes from it.
		if q == nil || q.P50 < 30 || q.P50 > 60 {
			t.Errorf("%s: %+v, the hub answers after 30 ms", name, q)
		}
	}
}

// What the hub makes writes wait is not the load test's own fault, neither for the write that
// waited nor for those that were due meanwhile.
func TestHeldWrites(t *testing.T) {
	const room, hold = 64, 500 * time.Millisecond
	var answering sync.WaitGroup
	var mu sync.Mutex
	var held []*wire.Write
	open := false
	f := startFake(t, func(s *fakeSession, w *wire.Write) error {
		mu.Lock()
		defer mu.Unlock()
		if open {
			s.settle(w)
			return nil
		}
		if held = append(held, w); len(held) == room {
			answering.Add(1)
			time.AfterFunc(hold, func() {
				defer answering.Done()
				mu.Lock()
				defer mu.Unlock()
				open = true
				for _, w := range held {
					s.settle(w)
				}
			})
		}
		return nil
	})
	r, err := loadtest.Run(t.Context(), loadtest.Options{URL: f.url, Unchecked: true, Devices: 1, Hz: 250, Duration: time.Second, Warmup: -1})
	answering.Wait()
	if err != nil {
		t.Fatal(err)
	}
	late, own := r.Distributions["late_ms"], r.Distributions["generator_late_ms"]
	if late.Max < 400 || own.Max > 250 || own.Max > late.Max {
		t.Errorf("writes were held for half a second: %v ms late at most, %v by the load test's own fault\n%s", late.Max, own.Max, text(t, r))
	}
}
