package loadtest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// A look is what the hub and this process had used at a moment.
type look struct {
	cpu time.Duration // of this process
	at  time.Time     // when the hub had answered
	hub map[string]*dto.MetricFamily
}

// look reads the hub's own figures, where there is an address to read them from.
func (r *run) look(ctx context.Context) look {
	l := look{cpu: cpu()}
	if r.opts.AdminURL == "" {
		return l
	}
	var err error
	if l.hub, err = readMetrics(ctx, r.opts.AdminURL, r.opts.AdminToken); err != nil {
		r.fail("the hub's figures: %v", err)
	}
	l.at = time.Now()
	return l
}

// readMetrics asks the hub at its operators' listener.
func readMetrics(ctx context.Context, admin, token string) (map[string]*dto.MetricFamily, error) {
	const patience = 5 * time.Second
	url := strings.TrimSuffix(admin, "/") + "/metrics"
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("%s answers %s: it wants an admin's token (--admin-token)", url, resp.Status)
	default:
		return nil, fmt.Errorf("%s answers %s", url, resp.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(resp.Body)
}

// value returns a counter or a gauge, 0 where the hub has none of that name.
func (l look) value(name string) float64 {
	m := l.metric(name)
	if c := m.GetCounter(); c != nil {
		return c.GetValue()
	}
	return m.GetGauge().GetValue()
}

// metric returns the first metric of a name whose labels have the values, nil where there
// is none.
func (l look) metric(name string, labels ...string) *dto.Metric {
	for _, m := range l.hub[name].GetMetric() {
		if has(m, labels) {
			return m
		}
	}
	return nil
}

func has(m *dto.Metric, labels []string) bool {
	for _, want := range labels {
		if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetValue() == want }) {
			return false
		}
	}
	return true
}

// What the hub's process has used, in s, and when it was started.
const (
	hubCPU   = "process_cpu_seconds_total"
	hubStart = "process_start_time_seconds"
)

// Hub is what the hub used and how long its frames took, by its own figures.
type Hub struct {
	CPUSeconds    float64          `json:"cpu_s"`
	CPUPerUpdate  float64          `json:"cpu_us_per_update"` // µs per update delivered
	ResidentBytes int64            `json:"rss_bytes"`         // at the end
	Frame         *Quantiles       `json:"frame_ms"`          // from the frame's boundary until it was handed to every session
	durable       *Quantiles       // from the frame's boundary until it was durable
	versions      int64            // committed
	merges        int64            // into the game database
	CatchUps      int64            `json:"catch_ups"` // frames in which sessions that fell behind caught up
	Fsync         *Fsync           `json:"fsync"`     // nil: the hub tells of none
	behind        int64            // sessions that fell behind
	lost          map[string]int64 // events, by the hub's reason
}

// oneLife says whether the counters of two looks go on from each other: there are both, and
// the hub was not started again in between.
func oneLife(before, after look) bool {
	return before.hub != nil && after.hub != nil && before.value(hubStart) == after.value(hubStart)
}

// hubBetween returns what the hub did between two looks, nil where there were none or it was
// started again.
func hubBetween(before, after look, delivered int64) *Hub {
	if !oneLife(before, after) {
		return nil
	}
	delta := func(name string) float64 { return after.value(name) - before.value(name) }
	h := &Hub{
		CPUSeconds:    delta(hubCPU),
		ResidentBytes: int64(after.value("process_resident_memory_bytes")),
		Frame:         bucketQuantiles(before, after, "framehub_frame_seconds"),
		durable:       bucketQuantiles(before, after, "framehub_frame_durable_seconds"),
		versions:      int64(delta("framehub_frames_total")),
		merges:        int64(delta("framehub_merges_total")),
		behind:        int64(delta("framehub_sessions_behind_total")),
		CatchUps:      int64(delta("framehub_catch_up_frames_total")),
	}
	h.Fsync = fsyncBetween(before, after)
	h.lost = labelled(before, after, "framehub_events_dropped_total")
	if delivered > 0 {
		h.CPUPerUpdate = h.CPUSeconds * 1e6 / float64(delivered)
	}
	return h
}

// labelled returns by how much the counters of a name have risen, by their one label.
func labelled(before, after look, name string) map[string]int64 {
	risen := map[string]int64{}
	for _, m := range after.hub[name].GetMetric() {
		risen[m.GetLabel()[0].GetValue()] += int64(m.GetCounter().GetValue())
	}
	for _, m := range before.hub[name].GetMetric() {
		risen[m.GetLabel()[0].GetValue()] -= int64(m.GetCounter().GetValue())
	}
	return risen
}

// dropped tells why sessions did not get events, and how many.
func (h *Hub) dropped() string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(h.lost)) {
		if n := h.lost[reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", reason, humanize.Comma(n)))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// A bucket of a histogram: how many values between two looks were at most that.
type bucket struct {
	atMost float64 // s
	count  float64 // of all up to here
}

// bucketQuantiles estimates quantiles, in ms, of what a histogram of seconds took
// in between two looks: as Prometheus does, as if values lay evenly in their
// bucket. The largest is known as its bucket's end alone.
func bucketQuantiles(before, after look, name string, labels ...string) *Quantiles {
	was, is := before.metric(name, labels...).GetHistogram().GetBucket(), after.metric(name, labels...).GetHistogram().GetBucket()
	buckets := make([]bucket, len(is))
	for i, b := range is {
		buckets[i] = bucket{b.GetUpperBound(), float64(b.GetCumulativeCount())}
		if i < len(was) {
			buckets[i].count -= float64(was[i].GetCumulativeCount())
		}
	}
	if len(buckets) == 0 || buckets[len(buckets)-1].count == 0 {
		return nil
	}
	at := func(q float64) float64 { return 1000 * quantile(buckets, q) }
	return &Quantiles{P50: at(0.5), P90: at(0.9), P99: at(0.99), Max: at(1)}
}

func quantile(buckets []bucket, q float64) float64 {
	rank := q * buckets[len(buckets)-1].count
	low, below := 0.0, 0.0
	for _, b := range buckets {
		if b.count >= rank && b.count > below {
			if math.IsInf(b.atMost, 1) {
				return low
			}
			if q == 1 {
				return b.atMost
			}
			return low + (b.atMost-low)*(rank-below)/(b.count-below)
		}
		low, below = b.atMost, b.count
	}
	return low
}
