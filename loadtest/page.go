package loadtest

import (
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/dustin/go-humanize"
)

var (
	//go:embed page/report.html
	pageHTML string
	//go:embed page/report.css
	pageStyle string
	//go:embed page/report.js
	pageScript string

	pageTemplate = template.Must(template.New("report").Parse(pageHTML))
)

// A page is a report as a page of its own, which loads nothing: its style, its script and
// its charts are in it.
type page struct {
	Style  template.CSS
	Script template.JS
	Policy string // for the browser: what the page may do

	Title, When      string
	OK               bool
	Notes            []note
	Tiles            []tile
	Gates            []GateResult
	Latencies        []latencyRow
	Spread, Timeline []chart
	Search           *chart
	Steps            []Step
	Facts            []fact
	Differences      []Difference
}

// A note is what a reader must know before believing the figures.
type note struct {
	Bad  bool // it makes the run a failure
	Text string
}

// A tile is one of the figures that are looked at first.
type tile struct{ Label, Value, Unit, Hint string }

// A fact is what the report says of something, in lines.
type fact struct {
	Label string
	Lines []string
}

// A latencyRow is a line of the table of times; ms.
type latencyRow struct {
	Label, Hint                    string
	Count                          string
	Mean, P50, P90, P99, P999, Max string
}

// HTML writes the report as a page that needs no network.
func (p *Report) HTML(w io.Writer) error {
	return (&page{
		Title: p.what(), When: p.when(), OK: p.OK,
		Notes: p.notes(), Tiles: p.tiles(), Gates: p.Gates, Latencies: p.latencyRows(), Spread: p.spread(), Timeline: p.Series.charts(),
		Facts: p.facts(), Differences: p.verdict.shown,
	}).write(w)
}

func (p *page) write(w io.Writer) error {
	sum := sha256.Sum256([]byte(pageScript))
	p.Style, p.Script = template.CSS(pageStyle), template.JS(pageScript) //nolint:gosec // both are files of ours
	p.Policy = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	return pageTemplate.Execute(w, p)
}

// notes returns what speaks against the figures, or explains them.
func (p *Report) notes() (notes []note) {
	for _, f := range p.failures {
		notes = append(notes, note{true, f})
	}
	say := func(so bool, text string) {
		if so {
			notes = append(notes, note{Text: text})
		}
	}
	say(p.Generator.Limited, limit())
	say(p.Interrupted, p.interruption())
	say(p.Converged == nil, p.check())
	say(p.Hub == nil, "the hub: "+strings.Join(p.hub(), "; "))
	say(p.Refused > 0, fmt.Sprintf("%s writes were refused, %s", humanize.Comma(p.Refused), strings.Join(p.refused(), "; ")))
	say(p.held > 0, fmt.Sprintf("%s writes waited for the hub to take more of their device: they are late in every figure", humanize.Comma(p.held)))
	if p.Hub != nil {
		say(p.Hub.behind > 0, p.behind())
	}
	for _, c := range p.caveats() {
		say(true, c)
	}
	return notes
}

func (p *Report) tiles() []tile {
	none := func(label, hint string) tile { return tile{Label: label, Value: "–", Hint: hint} }
	ms := func(label, hint string, q *Quantiles) tile {
		if q == nil {
			return none(label, hint)
		}
		return tile{label, plain(q.P99), "ms", hint}
	}
	tiles := []tile{
		ms("Seen, p99", "from when a write was due until others had it", p.Age),
		ms("Acknowledged, p99", "from when a write was due until its writer knew", p.Ack),
		{"Updates delivered", plain(float64(p.Delivered) / max(p.Duration, 1e-9)), "/s", fmt.Sprintf("to %d who watch", p.watchers)},
		{"An update takes", plain(p.BytesPerUpdate), "bytes", fmt.Sprintf("%s a second to each who watches", sizeText(p.BytesPerDevice))},
	}
	if p.Hub == nil {
		tiles = append(tiles, none("Hub's processor", "not asked"))
	} else {
		tiles = append(tiles, tile{"Hub's processor", plain(p.cores(p.Hub.CPUSeconds)), "cores", p.cost()})
	}
	return append(tiles, tile{"Lost", humanize.Comma(p.Lost + p.Unsettled), "", fmt.Sprintf("of %s acknowledged", humanize.Comma(p.Acked))})
}

// A timing is a line of the tables of times.
type timing struct{ label, hint, name string }

// timings are the lines, in their order; names are those of [Distributions].
var timings = []timing{
	{"events heard", "from when an event was due until a device that it was for had it", "event_ms"},
	{"seen by an observer", "from when a write was due until an observer had it: the age of what players see", "age_ms"},
	{"from or to flaky ones", "the same, where who writes or who sees it is flaky", "flaky_age_ms"},
	{"acknowledged", "from when a write was due until its writer knew that it is durable", "ack_ms"},
	{"a row, at any moment", "how old a row of an observer's copy is, looked at ten times a second", "stale_ms"},
	{"sent", "from when a write was due until it was handed to the system", "late_ms"},
	{"sent, load test's own fault", "the same, without what the hub made it wait", "generator_late_ms"},
	{"from version to version", "as observers get them", "interval_ms"},
	{"from dial to snapshot", "until a device has all that it subscribes to", "join_ms"},
	{"until live again", "from when a connection was lost until its device had caught up", "live_ms"},
	{"into another zone", "until a device has the rows of the zone that it goes to", "enter_ms"},
}

func (p *Report) latencyRows() (rows []latencyRow) {
	for _, t := range timings {
		d, ok := p.Distributions[t.name]
		if !ok {
			continue
		}
		q := d.quantiles
		rows = append(rows, latencyRow{t.label, t.hint, humanize.Comma(d.Count), plain(d.Mean), plain(q.P50), plain(q.P90), plain(q.P99), plain(d.p999), plain(q.Max)})
	}
	for _, h := range p.Hub.timings() {
		if q := h.times; q != nil {
			rows = append(rows, latencyRow{h.label, h.hint, "", "", plain(q.P50), plain(q.P90), plain(q.P99), "", plain(q.Max)})
		}
	}
	return rows
}

// spread returns the charts of how times are spread.
func (p *Report) spread() (charts []chart) {
	for _, of := range []struct{ title, name string }{{"Events heard", "event_ms"}, {"Seen by an observer", "age_ms"}} {
		if d, ok := p.Distributions[of.name]; ok {
			charts = append(charts, histogram(of.title, d, d.quantiles))
		}
	}
	var spreads []spread
	for _, of := range []struct{ name, key string }{{"seen", "age_ms"}, {"acknowledged", "ack_ms"}, {"sent, own fault", "generator_late_ms"}} {
		if d, ok := p.Distributions[of.key]; ok {
			spreads = append(spreads, spread{of.name, d})
		}
	}
	if len(spreads) > 0 {
		charts = append(charts, percentiles("Percentiles", spreads...))
	}
	return charts
}

// facts returns what the report says beside times.
func (p *Report) facts() []fact {
	facts := []fact{{"devices", []string{p.devices()}}, {"writes", append([]string{p.writes()}, p.refused()...)}, {"delivered", []string{p.delivered()}}}
	if p.Events != nil {
		facts = append(facts, fact{"events", []string{p.Events.String()}})
	}
	if p.Transfers != nil {
		facts = append(facts, fact{"money", []string{p.Transfers.String()}})
	}
	facts = append(facts, p.Recovery.facts()...)
	return append(facts, fact{"load test", []string{p.generator()}}, fact{"hub", p.hub()}, fact{"order", []string{p.order()}}, fact{"check", []string{p.check()}})
}
