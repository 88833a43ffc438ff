package hub_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"framehub/session/wire"
	"framehub/store"
)

// present runs f in a synctest bubble with a world that keeps presence.
func present(t *testing.T, f func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, path: filepath.Join(t.TempDir(), "world.db"), schema: schema, presence: true}
		w.begin()
		t.Cleanup(func() { w.end() })
		f(w)
	})
}

// restart ends the hub and begins another on the same files, which finds them as
// after a kill: nobody was written down as away.
func (w *world) restart() {
	w.Helper()
	w.end()
	w.begin()
	w.frame() // which finds them
}

// device is a hello that keeps a device's id, and subscribes to nothing.
func device(n byte) wire.DeviceHello {
	return wire.DeviceHello{SubsSet: true, Device: append(make([]byte, 15), n)}
}

// attendance is who is in the table, as "last byte of the device, role, state", by SQL.
func (w *world) attendance() (list []string) {
	w.Helper()
	if _, err := w.store.Merge(time.Now(), true); err != nil {
		w.Fatal(err)
	}
	err := w.store.View(w.Context(), func(v *store.View) error {
		return v.Scan(v.Schema.Table(store.SessionTable), false, nil, func(g wire.Grid) error {
			for i := range g.Rows() {
				row := g.Row(i)
				list = append(list, fmt.Sprintf("%d %s %s", row[0].Bytes()[15], row[2].Bytes(), row[4].Bytes()))
			}
			return nil
		})
	})
	if err != nil {
		w.Fatal(err)
	}
	return list
}

func (w *world) wantAttendance(when string, want ...string) {
	w.Helper()
	w.frame()
	if got := w.attendance(); !slices.Equal(got, want) {
		w.Errorf("%s the table has %q, want %q", when, got, want)
	}
}

func TestPresence(t *testing.T) {
	present(t, func(w *world) {
		watcher := w.dial(wire.DeviceHello{SubsSet: true, Role: "server", Device: append(make([]byte, 15), 9), Subs: []wire.Sub{{Name: store.SessionTable}}})
		if c := watcher.Hello.Capabilities; !slices.Contains(c, "presence") || !slices.Contains(c, "wills") {
			w.Errorf("the capabilities are %q", c)
		}
		await[*wire.SnapshotEnd](watcher)
		p := w.dial(device(1))
		w.wantAttendance("with a session", "1 device here", "9 server here")
		f := await[*wire.Frame](watcher)
		if len(f.Changed) != 1 || f.Changed[0].N != 2 {
			w.Errorf("the frame is %+v", f)
		}
		p.Drop()
		w.wantAttendance("with the connection lost", "1 device away", "9 server here")
		w.pass(9 * time.Second)
		w.wantAttendance("within the grace", "1 device away", "9 server here")
		p = w.dial(device(1))
		w.wantAttendance("back", "1 device here", "9 server here")
		w.pass(5 * time.Second)
		w.wantAttendance("when it would have gone", "1 device here", "9 server here")

		second := w.dial(device(1))
		await[*wire.Goodbye](p)
		p.Close()
		w.wantAttendance("replaced", "1 device here", "9 server here")
		second.Drop()
		synctest.Wait()
		away := time.Now()
		w.wantAttendance("lost again", "1 device away", "9 server here")
		if since := w.scalar(`SELECT since FROM framehub_session WHERE state = 'away'`); since != away.UnixMicro() {
			w.Errorf("it is away since %d, want %d", since, away.UnixMicro())
		}
		w.pass(10 * time.Second)
		w.wantAttendance("after the grace", "9 server here")
		await[*wire.Frame](watcher)
		before := w.store.Version()
		w.frame()
		if w.store.Version() != before {
			w.Error("a frame without news makes a version")
		}
	})
}

// Who says goodbye has gone at once, in band or by the close frame.
func TestPresenceGoodbye(t *testing.T) {
	present(t, func(w *world) {
		a, b := w.dial(device(1)), w.dial(device(2))
		w.wantAttendance("with two sessions", "1 device here", "2 device here")
		a.Close()
		if err := b.Send(w.Context(), &wire.Goodbye{Code: wire.CloseNormal, Text: "good night"}); err != nil {
			w.Fatal(err)
		}
		await[*wire.Goodbye](b)
		b.Close()
		w.wantAttendance("after their goodbyes")
	})
}

