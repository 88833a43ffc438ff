package loadtest_test

import (
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"framehub/loadtest"
)

func TestQuantiles(t *testing.T) {
	var times []time.Duration
	for i := range 1000 {
		times = append(times, time.Duration(i+1)*time.Millisecond)
	}
	q := loadtest.QuantilesOf(times...)
	for name, tc := range map[string]struct{ got, want float64 }{
		"p50": {q.P50, 500}, "p90": {q.P90, 900}, "p99": {q.P99, 990}, "max": {q.Max, 1000},
	} {
		if math.Abs(tc.got-tc.want) > tc.want/1000 { // three digits
			t.Errorf("%s is %v, want %v", name, tc.got, tc.want)
		}
	}
	if q := loadtest.QuantilesOf(); q != nil {
		t.Errorf("of nothing: %+v", q)
	}
	if q := loadtest.QuantilesOf(-time.Second, 24*time.Hour); math.Abs(q.Max-600_000) > 600 {
		t.Errorf("what is out of range counts as the most: %+v", q)
	}
}

func TestSumBytes(t *testing.T) {
	// Two observers among ten who watch, each of whom got 500 bytes in frames: 40
	// updates decoded of 1,000 bytes, so 200 of 5,000.
	r := loadtest.SumBytes(loadtest.Sums{Decoded: 40, DecodedBytes: 1000, FrameBytes: 5000, Watched: 6000, Watchers: 10, Seconds: 3})
	if r.Delivered != 200 || r.BytesPerUpdate != 25 || r.BytesPerDevice != 200 {
		t.Errorf("%d updates, %v bytes an update, %v bytes a second and device", r.Delivered, r.BytesPerUpdate, r.BytesPerDevice)
	}
	if r := loadtest.SumBytes(loadtest.Sums{}); r.Delivered != 0 || r.BytesPerUpdate != 0 || r.BytesPerDevice != 0 {
		t.Errorf("of nothing: %+v", r)
	}
}

const before = `# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 10.5
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1000.25
# TYPE framehub_frame_seconds histogram
framehub_frame_seconds_bucket{le="0.001"} 100
framehub_frame_seconds_bucket{le="0.01"} 100
framehub_frame_seconds_bucket{le="0.1"} 100
framehub_frame_seconds_bucket{le="+Inf"} 100
framehub_frame_seconds_sum 0.05
framehub_frame_seconds_count 100
# TYPE framehub_fsync_seconds histogram
framehub_fsync_seconds_bucket{database="game",file="database",le="0.001"} 7
framehub_fsync_seconds_bucket{database="game",file="database",le="+Inf"} 7
framehub_fsync_seconds_sum{database="game",file="database"} 0.01
framehub_fsync_seconds_count{database="game",file="database"} 7
framehub_fsync_seconds_bucket{database="log",file="wal",le="0.001"} 100
framehub_fsync_seconds_bucket{database="log",file="wal",le="0.01"} 100
framehub_fsync_seconds_bucket{database="log",file="wal",le="+Inf"} 100
framehub_fsync_seconds_sum{database="log",file="wal"} 0.1
framehub_fsync_seconds_count{database="log",file="wal"} 100
`

const after = `# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1000.25
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 5e+06
# TYPE framehub_frame_seconds histogram
framehub_frame_seconds_bucket{le="0.001"} 160
framehub_frame_seconds_bucket{le="0.01"} 200
framehub_frame_seconds_bucket{le="0.1"} 200
framehub_frame_seconds_bucket{le="+Inf"} 200
framehub_frame_seconds_sum 0.2
framehub_frame_seconds_count 200
# TYPE framehub_fsync_seconds histogram
framehub_fsync_seconds_bucket{database="game",file="database",le="0.001"} 10
framehub_fsync_seconds_bucket{database="game",file="database",le="+Inf"} 10
framehub_fsync_seconds_sum{database="game",file="database"} 0.01
framehub_fsync_seconds_count{database="game",file="database"} 10
framehub_fsync_seconds_bucket{database="log",file="wal",le="0.001"} 180
framehub_fsync_seconds_bucket{database="log",file="wal",le="0.01"} 200
framehub_fsync_seconds_bucket{database="log",file="wal",le="+Inf"} 200
framehub_fsync_seconds_sum{database="log",file="wal"} 0.4
framehub_fsync_seconds_count{database="log",file="wal"} 200
`

