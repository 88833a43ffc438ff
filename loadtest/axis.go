package loadtest

import (
	"fmt"
	"math"
	"time"

	"github.com/dustin/go-humanize"
)

// An axis puts values between its ends, which are 0 and 1 on it.
type axis struct {
	from, to float64
	of       func(float64) float64 // what is even on it: the value, or its logarithm
	ticks    []float64
	label    func(float64) string
}

// at returns where a value is, from 0 to 1; what lies beyond an end is at the end.
func (a *axis) at(v float64) float64 {
	from, to := a.of(a.from), a.of(a.to)
	return min(max((a.of(v)-from)/(to-from), 0), 1)
}

// A tick is a value on an axis.
type tick struct {
	At    float64 // in % of the axis
	Label string
}

// Below returns how far it is from the other end, in %.
func (t tick) Below() float64 { return 100 - t.At }

func (a *axis) labels() (ticks []tick) {
	for _, v := range a.ticks {
		ticks = append(ticks, tick{percent(a.at(v)), a.label(v)})
	}
	return ticks
}

func percent(part float64) float64 { return math.Round(part*1e5) / 1e3 }

func itself(v float64) float64 { return v }

// upTo returns an axis from 0 to a value at least, with some round numbers on it: of the
// decimal system, or for bytes of the binary one.
func upTo(most float64, label func(float64) string, binary bool) axis {
	const wanted = 4
	step := roundStep(most/wanted, binary)
	a := axis{of: itself, label: label}
	for a.to < most || len(a.ticks) < 2 {
		a.ticks = append(a.ticks, a.to)
		a.to += step
	}
	a.ticks = append(a.ticks, a.to)
	return a
}

// roundStep returns the least round number that is not below a value.
func roundStep(least float64, binary bool) float64 {
	if least <= 0 || math.IsInf(least, 0) || math.IsNaN(least) {
		return 1
	}
	if binary {
		return math.Exp2(math.Ceil(math.Log2(least)))
	}
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= least {
			return n * power
		}
	}
	return 10 * power
}

// span returns a logarithmic axis from one value to another, both above 0, with 1, 2, 5,
// 10, … on it, or the powers of ten alone where those are many.
func span(from, to float64, label func(float64) string) axis {
	a := axis{from: from, to: to, of: math.Log10, label: label}
	if a.to <= a.from {
		a.to = 10 * a.from
	}
	numbers := []float64{1, 2, 5}
	if a.to/a.from > 1000 {
		numbers = numbers[:1]
	}
	for power := math.Floor(math.Log10(a.from)); power <= math.Log10(a.to); power++ {
		for _, n := range numbers {
			if v := n * math.Pow(10, power); v >= a.from && v <= a.to {
				a.ticks = append(a.ticks, v)
			}
		}
	}
	return a
}

// elapsed returns an axis of so many seconds.
func elapsed(seconds float64) axis {
	const wanted = 6
	a := axis{to: max(seconds, 1e-3), of: itself, label: clock}
	step := 1.0
	for _, step = range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400} {
		if step*wanted >= a.to {
			break
		}
	}
	for at := 0.0; at <= a.to; at += max(step, a.to/wanted/2) {
		a.ticks = append(a.ticks, at)
	}
	return a
}

// clock tells a time since the start: in seconds, or in hours, minutes and seconds.
func clock(seconds float64) string {
	if seconds < 100 {
		return plain(seconds) + " s"
	}
	d := time.Duration(math.Round(seconds)) * time.Second
	if d < time.Hour {
		return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}

// plain writes a number with as many digits as one looks at, and commas.
func plain(v float64) string {
	switch abs := math.Abs(v); {
	case abs >= 100:
		return humanize.Comma(int64(math.Round(v)))
	case abs >= 10:
		return humanize.FtoaWithDigits(math.Round(v*10)/10, 1)
	case abs >= 1:
		return humanize.FtoaWithDigits(math.Round(v*100)/100, 2)
	default:
		return humanize.FtoaWithDigits(math.Round(v*1000)/1000, 3)
	}
}

func milliseconds(v float64) string { return plain(v) + " ms" }

func sizeText(v float64) string { return humanize.IBytes(uint64(max(0, math.Round(v)))) }
