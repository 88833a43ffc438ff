package hub_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"framehub/hub"
	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// send sends an event with a number.
func (p *peer) send(to wire.Target, name string, n int64) {
	p.w.Helper()
	if err := p.SendEvent(p.w.Context(), &wire.SendEvent{To: to, Name: name, Value: wire.One(num(n))}); err != nil {
		p.w.Fatal(err)
	}
}

// heard returns the names of the events that come before the answer to a question
// of the clock, which must be asked when nothing else is on its way.
func (p *peer) heard() (names []string) {
	p.w.Helper()
	if err := p.Clock(p.w.Context(), 1); err != nil {
		p.w.Fatal(err)
	}
	for {
		switch m := p.next().(type) {
		case *wire.Event:
			if m.Refused != nil {
				p.w.Errorf("the event %q was refused: %v", m.Name, m.Refused)
			}
			names = append(names, m.Name)
		case *wire.Clock:
			return names
		}
	}
}

// settledIn returns peers that are in step.
func (w *world) settledIn(peers ...*peer) {
	w.Helper()
	for _, p := range peers {
		await[*wire.SnapshotEnd](p)
	}
	synctest.Wait()
}

// metric returns a counter of the hub, with the value of its one label.
func (w *world) metric(name, label string) float64 {
	w.Helper()
	r := prometheus.NewRegistry()
	if err := w.hub.Metrics().Register(r); err != nil {
		w.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func (w *world) dropped(reason string) float64 {
	w.Helper()
	return w.metric("framehub_events_dropped_total", reason)
}

func TestEventsReachWhomTheyAreFor(t *testing.T) {
	thing := func(scope int64) wire.Target { return wire.ToScope("thing", num(scope)) }
	for name, tc := range map[string]struct {
		to   func(w *world, peers map[string]*peer) wire.Target
		want []string
	}{
		"a device":               {func(_ *world, p map[string]*peer) wire.Target { return wire.ToDevice(p["one"].Hello.Device) }, []string{"one"}},
		"itself":                 {func(_ *world, p map[string]*peer) wire.Target { return wire.ToDevice(p["sender"].Hello.Device) }, nil},
		"nobody":                 {func(*world, map[string]*peer) wire.Target { return wire.ToDevice(make([]byte, 16)) }, nil},
		"the server":             {func(*world, map[string]*peer) wire.Target { return wire.ToRole("server") }, []string{"server"}},
		"all other devices":      {func(*world, map[string]*peer) wire.Target { return wire.ToRole("device") }, []string{"blind", "both", "one"}},
		"observers":              {func(*world, map[string]*peer) wire.Target { return wire.ToRole("observer") }, []string{"all"}},
		"a role that nobody has": {func(*world, map[string]*peer) wire.Target { return wire.ToRole("admin") }, nil},
		"a scope":                {func(*world, map[string]*peer) wire.Target { return thing(1) }, []string{"all", "both", "one"}},
		"another scope":          {func(*world, map[string]*peer) wire.Target { return thing(2) }, []string{"all", "both"}},
		"a scope of nobody's":    {func(*world, map[string]*peer) wire.Target { return thing(3) }, []string{"all"}},
		"the scope NULL":         {func(*world, map[string]*peer) wire.Target { return wire.ToScope("thing", wire.Value{}) }, []string{"all"}},
		"a scope as a float":     {func(*world, map[string]*peer) wire.Target { return wire.ToScope("thing", wire.RealValue(2)) }, []string{"all", "both"}},
		"a scope by the number of its table": {func(w *world, _ map[string]*peer) wire.Target {
			return wire.Target{Number: w.store.Schema().Table("thing").ID, Scope: num(2)}
		}, []string{"all", "both"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				peers := map[string]*peer{
					"sender": w.dial(watching(scoped(1, 2, 3))),
					"one":    w.dial(watching(scoped(1))),
					"both":   w.dial(watching(scoped(1), scoped(2))),
					"all":    w.dial(wire.DeviceHello{Role: "observer"}),
					"server": w.dial(wire.DeviceHello{Role: "server", SubsSet: true}),
					"blind":  w.dial(nothing()),
				}
				for _, p := range peers {
					w.settledIn(p)
				}
				peers["sender"].send(tc.to(w, peers), "shot", 1)
				w.frame()
				var reached []string
				for name, p := range peers {
					if n := len(p.heard()); n > 1 {
						t.Errorf("%s heard it %d times", name, n)
					} else if n == 1 {
						reached = append(reached, name)
					}
				}
				slices.Sort(reached)
				if !slices.Equal(reached, tc.want) {
					t.Errorf("it reached %q, want %q", reached, tc.want)
				}
				if got := w.metric("framehub_events_delivered_total", ""); got != float64(len(tc.want)) {
					t.Errorf("%v were delivered", got)
				}
				if got, none := w.dropped("nobody"), len(tc.want) == 0; (got == 1) != none {
					t.Errorf("%v were for nobody", got)
				}
			})
		})
	}
}

