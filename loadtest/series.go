package loadtest

import (
	"context"
	"sync"
	"time"
)

// mostPoints bounds the series of a load: where it takes more seconds, a point is of
// several. What is waited for at its end adds some points.
const mostPoints = 600

// A Series is how a run went, step by step, the warm-up included.
type Series struct {
	Step   float64 `json:"step_s"`
	Warmup float64 `json:"warmup_s"` // what of the beginning the other figures leave out
	Points []Point `json:"points"`
}

// A Point is one step of a series: what was counted in it, and the times that became
// known in it. Times are in ms, nil where nothing was timed.
type Point struct {
	At      float64 `json:"t_s"`  // its end, since the load began
	Seconds float64 `json:"dt_s"` // its length

	Devices   int   `json:"devices"` // and observers, connected at its end
	Sent      int64 `json:"sent"`    // transactions
	Acked     int64 `json:"acked"`
	Refused   int64 `json:"refused"`
	Delivered int64 `json:"delivered_updates"`
	Bytes     int64 `json:"bytes"` // to all who watch

	AgeP50   *float64 `json:"age_ms_p50"`
	AgeP99   *float64 `json:"age_ms_p99"`
	AckP99   *float64 `json:"ack_ms_p99"`
	EventP99 *float64 `json:"event_ms_p99,omitempty"`
	OwnP99   *float64 `json:"generator_late_ms_p99"` // by the load test's own fault

	Hub *HubPoint `json:"hub"` // nil: it gave no figures
}

// A HubPoint is what the hub's own figures say of a step.
type HubPoint struct {
	FrameP99      *float64 `json:"frame_ms_p99"`
	FsyncP99      *float64 `json:"fsync_ms_p99"` // of the frame log
	CPU           float64  `json:"cpu_cores"`    // processor time a second
	ResidentBytes int64    `json:"rss_bytes"`
}

// A recorder takes down the points of a series.
type recorder struct {
	run    *run
	series *Series
	last   moment
}

// A moment is what had been counted until then.
type moment struct {
	at                   time.Duration // since the load began
	sent, acked, refused int64
	tally                tally
	hub                  look
}

// stepOf returns how long a point is, of a load of a length.
func stepOf(length time.Duration) time.Duration {
	seconds := (length + mostPoints*time.Second - 1) / (mostPoints * time.Second)
	return max(1, seconds) * time.Second
}

// takeDown takes points down, of a load that takes so long, until the function that it
// returns is called, which returns them.
func (r *run) takeDown(ctx context.Context, length time.Duration) (stop func() *Series) {
	step := stepOf(length)
	c := &recorder{run: r, series: &Series{Step: step.Seconds(), Warmup: r.warmup.Seconds(), Points: []Point{}}}
	on, cancel := context.WithCancel(ctx)
	var recording sync.WaitGroup
	recording.Go(func() {
		c.last = c.moment(on)
		timer := time.NewTimer(0)
		defer timer.Stop()
		for at := step; sleepUntil(on, timer, r.base.Add(r.start+at)); at += step {
			c.point(on)
		}
	})
	return func() *Series {
		cancel()
		recording.Wait()
		c.point(ctx)
		return c.series
	}
}

func (c *recorder) moment(ctx context.Context) moment {
	r := c.run
	return moment{
		at: time.Since(r.base) - r.start, sent: r.sent.Load(), acked: r.acked.Load(), refused: r.refused.Load(), tally: r.tally(),
		hub: c.hub(ctx),
	}
}

// hub reads the hub's figures; without an answer they are missing.
func (c *recorder) hub(ctx context.Context) look {
	if c.run.opts.AdminURL == "" {
		return look{}
	}
	hub, err := readMetrics(ctx, c.run.opts.AdminURL, c.run.opts.AdminToken)
	if err != nil {
		return look{}
	}
	return look{at: time.Now(), hub: hub}
}

// point takes down what there was since the last one.
func (c *recorder) point(ctx context.Context) {
	r, was, now := c.run, c.last, c.moment(ctx)
	tally := now.tally.minus(was.tally)
	p := Point{
		At: now.at.Seconds(), Seconds: (now.at - was.at).Seconds(), Devices: r.connected(),
		Sent: now.sent - was.sent, Acked: now.acked - was.acked, Refused: now.refused - was.refused,
		Delivered: tally.delivered(), Bytes: tally.watched,
		Hub: hubPoint(was.hub, now.hub),
	}
	if q := r.ages.step(); q != nil {
		p.AgeP50, p.AgeP99 = &q.P50, &q.P99
	}
	p.AckP99, p.EventP99, p.OwnP99 = r.acks.step().p99(), r.calls.ages.step().p99(), r.own.step().p99()
	c.last = now
	c.series.Points = append(c.series.Points, p)
}

// hubPoint returns what a hub did between two looks; nil where there were none, or it
// was started again between them.
func hubPoint(before, after look) *HubPoint {
	if !oneLife(before, after) || !after.at.After(before.at) {
		return nil
	}
	return &HubPoint{
		FrameP99:      bucketQuantiles(before, after, "framehub_frame_seconds").p99(),
		FsyncP99:      bucketQuantiles(before, after, fsyncs, logWAL...).p99(),
		CPU:           (after.value(hubCPU) - before.value(hubCPU)) / after.at.Sub(before.at).Seconds(),
		ResidentBytes: int64(after.value("process_resident_memory_bytes")),
	}
}
