package hub_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"framehub/auth"
	"framehub/hub"
	"framehub/session/wire"
)

func idOf(p *peer) uuid.UUID { return uuid.UUID(p.Hello.Session) }

// infoOf returns what the list says of a peer.
func (w *world) infoOf(p *peer) hub.SessionInfo {
	w.Helper()
	list := w.hub.Sessions()
	at := slices.IndexFunc(list, func(i hub.SessionInfo) bool { return i.ID == idOf(p) })
	if at < 0 {
		w.Fatal("the session is not listed")
	}
	return list[at]
}

// TestSessionsTell: who somebody is, what became of what he wrote, what he watches, and
// how far behind he is.
func TestSessionsTell(t *testing.T) {
	bubble(t, func(w *world) {
		writer := w.dial(wire.DeviceHello{SubsSet: true, Client: "pad \x1b[31m7" + strings.Repeat("ä", 50)})
		slow := w.dial(watching(wire.Sub{Name: "thing"}, wire.Sub{Name: "other"}))
		expect[*wire.SnapshotEnd](slow)
		writer.put(1, 1)
		writer.write(wire.OpInsert, "thing", []string{"id"}, num(1))
		w.frame()
		i := w.infoOf(writer)
		if i.Committed != 1 || i.Refused != 1 || i.State != hub.StateLive || i.Behind != 0 || len(i.Subs()) != 0 {
			w.Errorf("the writer is %+v", i)
		}
		if want := "pad [31m7" + strings.Repeat("ä", 27); i.Client != want {
			w.Errorf("the client is %q, want %q", i.Client, want)
		}
		i = w.infoOf(slow)
		if subs := i.Subs(); len(subs) != 2 || subs[0].Table != "other" || !subs[1].Whole || i.Behind != 0 || i.Version != w.hub.Version() {
			w.Errorf("the watcher is %+v, watches %+v", i, subs)
		}
		before := i.SubsChanged
		for n := range int64(40) { // more than fits its connection and its queue, which it does not take
			big := wire.BlobValue(bytes.Repeat([]byte{byte(n)}, 20<<10))
			writer.write(wire.OpPut, "thing", []string{"id", "a", "big"}, num(1), num(n), big)
			w.frame()
		}
		if i = w.infoOf(slow); i.State != hub.StateCatchingUp || i.Behind == 0 || i.Version+i.Behind != w.hub.Version() {
			w.Errorf("who takes nothing is %+v", i)
		}
		for await[*wire.Frame](slow).Version < w.hub.Version() {
		}
		synctest.Wait()
		if i = w.infoOf(slow); i.State != hub.StateLive || i.Behind != 0 {
			w.Errorf("who takes all again is %+v", i)
		}
		if err := slow.Subscribe(w.Context(), &wire.Subscribe{ID: 1, Add: []wire.Sub{scoped(2, 1)}, Remove: []wire.Sub{{Name: "thing"}}}); err != nil {
			w.Fatal(err)
		}
		await[*wire.SnapshotEnd](slow)
		i = w.infoOf(slow)
		if subs := i.Subs(); i.SubsChanged == before || len(subs) != 2 || subs[1].Whole || !slices.Equal(subs[1].Scopes, []wire.Value{num(1), num(2)}) {
			w.Errorf("after a change it watches %+v", subs)
		}
	})
}

