//go:build !race

package main_test

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
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
	h := newHubProcess(t, schema, "")
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
	time.Sleep(3 * time.Second) //nolint:forbidigo // empty frames come and go meanwhile
	after := metric(t, admin, "process_resident_memory_bytes")
	each := (after - before) / sessions
	t.Logf("%.1f KiB a session", each/1024)
	if each > most {
		t.Errorf("an idle session takes %.0f bytes, the most is %d", each, most)
	}
}

func metric(t *testing.T, admin, name string) float64 {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
