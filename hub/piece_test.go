package hub_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"framehub/auth"
	"framehub/session/wire"
	"framehub/store"
)

// occupy takes every place for a view of the database; let gives one of them back.
func (w *world) occupy() (let func()) {
	w.Helper()
	gate := make(chan struct{})
	var views sync.WaitGroup
	for range max(2, runtime.NumCPU()) {
		views.Go(func() {
			if err := w.store.View(w.Context(), func(*store.View) error { <-gate; return nil }); err != nil {
				w.Error(err)
			}
		})
	}
	w.Cleanup(views.Wait)
	synctest.Wait()
	return func() { gate <- struct{}{}; synctest.Wait() }
}

// big asks for the large value of a row of thing.
func (p *peer) big(id int64) {
	p.w.Helper()
	t := p.w.store.Schema().Table("thing")
	if err := p.ReadPiece(p.w.Context(), &wire.ReadPiece{ID: 1, Table: t.ID, Key: []wire.Value{num(id)}, Column: t.Column("big")}); err != nil {
		p.w.Fatal(err)
	}
	synctest.Wait()
}

// A row that moves out of what a device may see, while the device asks for a piece of it,
// takes what it then has along.
func TestPieceOfARowThatMoves(t *testing.T) {
	locked(t, func(l *lock) {
		l.rule("[tables.thing]\nscope = \"zone\"\nscopes = \"token\"\ninsert = [\"server\"]\nupdate = [\"server\"]")
		device := l.dial(wire.DeviceHello{SubsSet: true, Token: l.token(auth.Identity{User: "alice", Scopes: map[string][]any{"thing": {int64(1)}}})})
		server := l.dial(wire.DeviceHello{SubsSet: true, Role: "server", Token: l.token(auth.Identity{User: "game", Roles: []string{"server"}})})
		put := func(zone int64, big string) {
			server.write(wire.OpPut, "thing", []string{"id", "zone", "big"}, num(1), num(zone), wire.BlobValue([]byte(big)))
			l.frame()
			if _, err := l.store.Merge(time.Now(), true); err != nil {
				t.Fatal(err)
			}
		}
		put(1, "for all of zone 1")
		l.settledIn(device, server)

		let := l.occupy()
		device.big(1) // waits for a view
		again := l.occupy()
		let() // to the device
		for range max(2, runtime.NumCPU()) - 1 {
			let() // to the second round: should the device look again, it comes after all of them
		}
		put(2, "a secret of zone 2")
		for range max(2, runtime.NumCPU()) {
			again()
		}
		if p := await[*wire.Piece](device); strings.Contains(string(p.Data), "secret") {
			t.Errorf("the device has read %q", p.Data)
		}
	})
}

// What is told of a row that a device may not see is what is told of none.
func TestPieceOfAHiddenRow(t *testing.T) {
	locked(t, func(l *lock) {
		l.rule("[tables.thing]\nscope = \"zone\"\nscopes = \"token\"\ninsert = [\"server\"]\nupdate = [\"server\"]")
		device := l.dial(wire.DeviceHello{SubsSet: true, Token: l.token(auth.Identity{User: "alice", Scopes: map[string][]any{"thing": {int64(1)}}})})
		server := l.dial(wire.DeviceHello{SubsSet: true, Role: "server", Token: l.token(auth.Identity{User: "game", Roles: []string{"server"}})})
		server.write(wire.OpPut, "thing", []string{"id", "zone", "big"}, num(1), num(77), wire.BlobValue([]byte("x")))
		l.frame()
		l.settledIn(device, server)
		device.big(1)
		hidden := await[*wire.Piece](device)
		device.big(2)
		missing := await[*wire.Piece](device)
		if hidden.Refused == nil || missing.Refused == nil || hidden.Refused.Code != wire.CodeForbidden || *hidden.Refused != *missing.Refused {
			t.Errorf("of a row that is hidden is said %v, of one that is not there %v", hidden.Refused, missing.Refused)
		}
	})
}
