package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"framehub/session"
	"framehub/session/wire"
)

// deviceRows returns the rows of a device's table as text, sorted.
func deviceRows(d *session.Device, table string) (rows []string) {
	d.View(func(c *session.Copy) {
		if t := c.Table(table); t != nil {
			for row := range t.Rows() {
				rows = append(rows, fmt.Sprint(row.Values))
			}
		}
	})
	slices.Sort(rows)
	return rows
}

func TestDeviceLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var events []string
		event := func(format string, args ...any) { events = append(events, fmt.Sprintf(format, args...)) }
		d, stop := f.run(t, session.DeviceOptions{
			Strict:  true,
			OnHello: func(h *wire.HubHello) { event("hello %d", h.Version) },
			OnLive:  func() { event("live") },
			OnRows:  func(r session.Rows) { event("%s %d %v", r.Table.Name, len(r.Changed), r.Removed) },
			OnFrame: func(version uint64) { event("frame %d", version) },
		})
		p := f.accept(t)
		if p.said.SubsSet || p.said.Device != nil || p.said.Epoch != nil {
			t.Errorf("%+v", p.said)
		}
		p.start(known(10, 0))
		p.send(
			&wire.Frame{Version: 11, Previous: 10, Changed: blocks(entities(values(2, 1, nil, nil))), More: true},
			frame(11, 10, nil, blocks(ids(1))),
		)
		synctest.Wait()
		want := []string{"hello 10", "entity 1 []", "live", "entity 1 [[1]]", "frame 11"}
		if !slices.Equal(events, want) {
			t.Errorf("events %q, want %q", events, want)
		}
		if got := deviceRows(d, "entity"); !slices.Equal(got, []string{"[2 1 NULL NULL]"}) {
			t.Errorf("%q", got)
		}
		if id := d.ID(); len(id) != 16 || id[15] != 1 || d.Breaches() != 0 {
			t.Errorf("id %x, %d breaches", id, d.Breaches())
		}
		go func() { _ = stop() }()
		p.wantClose()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestDeviceOnRaw: who counts is told of each message before anything is made of it.
func TestDeviceOnRaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var events []string
		f.run(t, session.DeviceOptions{
			OnRaw: func(r session.Raw) {
				events = append(events, fmt.Sprintf("%v %d, %d bytes", r.Type, r.Version, len(r.Data)))
			},
			OnFrame: func(version uint64) { events = append(events, fmt.Sprintf("frame %d", version)) },
		})
		p := f.accept(t)
		p.start(known(10, 0))
		synctest.Wait()
		events = nil
		m := frame(11, 10, nil, blocks(ids(1)))
		p.send(m)
		synctest.Wait()
		want := []string{fmt.Sprintf("%v 11, %d bytes", wire.TypeFrame, len(m.Append(nil))), "frame 11"}
		if !slices.Equal(events, want) {
			t.Errorf("events %q, want %q", events, want)
		}
	})
}

func TestDeviceResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, _ := f.run(t, session.DeviceOptions{Subs: []wire.Sub{scoped(1, 2), whole("pair")}})
		p := f.accept(t)
		p.start(known(10, 0))
		p.send(&wire.Frame{Version: 12, Previous: 10, Complete: []int{0}})
		synctest.Wait()
		p.drop()
		p = f.accept(t)
		if got := p.said; len(got.Device) != 16 || string(got.Epoch) != "first" || len(got.Subs) != 2 {
			t.Fatalf("%+v", got)
		}
		if a, b := p.said.Subs[0], p.said.Subs[1]; a.Since != 12 || !a.SinceSet || len(a.Scopes) != 2 || b.Since != 10 || b.Name != "pair" {
			t.Errorf("%+v %+v", a, b)
		}
		p.send(resuming(13, 0), &wire.SnapshotEnd{Version: 13}, frame(13, 13, blocks(block(entity, []int{0, 2}, values(1, 2.0))), nil))
		synctest.Wait()
		if got := deviceRows(d, "entity"); !slices.Equal(got, []string{`[1 1 2 "one"]`}) {
			t.Errorf("%q", got)
		}
	})
}

func TestDeviceGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var why error
		f.run(t, session.DeviceOptions{OnDown: func(err error, _ time.Duration) { why = err }})
		p := f.accept(t)
		p.start(known(10, 0))
		p.send(frame(13, 12, nil, nil))
		p.wantClose()
		p = f.accept(t)
		if s := p.said.Subs; !errors.Is(why, session.ErrGap) || len(s) != 2 || s[0].Since != 10 {
			t.Errorf("%v, %+v", why, s)
		}
	})
}

func TestDeviceStrict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, stop := f.run(t, session.DeviceOptions{Strict: true})
		p := f.accept(t)
		p.start(known(10, 0))
		p.send(frame(9, 9, nil, nil), frame(8, 8, nil, nil))
		p.wantClose()
		synctest.Wait()
		if _, ok := errors.AsType[*session.BreachError](stop()); !ok {
			t.Errorf("Run: %v", stop())
		}
	})
}

