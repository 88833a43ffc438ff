package loadtest

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// HTML writes what was found as a page that needs no network.
func (c *Ceiling) HTML(w io.Writer) error {
	p := page{
		Title: c.what(), When: c.how() + "; the hub is " + c.hub(), OK: c.OK, Steps: c.Steps, Search: c.chart(),
		Tiles: []tile{
			{"Ceiling", plain(float64(c.Median)), "devices", fmt.Sprintf("the median of %d searches", len(c.Ceilings))},
			{"Least", plain(float64(c.Least)), "devices", "of all searches"},
			{"Most", plain(float64(c.Most)), "devices", "of all searches"},
			{"Spread", plain(100 * c.Spread), "%", "from the least to the most, of the median: how far to believe it"},
		},
	}
	if c.Limited {
		p.Notes = append(p.Notes, note{Text: limitOfSearch})
	}
	if !c.OK {
		p.Notes = append(p.Notes, note{true, notFound})
	}
	return p.write(w)
}

// hub says where the hub was.
func (c *Ceiling) hub() string {
	if c.opts.Hub != nil {
		return "a new one for each run, on this machine"
	}
	return c.opts.URL
}

// chart draws the age of each step by its devices, a line for each search; nil: nothing
// was timed.
func (c *Ceiling) chart() *chart {
	var at []float64
	most := 0.0
	for _, s := range c.Steps {
		if s.Age != nil {
			at, most = append(at, float64(s.Devices)), max(most, *s.Age)
		}
	}
	if len(at) == 0 {
		return nil
	}
	slices.Sort(at)
	at = slices.Compact(at)
	var graphs []graph
	for search := 1; search <= c.Steps[len(c.Steps)-1].Search; search++ {
		g := graph{name: fmt.Sprintf("search %d", search), values: slices.Repeat([]float64{math.NaN()}, len(at)), sparse: true}
		for _, s := range c.Steps {
			if s.Search == search && s.Age != nil {
				g.values[slices.Index(at, float64(s.Devices))] = *s.Age
			}
		}
		graphs = append(graphs, g)
	}
	drawn := draw(chart{Title: "Seen, p99", Unit: "ms by devices", About: "how old what observers see is, by devices: the table has the same"},
		span(at[0], at[len(at)-1], plain), at, upTo(most, milliseconds, false), graphs...)
	return &drawn
}

// Seen says how old what observers saw was at the 99th percentile.
func (s Step) Seen() string {
	if s.Age == nil {
		return "–"
	}
	return milliseconds(*s.Age)
}
