package hub_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"framehub/hub"
	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// clocked runs f in a bubble with a world whose frame loop runs.
func clocked(t *testing.T, o hub.Options, f func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		ctx, cancel := context.WithCancel(context.Background())
		var loop sync.WaitGroup
		loop.Go(func() { w.hub.Frames(ctx) })
		t.Cleanup(func() { cancel(); loop.Wait() })
		f(w)
	})
}

// slow is an own clock that is far too slow to be taken for a tick.
var slow = hub.Options{FrameHz: 0.001, ClockPatience: time.Minute}

func server(subs ...wire.Sub) wire.DeviceHello {
	h := watching(subs...)
	h.Role = "server"
	return h
}

func (p *peer) tick(n uint64) {
	p.w.Helper()
	if err := p.Tick(p.w.Context(), n); err != nil {
		p.w.Fatal(err)
	}
}

// answered returns the version of the next answer to a tick, which must be the
// one of n, past other messages.
func (p *peer) answered(n uint64) uint64 {
	p.w.Helper()
	a := await[*wire.Tick](p)
	if a.N != n || a.Refused != nil {
		p.w.Fatalf("the tick %d is answered %+v, %v", n, a, a.Refused)
	}
	return a.Version
}

func (p *peer) refused(n uint64, code wire.Code) {
	p.w.Helper()
	a := await[*wire.Tick](p)
	if a.N != n || a.Refused == nil || a.Refused.Code != code || a.Refused.Text == "" {
		p.w.Fatalf("the tick %d is answered %+v, want the refusal %s", n, a, code)
	}
}

// told fails the test unless the next message says that a holds the clock.
func (p *peer) told(a *peer) {
	p.w.Helper()
	var want []byte
	if a != nil {
		want = a.Hello.Device
	}
	if h := expect[*wire.Holder](p); !bytes.Equal(h.Device, want) {
		p.w.Fatalf("told that %x holds the clock, want %x", h.Device, want)
	}
}

// A server's tick closes the frame at once, and what the frame brought comes
// before the answer: outcomes, rows, then the version.
func TestTickClosesTheFrame(t *testing.T) {
	clocked(t, slow, func(w *world) {
		s, d := w.dial(server(wire.Sub{Name: "thing"})), w.dial(nothing())
		expect[*wire.SnapshotEnd](s)
		s.tick(1)
		s.told(s)
		if v := s.answered(1); v != w.hub.Version() {
			w.Errorf("an empty tick is answered with version %d, the hub's is %d", v, w.hub.Version())
		}
		start := time.Now()
		for n := range uint64(20) {
			w.pass(time.Second / 60)
			d.put(int64(n), 1)
			synctest.Wait()
			seqs := []uint64{s.put(100, int64(n)), s.put(200, int64(n))}
			s.tick(n)
			settled := expect[*wire.Settled](s)
			f := expect[*wire.Frame](s)
			version := expect[*wire.Tick](s)
			if version.N != n || version.Version != f.Version || settled.Version != f.Version || !slices.Equal(settled.Committed, seqs) {
				w.Fatalf("tick %d: settled %+v, the frame is %d, the answer %+v", n, settled, f.Version, version)
			}
			if rows := f.Changed[0].N; len(f.Changed) > 2 || n > 0 && rows == 0 {
				w.Fatalf("tick %d: the frame is %+v", n, f)
			}
		}
		if late := time.Since(start) - 20*(time.Second/60); late != 0 {
			w.Errorf("20 ticks waited %v", late)
		}
	})
}