func TestDeviceFinalGoodbyes(t *testing.T) {
	for _, test := range []struct {
		name    string
		goodbye wire.Goodbye
		final   bool
	}{
		{"replaced", wire.Goodbye{Code: wire.CloseReplaced}, true},
		{"unauthorized", wire.Goodbye{Code: wire.CloseUnauthorized}, true},
		{"forbidden", wire.Goodbye{Code: wire.CloseForbidden}, true},
		{"kicked", wire.Goodbye{Code: wire.CloseKicked}, true},
		{"kicked for a while", wire.Goodbye{Code: wire.CloseKicked, Retry: time.Minute, RetrySet: true}, false},
		{"stopping", wire.Goodbye{Code: wire.CloseStopping, Retry: time.Minute, RetrySet: true}, false},
		{"too slow", wire.Goodbye{Code: wire.CloseTooSlow}, false},
		{"internal", wire.Goodbye{Code: wire.CloseInternal}, false},
	} {
		for _, how := range []string{"in band", "instead of hello", "by the close frame"} {
			t.Run(test.name+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t)
					_, stop := f.run(t, session.DeviceOptions{})
					p := f.accept(t)
					if how != "instead of hello" {
						p.start(known(10, 0))
					}
					g := test.goodbye
					if how == "by the close frame" {
						_ = p.ws.Close(websocket.StatusCode(g.Code), g.Text)
						g.Retry, g.RetrySet = 0, false // which it can't say
					} else {
						p.goodbye(g)
					}
					p.drop()
					start := time.Now()
					if test.final || g.Code == wire.CloseKicked && !g.RetrySet {
						advance(t, time.Hour)
						e, ok := errors.AsType[*session.ClosedError](stop())
						if !ok || e.Code != g.Code {
							t.Errorf("Run: %v", e)
						}
						return
					}
					f.accept(t)
					if waited := time.Since(start); waited < g.Retry || waited > g.Retry*3/2+time.Second {
						t.Errorf("came again after %v, asked for %v", waited, g.Retry)
					}
				})
			})
		}
	}
}

func TestDeviceBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		tries := make(chan time.Time, 100)
		var willing atomic.Bool
		f.refuse = func() bool { tries <- time.Now(); return !willing.Load() }
		f.run(t, session.DeviceOptions{MinWait: time.Second, MaxWait: 20 * time.Second})
		last := <-tries
		waits := map[time.Duration]bool{}
		for _, base := range []int{1, 2, 4, 8, 16, 20, 20, 20} {
			now := <-tries
			most := time.Duration(base) * time.Second
			if waited := now.Sub(last); waited < most/2 || waited > most {
				t.Errorf("waited %v, want between half and all of %v", waited, most)
			} else {
				waits[waited] = true
			}
			last = now
		}
		if len(waits) < 7 {
			t.Errorf("waits of chance are mostly the same: %v", waits)
		}
		willing.Store(true)
		p := f.accept(t)
		p.start(known(10, 0))
		advance(t, 15*time.Second)
		for len(tries) > 0 {
			<-tries
		}
		start := time.Now()
		p.drop()
		if waited := (<-tries).Sub(start); waited > time.Second {
			t.Errorf("waited %v after a long connection, want the shortest again", waited)
		}
	})
}

func TestDeviceSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.run(t, session.DeviceOptions{})
		p := f.accept(t)
		p.start(known(10, 0))
		var asked atomic.Int64
		go func() {
			for {
				if _, _, err := p.ws.Read(context.Background()); err != nil {
					return
				}
				asked.Add(1)
			}
		}()
		for range 10 { // each is heard, and answered
			advance(t, 10*time.Second)
			if err := p.ws.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := asked.Load(); n > 0 {
			t.Errorf("a hub that pings was asked %d times whether it is there", n)
		}
		heard := time.Now()
		p = f.accept(t)
		if waited := time.Since(heard); waited < 30*time.Second || waited > 50*time.Second {
			t.Errorf("left the silent hub after %v", waited)
		}
		if asked.Load() == 0 {
			t.Error("the silent hub was not asked whether it is there")
		}
	})
}

