package loadtest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// A Gate is what a figure of the report must be for the run to be a good one.
type Gate struct {
	text string
	of   func(*Report) *float64
	op   string
	than float64
	unit string // after a number, for people
}

// A GateResult is what became of a gate. A figure that was not measured passes none.
type GateResult struct {
	Gate  string   `json:"gate"`
	OK    bool     `json:"ok"`
	Value *float64 `json:"value"` // in ms, bytes, µs or a number, as the report has it; nil: it was not measured

	unit string
}

// numbers are the figures that are one number; each returns nil where it was not measured.
var numbers = map[string]func(*Report) *float64{
	"sent":               func(p *Report) *float64 { return count(p.Sent) },
	"refused":            func(p *Report) *float64 { return count(p.Refused) },
	"unsettled":          func(p *Report) *float64 { return count(p.Unsettled) },
	"lost":               func(p *Report) *float64 { return count(p.Lost) },
	"duplicated":         func(p *Report) *float64 { return count(p.Duplicated) },
	"reordered":          func(p *Report) *float64 { return count(p.Reordered) },
	"gaps":               func(p *Report) *float64 { return count(p.Gaps) },
	"snapshots":          func(p *Report) *float64 { return count(p.Snapshots) },
	"sessions_lost":      func(p *Report) *float64 { return count(int64(p.SessionsLost)) },
	"delivered":          func(p *Report) *float64 { return count(p.Delivered) },
	"bytes_per_update":   func(p *Report) *float64 { return &p.BytesPerUpdate },
	"bytes_per_device_s": func(p *Report) *float64 { return &p.BytesPerDevice },
	"converged": func(p *Report) *float64 {
		if p.Converged == nil {
			return nil
		}
		return count(map[bool]int64{true: 1}[*p.Converged])
	},
	"kills":      ofRecovery(func(b *Recovery) *float64 { return count(int64(b.Kills)) }),
	"reconnects": ofRecovery(func(b *Recovery) *float64 { return count(b.Reconnects) }),
	"resumed":    ofRecovery(func(b *Recovery) *float64 { return count(b.Resumed) }),
	"conflicts": func(p *Report) *float64 {
		if p.Transfers == nil {
			return nil
		}
		return count(p.Transfers.Conflicts)
	},
	"events_lost":       ofEvents(func(e *EventReport) *float64 { return count(e.Lost) }),
	"catch_ups":         ofHub(func(h *Hub) *float64 { return count(h.CatchUps) }),
	"cpu_us_per_update": ofHub(func(h *Hub) *float64 { return &h.CPUPerUpdate }),
	"rss_bytes":         ofHub(func(h *Hub) *float64 { return count(h.ResidentBytes) }),
}

// times are the figures that have quantiles, each as NAME_p50, _p90, _p99 and _max, in ms.
var times = map[string]func(*Report) *Quantiles{
	"ack":      func(p *Report) *Quantiles { return p.Ack },
	"age":      func(p *Report) *Quantiles { return p.Age },
	"stale":    func(p *Report) *Quantiles { return p.Stale },
	"interval": func(p *Report) *Quantiles { return p.Interval },
	"late":     func(p *Report) *Quantiles { return p.late },
	"join":     func(p *Report) *Quantiles { return p.Join },
	"enter":    func(p *Report) *Quantiles { return p.Enter },
	"event":    ofEvents(func(e *EventReport) *Quantiles { return e.Age }),
	"flaky": ofRecovery(func(b *Recovery) *Quantiles {
		if b.Mishaps == nil {
			return nil
		}
		return b.Mishaps.Age
	}),
	"live":  ofRecovery(func(b *Recovery) *Quantiles { return b.Live }),
	"frame": ofHub(func(h *Hub) *Quantiles { return h.Frame }),
	"fsync": ofHub((*Hub).fsync),
}

func ofEvents[T any](f func(*EventReport) *T) func(*Report) *T {
	return func(p *Report) *T {
		if p.Events == nil {
			return nil
		}
		return f(p.Events)
	}
}

