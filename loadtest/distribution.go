package loadtest

import "github.com/HdrHistogram/hdrhistogram-go"

// Distributions are the whole histograms behind a report's quantiles, by the same names;
// those of which nothing was recorded are left out.
type Distributions map[string]Distribution

// A Distribution is how times are spread, in ms, as HdrHistogram prints it: by percentiles
// that come closer to 100 the further they go.
type Distribution struct {
	Count       int64        `json:"count"`
	Mean        float64      `json:"mean"`
	StdDev      float64      `json:"stddev"`
	Min         float64      `json:"min"`
	Max         float64      `json:"max"`
	Percentiles []Percentile `json:"percentiles"`

	// For people.
	quantiles *Quantiles
	p999      float64
	bars      []hdrhistogram.Bar // in µs, as fine as they were recorded
}

// A Percentile is the value below which so many of 100 lie.
type Percentile struct {
	Percentile float64 `json:"percentile"`
	Value      float64 `json:"value"`
	Count      int64   `json:"count"` // of all up to the value
}

// distributions returns those of everything that was timed.
func (r *run) distributions() Distributions {
	all := Distributions{}
	for name, l := range map[string]*latency{
		"ack_ms": r.acks, "age_ms": r.ages, "stale_ms": r.stale, "interval_ms": r.intervals, "join_ms": r.joins, "enter_ms": r.enters,
		"event_ms": r.calls.ages, "late_ms": r.late, "generator_late_ms": r.own, "live_ms": r.returns.live, "flaky_age_ms": r.flakyAges,
	} {
		if d := l.distribution(); d.Count > 0 {
			all[name] = d
		}
	}
	return all
}

func (l *latency) distribution() Distribution {
	const ticks = 5 // each time that half of what is left to 100 is passed, as HdrHistogram's own tools have it
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.all
	d := Distribution{Count: h.TotalCount(), Mean: h.Mean() / 1000, StdDev: h.StdDev() / 1000, Min: millis(h.Min()), Max: millis(h.Max())}
	if d.Count == 0 {
		return d
	}
	d.quantiles, d.p999 = quantilesOf(h), millis(h.ValueAtPercentile(99.9))
	for _, b := range h.CumulativeDistributionWithTicks(ticks) {
		d.Percentiles = append(d.Percentiles, Percentile{b.Quantile, millis(b.ValueAt), b.Count})
	}
	for _, b := range h.Distribution() {
		if b.Count > 0 {
			d.bars = append(d.bars, b)
		}
	}
	return d
}
