package hub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"framehub/session/wire"
)

// A session whose acknowledgements go with its frames is noted once, however many
// frames it takes before anybody looks whether they have gone.
func TestAcknowledgementsAreNotedOnce(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.dial(watching(wire.Sub{Name: "thing"}))
		expect[*wire.SnapshotEnd](p)
		for i := range int64(100) {
			p.put(1, i)
			w.pass(time.Second / 60)
			synctest.Wait()
			w.hub.Beat(time.Now())
		}
		if n := w.hub.Acking(); n > 1 {
			w.Errorf("one session is noted %d times", n)
		}
	})
}