// TestRoundTripsWhileLooking: sessions are pinged for their round trip while an
// operator looks, and not otherwise.
func TestRoundTripsWhileLooking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{PingEvery: 24 * time.Hour})
		p := w.dial(nothing())
		go func() { // answers pings
			for {
				if _, err := p.Next(t.Context()); err != nil {
					return
				}
			}
		}()
		sweep := func(look bool) {
			for range 50 { // 12.5 s
				if look {
					w.hub.Sessions()
				}
				w.pass(250 * time.Millisecond)
				w.hub.Sweep(time.Now())
				synctest.Wait()
			}
		}
		sweep(false)
		if i := w.infoOf(p); i.RoundTrip != 0 || i.Silent < 12*time.Second {
			t.Errorf("it was pinged while nobody looked: %+v", i)
		}
		sweep(true)
		if i := w.infoOf(p); i.RoundTrip == 0 || i.Silent > 11*time.Second {
			t.Errorf("it was not pinged while somebody looked: %+v", i)
		}
		w.pass(5 * time.Second)
		i, err := w.hub.Inspect(idOf(p))
		if err != nil {
			t.Fatal(err)
		}
		w.hub.Sweep(time.Now())
		synctest.Wait()
		if info, _ := i.Info(); info.Silent != 0 {
			t.Errorf("it was not pinged while somebody looked at it: %+v", info)
		}
		i.Close()
		p.Drop()
	})
}

// TestInspection sees what goes to and from a session, and what becomes of its
// transactions, from when it is opened until it is closed.
func TestInspection(t *testing.T) {
	bubble(t, func(w *world) {
		p, other := w.dial(watching(wire.Sub{Name: "thing"})), w.dial(nothing())
		expect[*wire.SnapshotEnd](p)
		refused := p.write(wire.OpInsert, "other", []string{"name", "n"}, wire.TextValue("x"), num(-1))
		w.frame()
		i, err := w.hub.Inspect(idOf(p))
		if err != nil {
			w.Fatal(err)
		}
		if before, err := i.RefusedBefore(); err != nil || len(before) != 1 || before[0].Seq != refused {
			w.Errorf("refused before: %+v, %v", before, err)
		}
		if seen := i.Look(); len(seen.Messages)+len(seen.Transactions) != 0 {
			w.Errorf("it has seen what was before: %+v", seen)
		}
		good, bad := p.put(1, 1), p.write(wire.OpInsert, "thing", []string{"id"}, num(1))
		other.put(2, 2)
		w.frame()
		seen := i.Look()
		if n := len(seen.Transactions); n != 2 {
			w.Fatalf("%d transactions: %+v", n, seen.Transactions)
		}
		one, two := seen.Transactions[0], seen.Transactions[1]
		if one.Seq != good || one.Refused != nil || one.Version != w.hub.Version() || !slices.Equal(one.Ops, []string{"put 1 row of thing"}) || one.Size == 0 {
			w.Errorf("the first is %+v", one)
		}
		if two.Seq != bad || two.Refused == nil || two.Refused.Code != wire.CodeExists {
			w.Errorf("the second is %+v", two)
		}
		kinds := ""
		for _, m := range seen.Messages {
			text, err := wire.Diagnose(m.Bytes)
			if err != nil || m.Size != len(m.Bytes) {
				w.Errorf("%x: %v", m.Bytes, err)
			}
			if kinds += " in "; m.Out {
				kinds = strings.TrimSuffix(kinds, "in ") + "out "
			}
			kinds += strings.TrimRight(text[1:3], ",")
		}
		if kinds != " in 5 in 5 out 6 out 4" && kinds != " in 5 in 5 out 4 out 6" {
			w.Errorf("the messages are%s", kinds)
		}
		for n := range int64(100) {
			p.put(1, n)
			if n%50 == 49 {
				w.frame()
			}
		}
		if seen = i.Look(); len(seen.Messages) != 64 || seen.LeftOut < 36 {
			w.Errorf("%d messages, %d left out", len(seen.Messages), seen.LeftOut)
		}
		if info, there := i.Info(); !there || info.ID != idOf(p) {
			w.Errorf("it is %+v, there: %t", info, there)
		}
		i.Close()
		p.put(1, 1)
		w.frame()
		if seen := i.Look(); len(seen.Messages)+len(seen.Transactions) != 0 {
			w.Errorf("after it was closed: %+v", seen)
		}
		if i, err = w.hub.Inspect(idOf(p)); err != nil {
			w.Fatal(err)
		}
		p.Drop()
		synctest.Wait()
		if _, there := i.Info(); there {
			w.Error("a session that has ended is there")
		}
		i.Close()
		if _, err := w.hub.Inspect(idOf(p)); err == nil {
			w.Error("a session that has ended can be looked at")
		}
	})
}

