package hub_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"framehub/hub"
	"framehub/session/wire"
)

// TestSnapshotsTakenSlowly: where snapshots that nobody takes have all the room for them,
// another is given up, and its device told when to come again; small ones need none.
func TestSnapshotsTakenSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rows = `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 400) INSERT INTO thing(id, big) SELECT i, randomblob(20000) FROM c;`
		w := newWorldOf(t, schema+rows, hub.Options{SnapshotDisk: 4 << 20})
		all := watching(wire.Sub{Name: "thing"})
		slow := w.dial(all)
		synctest.Wait() // its snapshot is read, and alone may have more than the bound
		other := w.dial(all)
		for {
			if g, ok := other.next().(*wire.Goodbye); ok {
				if g.Code != wire.CloseTooSlow || !g.RetrySet || !strings.Contains(g.Text, "all the room") {
					t.Errorf("the goodbye is %+v", g)
				}
				break
			}
		}
		await[*wire.SnapshotEnd](w.dial(watching(wire.Sub{Name: "other"})))
		await[*wire.SnapshotEnd](slow)
		await[*wire.SnapshotEnd](w.dial(all))
	})
}
