package loadtest

import (
	"fmt"
	"math"
)

// A timeline is what a chart over time shows.
type timeline struct {
	title, unit string
	label       func(float64) string
	binary      bool // its values are bytes
	lines       []field
}

// A field is what a line over time shows of each point, nil where it has none.
type field struct {
	name string
	of   func(*Point) *float64
}

// aSecond is what was counted, for each second of its point.
func aSecond(name string, of func(*Point) int64) field {
	return field{name, func(p *Point) *float64 {
		v := float64(of(p)) / p.Seconds
		return &v
	}}
}

// ofPoint is what the hub says of a point.
func ofPoint(name string, of func(*HubPoint) *float64) field {
	return field{name, func(p *Point) *float64 {
		if p.Hub == nil {
			return nil
		}
		return of(p.Hub)
	}}
}

var timelines = []timeline{
	{title: "Age and acknowledgement", unit: "ms", label: milliseconds, lines: []field{
		{"seen, p99", func(p *Point) *float64 { return p.AgeP99 }},
		{"seen, p50", func(p *Point) *float64 { return p.AgeP50 }},
		{"acknowledged, p99", func(p *Point) *float64 { return p.AckP99 }},
	}},
	{title: "Events heard", unit: "ms", label: milliseconds, lines: []field{
		{"p99", func(p *Point) *float64 { return p.EventP99 }},
	}},
	{title: "Writes", unit: "a second", label: plain, lines: []field{
		aSecond("sent", func(p *Point) int64 { return p.Sent }),
		aSecond("acknowledged", func(p *Point) int64 { return p.Acked }),
		aSecond("refused", func(p *Point) int64 { return p.Refused }),
	}},
	{title: "Updates delivered", unit: "a second", label: plain, lines: []field{
		aSecond("to all who watch", func(p *Point) int64 { return p.Delivered }),
	}},
	{title: "Bytes to all who watch", unit: "a second", label: sizeText, binary: true, lines: []field{
		aSecond("bytes", func(p *Point) int64 { return p.Bytes }),
	}},
	{title: "Sessions", unit: "connected", label: plain, lines: []field{
		{"sessions", func(p *Point) *float64 { return count(int64(p.Devices)) }},
	}},
	{title: "The load test late by itself", unit: "ms", label: milliseconds, lines: []field{
		{"p99", func(p *Point) *float64 { return p.OwnP99 }},
	}},
	{title: "Hub: a frame, until told", unit: "ms", label: milliseconds, lines: []field{
		ofPoint("p99", func(h *HubPoint) *float64 { return h.FrameP99 }),
	}},
	{title: "Hub: fsync of the frame log", unit: "ms", label: milliseconds, lines: []field{
		ofPoint("p99", func(h *HubPoint) *float64 { return h.FsyncP99 }),
	}},
	{title: "Hub: processor", unit: "cores", label: plain, lines: []field{
		ofPoint("cores", func(h *HubPoint) *float64 { return &h.CPU }),
	}},
	{title: "Hub: memory", unit: "resident", label: sizeText, binary: true, lines: []field{
		ofPoint("resident", func(h *HubPoint) *float64 { return count(h.ResidentBytes) }),
	}},
}

// charts draws a series; what nobody measured is left out.
func (s *Series) charts() (charts []chart) {
	points := s.whole()
	if len(points) == 0 {
		return nil
	}
	x := elapsed(points[len(points)-1].At)
	at := make([]float64, len(points))
	for i := range points {
		at[i] = points[i].At
	}
	for _, t := range timelines {
		var graphs []graph
		most := 0.0
		for _, f := range t.lines {
			g, top := f.graph(points)
			if top > 0 {
				graphs, most = append(graphs, g), max(most, top)
			}
		}
		if len(graphs) == 0 {
			continue
		}
		c := chart{
			Title: t.title, Unit: t.unit, Group: "time", Warmup: percent(x.at(s.Warmup)),
			About: fmt.Sprintf("%s, over time: up to %s", t.title, t.label(most)),
		}
		charts = append(charts, draw(c, x, at, upTo(most, t.label, t.binary), graphs...))
	}
	return charts
}

// whole returns the points without the last one where that is a rest too short to compare.
func (s *Series) whole() []Point {
	last := len(s.Points) - 1
	if last > 0 && s.Points[last].Seconds < s.Step/2 {
		return s.Points[:last]
	}
	return s.Points
}

// graph returns a field of every point, and the most of it.
func (f *field) graph(points []Point) (g graph, most float64) {
	g = graph{name: f.name, values: make([]float64, len(points))}
	for i := range points {
		g.values[i] = math.NaN()
		if v := f.of(&points[i]); v != nil {
			g.values[i], most = *v, max(most, *v)
		}
	}
	return g, most
}
