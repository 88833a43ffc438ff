package loadtest

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
)

// Text writes the report for a person.
func (p *Report) Text(w io.Writer) error {
	t := &text{}
	t.title(p.title())
	t.line("devices", "%s", p.devices())
	t.line("writes", "%s sent, %s acknowledged, %s refused, %s without an outcome",
		humanize.Comma(p.Sent), humanize.Comma(p.Acked), humanize.Comma(p.Refused), humanize.Comma(p.Unsettled))
	for _, code := range slices.Sorted(maps.Keys(p.refusals)) {
		t.line("", "refused as %s: %s", code, humanize.Comma(p.refusals[code]))
	}
	if p.refusedAs != "" {
		t.line("", "the first: %s", p.refusedAs)
	}
	t.line("delivered", "%s updates to %d who watch: %.1f bytes an update, %s a second and device",
		humanize.Comma(p.Delivered), p.watchers, p.BytesPerUpdate, humanize.IBytes(uint64(p.BytesPerDevice)))
	if e := p.Events; e != nil {
		t.line("events", "%s sent, %s refused; %s delivered, %s lost, %d twice, %d out of order",
			humanize.Comma(e.Sent), humanize.Comma(e.Refused), humanize.Comma(e.Delivered), humanize.Comma(e.Lost), e.Duplicated, e.Reordered)
	}
	p.recoveryText(t)
	t.heads("ms after it was due")
	if e := p.Events; e != nil {
		t.quantiles("events heard", e.Age)
	}
	t.quantiles("acknowledged", p.Ack)
	t.quantiles("seen by an observer", p.Age)
	if b := p.Recovery; b != nil && b.Mishaps != nil {
		t.quantiles("from or to flaky ones", b.Mishaps.Age)
	}
	t.quantiles("a row in its copy", p.Stale)
	t.quantiles("sent", p.late)
	t.heads("ms")
	t.quantiles("from version to version", p.Interval)
	t.quantiles("from dial to snapshot", p.Join)
	if p.opts.Profile == Zones {
		t.quantiles("into another zone", p.Enter)
	}
	if p.Recovery != nil {
		t.quantiles("until live again", p.Recovery.Live)
	}
	if p.Hub != nil {
		t.quantiles("hub: frame durable", p.Hub.durable)
		t.quantiles("hub: frame told", p.Hub.Frame)
	}
	t.print("\n")
	t.line("generator", "%s", p.generator())
	p.hubText(t)
	t.line("order", "%d left out, %d twice, %d out of order; %d snapshots after the first",
		p.Gaps, p.Duplicated, p.Reordered, p.Snapshots)
	t.line("check", "%s", p.check())
	for _, d := range p.verdict.shown {
		t.line("", "%s", d)
	}
	p.outcome(t)
	_, err := io.WriteString(w, t.String())
	return err
}

func (p *Report) title() string {
	o := &p.opts
	what := fmt.Sprintf("%s: devices %d, rows of each %d, %v Hz", o.Profile, p.Devices, o.Entities, o.Hz)
	if o.Profile == Events {
		what += fmt.Sprintf(", events %v Hz, in groups of %d", o.EventHz, o.Group)
	}
	if o.Trace != "" {
		what = fmt.Sprintf("%s: at %v × its speed", filepath.Base(o.Trace), o.Speed)
	}
	return fmt.Sprintf("%s, %.1f s after %.1f s of warm-up, %s", what, p.Duration, p.warmup.Seconds(), o.URL)
}

func (p *Report) devices() string {
	writing := fmt.Sprintf("%d write", p.Devices)
	if p.opts.Profile.writesAlone() {
		writing = fmt.Sprintf("%d, for which %d write", p.Devices, p.writers)
	}
	s := fmt.Sprintf("%s, %d of those who watch decode what comes; at most %d connected", writing, p.verdict.copies, p.most)
	if p.SessionsLost > 0 {
		s += fmt.Sprintf("; %d lost their session", p.SessionsLost)
	}
	return s
}

