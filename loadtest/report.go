package loadtest

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"framehub/session/wire"
)

// A Report is what came of a run. Its JSON is for programs, its Text for people.
type Report struct {
	Devices    int     `json:"devices"`    // that wrote, or for which one session did
	Duration   float64 `json:"duration_s"` // from the end of the warm-up until everything was acknowledged
	Sent       int64   `json:"sent"`       // transactions
	Acked      int64   `json:"acked"`      // of them, committed
	Refused    int64   `json:"refused"`
	Lost       int64   `json:"lost"`       // rows that are not as their last acknowledged write made them
	Duplicated int64   `json:"duplicated"` // updates that an observer got twice, transactions settled twice
	Reordered  int64   `json:"reordered"`  // what came after something newer: updates, versions, outcomes
	Converged  *bool   `json:"converged"`  // every copy is what SQL has; nil: there was no database to compare with

	Unsettled    int64 `json:"unsettled"`     // transactions without an outcome
	Gaps         int64 `json:"gaps"`          // versions that were left out
	Snapshots    int64 `json:"snapshots"`     // after the first
	SessionsLost int   `json:"sessions_lost"` // of those who load

	// What follows is without the warm-up.

	Ack      *Quantiles `json:"ack_ms"`      // from when a write was meant to be sent until it was acknowledged
	Age      *Quantiles `json:"age_ms"`      // from there until an observer had it in its copy
	Stale    *Quantiles `json:"stale_ms"`    // how old a row in an observer's copy is, of rows that are written all the time
	Interval *Quantiles `json:"interval_ms"` // between one version and the next, as observers get them
	Join     *Quantiles `json:"join_ms"`     // from the dial until the snapshots have come whole
	Enter    *Quantiles `json:"enter_ms"`    // from when a device asks for another zone's rows until it has them; nil: nobody did

	Events    *EventReport    `json:"events"`    // nil: the profile has none
	Transfers *TransferReport `json:"transfers"` // nil: the profile has none
	Recovery  *Recovery       `json:"recovery"`  // nil: devices do not come back

	Delivered      int64   `json:"delivered_updates"` // rows in frames, to all who watch
	BytesPerUpdate float64 `json:"bytes_per_update"`  // of frames
	BytesPerDevice float64 `json:"bytes_per_device_s"`

	Generator Generator    `json:"generator"`
	Hub       *Hub         `json:"hub"` // nil: it was not asked
	Gates     []GateResult `json:"gates"`
	OK        bool         `json:"ok"` // nothing went wrong, and every gate is passed

	Interrupted bool `json:"interrupted"` // the load was ended before its time, and this is of what there was

	Distributions Distributions `json:"distributions"`
	Series        *Series       `json:"series"` // how it went, second by second

	// For people only.
	opts      Options
	began     time.Time // the load
	failures  []string
	verdict   *verdict
	late      *Quantiles // after their intended time, writes were sent
	most      int        // devices and observers connected at one time
	watchers  int        // who subscribed
	writers   int        // sessions
	planned   int64      // transactions
	held      int64      // transactions that waited for the hub to take more
	warmup    time.Duration
	refusals  map[wire.Code]int64
	refusedAs string
}

// Generator is how the load test itself fared.
type Generator struct {
	CPUSeconds float64 `json:"cpu_s"`
	LateP99    float64 `json:"late_ms_p99"` // how late writes were sent, whoever's fault it was
	Limited    bool    `json:"limited"`     // it could not keep to the times by itself: the figures are of the load test, not of the hub

	own *Quantiles // how late writes were sent that did not wait for the hub
}

// limitedFrom is how late, at the 99th percentile, the load test may be by itself
// before its times are no more to be believed: a third of a frame at 60 Hz.
const limitedFrom = 5 // ms

