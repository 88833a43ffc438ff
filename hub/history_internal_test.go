package hub

import "testing"

// TestSlowFrames: a frame that takes longer than the histogram has bounds for is slow.
func TestSlowFrames(t *testing.T) {
	n := newTurnstile(t)
	took := func(seconds ...float64) *Sample {
		was := n.hub.counted()
		for _, s := range seconds {
			n.hub.metrics.frame.Observe(s)
		}
		now := n.hub.counted()
		return now.since(&was)
	}
	if s := took(30); s.P50 < 1.8 || s.P99 < 1.8 {
		t.Errorf("of a frame of 30 s P50 is %v and P99 %v", s.P50, s.P99)
	}
	if s := took(0.002, 0.002, 0.002, 30); s.P50 > 0.003 || s.P99 < 1.8 {
		t.Errorf("of three quick frames and one of 30 s P50 is %v and P99 %v", s.P50, s.P99)
	}
}
