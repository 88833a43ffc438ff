package hub

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"framehub/auth"
	"framehub/rules"
	"framehub/session/wire"
	"framehub/store"
)

const frame60 = time.Second / 60

// TestLarge: who takes no more than an eighth of a frame never waits; who takes more
// comes out at an eighth of the time, and beyond a tenth of a second, which is
// forgiven, at so little that others don't notice.
func TestLarge(t *testing.T) {
	for _, c := range []struct {
		name        string
		took        time.Duration // of each of his transactions
		first, last time.Duration // how long the second waits, and the fiftieth at least
	}{
		{"small", 2 * time.Millisecond, 0, 0},
		{"a little more", 4 * time.Millisecond, shareOf * 4 * time.Millisecond, shareOf * 4 * time.Millisecond},
		{"half a frame", 8 * time.Millisecond, shareOf * 8 * time.Millisecond, largeOf * 5 * time.Millisecond},
		{"a frame", 16 * time.Millisecond, shareOf * 16 * time.Millisecond, largeOf * 12 * time.Millisecond},
		{"a second", time.Second, maxHeld, maxHeld},
	} {
		s, now := &share{}, time.Now()
		var waits []time.Duration
		for i := range uint64(50) {
			s.spend(i, frame60, 16_384, now, now.Add(c.took))
			now = now.Add(c.took)
			wait := max(0, s.until.Sub(now))
			waits = append(waits, wait)
			now = now.Add(max(wait, frame60))
		}
		if last := waits[len(waits)-1]; waits[0] != c.first || last < c.last || last > maxHeld {
			t.Errorf("%s: the second waits %v, want %v; the last %v, want at least %v", c.name, waits[0], c.first, last, c.last)
		}
	}
}

// TestOutlier: what the machine did while a transaction ran is not the user's.
func TestOutlier(t *testing.T) {
	now := time.Now()
	spend := func(s *share, frame uint64, rows int, took time.Duration) bool {
		s.spend(frame, frame60, rows, now, now.Add(took))
		return s.held(now.Add(took))
	}
	s := &share{}
	for i := range uint64(20) {
		spend(s, i, 1, 5*time.Microsecond)
	}
	if spend(s, 20, 1, 50*time.Millisecond) {
		t.Error("a row that took 50 ms once holds its user")
	}
	held := false
	for i := range uint64(20) {
		held = held || spend(s, 21+i, 1, 50*time.Millisecond)
	}
	if !held {
		t.Error("rows that take 50 ms each do not hold their user")
	}
	if !spend(&share{}, 1, 16_384, 50*time.Millisecond) {
		t.Error("a first transaction that is large does not hold its user")
	}
}

func TestDebt(t *testing.T) {
	var d debt
	now := time.Now()
	d.add(now, shareOf, time.Second)
	for _, c := range []struct{ after, want time.Duration }{
		{0, 6 * time.Second}, {time.Second, 5 * time.Second}, {6 * time.Second, 0}, {time.Minute, 0},
	} {
		if got := d.wait(now.Add(c.after), shareOf, 250*time.Millisecond); got != c.want {
			t.Errorf("after %v: %v, not %v", c.after, got, c.want)
		}
	}
}

func TestTrustedHaveNoShare(t *testing.T) {
	var s *share
	now := time.Now()
	s.spend(1, frame60, 1, now, now.Add(time.Hour))
	s.checked(now.Add(-time.Hour))
	s.looked(now.Add(-time.Hour))
	if s.held(now) || s.over(1, frame60) || s.read(now, 1<<30) > 0 || s.mayLook(now) > 0 {
		t.Error("a trusted role waits")
	}
	for _, role := range []string{"server", "editor", "admin"} {
		if !rules.Trusted(role) {
			t.Errorf("%s is not trusted", role)
		}
	}
	if rules.Trusted("device") || rules.Trusted("observer") {
		t.Error("a device is trusted")
	}
}

// TestPartsAreUsers: all sessions of a user have one share, also of one who had been
// idle when others' were forgotten; those that are trusted, or nobody's, are alone.
func TestPartsAreUsers(t *testing.T) {
	h := newTurnstile(t).hub
	session := func(n byte, user, role string) *client {
		c := &client{hub: h, device: &device{id: store.Device{n}}, identity: auth.Identity{User: user}, who: rules.Who{Role: role}}
		c.owner = c.ownerOf(c.device.id)
		c.share = h.shareFor(c)
		return c
	}
	first := session(1, "alice", "device")
	h.shares.forget(time.Now())
	if second := session(2, "alice", "device"); first.share != second.share || first.owner != second.owner {
		t.Error("two devices of a user have two shares")
	}
	if session(3, "", "device").share == session(4, "", "device").share {
		t.Error("two devices of nobody have one share")
	}
	if a, b := session(5, "alice", "server"), session(6, "alice", "server"); a.share != nil || a.owner == b.owner || a.owner == first.owner {
		t.Error("servers that have one user are one")
	}
	h.shares.forget(time.Now())
	first.share.leave()
	h.shares.forget(time.Now())
	if len(h.shares.of) != 3 {
		t.Errorf("%d are remembered, not those who have sessions", len(h.shares.of))
	}
	for _, s := range h.shares.of {
		s.leave()
	}
	h.shares.forget(time.Now())
	if len(h.shares.of) != 0 {
		t.Errorf("%d are remembered though they have nothing to remember", len(h.shares.of))
	}
}