// An event says who sent it, and comes after the frame that holds what its sender
// wrote before it; what he writes after it may be in that frame or in the next.
func TestEventsFollowFrames(t *testing.T) {
	bubble(t, func(w *world) {
		sender, watcher := w.dial(nothing()), w.dial(watching(wire.Sub{Name: "thing"}))
		w.settledIn(sender, watcher)
		const rounds = 20
		for i := range int64(rounds) {
			sender.put(1, i)
			sender.send(wire.ToScope("thing", num(1)), "moved", i)
			if i%2 == 1 { // every other frame holds two of each
				w.frame()
			}
		}
		events := 0
		var last *wire.Frame
		for events < rounds {
			switch m := watcher.next().(type) {
			case *wire.Frame:
				last = m
			case *wire.Event:
				wrote := last.Changed[0].Value(slices.Index(last.Changed[0].Columns, 2), 0).Int64()
				if said := m.Value.Values[0].Int64(); wrote < said || m.Version != last.Version || !slices.Equal(m.From, sender.Hello.Device) {
					w.Fatalf("the event %+v comes where the row is %d, in version %d", m, wrote, last.Version)
				}
				events++
			}
		}
	})
}

// Where nothing is written, events make no version.
func TestEventsWithoutAFrame(t *testing.T) {
	bubble(t, func(w *world) {
		sender, other := w.dial(nothing()), w.dial(nothing())
		w.settledIn(sender, other)
		sender.put(1, 1)
		w.frame()
		sender.send(wire.ToDevice(other.Hello.Device), "hei", 1)
		synctest.Wait()
		if got := w.metric("framehub_events_delivered_total", ""); got != 0 {
			t.Errorf("%v events were delivered before a boundary", got)
		}
		version := w.hub.Version()
		w.frame()
		e := await[*wire.Event](other)
		if e.Version != version || w.hub.Version() != version {
			t.Errorf("the event has version %d, the hub %d, it was %d", e.Version, w.hub.Version(), version)
		}
	})
}

func TestEventsThatAreRefused(t *testing.T) {
	list := func(n int) wire.Payload {
		return wire.List(slices.Repeat([]wire.Value{wire.TextValue(strings.Repeat("x", 1000))}, n)...)
	}
	for name, tc := range map[string]struct {
		event wire.SendEvent
		role  string
		code  wire.Code
		says  string
	}{
		"an observer":             {wire.SendEvent{To: wire.ToRole("server")}, "observer", wire.CodeForbidden, "observer"},
		"an unknown role":         {wire.SendEvent{To: wire.ToRole("sever")}, "", wire.CodeMissing, `did you mean "server"?`},
		"an unknown table":        {wire.SendEvent{To: wire.ToScope("thong", num(1))}, "", wire.CodeUnknownTable, `"thong"`},
		"an unknown number":       {wire.SendEvent{To: wire.Target{Number: 99}}, "", wire.CodeUnknownTable, "99"},
		"a private table":         {wire.SendEvent{To: wire.ToScope("_framehub_meta", num(1))}, "", wire.CodeUnknownTable, "_framehub_meta"},
		"a table without scopes":  {wire.SendEvent{To: wire.ToScope("other", num(1))}, "", wire.CodeUnknownColumn, `"other"`},
		"a scope of another type": {wire.SendEvent{To: wire.ToScope("thing", wire.TextValue("x"))}, "", wire.CodeType, "INTEGER"},
		"a value too large":       {wire.SendEvent{To: wire.ToRole("server"), Value: list(17)}, "", wire.CodeTooLarge, "16384"},
		"too many values":         {wire.SendEvent{To: wire.ToRole("server"), Value: list(65)}, "server", wire.CodeTooLarge, "64"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := w.dial(wire.DeviceHello{SubsSet: true, Role: tc.role})
				w.settledIn(p)
				tc.event.Name = "shot"
				if err := p.SendEvent(w.Context(), &tc.event); err != nil {
					t.Fatal(err)
				}
				e := expect[*wire.Event](p)
				if e.Refused == nil || e.Refused.Code != tc.code || !strings.Contains(e.Refused.Text, tc.says) || e.Name != "shot" {
					t.Errorf("the answer is %+v, %v", e, e.Refused)
				}
				if got := w.metric("framehub_events_refused_total", string(tc.code)); got != 1 {
					t.Errorf("%v are counted", got)
				}
				if got := w.metric("framehub_events_total", ""); got != 0 {
					t.Errorf("%v were taken", got)
				}
			})
		})
	}
}