func ofRecovery[T any](f func(*Recovery) *T) func(*Report) *T {
	return func(p *Report) *T {
		if p.Recovery == nil {
			return nil
		}
		return f(p.Recovery)
	}
}

func ofHub[T any](f func(*Hub) *T) func(*Report) *T {
	return func(p *Report) *T {
		if p.Hub == nil {
			return nil
		}
		return f(p.Hub)
	}
}

// quantileOf are the suffixes of times.
var quantileOf = map[string]func(*Quantiles) *float64{
	"p50": func(q *Quantiles) *float64 { return &q.P50 },
	"p90": func(q *Quantiles) *float64 { return &q.P90 },
	"p99": func(q *Quantiles) *float64 { return &q.P99 },
	"max": func(q *Quantiles) *float64 { return &q.Max },
}

// figure returns how a figure is read, and whether it is a time; nil: there is none of
// that name.
func figure(name string) (of func(*Report) *float64, timed bool) {
	if of, ok := numbers[name]; ok {
		return of, false
	}
	base, suffix, _ := strings.Cut(name, "_")
	all, pick := times[base], quantileOf[suffix]
	if all == nil || pick == nil {
		return nil, false
	}
	return func(p *Report) *float64 {
		if q := all(p); q != nil {
			return pick(q)
		}
		return nil
	}, true
}

// figureNames lists all figures, for people.
func figureNames() string {
	var names []string
	for name := range times {
		names = append(names, name+"_p50|p90|p99|max")
	}
	return strings.Join(slices.Sorted(slices.Values(append(names, slices.Collect(maps.Keys(numbers))...))), ", ")
}

func count(n int64) *float64 {
	f := float64(n)
	return &f
}

var gateForm = regexp.MustCompile(`^\s*([a-z0-9_]+)\s*(<=|>=|<|>|=)\s*(\S+)\s*$`)

// ParseGates reads gates like "age_p99<50ms,lost=0", between commas: a figure, one of
// < <= = >= >, and a number, a time where the figure is one, or a size like 20KiB.
func ParseGates(text string) ([]Gate, error) {
	var gates []Gate
	for part := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		g, err := parseGate(part)
		if err != nil {
			return nil, fmt.Errorf("the gate %q: %w", strings.TrimSpace(part), err)
		}
		gates = append(gates, g)
	}
	return gates, nil
}

func parseGate(text string) (Gate, error) {
	m := gateForm.FindStringSubmatch(text)
	if m == nil {
		return Gate{}, errors.New("write a figure, one of < <= = >= >, and a number, as in age_p99<50ms")
	}
	g := Gate{text: m[1] + m[2] + m[3], op: m[2]}
	of, timed := figure(m[1])
	if g.of = of; of == nil {
		return Gate{}, fmt.Errorf("there is no figure %q, only %s", m[1], figureNames())
	}
	if timed {
		d, err := time.ParseDuration(m[3])
		if err != nil {
			return Gate{}, fmt.Errorf("%s is a time, such as 50ms, and %q is none", m[1], m[3])
		}
		g.than, g.unit = ms(d), " ms"
		return g, nil
	}
	var err error
	if g.than, err = strconv.ParseFloat(m[3], 64); err != nil {
		n, err := humanize.ParseBytes(m[3])
		if err != nil {
			return Gate{}, fmt.Errorf("%q is no number", m[3])
		}
		g.than = float64(n)
	}
	return g, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// try looks at a report.
func (g *Gate) try(p *Report) GateResult {
	r := GateResult{Gate: g.text, Value: g.of(p), unit: g.unit}
	if r.Value == nil {
		return r
	}
	switch v := *r.Value; g.op {
	case "<":
		r.OK = v < g.than
	case "<=":
		r.OK = v <= g.than
	case "=":
		r.OK = v == g.than
	case ">=":
		r.OK = v >= g.than
	case ">":
		r.OK = v > g.than
	}
	return r
}
