package loadtest_test

import (
	"strings"
	"testing"
	"time"

	"framehub/loadtest"
	"framehub/session/wire"
)

// restarted is a load of a fake hub that is "killed" once.
func (f *fakeHub) restarted(tb testing.TB) *loadtest.Report {
	tb.Helper()
	r, err := loadtest.Run(tb.Context(), loadtest.Options{
		URL: f.url, Unchecked: true, Devices: 1, Duration: time.Second, Patience: 2 * time.Second, Kills: 1, Restart: f.cut,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// What a hub that comes back has forgotten, or tells otherwise than before, is found.
func TestBrokenPromisesAfterAReturn(t *testing.T) {
	for name, tc := range map[string]struct {
		again func(*fakeSession, *wire.HubHello)
		want  string // "": it is as promised
	}{
		"none":             {nil, ""},
		"an older version": {func(_ *fakeSession, h *wire.HubHello) { h.Version-- }, "and had told of version"},
		"another history":  {func(_ *fakeSession, h *wire.HubHello) { h.Epoch, h.Resumed = []byte{2}, false }, "another history"},
		"a settled write":  {func(_ *fakeSession, h *wire.HubHello) { h.Settled-- }, "knows of transactions up to"},
		"all settled ones": {func(_ *fakeSession, h *wire.HubHello) { h.Settled, h.SettledKnown = 0, false }, "knows of transactions up to 0"},
		"an outcome twice": {func(s *fakeSession, h *wire.HubHello) {
			s.after(&wire.Settled{Version: h.Version, Committed: []uint64{h.Settled}})
		}, "1 came twice"},
		"versions left out": {func(s *fakeSession, _ *wire.HubHello) { s.told++ }, "versions were left out"},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t, func(s *fakeSession, w *wire.Write) error { s.settle(w); return nil })
			f.again = tc.again
			r := f.restarted(t)
			if r.OK != (tc.want == "") || tc.want != "" && !mentions(r, tc.want) {
				t.Errorf("the report says\n%s", text(t, r))
			}
		})
	}
}

// after says something once the hello is answered.
func (s *fakeSession) after(m *wire.Settled) {
	time.AfterFunc(50*time.Millisecond, func() { s.say(m) })
}

// TestReturn: what was under way is sent again, or has its outcome already, and counts once.
func TestReturn(t *testing.T) {
	for name, tc := range map[string]struct {
		takes           bool // what comes before the kill is taken, but nothing is said of it
		resent, outcome bool
	}{
		"what the hub took":        {takes: true, outcome: true},
		"what the hub did not get": {resent: true},
	} {
		t.Run(name, func(t *testing.T) {
			held := map[uint64]bool{}
			f := startFake(t, func(s *fakeSession, w *wire.Write) error {
				if s.first && w.Seq > 3 {
					if tc.takes {
						s.mu.Lock()
						s.settled = w.Seq
						s.mu.Unlock()
					}
					held[w.Seq] = true
					return nil
				}
				if !s.first && tc.takes && held[w.Seq] {
					t.Errorf("transaction %d has settled, and is sent again", w.Seq)
				}
				s.settle(w)
				return nil
			})
			r := f.restarted(t)
			b := r.Recovery
			if r.Sent != 20 || r.Acked != 20 || r.Unsettled != 0 || r.Duplicated+r.Reordered != 0 || b == nil {
				t.Fatalf("the report says\n%s", text(t, r))
			}
			if (b.Resent > 0) != tc.resent || (b.Told > 0) != tc.outcome || b.Resent+b.Told != int64(len(held)) {
				t.Errorf("%d were held; %+v", len(held), b)
			}
			if b.Kills != 1 || b.Lost != 1 || b.Reconnects != 1 || b.Resumed != 1 || b.Live == nil || b.Live.P50 <= 0 {
				t.Errorf("%+v", b)
			}
		})
	}
}

// TestSnapshotAfterAReturn: a device that can't go on takes a snapshot, and that is told.
func TestSnapshotAfterAReturn(t *testing.T) {
	f := startFake(t, func(s *fakeSession, w *wire.Write) error { s.settle(w); return nil })
	f.again = func(_ *fakeSession, h *wire.HubHello) { h.Resumed = false }
	r := f.restarted(t)
	if b := r.Recovery; !r.OK || b.Snapshots != 1 || b.Resumed != 0 || r.Snapshots != 0 {
		t.Errorf("%+v\n%s", b, text(t, r))
	}
	if got := text(t, r); !strings.Contains(got, "1 took a snapshot") {
		t.Errorf("the report says\n%s", got)
	}
}

func TestKillOfAHubThatIsNotOurs(t *testing.T) {
	_, err := loadtest.Run(t.Context(), loadtest.Options{URL: "ws://127.0.0.1:1/v1/sync", Kills: 1})
	if err == nil || !strings.Contains(err.Error(), "started itself") {
		t.Errorf("the error is %v", err)
	}
}