// TestNotice: an operator's words reach one session, or those of a role, as an event
// that no device can send.
func TestNotice(t *testing.T) {
	bubble(t, func(w *world) {
		p, observer := w.dial(nothing()), w.dial(wire.DeviceHello{Role: "observer", SubsSet: true})
		w.frame()
		for _, tc := range []struct {
			id    uuid.UUID
			role  string
			want  hub.Notified
			found bool
			to    []*peer
		}{
			{idOf(p), "", hub.Notified{Sessions: 1}, true, []*peer{p}},
			{uuid.Nil, "observer", hub.Notified{Sessions: 1}, true, []*peer{observer}},
			{uuid.Nil, "", hub.Notified{Sessions: 2}, true, []*peer{p, observer}},
			{uuid.New(), "", hub.Notified{}, false, nil},
		} {
			if n, found := w.hub.Notice(tc.id, tc.role, "back at 8"); n != tc.want || found != tc.found {
				w.Errorf("to %v %q: %+v, %t", tc.id, tc.role, n, found)
			}
			for _, to := range tc.to {
				e := await[*wire.Event](to)
				if e.Name != hub.NoticeEvent || !slices.Equal(e.From, make([]byte, 16)) || e.Value.Values[0].Bytes() != "back at 8" {
					w.Errorf("the event is %+v", e)
				}
			}
		}
		e := wire.SendEvent{To: wire.ToRole("observer"), Name: hub.NoticeEvent}
		if err := p.SendEvent(w.Context(), &e); err != nil {
			w.Fatal(err)
		}
		if e := await[*wire.Event](p); e.Refused == nil || e.Refused.Code != wire.CodeForbidden {
			w.Errorf("a device speaks as the hub: %+v", e)
		}
	})
}

// TestBan ends the sessions of who is banned, and refuses new ones, until the ban ends.
func TestBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bans, err := auth.OpenBans(filepath.Join(t.TempDir(), "world.bans"))
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, hub.Options{Bans: bans})
		p, other := w.dial(nothing()), w.dial(nothing())
		ban := auth.Ban{Kind: auth.BanDevice, Name: uuid.UUID(p.Hello.Device).String(), Until: time.Now().Add(time.Hour), Reason: "cheats"}
		ended, err := w.hub.Ban(ban)
		if err != nil || len(ended) != 1 || ended[0].ID != idOf(p) {
			t.Fatalf("ended: %+v, %v", ended, err)
		}
		if g := await[*wire.Goodbye](p); g.Code != wire.CloseForbidden || !strings.HasSuffix(g.Text, ": cheats") {
			t.Errorf("the goodbye is %+v", g)
		}
		p.Close()
		again := wire.DeviceHello{SubsSet: true, Device: p.Hello.Device}
		if _, err := w.tryDial(again); err == nil || !strings.Contains(err.Error(), "banned until") {
			t.Errorf("it comes back: %v", err)
		}
		w.pass(time.Hour)
		w.dial(again)
		if _, err := w.hub.Ban(auth.Ban{Kind: auth.BanUser}); err == nil {
			t.Error("nobody is banned")
		}
		if w.infoOf(other).ID != idOf(other) {
			t.Error("another session ended")
		}
		// One that slipped in while the ban was made ends soon.
		if err := bans.Add(auth.Ban{Kind: auth.BanDevice, Name: uuid.UUID(other.Hello.Device).String()}); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.hub.Sweep(time.Now())
		if g := await[*wire.Goodbye](other); g.Code != wire.CloseForbidden {
			t.Errorf("the goodbye is %+v", g)
		}
	})
}