// TestForgetIdleFirst: where too many are remembered, those go that have nothing to
// remember.
func TestForgetIdleFirst(t *testing.T) {
	r := recall[int, *share]{fresh: func() *share { return &share{} }, of: map[int]*share{}}
	now := time.Now()
	for i := range maxRecalled {
		r.of[i] = &share{}
	}
	r.of[maxRecalled/2].looking.add(now, shareOf, time.Hour)
	r.forget(now)
	if len(r.of) != 1 || r.of[maxRecalled/2] == nil {
		t.Errorf("%d are left", len(r.of))
	}
	for i := range maxRecalled + 5 {
		r.of[i] = &share{until: now.Add(time.Hour)}
	}
	r.forget(now)
	if len(r.of) != maxRecalled-1 {
		t.Errorf("%d are remembered", len(r.of))
	}
}

// TestPartsOfTheInbox: what waits of one owner makes all his devices wait, also with
// new sessions, and nobody else's.
func TestPartsOfTheInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var in inbox
		in.init()
		alice, bob := owner{user: "alice"}, owner{user: "bob"}
		put := func(o owner, seq uint64) error {
			_, err := in.put(item{device: &device{}, owner: o, write: &wire.Write{Seq: seq}, size: maxOwnerBytes})
			return err
		}
		if err := errors.Join(put(alice, 1), put(alice, 1)); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- put(alice, 1) }()
		go func() {
			in.putUnnumbered(t.Context(), item{device: &device{}, owner: alice, size: 1})
			done <- nil
		}()
		synctest.Wait()
		if err := put(bob, 1); err != nil {
			t.Fatal(err)
		}
		if n := len(in.items); n != 3 {
			t.Fatalf("%d are in the inbox, not two of Alice's and Bob's", n)
		}
		in.take(func(*item) bool { return false })
		if err := errors.Join(<-done, <-done); err != nil || len(in.items) != 2 {
			t.Errorf("%d are in the inbox after a frame, %v", len(in.items), err)
		}
	})
}

// TestPartsOfEvents: a user's devices are given no more room for events than one.
func TestPartsOfEvents(t *testing.T) {
	var q eventQueue
	e := func(user string, n byte) *event {
		return &event{from: &client{device: &device{id: store.Device{n}}, owner: owner{user: user}}, bytes: make([]byte, maxOwnerEventBytes/2)}
	}
	for i, want := range []bool{true, true, false, true} {
		user := "alice"
		if i == 3 {
			user = "bob"
		}
		if refused := q.put(e(user, byte(i))); (refused == nil) != want {
			t.Errorf("event %d of %s: %v", i, user, refused)
		}
	}
	q.end(q.waiting(), nil)
	if refused := q.put(e("alice", 9)); refused != nil {
		t.Error(refused)
	}
}

// TestHeldTransactionsWait: those of who has to wait do, refused ones too, in their
// order, and nobody else's.
func TestHeldTransactionsWait(t *testing.T) {
	n := newTurnstile(t)
	hog, other := &device{id: store.Device{1}}, &device{id: store.Device{2}}
	now := time.Now()
	s := &share{until: now.Add(time.Second)}
	fill := func(seq uint64) {
		n.put(hog, s, seq, nil)
		n.put(hog, s, seq+1, wire.Refuse(wire.CodeRate, "too much"))
		n.put(hog, nil, seq+2, nil) // of a session in another role
		n.put(other, &share{}, seq, nil)
	}
	fill(1)
	n.settled("held", now, map[*device]uint64{hog: 0, other: 1})
	n.settled("its time has come", now.Add(time.Second), map[*device]uint64{hog: 3})

	fill(4)
	s.mu.Lock()
	s.frame, s.used = n.hub.count+1, time.Second // of the frame to come
	s.mu.Unlock()
	n.settled("held over", now.Add(time.Minute), map[*device]uint64{hog: 3, other: 4})
	n.settled("the next frame", now.Add(time.Minute), map[*device]uint64{hog: 6})

	fill(7)
	s.mu.Lock()
	s.until = now.Add(time.Hour)
	s.mu.Unlock()
	n.hub.last = true
	n.settled("the last frame", now.Add(time.Minute), map[*device]uint64{hog: 9, other: 7})
	if n.hub.in.bytes != 0 || len(n.hub.in.of) != 0 || len(hog.pending) != 0 {
		t.Errorf("%d bytes are left, %v, %v under way", n.hub.in.bytes, n.hub.in.of, hog.pending)
	}
}
