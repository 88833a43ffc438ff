package web

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"framehub/hub"
)

// Status is the answer of /api/status.
type Status struct {
	Program  string    `json:"program"` // its version
	Started  time.Time `json:"started"`
	Now      time.Time `json:"now"`     // by the hub's clock: times are to be compared with this
	Version  uint64    `json:"version"` // the last that devices were told of
	Ready    bool      `json:"ready"`
	Trouble  string    `json:"trouble,omitempty"` // why it is not ready
	Clock    string    `json:"clock,omitempty"`   // the device whose ticks close frames; left out where the hub's own clock does
	Totals   Totals    `json:"totals"`
	Sessions int       `json:"sessions"`

	Warnings []string `json:"warnings"` // what somebody should look at, in words
	Sizes    Sizes    `json:"sizes"`
	FrameMS  float64  `json:"frame_ms"` // that a frame may take: the time to the next one by the hub's own clock

	Backups *BackupHealth `json:"backups,omitempty"` // left out where the hub makes none
}

// Sizes are what files take on the disk, in bytes; 0 on mvSQLite, which has none.
type Sizes struct {
	Database int64 `json:"database"`
	Log      int64 `json:"log"`
}

// Totals count since the hub was started; two of them make rates.
type Totals struct {
	Versions  float64  `json:"versions"` // committed
	Rows      float64  `json:"rows"`     // in them
	Committed float64  `json:"committed"`
	Refused   float64  `json:"refused"`
	Frames    []Bucket `json:"frames"` // by the time from the frame's boundary until every session was handed it
}

// Bucket counts the frames that took no longer than Seconds. The last one, of
// all frames, is left out where its bound is no number: it is Totals.Versions.
type Bucket struct {
	Seconds float64 `json:"seconds"`
	Count   uint64  `json:"count"`
}

// status returns what tells how the hub is.
func (o Options) status(h *hub.Hub, metrics prometheus.Gatherer, started time.Time) func() Status {
	return func() Status {
		s := Status{
			Program: o.Version, Started: started, Now: time.Now(),
			Version: h.Version(), Ready: true, Sessions: h.SessionCount(), FrameMS: 1000 * h.Interval().Seconds(),
		}
		s.Sizes.Database, s.Sizes.Log = h.Sizes()
		if o.Backups != nil {
			s.Backups = new(o.Backups.Health())
		}
		s.Warnings = append([]string{}, warnings(h.History(hub.ShortStep, s.Now.Add(-lookBack)), h.Interval(), s.Backups)...)
		err := h.Ready()
		if device, held := h.ClockHolder(); held {
			s.Clock = device.String()
		}
		var miscounted error
		s.Totals, miscounted = totals(metrics)
		if err = cmp.Or(err, miscounted); err != nil {
			s.Ready, s.Trouble = false, err.Error()
		}
		return s
	}
}

// totals reads the hub's metrics.
func totals(metrics prometheus.Gatherer) (Totals, error) {
	families, err := metrics.Gather()
	if err != nil {
		return Totals{}, err
	}
	t := Totals{Frames: []Bucket{}}
	counters := map[string]*float64{
		"framehub_frames_total":                 &t.Versions,
		"framehub_rows_total":                   &t.Rows,
		"framehub_transactions_committed_total": &t.Committed,
		"framehub_transactions_refused_total":   &t.Refused,
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if sum := counters[f.GetName()]; sum != nil {
				*sum += m.GetCounter().GetValue()
			}
			if f.GetName() != "framehub_frame_seconds" {
				continue
			}
			for _, b := range m.GetHistogram().GetBucket() {
				t.Frames = append(t.Frames, Bucket{b.GetUpperBound(), b.GetCumulativeCount()})
			}
		}
	}
	return t, nil
}
