package hub_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"framehub/session/wire"
)

// Whose transactions wait for their turn says nothing and leaves nothing before them:
// his events and his last will wait for them, and nobody else's do.
func TestNothingOvertakesWhatIsHeldBack(t *testing.T) {
	present(t, func(w *world) {
		sender, other, watcher := w.dial(device(1)), w.dial(device(2)), w.dial(watcherOf(3))
		w.settledIn(sender, other, watcher)
		sender.will(9, 1)
		sender.wantTaken(9)
		w.hub.HoldBack(uuid.UUID(sender.Hello.Session), time.Now().Add(time.Second))
		sender.put(1, 1)
		sender.send(wire.ToScope("thing", num(1)), "held", 1)
		other.put(2, 2)
		other.send(wire.ToScope("thing", num(1)), "free", 2)
		w.frame()
		sender.Close()
		w.wantThings("while one is held back", "2=2")
		if got := watcher.heard(); !slices.Equal(got, []string{"free"}) {
			t.Errorf("the watcher heard %q", got)
		}
		w.wantAttendance("while one is held back", "1 device away", "2 device here", "3 device here")
		w.pass(time.Second)
		w.wantThings("after his time", "1=9 2=2")
		if got := watcher.heard(); !slices.Equal(got, []string{"held"}) {
			t.Errorf("the watcher heard %q", got)
		}
		w.wantAttendance("after his time", "2 device here", "3 device here")
	})
}

func watcherOf(n byte) wire.DeviceHello {
	hello := device(n)
	hello.Subs = []wire.Sub{{Name: "thing"}}
	return hello
}
