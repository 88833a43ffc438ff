package loadtest

import (
	"fmt"
	"io"
	"strings"
)

// Text writes the report for a person.
func (p *Report) Text(w io.Writer) error {
	t := &text{}
	t.title(p.what() + "\n" + p.when())
	t.line("devices", "%s", p.devices())
	t.line("writes", "%s", p.writes())
	t.lines("", p.refused())
	t.line("delivered", "%s", p.delivered())
	if p.Events != nil {
		t.line("events", "%s", p.Events)
	}
	if p.Transfers != nil {
		t.line("money", "%s", p.Transfers)
	}
	for _, f := range p.Recovery.facts() {
		t.lines(f.Label, f.Lines)
	}
	t.heads("ms since it was due")
	if e := p.Events; e != nil {
		t.quantiles("events heard", e.Age)
	}
	t.quantiles("acknowledged", p.Ack)
	t.quantiles("seen by an observer", p.Age)
	if b := p.Recovery; b != nil && b.Mishaps != nil {
		t.quantiles("from or to flaky ones", b.Mishaps.Age)
	}
	if p.Transfers == nil { // what is written once is as old as that
		t.quantiles("a row, at any moment", p.Stale)
	}
	t.quantiles("sent", p.late)
	t.heads("ms")
	t.quantiles("from version to version", p.Interval)
	t.quantiles("from dial to snapshot", p.Join)
	if p.opts.Profile == Zones {
		t.quantiles("into another zone", p.Enter)
	}
	if p.Recovery.any() {
		t.quantiles("until live again", p.Recovery.Live)
	}
	for _, h := range p.Hub.timings() {
		t.quantiles(h.label, h.times)
	}
	t.print("\n")
	t.line("load test", "%s", p.generator())
	if p.Generator.Limited {
		t.line("", "%s", limit())
	}
	t.lines("hub", p.hub())
	t.line("order", "%s", p.order())
	t.line("check", "%s", p.check())
	for _, d := range p.verdict.shown {
		t.line("", "%s", d)
	}
	p.outcome(t)
	_, err := io.WriteString(w, t.String())
	return err
}

func (p *Report) outcome(t *text) {
	if p.Interrupted {
		t.line("", "%s", p.interruption())
	}
	for _, c := range p.caveats() {
		t.line("note", "%s", c)
	}
	for _, f := range p.failures {
		t.line("FAILED", "%s", f)
	}
	for _, g := range p.Gates {
		t.line(map[bool]string{true: "passed", false: "NOT PASSED"}[g.OK], "%s: it %s", g.Gate, g.Is())
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
	t.lines(label, strings.Split(fmt.Sprintf(format, args...), "\n"))
}

// lines writes lines, of which the first has the label.
func (t *text) lines(label string, lines []string) {
	for _, line := range lines {
		t.WriteString(strings.TrimRight(fmt.Sprintf("%-*s %s", labelWidth, label, line), " ") + "\n")
		label = ""
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
