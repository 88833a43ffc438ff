package hub

import (
	"encoding/binary"
	"testing"
	"time"

	"framehub/store"
)

// TestHeldOverAFailure: what a frame held over before it failed has not failed with
// it: it is committed later, and told once. What it ran is refused.
func TestHeldOverAFailure(t *testing.T) {
	n := newTurnstile(t)
	hog, other := &device{id: store.Device{1}}, &device{id: store.Device{2}}
	now := time.Now()
	n.hub.presence.moved(&move{device: store.Device{3}, at: now, here: true})
	n.settled("everybody is here", now, nil)
	s := &share{}
	s.frame, s.used = n.hub.count+1, time.Second
	n.put(hog, s, 1, nil)
	n.put(other, nil, 1, nil)

	wills := n.hub.presence.wills
	n.hub.presence.wills = &store.Table{ID: wills.ID, Name: "away", Columns: wills.Columns, Key: wills.Key}
	n.hub.presence.moved(&move{device: store.Device{3}, at: now, left: true})
	n.settled("the frame fails", now, map[*device]uint64{hog: 0, other: 0})
	if n.hub.trouble.since.IsZero() || len(hog.pending) != 1 || len(other.pending) != 0 {
		t.Fatalf("%v, %v and %v under way", n.hub.trouble, hog.pending, other.pending)
	}
	n.hub.presence.wills = wills
	version := n.hub.Version()
	n.settled("the next", now.Add(time.Second), map[*device]uint64{hog: 1, other: 1})
	if n.hub.Version() != version+2 || len(hog.pending) != 0 {
		t.Errorf("version %d came of %d: the refusal was to be one, and a frame another; %v are under way", n.hub.Version(), version, hog.pending)
	}
	for d, refused := range map[*device]int{hog: 0, other: 1} {
		if state, _, err := n.store.Device(d.id); err != nil || len(state.Rejected) != refused {
			n.Errorf("of device %x is refused %v (%v)", d.id[:1], state.Rejected, err)
		}
	}
}

// TestComingAndGoingInTrouble: while nothing can be written, devices that come and go
// don't add up, and those of whom there is a row, or a transaction, are not forgotten.
func TestComingAndGoingInTrouble(t *testing.T) {
	n := newTurnstile(t)
	h, p := n.hub, &n.hub.presence
	now := time.Now()
	p.grace = 2 * time.Second
	known, early := store.Device{1}, &device{id: store.Device{2}}
	p.moved(&move{device: known, at: now, here: true})
	n.settled("somebody is here", now, nil)

	h.trouble = trouble{since: now, next: now.Add(time.Hour)}
	p.moved(&move{device: known, at: now, left: true})
	for i := range uint32(1000) {
		d := store.Device{3}
		binary.BigEndian.PutUint32(d[1:], i)
		p.moved(&move{device: d, at: now, here: true, user: "alice"})
		p.moved(&move{device: d, at: now, left: i%2 == 0})
	}
	h.frame(now.Add(patience + 1))
	if len(p.moves) != 0 || len(p.people) != 501 {
		t.Errorf("%d moves wait and %d people are known in the grace", len(p.moves), len(p.people))
	}
	h.unsaid = make([]store.Outcome, 1<<16) // nothing is refused any more
	p.moved(&move{device: early.id, at: now, here: true})
	p.moved(&move{device: early.id, at: now, left: true})
	n.put(early, nil, 1, nil)
	h.keep(now.Add(3 * time.Second))
	if len(p.people) != 2 || p.people[known] == nil || p.people[early.id] == nil || len(p.users) != 1 || len(p.dirty) != 2 {
		t.Errorf("%d people are known, %d users, %d rows to write", len(p.people), len(p.users), len(p.dirty))
	}
	h.unsaid, h.trouble = nil, trouble{}
	n.settled("afterwards", now.Add(4*time.Second), map[*device]uint64{early: 1})
	if len(p.people) != 0 || len(p.going) != 0 {
		t.Errorf("%d people are left, %d are to go", len(p.people), len(p.going))
	}
}
