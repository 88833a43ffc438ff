package loadtest

import (
	"math"
	"strconv"
	"strings"
)

// A chart is a figure of the page. Its lines are drawn in a box of 1,000 by 1,000, which
// the page stretches; what is written beside them is text of the page.
type chart struct {
	Title, Unit    string
	About          string // for who does not see it
	Group          string // charts that are pointed at together
	XTicks, YTicks []tick
	Lines          []stroke
	Marks          []tick  // values that are marked on the horizontal axis
	Warmup         float64 // in % of the horizontal axis: what lies before is not in the figures
	Data           chartData
}

// A stroke is a line of a chart, drawn.
type stroke struct {
	Number int // from 1: its colour
	Name   string
	Path   string
	Area   string // below it, "": nothing is filled
}

// chartData is what is told to who points at a chart: for each value on the horizontal
// axis where it is, in %, what it is, and each line's value there.
type chartData struct {
	X     []float64  `json:"x"`
	At    []string   `json:"at"`
	Lines [][]string `json:"lines"`
}

// A graph is a line before it is drawn: a value for each on the horizontal axis, NaN
// where there is none.
type graph struct {
	name   string
	values []float64
	sparse bool // what lies between its values is no gap
}

// draw draws graphs over an axis.
func draw(c chart, x axis, at []float64, y axis, graphs ...graph) chart {
	c.XTicks, c.YTicks = x.labels(), y.labels()
	for _, v := range at {
		c.Data.X = append(c.Data.X, percent(x.at(v)))
		c.Data.At = append(c.Data.At, x.label(v))
	}
	for i, g := range graphs {
		l := stroke{Number: i + 1, Name: g.name, Path: path(x, at, y, g)}
		if len(graphs) == 1 && !g.sparse {
			l.Area = area(x, at, y, g.values)
		}
		c.Lines = append(c.Lines, l)
		told := make([]string, len(g.values))
		for i, v := range g.values {
			if !math.IsNaN(v) {
				told[i] = y.label(v)
			}
		}
		c.Data.Lines = append(c.Data.Lines, told)
	}
	return c
}

// path returns a line through values, with gaps where there are none.
func path(x axis, at []float64, y axis, g graph) string {
	var p pen
	down := false
	for i, v := range g.values {
		if math.IsNaN(v) {
			down = down && g.sparse
			continue
		}
		p.to(map[bool]string{false: "M", true: "L"}[down], x.at(at[i]), y.at(v))
		if !down {
			p.WriteString("h0") // so that a value alone is a point
		}
		down = true
	}
	return p.String()
}

// area returns what lies below a line without gaps, "" for one with gaps.
func area(x axis, at []float64, y axis, values []float64) string {
	var p pen
	for i, v := range values {
		if math.IsNaN(v) {
			return ""
		}
		if i == 0 {
			p.to("M", x.at(at[0]), 0)
		}
		p.to("L", x.at(at[i]), y.at(v))
	}
	if len(at) > 0 {
		p.to("L", x.at(at[len(at)-1]), 0)
		p.WriteString("Z")
	}
	return p.String()
}

// A pen writes a path in the chart's box, from places between 0 and 1.
type pen struct{ strings.Builder }

func (p *pen) to(how string, x, y float64) {
	p.WriteString(how)
	p.WriteString(strconv.FormatFloat(math.Round(x*1e4)/10, 'f', -1, 64))
	p.WriteByte(' ')
	p.WriteString(strconv.FormatFloat(math.Round((1-y)*1e4)/10, 'f', -1, 64))
}

// bar draws a bar from the bottom.
func (p *pen) bar(from, to, high float64) {
	p.to("M", from, 0)
	p.to("L", from, high)
	p.to("L", to, high)
	p.to("L", to, 0)
	p.WriteString("Z")
}
