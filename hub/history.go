package hub

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// The steps of a hub's history, and how many are kept of each: 5 minutes, and an hour.
const (
	ShortStep = time.Second
	LongStep  = 10 * time.Second

	keptShort = 300
	keptLong  = 360
)

// A Sample is what the hub did in a step of its history. What it did as often as it
// did counts in the step; times are in seconds.
type Sample struct {
	At     time.Time // the step's end
	Length time.Duration

	Frames, Rows, Committed, Refused uint64
	BytesIn, BytesOut                uint64

	// The time of frames from their boundary until they were handed to every session:
	// half of them took no longer than P50, all but one in a hundred no longer than P99.
	// What is longer than 1.87 s counts as that.
	P50, P99 float64

	// Where the step's frames spent it, in all: in transactions, in the frame log's
	// commits, in encoding and handing out; and beside them in the game database's
	// commits.
	Check, Commit, Broadcast, Merge float64

	// At the step's end.
	Sessions, Behind      int // Behind of them are not in step
	Waiting, WaitingBytes int // transactions that wait for a frame
}

// samples are the last ones, in two rings.
type samples struct {
	mu          sync.Mutex // guards the following
	short, long []Sample   // oldest first
}

// History returns the samples of a step that are newer than a time, oldest first:
// those of ShortStep of the last five minutes, those of LongStep of the last hour.
func (h *Hub) History(step time.Duration, after time.Time) []Sample {
	h.history.mu.Lock()
	defer h.history.mu.Unlock()
	all := h.history.short
	if step == LongStep {
		all = h.history.long
	}
	i, _ := slices.BinarySearchFunc(all, after, func(s Sample, t time.Time) int {
		if s.At.After(t) {
			return 1
		}
		return -1
	})
	return slices.Clone(all[i:])
}

// record takes a sample each second until ctx ends.
func (h *Hub) record(ctx context.Context) {
	tick := time.NewTicker(ShortStep)
	defer tick.Stop()
	short := counted{Sample: Sample{At: time.Now()}} // nothing yet: sessions may have come before this goroutine had its turn
	long := short
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := h.counted()
		h.history.keep(now.since(&short), nil)
		short = now
		if n%int(LongStep/ShortStep) == 0 {
			h.history.keep(nil, now.since(&long))
			long = now
		}
	}
}

func (r *samples) keep(short, long *Sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if short != nil {
		r.short = pushed(r.short, *short, keptShort)
	}
	if long != nil {
		r.long = pushed(r.long, *long, keptLong)
	}
}

// pushed appends a sample, and lets the oldest go beyond so many.
func pushed(ring []Sample, s Sample, most int) []Sample {
	if len(ring) >= most {
		copy(ring, ring[1:])
		ring = ring[:most-1]
	}
	return append(ring, s)
}

// counted is what the hub has counted up to a time, and how it is then.
type counted struct {
	Sample           // of what counts: since the hub began
	frames []uint64  // by the bounds of their times
	bounds []float64 // in seconds
}

func (h *Hub) counted() counted {
	const nano = 1e-9
	st := h.store.Stats()
	c := counted{Sample: Sample{
		At: time.Now(), Frames: st.Frames.Load(), Rows: st.Rows.Load(),
		Committed: h.total(h.metrics.committed), Refused: h.total(h.metrics.refused),
		Check: nano * float64(st.CheckNanos.Load()), Commit: nano * float64(st.LogNanos.Load()), Merge: nano * float64(st.MergeNanos.Load()),
	}}
	t := h.traffic()
	c.BytesIn, c.BytesOut, c.Sessions, c.Behind = t.bytesIn, t.bytesOut, t.sessions, t.behind
	c.Waiting, c.WaitingBytes = h.in.load()
	c.Broadcast = h.read(h.metrics.broadcast).GetHistogram().GetSampleSum()
	frame := h.read(h.metrics.frame).GetHistogram()
	for _, b := range frame.GetBucket() {
		c.frames, c.bounds = append(c.frames, b.GetCumulativeCount()), append(c.bounds, b.GetUpperBound())
	}
	if n := len(c.bounds); n > 0 { // those that took longer are in no bucket
		c.frames, c.bounds = append(c.frames, frame.GetSampleCount()), append(c.bounds, c.bounds[n-1])
	}
	return c
}

// read returns what a metric has counted. It can be read at any time.
func (h *Hub) read(from prometheus.Metric) *dto.Metric {
	var m dto.Metric
	if err := from.Write(&m); err != nil {
		h.opts.Log.Error("read a metric", "err", err)
	}
	return &m
}

// total returns what a counter has counted, of all its labels.
func (h *Hub) total(from prometheus.Collector) uint64 {
	all := make(chan prometheus.Metric)
	go func() { from.Collect(all); close(all) }()
	var sum float64
	for m := range all {
		sum += h.read(m).GetCounter().GetValue()
	}
	return uint64(sum)
}

// since makes a sample of what was counted since an earlier time.
func (c *counted) since(was *counted) *Sample {
	s := c.Sample
	s.Length = c.At.Sub(was.At)
	s.Frames, s.Rows, s.Committed, s.Refused = c.Frames-was.Frames, c.Rows-was.Rows, c.Committed-was.Committed, c.Refused-was.Refused
	s.BytesIn, s.BytesOut = c.BytesIn-was.BytesIn, c.BytesOut-was.BytesOut
	s.Check, s.Commit, s.Broadcast, s.Merge = c.Check-was.Check, c.Commit-was.Commit, c.Broadcast-was.Broadcast, c.Merge-was.Merge
	frames := slices.Clone(c.frames)
	for i := range was.frames {
		frames[i] -= was.frames[i]
	}
	s.P50, s.P99 = quantile(frames, c.bounds, 0.5), quantile(frames, c.bounds, 0.99)
	return &s
}

// quantile returns the time within which a part of the frames was done, taken to rise
// in a straight line between two bounds; 0 where there was no frame.
func quantile(counts []uint64, bounds []float64, part float64) float64 {
	if len(counts) == 0 || counts[len(counts)-1] == 0 {
		return 0
	}
	wanted := part * float64(counts[len(counts)-1])
	var below, from float64
	for i, n := range counts {
		if float64(n) >= wanted {
			return from + (bounds[i]-from)*(wanted-below)/max(1, float64(n)-below)
		}
		below, from = float64(n), bounds[i]
	}
	return from
}
