package loadtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// killAll kills the hub as often as it is to be, spread evenly over the load without its
// warm-up, which ends at last.
func (r *run) killAll(load, sessions context.Context, last time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for k := range r.opts.Kills {
		part := (last - r.warmup) * time.Duration(k+1) / time.Duration(r.opts.Kills+1)
		if !sleepUntil(load, timer, r.base.Add(r.start+r.warmup+part)) {
			return
		}
		used := r.look(sessions)
		began := time.Now()
		if err := r.opts.Restart(); err != nil {
			err = fmt.Errorf("the hub does not come back after kill %d: %w", k+1, err)
			r.fail("%v", err)
			r.stop(err)
			return
		}
		r.returns.mu.Lock()
		r.returns.down = append(r.returns.down, time.Since(began))
		r.returns.used = used.plus(r.returns.used)
		r.returns.mu.Unlock()
	}
}

// plus adds what hubs before had counted, whose counters their successors begin anew.
func (l look) plus(before look) look {
	if l.hub == nil {
		return l
	}
	for name, family := range before.hub {
		if now := l.hub[name]; now != nil && name != hubStart { // its counters are since then now
			addMetrics(now, family)
		} else {
			l.hub[name] = family
		}
	}
	return l
}

// addMetrics adds counters and histograms; gauges stay as they are now.
func addMetrics(to, from *dto.MetricFamily) {
	for _, m := range from.GetMetric() {
		n := sameLabels(to, m)
		if n == nil {
			to.Metric = append(to.Metric, m)
			continue
		}
		if c := n.GetCounter(); c != nil {
			c.Value = new(c.GetValue() + m.GetCounter().GetValue())
		}
		addHistogram(n.GetHistogram(), m.GetHistogram())
	}
}

func addHistogram(to, from *dto.Histogram) {
	if to == nil || from == nil {
		return
	}
	to.SampleCount, to.SampleSum = new(to.GetSampleCount()+from.GetSampleCount()), new(to.GetSampleSum()+from.GetSampleSum())
	for i, b := range from.Bucket[:min(len(from.Bucket), len(to.Bucket))] {
		to.Bucket[i].CumulativeCount = new(to.Bucket[i].GetCumulativeCount() + b.GetCumulativeCount())
	}
}

func sameLabels(family *dto.MetricFamily, as *dto.Metric) *dto.Metric {
	i := slices.IndexFunc(family.GetMetric(), func(m *dto.Metric) bool {
		return slices.EqualFunc(m.GetLabel(), as.GetLabel(), func(a, b *dto.LabelPair) bool {
			return a.GetName() == b.GetName() && a.GetValue() == b.GetValue()
		})
	})
	if i < 0 {
		return nil
	}
	return family.GetMetric()[i]
}
