package loadtest

import (
	"fmt"
	"math"
)

// A bin is a bar of a histogram for people.
type bin struct {
	from, to float64 // ms
	part     float64 // of all
}

// bins puts what was timed into bins of the same width on a logarithmic axis.
func (d *Distribution) bins() []bin {
	const aDecade = 20
	if len(d.bars) == 0 {
		return nil
	}
	number := func(micros int64) int { return int(math.Floor(aDecade * math.Log10(max(1, float64(micros))))) }
	end := func(n int) float64 { return math.Pow(10, float64(n)/aDecade) / 1000 }
	first, last := number(d.bars[0].From), number(d.bars[len(d.bars)-1].From)
	all := make([]bin, last-first+1)
	for i := range all {
		all[i] = bin{from: end(first + i), to: end(first + i + 1)}
	}
	for _, b := range d.bars {
		all[number(b.From)-first].part += float64(b.Count) / float64(d.Count)
	}
	return all
}

// histogram draws how times are spread, with some quantiles marked.
func histogram(title string, d Distribution, q *Quantiles) chart {
	bins := d.bins()
	share := func(part float64) string { return plain(100*part) + " %" }
	most := 0.0
	for _, b := range bins {
		most = max(most, b.part)
	}
	x := span(bins[0].from, bins[len(bins)-1].to, milliseconds)
	y := upTo(most, share, false)
	c := chart{
		Title: title, Unit: "share of all", XTicks: x.labels(), YTicks: y.labels(),
		About: fmt.Sprintf("%s: half within %s, 99 %% within %s, the longest %s", title, milliseconds(q.P50), milliseconds(q.P99), milliseconds(q.Max)),
		Marks: []tick{{percent(x.at(q.P50)), "p50"}, {percent(x.at(q.P99)), "p99"}},
	}
	var p pen
	told := make([]string, len(bins))
	for i, b := range bins {
		p.bar(x.at(b.from), x.at(b.to), y.at(b.part))
		c.Data.X = append(c.Data.X, percent((x.at(b.from)+x.at(b.to))/2))
		c.Data.At = append(c.Data.At, plain(b.from)+"–"+milliseconds(b.to))
		told[i] = share(b.part)
	}
	c.Lines, c.Data.Lines = []stroke{{Number: 1, Area: p.String()}}, [][]string{told}
	return c
}

// A spread is a distribution and what it is of.
type spread struct {
	name string
	of   Distribution
}

// floor is the least time on a logarithmic axis, in ms.
const floor = 0.01

// percentiles draws distributions by percentiles, as HdrHistogram's plotter does: the closer
// to 100, the wider apart.
func percentiles(title string, spreads ...spread) chart {
	const points = 200
	nines, least, most := 1.0, math.Inf(1), 0.0
	for _, s := range spreads {
		nines = max(nines, math.Log10(float64(s.of.Count)))
		for _, p := range s.of.Percentiles {
			least, most = min(least, max(p.Value, floor)), max(most, p.Value)
		}
	}
	x := axis{to: nines, of: itself, label: func(nines float64) string { return rank(nines) }}
	for n := 0.0; n <= nines; n++ {
		x.ticks = append(x.ticks, n)
	}
	y := span(math.Pow(10, math.Floor(math.Log10(least))), max(most, 10*least), milliseconds)
	at := make([]float64, points+1)
	for i := range at {
		at[i] = nines * float64(i) / points
	}
	var graphs []graph
	for _, s := range spreads {
		g := graph{name: s.name, values: make([]float64, len(at))}
		for i, n := range at {
			g.values[i] = s.of.valueAt(n)
		}
		graphs = append(graphs, g)
	}
	return draw(chart{Title: title, Unit: "ms by percentile", About: title + ": the table has the same"}, x, at, y, graphs...)
}

// rank names the percentile of so many nines: 0 is none of the values, 1 is 90 %, 2 is 99 %.
func rank(nines float64) string {
	p := 100 - 100*math.Pow(10, -nines)
	digits := max(0, int(math.Ceil(nines))-2)
	return fmt.Sprintf("%.*f %%", digits, p)
}

// valueAt returns the value at a percentile of so many nines, NaN where there are too few
// values to speak of it.
func (d *Distribution) valueAt(nines float64) float64 {
	if nines > math.Log10(float64(d.Count)) {
		return math.NaN()
	}
	percentile := 100 - 100*math.Pow(10, -nines)
	for _, p := range d.Percentiles {
		if p.Percentile >= percentile {
			return max(p.Value, floor)
		}
	}
	return d.Max
}
