package hub_test

import (
	"testing"
	"time"

	"framehub/auth"
	"framehub/session/wire"
)

const ownership = "[tables.thing]\nscope = \"zone\"\nscopes = \"token\"\nowner = \"b\"\nmax-owned = 2\n" +
	"insert = \"all\"\nupdate = \"all\"\ndelete = \"all\""

// outcome closes a frame and returns what became of the last write: "" where it
// was committed.
func (p *peer) outcome() wire.Code {
	p.w.Helper()
	p.w.pass(100 * time.Millisecond) // since the last acknowledgement
	p.w.frame()
	s := await[*wire.Settled](p)
	for _, r := range s.Rejected {
		if r.Seq == p.seq {
			return r.Code
		}
	}
	return ""
}

// Only who owns a row changes it, the game's server excepted; a row is owned by
// who made it, in a scope that its token lists, and only so many.
func TestOwners(t *testing.T) {
	locked(t, func(l *lock) {
		l.rule(ownership)
		zones := map[string][]any{"thing": {int64(1), int64(2)}}
		enter := func(id auth.Identity) *peer {
			hello := nothing()
			hello.Token = l.token(id)
			p := l.dial(hello)
			await[*wire.SnapshotEnd](p)
			l.pass(time.Second) // the next token is another
			return p
		}
		alice := enter(auth.Identity{User: "alice", Scopes: zones})
		bob := enter(auth.Identity{User: "bob", Scopes: zones})
		stranger := enter(auth.Identity{User: "eve"})
		server := enter(auth.Identity{User: "game", Roles: []string{"server"}})
		thing := func(p *peer, kind wire.OpKind, id int64, columns []string, values ...wire.Value) wire.Code {
			t.Helper()
			p.write(kind, "thing", append([]string{"id"}, columns...), append([]wire.Value{num(id)}, values...)...)
			return p.outcome()
		}
		zone, a := []string{"zone"}, []string{"a"}
		for i, c := range []struct {
			got, want wire.Code
		}{
			{thing(alice, wire.OpInsert, 1, zone, num(1)), ""},
			{thing(bob, wire.OpUpdate, 1, a, num(7)), wire.CodeNotOwner},
			{thing(bob, wire.OpTouch, 1, a, num(7)), wire.CodeNotOwner},
			{thing(bob, wire.OpAdd, 1, a, num(7)), wire.CodeNotOwner},
			{thing(bob, wire.OpPut, 1, zone, num(1)), wire.CodeNotOwner},
			{thing(bob, wire.OpDelete, 1, nil), wire.CodeNotOwner},
			{thing(bob, wire.OpUpdate, 1, []string{"b"}, wire.TextValue("bob")), wire.CodeNotOwner},
			{thing(alice, wire.OpUpdate, 1, []string{"b"}, wire.TextValue("bob")), wire.CodeNotOwner},
			{thing(alice, wire.OpPut, 1, a, num(1)), ""},
			{thing(alice, wire.OpInsert, 2, zone, num(3)), wire.CodeForbidden},
			{thing(alice, wire.OpPut, 2, zone, num(2)), ""},
			{thing(alice, wire.OpUpdate, 2, zone, num(3)), wire.CodeForbidden},
			{thing(alice, wire.OpInsert, 3, zone, num(1)), wire.CodeConstraint},
			{thing(stranger, wire.OpDelete, 2, nil), wire.CodeForbidden},
			{thing(bob, wire.OpDelete, 9, nil), ""},
			{thing(server, wire.OpUpdate, 2, a, num(5)), ""},
			{thing(server, wire.OpUpdate, 2, zone, num(3)), ""},
			{thing(alice, wire.OpDelete, 2, nil), wire.CodeForbidden},
			{thing(alice, wire.OpDelete, 1, nil), ""},
			{thing(bob, wire.OpInsert, 1, zone, num(2)), ""},
			{thing(alice, wire.OpUpdate, 1, a, num(1)), wire.CodeNotOwner},
		} {
			if c.got != c.want {
				t.Errorf("%d: %q, want %q", i, c.got, c.want)
			}
		}
		if l.scalar(`SELECT count(*) FROM thing WHERE id = 1 AND b = 'bob' OR id = 2 AND b = 'alice' AND a = 5 AND zone = 3`) != 2 {
			t.Error("SQL has other rows")
		}
	})
}

// One op may not bring more rows than a user may own, and one that gives up some
// makes room for others.
func TestMaxOwnedInOneOp(t *testing.T) {
	locked(t, func(l *lock) {
		l.rule(ownership)
		hello := nothing()
		hello.Token = l.token(auth.Identity{User: "alice", Scopes: map[string][]any{"thing": {int64(1)}}})
		p := l.dial(hello)
		await[*wire.SnapshotEnd](p)
		rows := func(n int64) wire.Code {
			t.Helper()
			number := l.store.Schema().Table("thing").ID
			g := wire.Grid{Stride: 2}
			for i := range n {
				g.Values = append(g.Values, num(10+i), num(1))
			}
			p.seq++
			block := wire.AppendBlock(nil, number, []int{0, 1}, nil, g, nil)
			header := wire.WriteHeader{Seq: p.seq, SchemaVersion: l.store.Schema().Version}
			if err := p.Write(l.Context(), header, [][]byte{wire.AppendOp(nil, wire.OpPut, block)}); err != nil {
				t.Fatal(err)
			}
			return p.outcome()
		}
		if code := rows(3); code != wire.CodeConstraint {
			t.Errorf("three at once: %q", code)
		}
		if code := rows(2); code != "" {
			t.Errorf("two at once: %q", code)
		}
		if code := rows(2); code != "" {
			t.Errorf("the same two again: %q", code)
		}
		p.write(wire.OpDelete, "thing", []string{"id"}, num(10))
		p.write(wire.OpPut, "thing", []string{"id", "zone"}, num(20), num(1))
		if code := p.outcome(); code != "" {
			t.Errorf("one for another: %q", code)
		}
	})
}

// A device that has settled something stays its user's when nothing of it is under
// way any longer.
func TestDeviceIDLasts(t *testing.T) {
	locked(t, func(l *lock) {
		hello := nothing()
		hello.Token = l.user("alice")
		alice := l.dial(hello)
		hello.Device = alice.Hello.Device
		alice.write(wire.OpPut, "thing", []string{"id"}, num(1))
		if code := alice.outcome(); code != "" {
			t.Fatal(code)
		}
		alice.Drop()
		l.pass(time.Minute)
		hello.Token = l.user("bob")
		_, err := l.tryDial(hello)
		wantRefused(t, err, wire.CloseForbidden, "belongs to another user")
		hello.Token = l.user("alice")
		if again := l.dial(hello); again.Hello.Settled != 1 {
			t.Errorf("alice comes back to %+v", again.Hello)
		}
	})
}