func (p *Report) generator() string {
	s := fmt.Sprintf("%.1f s of processor time", p.Generator.CPUSeconds)
	if own := p.Generator.own; own != nil {
		s += fmt.Sprintf("; late by itself: p99 %.2f ms", own.P99)
	}
	if p.held > 0 {
		s += fmt.Sprintf("; %s writes waited for the hub to take more", humanize.Comma(p.held))
	}
	if p.Generator.Limited {
		s += fmt.Sprintf("\nTHE LOAD TEST WAS THE LIMIT (from %d ms): these are not the hub's figures; load less, or from another machine", limitedFrom)
	}
	return s
}

func (p *Report) hubText(t *text) {
	h := p.Hub
	switch {
	case h == nil && p.opts.AdminURL == "":
		t.line("hub", "not asked for its figures (--admin-url)")
		return
	case h == nil:
		t.line("hub", "no figures")
		return
	}
	t.line("hub", "%.1f s of processor time, %.2f µs an update delivered; %s resident", h.CPUSeconds, h.CPUPerUpdate, humanize.IBytes(uint64(h.ResidentBytes)))
	t.line("", "%s versions, %s merges; sessions fell behind %s times and caught up in %s frames",
		humanize.Comma(h.versions), humanize.Comma(h.merges), humanize.Comma(h.behind), humanize.Comma(h.CatchUps))
	if p.Events != nil {
		t.line("", "events that sessions did not get: %s", h.dropped())
	}
}

func (p *Report) check() string {
	v := p.verdict
	switch {
	case p.Converged == nil:
		return fmt.Sprintf("COPIES NOT COMPARED with SQL: no --db; against what was acknowledged, %d rows are lost", v.lost)
	case v.tables == 0:
		return "nothing could be compared"
	case *p.Converged:
		return fmt.Sprintf("%d copies are what SQL has at version %d: %s rows in %d tables; against what was acknowledged, %d rows are lost",
			v.copies, v.version, humanize.Comma(int64(v.rows)), v.tables, v.lost)
	default:
		return fmt.Sprintf("%d DIFFERENCES between %d copies and SQL at version %d; against what was acknowledged, %d rows are lost",
			v.different, v.copies, v.version, v.lost)
	}
}

func (p *Report) outcome(t *text) {
	if p.interrupted {
		t.line("", "interrupted: %s of %s writes were sent", humanize.Comma(p.Sent), humanize.Comma(p.planned))
	}
	for _, f := range p.failures {
		t.line("FAILED", "%s", f)
	}
	for _, g := range p.Gates {
		value := "was not measured"
		if g.Value != nil {
			value = "is " + humanize.FtoaWithDigits(*g.Value, 2)
		}
		t.line(map[bool]string{true: "passed", false: "NOT PASSED"}[g.OK], "%s: it %s", g.Gate, value)
	}
	if p.OK {
		t.line("ok", "")
	}
}

// A text is lines of a label and what it is about.
type text struct{ strings.Builder }

const labelWidth = 22

func (t *text) print(format string, args ...any) { _, _ = fmt.Fprintf(t, format, args...) }

func (t *text) title(s string) { t.print("%s\n\n", s) }

func (t *text) line(label, format string, args ...any) {
	for i, line := range strings.Split(fmt.Sprintf(format, args...), "\n") {
		if i > 0 {
			label = ""
		}
		t.WriteString(strings.TrimRight(fmt.Sprintf("%-*s %s", labelWidth, label, line), " ") + "\n")
	}
}

func (t *text) heads(title string) {
	t.print("\n%-*s %10s %10s %10s %10s\n", labelWidth, title, "p50", "p90", "p99", "most")
}

func (t *text) quantiles(label string, q *Quantiles) {
	if q == nil {
		t.line(label, "no figures")
		return
	}
	t.print("%-*s %10.2f %10.2f %10.2f %10.2f\n", labelWidth, label, q.P50, q.P90, q.P99, q.Max)
}