func TestDeviceSubscribes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, _ := f.run(t, session.DeviceOptions{Subs: []wire.Sub{scoped(1)}, Strict: true})
		p := f.accept(t)
		p.start(known(10, 0))
		synctest.Wait()
		var done []error
		change := func(add, remove []wire.Sub) {
			t.Helper()
			if err := d.Subscribe(add, remove, func(err error) { done = append(done, err) }); err != nil {
				t.Fatal(err)
			}
		}
		change([]wire.Sub{scoped(2)}, []wire.Sub{scoped(1)})
		m, err := wire.DecodeSubscribe(p.read(), wire.Limits{})
		if err != nil || m.ID == 0 || len(m.Add) != 1 || len(m.Remove) != 1 {
			t.Fatalf("%+v, %v", m, err)
		}
		p.send(&wire.SnapshotEnd{ID: m.ID, Version: 11})
		change([]wire.Sub{whole("none")}, nil)
		m2, err := wire.DecodeSubscribe(p.read(), wire.Limits{})
		if err != nil || m2.ID <= m.ID {
			t.Fatalf("%+v, %v", m2, err)
		}
		p.send(&wire.SnapshotEnd{ID: m2.ID, Refused: wire.Refuse(wire.CodeUnknownTable, "no")})
		synctest.Wait()
		if len(done) != 2 || done[0] != nil || done[1] == nil {
			t.Errorf("%v", done)
		}
		if got := deviceRows(d, "entity"); len(got) != 0 {
			t.Errorf("%q", got)
		}
		// What is under way when the connection is lost becomes part of the next hello.
		change([]wire.Sub{whole("pair")}, nil)
		p.read()
		p.drop()
		p = f.accept(t)
		if s := p.said.Subs; len(s) != 2 || s[0].Since != 11 || s[1].Name != "pair" || s[1].SinceSet {
			t.Errorf("%+v", s)
		}
		p.send(resuming(12, 0), &wire.SnapshotEnd{Version: 12})
		synctest.Wait()
		if len(done) != 3 || done[2] != nil {
			t.Errorf("%v", done)
		}
		if err := d.Subscribe([]wire.Sub{{Table: 1}}, nil, nil); err == nil {
			t.Error("a subscription without a name was taken")
		}
	})
}

func TestDeviceSubscriptionsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var refused []string
		d, _ := f.run(t, session.DeviceOptions{Subs: []wire.Sub{whole("entity")}, OnRefused: func(r *wire.Refusal) { refused = append(refused, r.Text) }})
		p := f.accept(t)
		p.start(known(10, 0))
		synctest.Wait()
		p.drop()
		if err := d.Subscribe([]wire.Sub{whole("none")}, nil, func(err error) { refused = append(refused, fmt.Sprint(err)) }); err != nil {
			t.Fatal(err)
		}
		p = f.accept(t) // with the change, which is refused: without it then
		p.send(resuming(10, 0), &wire.SnapshotEnd{Refused: wire.Refuse(wire.CodeUnknownTable, "none")})
		p.wantClose()
		p = f.accept(t)
		if len(p.said.Subs) != 1 || len(refused) != 1 {
			t.Errorf("%+v, refused %q", p.said.Subs, refused)
		}
		p.send(resuming(10, 0), &wire.SnapshotEnd{Refused: wire.Refuse(wire.CodeUnknownTable, "entity")})
		synctest.Wait()
		if len(refused) != 2 || refused[1] != "entity" {
			t.Errorf("refused %q", refused)
		}
	})
}

func TestDeviceOfEveryTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.run(t, session.DeviceOptions{Strict: true})
		small := known(10, 0)
		small.Schema.Tables = small.Schema.Tables[:1]
		p := f.accept(t)
		p.start(small)
		synctest.Wait()
		p.drop()
		// A table is new: it can't be in the hello.
		p = f.accept(t)
		if len(p.said.Subs) != 1 || !p.said.Subs[0].SinceSet {
			t.Errorf("%+v", p.said.Subs)
		}
		p.send(resuming(11, 0), &wire.SnapshotEnd{Version: 11})
		m, err := wire.DecodeSubscribe(p.read(), wire.Limits{})
		if err != nil || len(m.Add) != 1 || m.Add[0].Name != "pair" {
			t.Fatalf("%+v, %v", m, err)
		}
		p.send(&wire.SnapshotEnd{ID: m.ID, Version: 11})
		synctest.Wait()
		p.drop()
		// A table has gone: the list is refused, and asked for anew.
		p = f.accept(t)
		if len(p.said.Subs) != 2 {
			t.Errorf("%+v", p.said.Subs)
		}
		small.Resumed = true
		p.send(small, &wire.SnapshotEnd{Refused: wire.Refuse(wire.CodeUnknownTable, "pair")})
		p.wantClose()
		p = f.accept(t)
		if p.said.SubsSet {
			t.Errorf("%+v", p.said.Subs)
		}
	})
}

// A device of every table asks for those that it may read since a new schema, once.
func TestDeviceMayReadMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.run(t, session.DeviceOptions{Strict: true})
		small, all := known(10, 0), known(10, 0).Schema
		small.Schema.Tables = small.Schema.Tables[:1]
		p := f.accept(t)
		p.start(small)
		p.send(all, all)
		m, err := wire.DecodeSubscribe(p.read(), wire.Limits{})
		if err != nil || len(m.Add) != 1 || m.Add[0].Name != "pair" {
			t.Fatalf("%+v, %v", m, err)
		}
		p.send(all, &wire.SnapshotEnd{ID: m.ID, Version: 10}, all)
		synctest.Wait()
		p.quiet()
	})
}
