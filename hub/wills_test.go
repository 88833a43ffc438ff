package hub_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// will sets a last will with an id, which it puts into a thing.
func (p *peer) will(id uint64, thing int64) {
	p.w.Helper()
	t := p.w.store.Schema().Table("thing")
	p.sendWill(id, wire.Op{Kind: wire.OpPut, Block: p.w.block(t, []int{0, t.Column("a")}, num(thing), num(int64(id)))})
}

func (w *world) block(t *store.Table, columns []int, values ...wire.Value) wire.Block {
	w.Helper()
	b, err := wire.DecodeBlock(wire.AppendBlock(nil, t.ID, columns, nil, wire.Grid{Stride: len(columns), Values: values}, nil), 100)
	if err != nil {
		w.Fatal(err)
	}
	return b
}

func (p *peer) sendWill(id uint64, ops ...wire.Op) {
	p.w.Helper()
	w := &wire.Will{ID: id, SchemaVersion: p.w.store.Schema().Version, Ops: ops, Set: len(ops) > 0}
	if err := p.Will(p.w.Context(), w); err != nil {
		p.w.Fatal(err)
	}
}

// wantTaken closes a frame, with which a will must be durable.
func (p *peer) wantTaken(id uint64) {
	p.w.Helper()
	p.w.frame()
	if a := await[*wire.WillAnswer](p); a.ID != id || a.Refused != nil || a.Version != p.w.store.Version() {
		p.w.Errorf("the answer to will %d at version %d is %+v", id, p.w.store.Version(), a)
	}
}

// wantThings says what the things' a are, in the order of their ids.
func (w *world) wantThings(when, want string) {
	w.Helper()
	w.frame()
	db := ""
	err := w.store.View(w.Context(), func(v *store.View) error {
		return v.Scan(v.Schema.Table("thing"), false, nil, func(g wire.Grid) error {
			for i := range g.Rows() {
				db += g.Row(i)[0].String() + "=" + g.Row(i)[2].String() + " "
			}
			return nil
		})
	})
	if err != nil {
		w.Fatal(err)
	}
	if got := strings.TrimSpace(db); got != want {
		w.Errorf("%s the things are %q, want %q", when, got, want)
	}
}

func TestWillRuns(t *testing.T) {
	present(t, func(w *world) {
		p := w.dial(device(1))
		p.will(1, 7)
		p.wantTaken(1)
		p.Drop()
		w.pass(9 * time.Second)
		w.wantThings("within the grace", "")
		w.pass(time.Second)
		w.wantThings("after it", "7=1")
		other := w.dial(nothing())
		other.write(wire.OpDelete, "thing", []string{"id"}, num(7))
		w.pass(time.Minute)
		w.wantThings("long after", "")
		if n := w.scalar(`SELECT count(*) FROM _framehub_will`); n != 0 {
			w.Errorf("%d wills are left", n)
		}
	})
}

// One that has run settles none of the device's numbers.
func TestWillSettlesNothing(t *testing.T) {
	present(t, func(w *world) {
		p := w.dial(device(1))
		p.put(1, 1)
		p.will(1, 7)
		p.wantTaken(1)
		p.Close()
		w.wantThings("after its goodbye", "1=1 7=1")
		again := w.dial(device(1))
		if !again.Hello.SettledKnown || again.Hello.Settled != 1 {
			w.Errorf("the hello says %d, %t", again.Hello.Settled, again.Hello.SettledKnown)
		}
	})
}

func TestWillIsCancelledReplacedAndCleared(t *testing.T) {
	present(t, func(w *world) {
		p := w.dial(device(1))
		p.will(1, 7)
		p.wantTaken(1)
		p.Drop()
		w.pass(5 * time.Second)
		p = w.dial(device(1))
		w.pass(time.Minute)
		w.wantThings("as it came back", "")
		p.will(2, 8) // the first is not run
		p.wantTaken(2)
		p.Close()
		w.wantThings("after the second", "8=2")
		p = w.dial(device(1))
		p.will(1, 9)
		p.wantTaken(1)
		p.sendWill(2)
		p.wantTaken(2)
		p.Close()
		w.wantThings("with none", "8=2")
	})
}

