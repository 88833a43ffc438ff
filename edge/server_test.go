package edge_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"framehub/edge"
)

// TestSlowPeers: none of them keeps its place.
func TestSlowPeers(t *testing.T) {
	t.Parallel()
	s := serve(t, listen(t), edge.Options{})
	for name, c := range map[string]struct {
		said string
		most time.Duration
	}{
		"silent":                    {"", 7 * time.Second},
		"begins":                    {"G", 7 * time.Second},
		"headers without an end":    {"GET / HTTP/1.1\r\nHost: hub\r\nX-A: ", 7 * time.Second},
		"a body that does not come": {"POST / HTTP/1.1\r\nHost: hub\r\nContent-Length: 1000\r\n\r\n", 13 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, s.Addr())
			p.send(c.said)
			if took := p.gone(); took > c.most {
				t.Errorf("it was let go after %v", took)
			}
		})
	}
	t.Run("a header at a time", func(t *testing.T) {
		t.Parallel()
		p := dial(t, s.Addr())
		p.send("GET / HTTP/1.1\r\nHost: hub\r\n")
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for began := time.Now(); ; <-tick.C {
			if _, err := p.Write([]byte("X-A: a\r\n")); err != nil {
				return
			}
			if time.Since(began) > 8*time.Second {
				t.Fatal("it may go on for ever")
			}
		}
	})
}

func TestHeaderSize(t *testing.T) {
	s := serve(t, listen(t), edge.Options{})
	for size, want := range map[int]int{8 << 10: 200, 64 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		if code, _, _ := dial(t, s.Addr()).ask("/", "X-A: "+strings.Repeat("a", size)); code != want {
			t.Errorf("%d bytes: code %d, want %d", size, code, want)
		}
	}
}

// TestUpgradedHasNoDeadline: what bounds a request does not bound what comes after it.
func TestUpgradedHasNoDeadline(t *testing.T) {
	s := serve(t, listen(t), edge.Options{WriteTimeout: time.Millisecond})
	p := dial(t, s.Addr())
	if code, _, _ := p.ask("/", "Upgrade: x"); code != 101 {
		t.Fatalf("code %d", code)
	}
	_ = p.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := p.r.ReadByte(); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("it ended: %v", err)
	}
}