// While a server holds the clock, frames are its alone.
func TestOwnClockRestsWhileAServerTicks(t *testing.T) {
	clocked(t, hub.Options{}, func(w *world) {
		s, d := w.dial(server()), w.dial(watching(wire.Sub{Name: "thing"}))
		expect[*wire.SnapshotEnd](s)
		expect[*wire.SnapshotEnd](d)
		s.tick(1)
		s.answered(1)
		before := w.hub.Version()
		d.put(1, 1)
		w.pass(900 * time.Millisecond)
		if v := w.hub.Version(); v != before {
			w.Fatalf("version %d was committed without a tick, there was %d", v, before)
		}
		s.tick(2)
		if v := s.answered(2); v != before+1 {
			w.Fatalf("the tick closed version %d, want %d", v, before+1)
		}
		if f := await[*wire.Frame](d); f.Version != before+1 {
			w.Errorf("the device's frame is %d", f.Version)
		}
		w.pass(900 * time.Millisecond) // sessions live on: acknowledgements, empty frames
		if f := await[*wire.Frame](d); len(f.Changed) != 0 {
			w.Errorf("a sign of life is %+v", f)
		}
		if got := w.scalar(`SELECT a FROM thing WHERE id = 1`); got != 1 {
			w.Errorf("what was committed is not merged: SQL has %d", got)
		}
	})
}

func TestWhoMayTick(t *testing.T) {
	for _, role := range []string{"device", "observer", "editor", "admin"} {
		t.Run(role, func(t *testing.T) {
			clocked(t, slow, func(w *world) {
				p := w.dial(wire.DeviceHello{Role: role, SubsSet: true})
				p.tick(7)
				p.refused(7, wire.CodeForbidden)
				if _, held := w.hub.ClockHolder(); held {
					w.Error("it holds the clock")
				}
			})
		})
	}
}

func TestTwoServers(t *testing.T) {
	clocked(t, slow, func(w *world) {
		a, b, d := w.dial(server()), w.dial(server()), w.dial(nothing())
		for _, p := range []*peer{a, b, d} {
			expect[*wire.SnapshotEnd](p)
		}
		a.tick(1)
		a.told(a)
		b.told(a)
		a.answered(1)
		b.tick(5)
		b.refused(5, wire.CodeClockHeld)
		late := w.dial(server())
		late.told(a)
		a.Drop()
		b.told(nil)
		b.tick(6)
		b.told(b)
		b.answered(6)
		if id, held := w.hub.ClockHolder(); !held || !bytes.Equal(id[:], b.Hello.Device) {
			w.Errorf("%v holds the clock, %t", id, held)
		}
		d.Close()
		for {
			m, err := d.Next(w.Context())
			if err != nil {
				break
			}
			if _, ok := m.(*wire.Holder); ok {
				w.Error("a device was told who holds the clock")
			}
		}
	})
}

// A holder that is silent loses the clock, and has it back with its next tick.
func TestSilentHolder(t *testing.T) {
	clocked(t, hub.Options{}, func(w *world) {
		s, d := w.dial(server()), w.dial(nothing())
		expect[*wire.SnapshotEnd](s)
		s.tick(1)
		s.told(s)
		s.answered(1)
		start, before := time.Now(), w.hub.Version()
		d.put(1, 1)
		s.told(nil)
		if silent := time.Since(start); silent < time.Second || silent > time.Second+2*time.Second/60 {
			w.Errorf("the hub's clock took over after %v", silent)
		}
		synctest.Wait()
		if v := w.hub.Version(); v != before+1 {
			w.Errorf("version %d, want %d: nothing waits for a silent server", v, before+1)
		}
		s.tick(2)
		s.told(s)
		s.answered(2)
		d.put(2, 1)
		w.pass(900 * time.Millisecond)
		if v := w.hub.Version(); v != before+1 {
			w.Errorf("version %d, want %d: the server has the clock again", v, before+1)
		}
	})
}

// Ticks that come while the frame loop is busy share one version.
func TestTicksShareAVersion(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.dial(server())
		expect[*wire.SnapshotEnd](s)
		for n := range uint64(10) {
			s.put(int64(n), 1)
			s.tick(n)
		}
		w.frame()
		first := s.answered(0)
		for n := range uint64(9) {
			if v := s.answered(n + 1); v != first || v != w.hub.Version() {
				w.Errorf("tick %d is of version %d, the first of %d, the hub's is %d", n+1, v, first, w.hub.Version())
			}
		}
	})
}

// A server that ticks and ticks is read no faster than frames are closed, and not
// one of its ticks is lost.
func TestTicksHaveABound(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.dial(server())
		expect[*wire.SnapshotEnd](s)
		const ticks = 300
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for n := range uint64(ticks) {
				s.tick(n)
			}
		}()
		synctest.Wait()
		if n := w.hub.PendingTicks(); n != 64 {
			w.Errorf("%d ticks wait, want 64", n)
		}
		for n := uint64(0); n < ticks; {
			w.frame()
			for range min(64, ticks-n) {
				s.answered(n)
				n++
			}
		}
		<-sent
	})
}

