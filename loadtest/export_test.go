package loadtest

import (
	"context"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"framehub/session"
	"framehub/session/wire"
)

// Planting returns the options with something that is done between the load and
// the check, to a copy.
func (o Options) Planting(f func(observers int, view func(i int, f func(*session.Copy)))) Options {
	o.planted = func(all []*observer) {
		f(len(all), func(i int, g func(*session.Copy)) { all[i].view.View(g) })
	}
	return o
}

// A Write is a line of a script.
type Write struct {
	At   time.Duration
	Kind wire.OpKind
	ID   int64
	X    float64
}

// Failures returns why a run is not a good one.
func (p *Report) Failures() []string { return p.failures }

// Differences returns what the check found.
func (p *Report) Differences() []Difference { return p.verdict.shown }

// TraceWrites returns what each vehicle of a trace writes, one row a write.
func TraceWrites(trace string, speed float64, length time.Duration) ([][]Write, error) {
	t, err := parseTrace(strings.NewReader(trace))
	if err != nil {
		return nil, err
	}
	var all [][]Write
	for _, s := range t.scripts(speed, length) {
		all = append(all, writesOf(s))
	}
	return all, nil
}

// MeshWrites returns what each device of a mesh writes, the first row of each write.
func MeshWrites(o Options) [][]Write {
	o = o.withDefaults()
	var all [][]Write
	for _, s := range meshScripts(&o) {
		all = append(all, writesOf(s))
	}
	return all
}

func writesOf(s script) (writes []Write) {
	for i := range s.count() {
		kind, places := s.write(nil, i)
		writes = append(writes, Write{s.at(i), kind, places[0].id, places[0].x})
	}
	return writes
}

// Sums are what a run counted.
type Sums struct {
	Decoded, DecodedBytes, FrameBytes, Watched int64
	Watchers                                   int
	Seconds                                    float64
}

// SumBytes returns the report of what a run counted.
func SumBytes(s Sums) *Report {
	r := newRun(Options{})
	r.decoded.Store(s.Decoded)
	r.decodedBytes.Store(s.DecodedBytes)
	r.frameBytes.Store(s.FrameBytes)
	r.watched.Store(s.Watched)
	p := &Report{watchers: s.Watchers, Duration: s.Seconds}
	p.sumBytes(r.tally())
	return p
}

// HubBetween returns what a hub did between two of its answers.
func HubBetween(before, after io.Reader, delivered int64) (*Hub, error) {
	looks, err := looks(before, after)
	return hubBetween(looks[0], looks[1], delivered), err
}

// HubOfTwoLives returns what a hub did that was killed after its second answer and started
// again.
func HubOfTwoLives(before, killed, after io.Reader) (*Hub, error) {
	lives, err := looks(before, killed, after)
	return hubBetween(lives[0], lives[2].plus(lives[1]), 1), err
}

func looks(answers ...io.Reader) (looks [3]look, err error) {
	for i, r := range answers {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		if looks[i].hub, err = parser.TextToMetricFamilies(r); err != nil {
			return looks, err
		}
	}
	return looks, nil
}

// QuantilesOf returns the quantiles of times.
func QuantilesOf(times ...time.Duration) *Quantiles {
	l := newLatency()
	l.record(times...)
	return l.quantiles()
}

// DistributionOf returns how times are spread.
func DistributionOf(times ...time.Duration) Distribution {
	l := newLatency()
	l.record(times...)
	return l.distribution()
}

// A Tape is a series that is taken down of what a test says that there was.
type Tape struct {
	r    *run
	stop func() *Series
}

// NewTape begins a load that takes so long.
func NewTape(ctx context.Context, length, warmup time.Duration) *Tape {
	r := newRun(Options{})
	r.warmup = warmup
	return &Tape{r, r.takeDown(ctx, length)}
}

// Write is sent late, then acknowledged, and seen a millisecond after that, in a frame of
// ten bytes a row that each of ten devices gets, one of which is an observer.
func (t *Tape) Write(meant, late, took time.Duration) {
	r := t.r
	r.sent.Add(1)
	r.acked.Add(1)
	r.decoded.Add(1)
	r.decodedBytes.Add(10)
	r.frameBytes.Add(100)
	r.watched.Add(120)
	r.took(r.own, meant, late)
	r.took(r.acks, meant, took)
	r.took(r.ages, meant, took+time.Millisecond)
}