// report sums a run up.
func (r *run) report(c *cast, elapsed time.Duration, after look, v *verdict) *Report {
	before := r.warm.look
	p := &Report{
		Devices: r.devicesOf(c), Duration: max(0, elapsed-r.warmup).Seconds(), warmup: r.warmup,
		Sent: r.sent.Load(), Acked: r.acked.Load(), Refused: r.refused.Load(),
		Lost: v.lost, Duplicated: r.duplicated.Load(), Reordered: r.reordered.Load(), Converged: v.converged,
		Gaps: r.gaps.Load(), Snapshots: r.resnapshots.Load(),
		Ack: r.acks.quantiles(), Age: r.ages.quantiles(), Stale: r.stale.quantiles(), Interval: r.intervals.quantiles(), Join: r.joins.quantiles(), Enter: r.enters.quantiles(),
		Events:    r.events(),
		Transfers: r.transfers(),
		Recovery:  r.recovery(),
		Generator: Generator{CPUSeconds: (after.cpu - before.cpu).Seconds(), own: r.own.quantiles()},
		Gates:     []GateResult{},

		Distributions: r.distributions(),

		opts: r.opts, began: r.base.Add(r.start), verdict: v, late: r.late.quantiles(), watchers: c.watchers,
		held: r.held.Load(), writers: len(c.actors),
	}
	for _, a := range c.actors {
		p.planned += int64(a.script.count())
	}
	p.Unsettled = p.Sent - p.Acked - p.Refused
	p.sumBytes(r.tally().minus(r.warm.tally))
	if p.late != nil {
		p.Generator.LateP99 = p.late.P99
		p.Generator.Limited = p.Generator.own.P99 > limitedFrom
	}
	if p.Hub = hubBetween(before, after, p.Delivered); p.Hub == nil && before.hub != nil && after.hub != nil {
		r.fail("the hub was started again during the load, and what it had counted before is not known: its own figures are left out")
	}
	r.blame(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	p.failures, p.most, p.refusals, p.refusedAs = r.failures, r.most, r.refusals, r.refusedAs
	if r.unspoken > 0 {
		p.failures = append(p.failures, fmt.Sprintf("%d more failures", r.unspoken))
	}
	p.OK = len(p.failures) == 0
	for i := range p.opts.Gates {
		g := p.opts.Gates[i].try(p)
		p.Gates = append(p.Gates, g)
		p.OK = p.OK && g.OK
	}
	return p
}

// devicesOf returns how many devices there were to be: those of the options, or of a trace.
func (r *run) devicesOf(c *cast) int {
	if r.opts.Trace != "" {
		return len(c.actors)
	}
	return r.opts.Devices
}

// sumBytes works out what was delivered.
func (p *Report) sumBytes(t tally) {
	p.Delivered = t.delivered()
	if p.Delivered > 0 {
		p.BytesPerUpdate = float64(t.frameBytes) / float64(p.Delivered)
	}
	if p.watchers > 0 && p.Duration > 0 {
		p.BytesPerDevice = float64(t.watched) / float64(p.watchers) / p.Duration
	}
}

// blame says what else makes a run a failure, causes first.
func (r *run) blame(p *Report) {
	r.mu.Lock()
	cause, first := r.cause, r.lostAs
	p.SessionsLost = r.lost
	r.mu.Unlock()
	if p.SessionsLost > 0 {
		r.fail("%d sessions were lost, the first of %s", p.SessionsLost, first)
	}
	if p.planned > p.Sent && cause != nil {
		r.fail("%d of %d writes were not sent: %v", p.planned-p.Sent, p.planned, cause)
	}
	if p.Unsettled > 0 {
		r.fail("%d writes have no outcome: neither acknowledged nor refused", p.Unsettled)
	}
	if p.Acked == 0 {
		r.fail("nothing was acknowledged")
	}
	if t := p.Transfers; t != nil && t.Wrong > 0 {
		r.fail("%d of %d sums of all accounts that copies had were wrong", t.Wrong, t.Seen)
	}
	if e := p.Events; e != nil && e.Delivered == 0 {
		r.fail("no event came: rules must let devices send the event %q to scopes and to devices", eventName)
	} else if e != nil && e.Duplicated+e.Reordered > 0 {
		r.fail("%d events came twice, %d out of order", e.Duplicated, e.Reordered)
	}
	if p.Lost > 0 {
		r.fail("%d rows are not as their last acknowledged write made them", p.Lost)
	}
	if p.Duplicated > 0 || p.Reordered > 0 || p.Gaps > 0 {
		r.fail("%d came twice, %d out of order, %d versions were left out", p.Duplicated, p.Reordered, p.Gaps)
	}
}

// JSON writes the report as one object.
func (p *Report) JSON(w io.Writer) error { return json.NewEncoder(w).Encode(p) }