// After a kill everybody is away, and goes unless he comes back.
func TestPresenceAfterRestart(t *testing.T) {
	present(t, func(w *world) {
		w.dial(device(1))
		w.dial(device(2))
		w.wantAttendance("with two sessions", "1 device here", "2 device here")
		w.restart()
		w.wantAttendance("after the start", "1 device away", "2 device away")
		w.pass(5 * time.Second)
		w.dial(device(2))
		w.wantAttendance("with one back", "1 device away", "2 device here")
		w.pass(5 * time.Second)
		w.wantAttendance("after the grace", "2 device here")
	})
}

// Nobody but the hub writes the table, with rules and without.
func TestPresenceIsReadOnly(t *testing.T) {
	present(t, func(w *world) {
		p := w.dial(wire.DeviceHello{Role: "admin"})
		for i := range p.Hello.Schema.Tables {
			if table := &p.Hello.Schema.Tables[i]; table.Name == store.SessionTable && table.Rights != wire.RightRead {
				w.Errorf("the rights are %d", table.Rights)
			}
		}
		p.write(wire.OpDelete, store.SessionTable, []string{"device"}, wire.BlobValue(p.Hello.Device))
		p.write(wire.OpDelete, store.WillTable, []string{"device"}, wire.BlobValue(p.Hello.Device))
		w.frame()
		s := await[*wire.Settled](p)
		if len(s.Rejected) != 2 || s.Rejected[0].Code != wire.CodeForbidden || s.Rejected[1].Code != wire.CodeUnknownTable {
			w.Errorf("settled is %+v", s)
		}
	})
}

// A store that does not keep presence has no such capabilities.
func TestNoPresence(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.dial(nothing())
		if c := p.Hello.Capabilities; slices.Contains(c, "presence") || slices.Contains(c, "wills") {
			w.Errorf("the capabilities are %q", c)
		}
		if err := p.Will(w.Context(), &wire.Will{ID: 7}); err != nil {
			w.Fatal(err)
		}
		if a := await[*wire.WillAnswer](p); a.ID != 7 || a.Refused == nil || a.Refused.Code != wire.CodeUnavailable {
			w.Errorf("the answer is %+v", a)
		}
	})
}

// A thousand devices that are cut off at once go within three frames.
func TestManyLeaveAtOnce(t *testing.T) {
	present(t, func(w *world) {
		const n = 1000
		peers := make([]*peer, n)
		for i := range peers {
			id := uuid.New()
			peers[i] = w.dial(wire.DeviceHello{SubsSet: true, Device: id[:]})
			peers[i].will(1, int64(i))
		}
		w.frame()
		for _, p := range peers {
			p.Drop()
		}
		w.frame()
		if got := w.scalar(`SELECT count(*) FROM framehub_session WHERE state = 'away'`); got != n {
			w.Fatalf("%d are away", got)
		}
		w.pass(10 * time.Second)
		for range 3 {
			w.frame()
		}
		if rows, left := w.scalar(`SELECT count(*) FROM thing`), w.scalar(`SELECT count(*) FROM framehub_session`); rows != n || left != 0 {
			w.Errorf("%d wills have run, %d are still there", rows, left)
		}
	})
}

// A trigger of the game's that lets nobody go is told, and tried once.
func TestPresenceThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, path: filepath.Join(t.TempDir(), "world.db"), schema: schema, presence: true}
		w.begin()
		w.end()
		db, err := sql.Open("sqlite3", "file:"+w.path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.ExecContext(t.Context(), `CREATE TRIGGER nobody_goes BEFORE DELETE ON framehub_session BEGIN SELECT RAISE(ABORT, 'stay'); END`)
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		w.begin()
		t.Cleanup(func() { w.end() })
		p := w.dial(device(1))
		p.will(1, 7)
		p.wantTaken(1)
		p.Close()
		w.wantThings("after its goodbye", "7=1")
		version := w.store.Version()
		w.frame()
		w.wantAttendance("refused", "1 device here")
		if w.store.Version() != version {
			t.Errorf("%d versions came of it", w.store.Version()-version)
		}
	})
}