// Stop ends the load.
func (t *Tape) Stop() (s *Series, ack *Quantiles) { return t.stop(), t.r.acks.quantiles() }

// HubPointBetween returns what a hub did in the seconds between two of its answers.
func HubPointBetween(before, after io.Reader, seconds float64) (*HubPoint, error) {
	looks, err := looks(before, after)
	looks[1].at = looks[0].at.Add(time.Duration(seconds * float64(time.Second)))
	return hubPoint(looks[0], looks[1]), err
}

// Running returns the options with what is done instead of a run: it is told in which
// search, from 0.
func (o CeilingOptions) Running(run func(search int, o Options) (*Report, error)) CeilingOptions {
	o.run = func(_ context.Context, search int, o Options) (*Report, error) { return run(search-1, o) }
	return o
}

// TryGates returns what becomes of gates with a report.
func TryGates(text string, p *Report) (results []GateResult, err error) {
	gates, err := ParseGates(text)
	for i := range gates {
		results = append(results, gates[i].try(p))
	}
	return results, err
}

// FigureNames are those of gates, with … for the quantile of a time.
func FigureNames() []string {
	names := slices.Collect(maps.Keys(numbers))
	for name := range times {
		names = append(names, name+"_…")
	}
	return names
}

// SlowRate is how many bytes a second come through a slow line.
const SlowRate = slowRate

// A Line is one of a flaky device.
type Line struct{ line }

// NewLine returns a line to which nothing has happened.
func NewLine() *Line { return &Line{} }

// Dial connects by the line.
func (l *Line) Dial(ctx context.Context, address string) (net.Conn, error) {
	return l.dial(ctx, "tcp", address)
}

// The mishaps of its present connection.
func (l *Line) Cut()                    { l.present().cut() }
func (l *Line) HalfOpen()               { l.present().silence() }
func (l *Line) SlowDown() (lift func()) { return l.present().slowDown() }

// Present says whether something can happen to its connection.
func (l *Line) Present() bool { return l.present() != nil }

// End lets go of what the line keeps.
func (l *Line) End() { l.end() }

// Page returns a report in which all words that come from elsewhere are the given ones,
// with times and a series.
func Page(words string) *Report {
	r := newRun(Options{URL: "ws://" + words, Table: words, Trace: words, Speed: 1}.withDefaults())
	r.warmup = time.Second
	for i := range 1000 {
		took := time.Duration(i+1) * time.Millisecond
		r.took(r.acks, 2*time.Second, took)
		r.took(r.ages, 2*time.Second, took)
		r.took(r.own, 2*time.Second, took/100)
	}
	r.fail("%s", words)
	r.refused.Add(1)
	r.refusal(words, &wire.Refusal{Code: wire.Code(words), Text: words})
	no := false
	v := &verdict{converged: &no, tables: 1, different: 1, shown: []Difference{{words, words, words, words, words, words}}}
	p := r.report(&cast{}, 11*time.Second, look{}, v)
	p.Gates = []GateResult{{Gate: words}}
	p.Series = &Series{Step: 1, Warmup: 1}
	for i := range 10 {
		age := float64(10 * (i + 1))
		p.Series.Points = append(p.Series.Points, Point{At: float64(i + 1), Seconds: 1, Devices: 100, Sent: 2000, Acked: 1000, Bytes: 1 << 20, AgeP99: &age})
	}
	p.Series.Points[4].AgeP99 = nil
	return p
}

// Bins returns the bars of a histogram: where each begins and ends, in ms, and its part of all.
func Bins(times ...time.Duration) (bins [][3]float64) {
	d := DistributionOf(times...)
	for _, b := range d.bins() {
		bins = append(bins, [3]float64{b.from, b.to, b.part})
	}
	return bins
}

// Ticks returns what is written on an axis of times from 0, of bytes from 0, of a logarithm
// and of seconds.
func Ticks(kind string, from, to float64) (labels []string, at []float64) {
	a := map[string]axis{
		"ms": upTo(to, milliseconds, false), "bytes": upTo(to, sizeText, true), "seconds": elapsed(to),
	}[kind]
	if kind == "log" {
		a = span(from, to, milliseconds)
	}
	for _, t := range a.labels() {
		labels, at = append(labels, t.Label), append(at, t.At)
	}
	return labels, at
}
