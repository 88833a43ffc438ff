package loadtest_test

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"framehub/loadtest"
)

// TestSeries: what happens in a second is in that second's point, the warm-up too, and
// the points together are all that there was.
func TestSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tape := loadtest.NewTape(t.Context(), 3*time.Second, time.Second)
		for i := range 250 { // in the middle of each hundredth of a second
			elapse(5 * time.Millisecond)
			at := time.Duration(i) * 10 * time.Millisecond
			tape.Write(at, time.Millisecond, time.Duration(1+i/100)*10*time.Millisecond)
			elapse(5 * time.Millisecond)
		}
		s, ack := tape.Stop()
		if s.Step != 1 || s.Warmup != 1 || len(s.Points) != 3 {
			t.Fatalf("%+v", s)
		}
		for i, want := range []struct {
			at, length, ack float64
			writes          int64
		}{{1, 1, 10, 100}, {2, 1, 20, 100}, {2.5, 0.5, 30, 50}} {
			p := s.Points[i]
			if math.Abs(p.At-want.at) > 1e-3 || math.Abs(p.Seconds-want.length) > 1e-3 {
				t.Errorf("point %d ends at %v and is %v long, want %v, %v", i, p.At, p.Seconds, want.at, want.length)
			}
			if p.Sent != want.writes || p.Acked != want.writes || p.Refused != 0 || p.Delivered != 10*want.writes || p.Bytes != 120*want.writes {
				t.Errorf("point %d: %+v, want %d writes", i, p, want.writes)
			}
			near(t, "acknowledged", *p.AckP99, want.ack)
			near(t, "seen", *p.AgeP50, want.ack+1)
			near(t, "seen", *p.AgeP99, want.ack+1)
			near(t, "sent", *p.OwnP99, 1)
			if p.EventP99 != nil || p.Hub != nil {
				t.Errorf("point %d has what nobody measured: %+v", i, p)
			}
		}
		near(t, "acknowledged after the warm-up, at least", ack.P50, 20)
	})
}

func elapse(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // in a bubble, where it takes none

// near fails the test unless a figure is the one that it must be, to three digits.
func near(tb testing.TB, what string, got, want float64) {
	tb.Helper()
	if math.Abs(got-want) > want/1000 {
		tb.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestSeriesIsBounded: what a series takes does not grow with the load's length.
func TestSeriesIsBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		length time.Duration
		step   float64
		points int
	}{
		"a blink":    {100 * time.Millisecond, 1, 1},
		"10 minutes": {10 * time.Minute, 1, 600},
		"an hour":    {time.Hour, 6, 600},
		"a week":     {7 * 24 * time.Hour, 1008, 600},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tape := loadtest.NewTape(t.Context(), tc.length, 0)
				elapse(tc.length - time.Millisecond)
				if s, _ := tape.Stop(); s.Step != tc.step || len(s.Points) != tc.points {
					t.Errorf("%d points of %v s, want %d of %v", len(s.Points), s.Step, tc.points, tc.step)
				}
			})
		})
	}
}

func TestHubPoint(t *testing.T) {
	p, err := loadtest.HubPointBetween(strings.NewReader(before), strings.NewReader(after), 4)
	if err != nil || p == nil {
		t.Fatal(p, err)
	}
	near(t, "processor", p.CPU, 0.5) // 2 s of 4
	near(t, "frames", *p.FrameP99, 1+9*39./40)
	if p.ResidentBytes != 5_000_000 {
		t.Errorf("%d bytes", p.ResidentBytes)
	}
}

// TestDistribution: a distribution has the quantiles of what was recorded, up to the last.
func TestDistribution(t *testing.T) {
	var times []time.Duration
	for i := range 1000 {
		times = append(times, time.Duration(i+1)*time.Millisecond)
	}
	d := loadtest.DistributionOf(times...)
	near(t, "mean", d.Mean, 500.5)
	near(t, "least", d.Min, 1)
	near(t, "most", d.Max, 1000)
	near(t, "deviation", d.StdDev, 288.67)
	if d.Count != 1000 {
		t.Errorf("%d times", d.Count)
	}
	last := loadtest.Percentile{Percentile: -1}
	for _, p := range d.Percentiles {
		if p.Percentile <= last.Percentile || p.Value < last.Value || p.Count < last.Count {
			t.Errorf("after %+v comes %+v", last, p)
		}
		near(t, "the count up to a value", p.Value, float64(p.Count)) // 1 ms more each
		last = p
	}
	if last.Percentile != 100 || last.Count != 1000 {
		t.Errorf("the last is %+v", last)
	}
	if d := loadtest.DistributionOf(); d.Count != 0 || d.Percentiles != nil {
		t.Errorf("of nothing: %+v", d)
	}
}