// A thousand frames a second are the most that ticks close.
func TestTicksAreCoalesced(t *testing.T) {
	clocked(t, slow, func(w *world) {
		s := w.dial(server())
		expect[*wire.SnapshotEnd](s)
		start, before := time.Now(), w.hub.Version()
		for n := range uint64(20) {
			s.put(int64(n), 1)
			s.tick(n)
			s.answered(n)
		}
		if took := time.Since(start); took < 19*time.Millisecond || took > 21*time.Millisecond {
			w.Errorf("20 frames took %v", took)
		}
		if n := w.hub.Version() - before; n != 20 {
			w.Errorf("20 ticks, one after the other, closed %d frames", n)
		}
	})
}

// While the store can't commit, a tick is answered when what came before it has
// settled, and the silence is not the server's.
func TestTickWhileTheStoreIsLocked(t *testing.T) {
	clocked(t, hub.Options{}, func(w *world) {
		s := w.dial(server())
		expect[*wire.SnapshotEnd](s)
		s.tick(1)
		s.told(s)
		s.answered(1)
		w.pass(100 * time.Millisecond)
		before := w.hub.Version()
		db, err := sql.Open("sqlite3", "file:"+w.path+"?_txlock=immediate")
		if err != nil {
			w.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		tx, err := db.BeginTx(w.Context(), nil)
		if err != nil {
			w.Fatal(err)
		}
		start := time.Now()
		seq := s.put(1, 1)
		s.tick(2)
		settled := await[*wire.Settled](s)
		if len(settled.Rejected) != 1 || settled.Rejected[0].Seq != seq || settled.Rejected[0].Code != wire.CodeUnavailable {
			w.Fatalf("settled is %+v", settled)
		}
		a := expect[*wire.Tick](s)
		if a.N != 2 || a.Version != before || time.Since(start) < time.Second {
			w.Errorf("after %v the tick is answered %+v, the version is %d", time.Since(start), a, before)
		}
		if err := tx.Rollback(); err != nil {
			w.Fatal(err)
		}
		version := before
		for n := uint64(3); version == before; n++ { // the store is tried again now and then
			if n > 100 {
				w.Fatal("the store is free, and nothing is committed")
			}
			w.pass(time.Second / 60)
			s.put(2, int64(n))
			s.tick(n)
			version = s.answered(n)
		}
		if version != w.hub.Version() {
			w.Errorf("the tick after is answered %d, the version is %d", version, w.hub.Version())
		}
		if _, held := w.hub.ClockHolder(); !held {
			w.Error("the server has lost the clock, and was never silent")
		}
	})
}

// A server whose own writes wait for room closes no frame meanwhile: the hub does.
func TestFullInboxNeedsNoTick(t *testing.T) {
	clocked(t, hub.Options{ClockPatience: time.Minute}, func(w *world) {
		s := w.dial(server())
		expect[*wire.SnapshotEnd](s)
		s.tick(1)
		s.answered(1)
		big := wire.BlobValue(make([]byte, 1_000_000))
		start := time.Now()
		for i := range int64(35) {
			s.write(wire.OpPut, "thing", []string{"id", "big"}, num(3+i%2), big)
		}
		s.tick(2)
		s.answered(2)
		if took := time.Since(start); took > time.Second {
			w.Errorf("the server waited %v for room", took)
		}
	})
}

// A server that is behind is answered when it has what the answer speaks of.
func TestTickOfASlowServer(t *testing.T) {
	bubble(t, func(w *world) {
		s, writer := w.dial(server(wire.Sub{Name: "thing"})), w.dial(nothing())
		expect[*wire.SnapshotEnd](s)
		big := wire.BlobValue(make([]byte, 20<<10))
		for i := range int64(100) {
			writer.write(wire.OpPut, "thing", []string{"id", "a", "big"}, num(i%3), num(i), big)
			if i%10 == 0 {
				s.tick(uint64(i))
			}
			w.frame()
			if i%20 == 19 {
				w.pass(time.Second / 10)
				w.hub.Sweep(time.Now())
				await[*wire.Settled](writer)
			}
		}
		last, merged := uint64(0), false
		for n := uint64(0); n < 100; {
			switch m := s.next().(type) {
			case *wire.Frame:
				merged = merged || m.Version > m.Previous+1
				last = m.Version
			case *wire.Tick:
				if m.N != n || m.Version > last {
					w.Fatalf("the tick %d is answered with version %d after the frame %d", m.N, m.Version, last)
				}
				n += 10
			}
		}
		if !merged {
			w.Error("the server was never behind")
		}
	})
}

// What the end of the hub commits, ticks that came before are told.
func TestTickAtTheEnd(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.dial(server())
		expect[*wire.SnapshotEnd](s)
		s.put(1, 42)
		s.tick(3)
		synctest.Wait()
		stopped := make(chan struct{})
		go func() { w.hub.Stop(); close(stopped) }()
		v := s.answered(3)
		expect[*wire.Goodbye](s)
		s.Close()
		<-stopped
		if v != w.hub.Version() || w.scalar(`SELECT a FROM thing WHERE id = 1`) != 42 {
			w.Errorf("the tick is answered %d, the version is %d", v, w.hub.Version())
		}
	})
}

