package hub

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"framehub/rules"
	"framehub/session/wire"
	"framehub/store"
)

// A turnstile is a hub whose inbox a test fills.
type turnstile struct {
	*testing.T
	hub   *Hub
	store *store.Store
}

func newTurnstile(t *testing.T) *turnstile {
	t.Helper()
	s, err := store.Open(store.Options{
		Path: filepath.Join(t.TempDir(), "world.db"), Schema: `CREATE TABLE thing(id INTEGER PRIMARY KEY) STRICT`, Log: slog.New(slog.DiscardHandler), Presence: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	h := New(s, Options{Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		h.merging.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &turnstile{t, h, s}
}

func (n *turnstile) put(d *device, s *share, seq uint64, refused *wire.Refusal) {
	n.Helper()
	it := item{device: d, write: &wire.Write{Seq: seq, SchemaVersion: n.store.Schema().Version}, who: &rules.Who{}, share: s, refused: refused}
	if known, err := n.hub.in.put(it); known || err != nil {
		n.Fatal(known, err)
	}
}

// settled closes a frame and wants devices to have settled so much.
func (n *turnstile) settled(what string, now time.Time, want map[*device]uint64) {
	n.Helper()
	n.hub.frame(now)
	for d, seq := range want {
		if state, _, err := n.store.Device(d.id); err != nil || state.Settled != seq {
			n.Errorf("%s: device %x has settled %d, not %d (%v)", what, d.id[:1], state.Settled, seq, err)
		}
	}
}