// A device that takes few bytes loses the events that are too large for it.
func TestEventTooLargeForADevice(t *testing.T) {
	bubble(t, func(w *world) {
		sender, small := w.dial(nothing()), w.dial(wire.DeviceHello{SubsSet: true, MaxMessage: 4096})
		w.settledIn(sender, small)
		for _, size := range []int{5000, 3000} {
			e := wire.SendEvent{To: wire.ToDevice(small.Hello.Device), Name: "map", Value: wire.One(wire.BlobValue(make([]byte, size)))}
			if err := sender.SendEvent(w.Context(), &e); err != nil {
				t.Fatal(err)
			}
		}
		w.frame()
		if e := await[*wire.Event](small); e.Value.Values[0].Len() != 3000 || w.dropped("too_large") != 1 {
			t.Errorf("an event of %d bytes came, %v were lost", e.Value.Values[0].Len(), w.dropped("too_large"))
		}
	})
}

// What comes to a session while it does not take anything is lost beyond a bound.
func TestEventsAreLostWhereTheMailboxIsFull(t *testing.T) {
	bubble(t, func(w *world) {
		sender, deaf := w.dial(nothing()), w.dial(nothing())
		w.settledIn(sender, deaf)
		value := wire.One(wire.BlobValue(make([]byte, 1000)))
		const batches, each = 40, 50
		for range batches {
			for range each {
				e := wire.SendEvent{To: wire.ToDevice(deaf.Hello.Device), Name: "noise", Value: value}
				if err := sender.SendEvent(w.Context(), &e); err != nil {
					t.Fatal(err)
				}
			}
			w.frame()
		}
		full := w.dropped("full")
		if full == 0 {
			t.Fatal("nothing was lost")
		}
		got := 0
		for ; float64(got)+full < batches*each; got++ {
			expect[*wire.Event](deaf)
		}
		if more := deaf.heard(); len(more) != 0 || got == 0 {
			t.Errorf("of %d events %v were lost, %d came, and then %d", batches*each, full, got, len(more))
		}
		if w.dropped("behind") != 0 {
			t.Error("the session has not fallen behind")
		}
	})
}

// A session that falls behind loses what it was sent, also of what waits already,
// until it is in step again.
func TestEventsAreLostWhereASessionIsBehind(t *testing.T) {
	bubble(t, func(w *world) {
		writer, slow, quick := w.dial(nothing()), w.dial(watching(wire.Sub{Name: "thing"})), w.dial(watching(wire.Sub{Name: "thing"}))
		w.settledIn(writer, slow, quick)
		big := wire.BlobValue(make([]byte, 20<<10))
		const frames = 200
		for i := range int64(frames) {
			writer.write(wire.OpPut, "thing", []string{"id", "zone", "a", "big"}, num(i%3), num(1), num(i), big)
			writer.send(wire.ToScope("thing", num(1)), "shot", i)
			w.frame()
			if i%20 == 19 { // the writer takes its acknowledgements
				w.pass(time.Second / 10)
				w.hub.Sweep(time.Now())
				await[*wire.Settled](writer)
			}
			expect[*wire.Frame](quick)
			if e := expect[*wire.Event](quick); e.Value.Values[0].Int64() != i {
				t.Fatalf("event %d comes where %d is due", e.Value.Values[0].Int64(), i)
			}
		}
		lost := w.dropped("behind")
		if lost == 0 {
			t.Fatal("nothing was lost")
		}
		got, told := 0, uint64(0)
		for told < w.hub.Version() {
			switch m := slow.next().(type) {
			case *wire.Frame:
				told = m.Version
			case *wire.Event:
				if got++; m.Version > told {
					t.Errorf("an event of version %d comes where the session has %d", m.Version, told)
				}
			}
		}
		if float64(got)+lost != frames {
			t.Errorf("%d came, %v were lost, of %d", got, lost, frames)
		}
		synctest.Wait()
		writer.send(wire.ToDevice(slow.Hello.Device), "again", 1)
		w.frame()
		if e := await[*wire.Event](slow); e.Name != "again" {
			t.Errorf("in step again, %q comes", e.Name)
		}
	})
}