// What is refused when it is set leaves the will before it.
func TestWillIsRefused(t *testing.T) {
	present(t, func(w *world) {
		p := w.dial(device(1))
		p.will(1, 7)
		p.wantTaken(1)
		large := w.block(w.store.Schema().Table("thing"), []int{0, 4}, num(1), wire.BlobValue(make([]byte, 65<<10)))
		for name, c := range map[string]struct {
			op   wire.Op
			code wire.Code
		}{
			"too large":       {wire.Op{Kind: wire.OpPut, Block: large}, wire.CodeTooLarge},
			"the hub's table": {wire.Op{Kind: wire.OpDelete, Block: w.block(w.store.Schema().Table(store.SessionTable), []int{0}, wire.BlobValue(p.Hello.Device))}, wire.CodeForbidden},
		} {
			p.sendWill(2, c.op)
			if a := await[*wire.WillAnswer](p); a.ID != 2 || a.Refused == nil || a.Refused.Code != c.code {
				w.Errorf("%s: the answer is %+v", name, a)
			}
		}
		p.Close()
		w.wantThings("after its goodbye", "7=1")
	})
}

// What SQL or rules refuse when it runs has not happened, and the device has gone.
func TestWillFails(t *testing.T) {
	present(t, func(w *world) {
		t := w.store.Schema().Table("other")
		add := func(p *peer, n int64) {
			p.sendWill(1, wire.Op{Kind: wire.OpPut, Block: w.block(t, []int{0, 1}, wire.TextValue("x"), num(n))})
			p.wantTaken(1)
		}
		a, b, c := w.dial(device(1)), w.dial(device(2)), w.dial(device(3))
		add(a, -1)
		add(b, 5)
		add(c, 6)
		a.Drop()
		c.Drop()
		w.frame()
		w.rule("[tables.thing]\nscope = \"zone\"")
		w.pass(time.Minute)
		b.Close()
		w.wantAttendance("after all")
		if n := w.scalar(`SELECT count(*) FROM other`); n != 0 {
			w.Errorf("the table has %d rows", n)
		}
	})
}

// A hub that was killed runs the wills of those who don't come back, once.
func TestWillAfterRestart(t *testing.T) {
	present(t, func(w *world) {
		for i := range byte(3) {
			p := w.dial(device(i + 1))
			p.will(1, int64(i)+1)
			p.wantTaken(1)
		}
		w.restart()
		w.dial(device(2))
		w.pass(5 * time.Second)
		w.wantThings("within the grace", "")
		w.pass(5 * time.Second)
		w.wantThings("after it", "1=1 3=1")
		w.restart()
		w.pass(10 * time.Second)
		w.wantThings("after another", "1=1 2=1 3=1")
	})
}

// keepPresence begins anew with a hub that keeps presence.
func (l *lock) keepPresence() {
	l.Helper()
	l.end()
	l.presence = true
	l.begin()
}

// as connects a user's device.
func (l *lock) as(n byte, user string) *peer {
	l.Helper()
	hello := device(n)
	hello.Token = l.user(user)
	return l.dial(hello)
}

// Rows go with their owner when the last of his devices has gone.
func TestRowsGoWithTheirOwner(t *testing.T) {
	locked(t, func(l *lock) {
		l.keepPresence()
		l.rule("[tables.thing]\nscope = \"zone\"\ninsert = \"all\"\nupdate = \"all\"\nowner = \"b\"\non-gone = \"delete\"\n[tables.other]\ninsert = \"all\"\nupdate = \"all\"")
		phone, pc, bob := l.as(1, "alice"), l.as(2, "alice"), l.as(3, "bob")
		phone.put(1, 1)
		pc.put(2, 2)
		bob.put(3, 3)
		l.wantThings("with all here", "1=1 2=2 3=3")
		phone.Close()
		l.wantThings("with one device left", "1=1 2=2 3=3")
		pc.Drop()
		synctest.Wait()
		l.wantThings("with it away", "1=1 2=2 3=3")
		l.pass(10 * time.Second)
		l.wantThings("with none", "3=3")
	})
}

// The will is under its device's rules, as they are when it runs.
func TestWillIsItsDevicesOwn(t *testing.T) {
	locked(t, func(l *lock) {
		l.keepPresence()
		l.rule("[tables.thing]\nscope = \"zone\"\ninsert = \"all\"\nupdate = \"all\"\nowner = \"b\"")
		alice, bob := l.as(1, "alice"), l.as(2, "bob")
		alice.put(1, 1)
		l.frame()
		bob.will(9, 1)
		bob.wantTaken(9)
		alice.will(8, 2)
		alice.wantTaken(8)
		bob.Close()
		l.wantThings("after bob's", "1=1")
		alice.Close()
		l.wantThings("after alice's", "1=1 2=8")
		if !strings.Contains(l.log.String(), "event=will_refused") {
			l.Errorf("the log has\n%s", l.log)
		}
		if n := l.scalar(`SELECT count(*) FROM thing WHERE b = 'alice'`); n != 2 {
			l.Errorf("%d things are alice's", n)
		}
	})
}
