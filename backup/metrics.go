package backup

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what a worker counts, for Prometheus. Times are in seconds, sizes in bytes.
type Metrics struct {
	done  *prometheus.CounterVec
	times prometheus.Histogram
}

// NewMetrics makes the metrics of a worker, whose Options.Done calls Metrics.Done.
func NewMetrics() *Metrics {
	return &Metrics{
		done: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "framehub_backups_total", Help: "Backups, by what became of them: good, skipped or failed."}, []string{"outcome"}),
		times: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "framehub_backup_seconds", Help: "Time to make and prove a backup.",
			Buckets: prometheus.ExponentialBuckets(0.1, 4, 9)}), // to two hours
	}
}

// Done counts a backup.
func (m *Metrics) Done(o *Outcome) {
	switch {
	case o.Error != "":
		m.done.WithLabelValues("failed").Inc()
	case o.Skipped:
		m.done.WithLabelValues("skipped").Inc()
	default:
		m.done.WithLabelValues("good").Inc()
		m.times.Observe(float64(o.Millis) / 1000)
	}
}

// Register returns what registers the metrics of a worker.
func (m *Metrics) Register(w *Worker) func(prometheus.Registerer) error {
	for _, outcome := range []string{"good", "skipped", "failed"} {
		m.done.WithLabelValues(outcome) // so that a rate begins at 0
	}
	all := []prometheus.Collector{m.done, m.times}
	for _, g := range []struct {
		name, help string
		value      func(*State) float64
	}{
		{"framehub_backup_last_good_timestamp_seconds", "When the last good backup was made, since 1970; 0: there is none.", func(s *State) float64 {
			if s.LastGood == nil {
				return 0
			}
			return float64(s.LastGood.Began.UnixMilli()) / 1000
		}},
		{"framehub_backup_last_good_bytes", "Size of the last good backup.", func(s *State) float64 {
			if s.LastGood == nil {
				return 0
			}
			return float64(s.LastGood.Size)
		}},
		{"framehub_backup_running", "1 while a backup is made, else 0.", func(s *State) float64 {
			if s.Running {
				return 1
			}
			return 0
		}},
		{"framehub_backup_shipped_version", "The version up to which the frame log's entries are in the place of the backups.", func(s *State) float64 { return float64(s.Shipped) }},
		{"framehub_backup_unshipped_seconds", "Age of the oldest entry that is not there: what losing this machine now would cost.", func(s *State) float64 {
			if s.Unshipped.IsZero() {
				return 0
			}
			return time.Since(s.Unshipped).Seconds()
		}},
		{"framehub_backup_gap", "1 where versions were lost before they were shipped, since the start of the hub.", func(s *State) float64 {
			if s.Gap == "" {
				return 0
			}
			return 1
		}},
	} {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help}, func() float64 {
			s := w.State()
			return g.value(&s)
		}))
	}
	return func(r prometheus.Registerer) error {
		for _, c := range all {
			if err := r.Register(c); err != nil {
				return err
			}
		}
		return nil
	}
}