// A session whose snapshot is still to come is not behind: it gets its events
// once it is in step.
func TestEventsWaitForSubscriptions(t *testing.T) {
	bubble(t, func(w *world) {
		sender, walker := w.dial(nothing()), w.dial(watching(scoped(1), scoped(2)))
		w.settledIn(sender, walker)
		heard, heardAt := int64(0), uint64(0)
		take := func() session.Message {
			m := walker.next()
			switch m := m.(type) {
			case *wire.Event:
				if n := m.Value.Values[0].Int64(); n != heard {
					t.Fatalf("event %d comes where %d is due", n, heard)
				}
				heard, heardAt = heard+1, m.Version
			case *wire.SnapshotEnd:
				heardAt = 0 // rows of the new scope may be older
			case *wire.Frame:
				if len(m.Changed) > 0 && m.Version <= heardAt {
					t.Fatalf("after an event of version %d come rows of version %d", heardAt, m.Version)
				}
			}
			return m
		}
		const steps = 40
		sent := int64(0)
		for step := range uint64(steps) {
			change := wire.Subscribe{ID: step + 1, Add: []wire.Sub{scoped(int64(step) + 3)}, Remove: []wire.Sub{scoped(int64(step) + 2)}}
			if err := walker.Subscribe(w.Context(), &change); err != nil {
				t.Fatal(err)
			}
			for range 3 { // while the change is under way
				sender.put(int64(step), sent)
				sender.send(wire.ToDevice(walker.Hello.Device), "step", sent)
				sent++
				w.hub.Frame(time.Now())
			}
			for {
				if end, ok := take().(*wire.SnapshotEnd); ok && end.ID == change.ID {
					break
				}
			}
			w.frame()
			sender.send(wire.ToScope("thing", num(int64(step)+3)), "here", sent)
			sent++
			w.pass(time.Second / 10)
			w.frame()
			w.hub.Sweep(time.Now())
			await[*wire.Settled](sender)
		}
		for heard < sent {
			take()
		}
		if lost := w.dropped("behind") + w.dropped("full") + w.dropped("nobody"); lost != 0 {
			t.Errorf("%v events were lost", lost)
		}
	})
}

