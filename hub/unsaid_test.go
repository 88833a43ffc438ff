package hub_test

import (
	"database/sql"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// TestARefusalThatIsNotWrittenDown: what was refused while the store could not write
// it down stays refused for a device that comes again before it can, and asks.
func TestARefusalThatIsNotWrittenDown(t *testing.T) {
	for name, gone := range map[string]bool{"the older session is still there": false, "the older session is gone": true} {
		t.Run(name, func(t *testing.T) { bubble(t, func(w *world) { askWhileDown(w, gone) }) })
	}
}

func askWhileDown(w *world, gone bool) {
	p := w.dial(nothing())
	expect[*wire.SnapshotEnd](p)
	p.put(1, 1)
	w.frame()
	await[*wire.Settled](p)
	unlock := w.lock()
	lost := p.put(2, 2)
	w.frame()
	w.pass(1100 * time.Millisecond)
	w.frame()
	if gone {
		p.Drop()
		synctest.Wait()
	}

	refused := func(what string, list []wire.Rejected) {
		w.Helper()
		if len(list) != 1 || list[0].Seq != lost || list[0].Code != wire.CodeUnavailable {
			w.Errorf("%s: refused is %+v", what, list)
		}
	}
	again := nothing()
	again.Device = p.Hello.Device
	q := w.dial(again)
	refused("in the hello", q.Hello.Rejected)
	if !q.Hello.SettledKnown || q.Hello.Settled != lost {
		w.Errorf("the hello says that %d is settled (%t)", q.Hello.Settled, q.Hello.SettledKnown)
	}
	q.seq = lost - 1
	q.put(2, 2)
	w.frame()
	s := await[*wire.Settled](q)
	refused("asked again", s.Rejected)
	if len(s.Committed) != 0 {
		w.Errorf("told committed: %v", s.Committed)
	}

	unlock()
	w.pass(time.Second)
	w.frame()
	next := q.put(3, 3)
	w.frame()
	if s := await[*wire.Settled](q); !slices.Equal(s.Committed, []uint64{next}) || len(s.Rejected) != 0 {
		w.Errorf("afterwards is settled %+v", s)
	}
	state, _, err := w.store.Device(store.Device(q.Hello.Device))
	if err != nil {
		w.Fatal(err)
	}
	refused("in the log", state.Rejected)
	q.Drop()
	synctest.Wait()
	if n := w.hub.Devices(); n != 0 {
		w.Errorf("%d devices are remembered", n)
	}
	refused("in the last hello", w.dial(again).Hello.Rejected)
	w.pass(time.Second)
	w.frame()
	if n := w.scalar("SELECT count(*) FROM thing WHERE id IN (1, 3)") - w.scalar("SELECT count(*) FROM thing WHERE id = 2"); n != 2 {
		w.Errorf("of the rows 1 to 3 are not 1 and 3 there")
	}
}

// lock takes the game database's write lock, as another program does, until unlock.
func (w *world) lock() (unlock func()) {
	w.Helper()
	db, err := sql.Open("sqlite3", "file:"+w.path+"?_txlock=immediate")
	if err != nil {
		w.Fatal(err)
	}
	tx, err := db.BeginTx(w.Context(), nil)
	if err != nil {
		w.Fatal(err)
	}
	return func() {
		w.Helper()
		if err := tx.Rollback(); err != nil {
			w.Error(err)
		}
		if err := db.Close(); err != nil {
			w.Error(err)
		}
	}
}