// A server that comes back while the hub still takes its last session for alive has
// the clock with its first tick, and keeps it when that ends.
func TestHolderComesBack(t *testing.T) {
	clocked(t, slow, func(w *world) {
		old := w.dial(server())
		old.tick(1)
		old.answered(1)
		again := server()
		again.Device = old.Hello.Device
		p := w.dial(again)
		p.told(old)
		p.tick(2)
		p.answered(2)
		old.Close()
		synctest.Wait()
		p.put(1, 1)
		p.tick(3)
		p.answered(3)
		if _, held := w.hub.ClockHolder(); !held {
			w.Error("the clock went with the last session")
		}
	})
}

// The Go client of a game server, step by step: each step sees what all wrote
// before the last one, and its own.
func TestPhysicsSteps(t *testing.T) {
	clocked(t, hub.Options{}, func(w *world) {
		live := make(chan struct{})
		var holder []byte
		d, err := session.NewDevice(session.DeviceOptions{
			URL: sessiontest.URL, Strict: true, OnLive: func() { close(live) }, OnHolder: func(device []byte) { holder = device },
			Client: session.ClientOptions{Hello: wire.DeviceHello{Role: "server"}, HTTPClient: w.net.HTTPClient()},
		})
		if err != nil {
			w.Fatal(err)
		}
		ctx, cancel := context.WithCancel(w.Context())
		ran := make(chan error, 1)
		go func() { ran <- d.Run(ctx) }()
		<-live
		player := w.dial(nothing())
		read := func(id int64) (a int64) {
			d.View(func(c *session.Copy) {
				if row, ok := c.Table("thing").Get(num(id)); ok {
					a = row.Get("a").Int64()
				}
			})
			return a
		}
		for step := range int64(100) {
			w.pass(time.Second / 60)
			player.put(1, step)
			synctest.Wait()
			if got := read(2); step > 0 && got != step-1 {
				w.Fatalf("step %d does not see what the last one wrote: %d", step, got)
			}
			if err := d.Submit(new(session.Tx).Put("thing", []string{"id", "a"}, []wire.Value{num(2), num(step)}), nil); err != nil {
				w.Fatal(err)
			}
			version, err := d.Tick(ctx)
			if err != nil || version != w.hub.Version() {
				w.Fatalf("step %d: version %d, the hub's is %d: %v", step, version, w.hub.Version(), err)
			}
			if a, b := read(1), read(2); a != step || b != step {
				w.Fatalf("after step %d the copy has %d and %d", step, a, b)
			}
		}
		if !bytes.Equal(holder, d.ID()) {
			w.Errorf("told that %x holds the clock", holder)
		}
		cancel()
		if err := <-ran; err != nil && !errors.Is(err, context.Canceled) {
			w.Error(err)
		}
	})
}