func TestHubBetween(t *testing.T) {
	h, err := loadtest.HubBetween(strings.NewReader(before), strings.NewReader(after), 4_000_000)
	if err != nil {
		t.Fatal(err)
	}
	if h.CPUSeconds != 2 || h.CPUPerUpdate != 0.5 || h.ResidentBytes != 5_000_000 {
		t.Errorf("%+v", h)
	}
	// Of 100 frames 60 took up to 1 ms, 40 up to 10 ms.
	for name, tc := range map[string]struct{ got, want float64 }{
		"p50": {h.Frame.P50, 1 * 50. / 60}, "p90": {h.Frame.P90, 1 + 9*30./40}, "p99": {h.Frame.P99, 1 + 9*39./40}, "max": {h.Frame.Max, 10},
	} {
		if math.Abs(tc.got-tc.want) > 1e-9 {
			t.Errorf("%s is %v, want %v", name, tc.got, tc.want)
		}
	}
}

// TestFsyncBetween: the frame log's are told apart from those of other files.
func TestFsyncBetween(t *testing.T) {
	h, err := loadtest.HubBetween(strings.NewReader(before), strings.NewReader(after), 1)
	if err != nil || h.Fsync == nil {
		t.Fatalf("%+v, %v", h, err)
	}
	f := h.Fsync
	if f.Count != 100 || f.Others != 3 || math.Abs(f.Seconds-0.3) > 1e-9 {
		t.Errorf("%+v", f)
	}
	// Of 100, 80 took up to 1 ms, 20 up to 10 ms.
	if math.Abs(f.Times.P50-50./80) > 1e-9 || math.Abs(f.Times.P99-(1+9*19./20)) > 1e-9 || f.Times.Max != 10 {
		t.Errorf("%+v", f.Times)
	}
	none := strings.ReplaceAll(after, "framehub_fsync_seconds", "something_else_seconds")
	if h, err := loadtest.HubBetween(strings.NewReader(before), strings.NewReader(none), 1); err != nil || h.Fsync != nil {
		t.Errorf("of a hub that tells none: %+v, %v", h.Fsync, err)
	}
}

// again is the answer of a hub that was started later.
func again(answer string) io.Reader {
	return strings.NewReader(strings.ReplaceAll(answer, "process_start_time_seconds 1000", "process_start_time_seconds 1009"))
}

// TestStartedAgain: nothing is said of a hub between looks that are of two lives, of which
// the second may have counted more than the first, or less.
func TestStartedAgain(t *testing.T) {
	for name, looks := range map[string][2]string{"more": {before, after}, "less": {after, before}} {
		if h, err := loadtest.HubBetween(strings.NewReader(looks[0]), again(looks[1]), 1); err != nil || h != nil {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
		if p, err := loadtest.HubPointBetween(strings.NewReader(looks[0]), again(looks[1]), 4); err != nil || p != nil {
			t.Errorf("%s, a point: %+v, %v", name, p, err)
		}
	}
}

// TestTwoLives: what a hub counted before it was killed is not forgotten.
func TestTwoLives(t *testing.T) {
	h, err := loadtest.HubOfTwoLives(strings.NewReader(before), strings.NewReader(after), again(before))
	if err != nil || h.Fsync == nil {
		t.Fatalf("%+v, %v", h, err)
	}
	if f := h.Fsync; h.CPUSeconds != 12.5 || f.Count != 200 || f.Others != 10 || math.Abs(f.Seconds-0.4) > 1e-9 {
		t.Errorf("%+v, %+v", h, f)
	}
	// Of 200, 180 took up to 1 ms, 20 up to 10 ms.
	if q := h.Fsync.Times; math.Abs(q.P90-1) > 1e-9 || math.Abs(q.P99-(1+9*18./20)) > 1e-9 {
		t.Errorf("%+v", q)
	}
}

func TestCheckOptions(t *testing.T) {
	for name, o := range map[string]loadtest.Options{
		"a profile that is not known": {Profile: "zoo"},
		"fewer than no devices":       {Devices: -1},
		"too many a second":           {Hz: 1e6},
		"a speed that is no number":   {Speed: math.NaN()},
		"a duration below 0":          {Duration: -1},
		"events of one device":        {Profile: loadtest.Events, Devices: 1},
		"too many events a second":    {EventHz: 1e6},
		"a group of nobody":           {Profile: loadtest.Events, Group: -1},
		"only flaky devices":          {Profile: loadtest.Flaky, FlakyShare: 1},
		"one flaky device":            {Profile: loadtest.Flaky, Devices: 1},
		"mishaps all the time":        {Profile: loadtest.Flaky, FlakyEvery: time.Millisecond},
		"money of one device":         {Profile: loadtest.Transfers, Devices: 1},
		"fewer than no kills":         {Kills: -1},
	} {
		if o.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if err := (loadtest.Options{}).Check(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}
