package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"framehub/session/wire"
	"framehub/web"
)

// stream opens the live stream, and returns what reads its next event.
func (w *world) stream(ctx context.Context, topics string, set ...func(*http.Request)) (next func() (topic, data string)) {
	w.tb.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.Admin+"/api/live?"+topics, nil)
	if err != nil {
		w.tb.Fatal(err)
	}
	for _, f := range set {
		f(r)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() { _ = resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != "text/event-stream" {
		w.tb.Fatalf("the code is %d, the type %q", resp.StatusCode, kind)
	}
	lines := bufio.NewScanner(resp.Body)
	return func() (topic, data string) {
		w.tb.Helper()
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				topic = value
			case "data":
				return topic, value
			}
		}
		w.tb.Fatal("the stream ends:", lines.Err())
		return "", ""
	}
}

func TestLive(t *testing.T) {
	w := newWorld(t)
	c := w.dial(wire.DeviceHello{Role: "observer", SubsSet: true})
	ctx, cancel := context.WithCancel(t.Context())
	next := w.stream(ctx, "topic=status&topic=sessions")
	for i := range 2 { // at once, and a second later
		topic, data := next()
		var s web.Status
		if err := json.Unmarshal([]byte(data), &s); topic != "status" || err != nil || !s.Ready || s.Sessions != 1 || s.Version != c.Hello.Version {
			t.Fatalf("%s: %v: %s", topic, err, data)
		}
		if topic, data = next(); topic != "sessions" || strings.Contains(data, `"role":"observer"`) != (i == 0) {
			t.Fatalf("%s: %s", topic, data)
		}
	}
	cancel()
}

func TestLiveRefuses(t *testing.T) {
	w := newWorld(t)
	for name, tc := range map[string]struct{ query, words string }{
		"no topic":      {"", "from 1 to 8 topics"},
		"too many":      {"?" + strings.Repeat("topic=status&", 9), "from 1 to 8 topics"},
		"an unknown":    {"?topic=weather", `no topic "weather"`},
		"one unknown":   {"?topic=status&topic=", `no topic ""`},
		"a second line": {"?topic=status:%0Adata:%20x", "there is no topic"},
		"another one":   {"?topic=status:%0D", "there is no topic"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := w.get(w.Admin, "/api/live"+tc.query); a.code != 400 || !strings.Contains(a.body, tc.words) {
				t.Errorf("the code is %d: %s", a.code, a.body)
			}
		})
	}
}
