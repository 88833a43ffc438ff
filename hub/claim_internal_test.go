package hub

import (
	"testing"
	"time"

	"framehub/rules"
	"framehub/session/wire"
	"framehub/store"
)

// A frame of nothing but transactions for devices that are somebody else's, which
// no hello lets in, settles nothing and does the hub no harm.
func TestFrameOfStrangers(t *testing.T) {
	n := newTurnstile(t)
	h, s := n.hub, n.store
	hers := store.Device{1}
	send := func(seq uint64, user string) store.DeviceState {
		t.Helper()
		if _, err := h.in.put(item{device: &device{id: hers, user: user}, write: &wire.Write{Seq: seq, SchemaVersion: s.Schema().Version}, who: &rules.Who{User: user}}); err != nil {
			t.Fatal(err)
		}
		h.frame(time.Now())
		state, _, err := s.Device(hers)
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	if d := send(1, "alice"); d.Settled != 1 || d.Owner != "alice" {
		t.Fatalf("%+v", d)
	}
	version := h.Version()
	if d := send(2, "bob"); d.Settled != 1 || h.Version() != version {
		t.Errorf("bob settled for alice: %+v at version %d", d, h.Version())
	}
	if d := send(2, "alice"); d.Settled != 2 {
		t.Errorf("alice goes on: %+v", d)
	}
}