// What comes between the end of a change of subscriptions and the frame that
// follows it waits for that frame.
func TestEventsBetweenSubscriptions(t *testing.T) {
	bubble(t, func(w *world) {
		sender, walker := w.dial(nothing()), w.dial(watching(scoped(1)))
		w.settledIn(sender, walker)
		// Fill the connection, so that the end of the change does not fit any more.
		room := sessiontest.Buffer - 3
		const filling = 5
		for i := range filling {
			const head = 4 // of a WebSocket frame of that size
			e := wire.Event{From: sender.Hello.Device, Name: "fill", Value: wire.One(wire.BlobValue(make([]byte, room/(filling-i))))}
			blob := room/(filling-i) - head - (len(e.Append(nil)) - room/(filling-i))
			e.Value = wire.One(wire.BlobValue(make([]byte, blob)))
			room -= head + len(e.Append(nil))
			if err := sender.SendEvent(w.Context(), &wire.SendEvent{To: wire.ToDevice(walker.Hello.Device), Name: e.Name, Value: e.Value}); err != nil {
				t.Fatal(err)
			}
		}
		if room != 0 {
			t.Fatalf("%d bytes are left", room)
		}
		w.frame()
		if err := walker.Subscribe(w.Context(), &wire.Subscribe{ID: 1, Add: []wire.Sub{scoped(2)}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		sender.put(1, 1)
		sender.send(wire.ToScope("thing", num(2)), "here", 1)
		w.frame()
		for range filling {
			expect[*wire.Event](walker)
		}
		expect[*wire.SnapshotEnd](walker)
		f := expect[*wire.Frame](walker)
		if e := expect[*wire.Event](walker); e.Name != "here" || e.Version != f.Version || len(f.Changed) != 1 {
			t.Errorf("after version %d comes %+v", f.Version, e)
		}
	})
}

// A device may leave so many events for one frame; the next frame has room again.
func TestTooManyEventsForAFrame(t *testing.T) {
	bubble(t, func(w *world) {
		p, other := w.dial(nothing()), w.dial(nothing())
		w.settledIn(p, other)
		const most = 4096
		go func() {
			for range most + 10 {
				p.send(wire.ToRole("server"), "flood", 1)
			}
		}()
		for range 10 {
			if e := await[*wire.Event](p); e.Refused == nil || e.Refused.Code != wire.CodeRate {
				t.Fatalf("the answer is %+v", e)
			}
		}
		synctest.Wait()
		other.send(wire.ToDevice(p.Hello.Device), "hei", 1)
		w.frame()
		if e := await[*wire.Event](p); e.Name != "hei" {
			t.Errorf("the event of another device is %+v", e)
		}
		p.send(wire.ToDevice(other.Hello.Device), "again", 1)
		w.frame()
		if e := await[*wire.Event](other); e.Name != "again" {
			t.Errorf("after the frame comes %+v", e)
		}
	})
}

// What one device sends to many takes its turn with the next frames; what others
// send does not wait for it.
func TestFloodWaitsForItself(t *testing.T) {
	bubble(t, func(w *world) {
		flooder, other, server := w.dial(nothing()), w.dial(nothing()), w.dial(wire.DeviceHello{SubsSet: true, Role: "server"})
		crowd := make([]*peer, 10)
		for i := range crowd {
			crowd[i] = w.dial(wire.DeviceHello{SubsSet: true, Role: "editor"})
		}
		w.settledIn(append(crowd, flooder, other, server)...)
		const events = 4000 // for 10 each: more than a device's 16,384 deliveries
		for range events {
			flooder.send(wire.ToRole("editor"), "flood", 1)
		}
		flooder.send(wire.ToRole("server"), "last", 1)
		other.send(wire.ToRole("server"), "hei", 1)
		w.frame()
		if e := await[*wire.Event](server); e.Name != "hei" {
			t.Errorf("in the first frame comes %q", e.Name)
		}
		frames := 1
		for ; len(server.heard()) == 0; frames++ {
			w.frame()
		}
		if frames != 3 {
			t.Errorf("after %d frames the last one comes", frames)
		}
		if got := w.metric("framehub_events_delivered_total", "") + w.dropped("full"); got != events*10+2 {
			t.Errorf("%v events were delivered or lost", got)
		}
	})
}

// Events wait with the transactions while the hub can't commit, but for a second
// at most.
func TestEventsOfAHubThatIsDown(t *testing.T) {
	bubble(t, func(w *world) {
		sender, other := w.dial(nothing()), w.dial(nothing())
		w.settledIn(sender, other)
		db, err := sql.Open("sqlite3", "file:"+w.path+"?_txlock=immediate")
		if err != nil {
			w.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		tx, err := db.BeginTx(w.Context(), nil)
		if err != nil {
			w.Fatal(err)
		}
		sender.put(1, 1)
		sender.send(wire.ToDevice(other.Hello.Device), "first", 1)
		for range 5 {
			w.frame()
			w.pass(100 * time.Millisecond)
		}
		if got := other.heard(); len(got) != 0 {
			t.Errorf("the event overtakes the transaction before it: %q", got)
		}
		w.pass(time.Second)
		w.frame()
		if r := await[*wire.Settled](sender); len(r.Rejected) != 1 {
			t.Errorf("the transaction is %+v", r)
		}
		if got := other.heard(); !slices.Equal(got, []string{"first"}) {
			t.Errorf("with the refusal come %q", got)
		}
		sender.send(wire.ToDevice(other.Hello.Device), "second", 1)
		w.frame()
		if got := other.heard(); !slices.Equal(got, []string{"second"}) {
			t.Errorf("while the hub is down come %q", got)
		}
		if err := tx.Rollback(); err != nil {
			w.Fatal(err)
		}
	})
}

// What a session has sent before it was ended arrives; what is sent to it does not.
func TestEventsAndKicks(t *testing.T) {
	bubble(t, func(w *world) {
		kicked, other := w.dial(nothing()), w.dial(nothing())
		w.settledIn(kicked, other)
		kicked.send(wire.ToDevice(other.Hello.Device), "bye", 1)
		synctest.Wait()
		if _, ok := w.hub.Kick(uuid.UUID(kicked.Hello.Session), hub.Kick{}); !ok {
			t.Fatal("there is nobody to kick")
		}
		await[*wire.Goodbye](kicked)
		kicked.Close()
		synctest.Wait()
		other.send(wire.ToDevice(kicked.Hello.Device), "wait", 1)
		w.frame()
		if got := other.heard(); !slices.Equal(got, []string{"bye"}) || w.dropped("nobody") != 1 {
			t.Errorf("it hears %q, %v were for nobody", got, w.dropped("nobody"))
		}
	})
}

// The last frame has its events, too.
func TestEventsBeforeTheEnd(t *testing.T) {
	bubble(t, func(w *world) {
		sender, other := w.dial(nothing()), w.dial(nothing())
		w.settledIn(sender, other)
		sender.send(wire.ToDevice(other.Hello.Device), "last", 1)
		synctest.Wait()
		stopped := make(chan struct{})
		go func() { w.hub.Stop(); close(stopped) }()
		expect[*wire.Event](other)
		expect[*wire.Goodbye](other)
		<-stopped
	})
}
