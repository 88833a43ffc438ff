//go:build !race

package main_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// TestIdleSessionMemory measures what a hub takes for sessions that subscribe to
// a table and do nothing: its resident memory before and after they come.
func TestIdleSessionMemory(t *testing.T) {
	const sessions = 2000
	const most = 24 << 10
	h := newHubProcess(t, schema, "backup-every = \"0s\"\nship-every = \"0s\"") // a backup, which comes at the start, takes memory of its own
	admin := h.out.await(t, `operators\s+(http://\S+?)/ `)
	dial := func(n int) {
		for range n {
			c, err := session.Dial(t.Context(), "ws://"+h.addr, session.ClientOptions{Hello: wire.DeviceHello{}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Drop)
		}
	}
	dial(100) // what a first session brings along
	before := metric(t, admin, "process_resident_memory_bytes")
	dial(sessions)
	// Empty frames come and go, and what their coming has left behind is collected and in
	// time given back: the least of some seconds is what they take.
	each := math.Inf(1)
	for range 15 {
		time.Sleep(time.Second) //nolint:forbidigo // see above
		if code, body, _ := get(t, trusting(t, nil), admin+"/debug/pprof/heap?gc=1"); code != http.StatusOK {
			t.Fatalf("collecting garbage was answered with %d: %.200s", code, body)
		}
		each = min(each, (metric(t, admin, "process_resident_memory_bytes")-before)/sessions)
	}
	t.Logf("%.1f KiB a session", each/1024)
	if each > most {
		t.Errorf("an idle session takes %.0f bytes, the most is %d", each, most)
	}
}
