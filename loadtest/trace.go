package loadtest

import (
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"framehub/session/wire"
)

// A sample is where a vehicle was, when.
type sample struct {
	at time.Duration // since the start of the trace, as recorded
	place
}

// A trace is the movement of vehicles, each one's samples by time.
type trace struct {
	vehicles [][]sample
	end      time.Duration // of its last sample, since the first one
	step     time.Duration // the shortest time between two different ones
}

// A traceScript plays a vehicle: a put when it appears, then touches, and a
// delete a step after its last sample, if the trace goes on without it. A trace
// has all its vehicles at the same moments, a step apart; vehicles that are
// devices of their own don't agree on that, so each has a part of a step to wait.
type traceScript struct {
	samples []sample
	gone    time.Duration // when it is deleted, as recorded; 0: it stays
	wait    time.Duration // as recorded
	speed   float64
}

func (t *traceScript) name() string { return fmt.Sprintf("vehicle %d", t.samples[0].id) }

func (t *traceScript) count() int {
	if t.gone > 0 {
		return len(t.samples) + 1
	}
	return len(t.samples)
}

func (t *traceScript) at(i int) time.Duration {
	at := t.gone
	if i < len(t.samples) {
		at = t.samples[i].at
	}
	return time.Duration(float64(at+t.wait) / t.speed)
}

func (t *traceScript) write(dst []place, i int) (wire.OpKind, []place) {
	switch {
	case i == len(t.samples):
		return wire.OpDelete, append(dst, place{id: t.samples[0].id})
	case i == 0:
		return wire.OpPut, append(dst, t.samples[i].place)
	default:
		return wire.OpTouch, append(dst, t.samples[i].place)
	}
}

// scripts returns what the vehicles write in the first length of the trace, as it
// is played; 0: in all of it.
func (t *trace) scripts(speed float64, length time.Duration) []script {
	end := t.end
	if length > 0 {
		end = min(end, time.Duration(float64(length)*speed))
	}
	var scripts []script
	for i, samples := range t.vehicles {
		n, _ := slices.BinarySearchFunc(samples, end+1, func(s sample, at time.Duration) int { return cmp.Compare(s.at, at) })
		if n == 0 {
			continue
		}
		_, part := math.Modf(float64(i) * math.Phi) // evenly spread, however many there are
		s := &traceScript{samples: samples[:n], wait: time.Duration(part * float64(t.step)), speed: speed}
		if last := samples[n-1].at; n == len(samples) && last+t.step <= end {
			s.gone = last + t.step
		}
		scripts = append(scripts, s)
	}
	return scripts
}

// readTrace reads a trace from a file.
func readTrace(file string) (*trace, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("the trace: %w", err)
	}
	defer func() { _ = f.Close() }()
	r := io.Reader(f)
	if strings.HasSuffix(file, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("the trace %s: %w", file, err)
		}
	}
	t, err := parseTrace(r)
	if err != nil {
		return nil, fmt.Errorf("the trace %s: %w", file, err)
	}
	return t, nil
}

var traceColumns = []string{"t", "id", "x", "y", "heading", "speed"}

func parseTrace(r io.Reader) (*trace, error) {
	lines := csv.NewReader(r)
	lines.ReuseRecord = true
	header, err := lines.Read()
	if err != nil {
		return nil, fmt.Errorf("read the first line: %w", err)
	}
	var at [6]int
	for i, name := range traceColumns {
		if at[i] = slices.Index(header, name); at[i] < 0 {
			return nil, fmt.Errorf("there is no column %q: the first line must name %s", name, strings.Join(traceColumns, ","))
		}
	}
	vehicles := map[int64][]sample{}
	for {
		record, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return newTrace(vehicles)
		}
		if err != nil {
			return nil, err
		}
		s, err := parseSample(record, &at)
		if err != nil {
			line, _ := lines.FieldPos(0)
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		vehicles[s.id] = append(vehicles[s.id], s)
	}
}

func parseSample(record []string, at *[6]int) (s sample, err error) {
	if s.id, err = strconv.ParseInt(record[at[1]], 10, 64); err != nil {
		return s, fmt.Errorf("id: %w", err)
	}
	var t float64
	for i, to := range []*float64{&t, nil, &s.x, &s.y, &s.heading, &s.speed} {
		if to == nil {
			continue
		}
		if *to, err = strconv.ParseFloat(record[at[i]], 64); err != nil {
			return s, fmt.Errorf("%s: %w", traceColumns[i], err)
		}
		if math.IsNaN(*to) || math.IsInf(*to, 0) {
			return s, fmt.Errorf("%s is not a number", traceColumns[i])
		}
	}
	s.at = time.Duration(math.Round(t * float64(time.Second)))
	return s, nil
}

// newTrace puts vehicles and times in order.
func newTrace(vehicles map[int64][]sample) (*trace, error) {
	if len(vehicles) == 0 {
		return nil, errors.New("it has no samples")
	}
	byTime := func(a, b sample) int { return cmp.Compare(a.at, b.at) }
	t := &trace{}
	var times []time.Duration
	for _, samples := range vehicles {
		slices.SortFunc(samples, byTime)
		for i, s := range samples {
			if i > 0 && s.at == samples[i-1].at {
				return nil, fmt.Errorf("vehicle %d is at two places at %v", s.id, s.at)
			}
			times = append(times, s.at)
		}
		t.vehicles = append(t.vehicles, samples)
	}
	slices.Sort(times)
	first := times[0]
	t.end = times[len(times)-1] - first
	times = slices.Compact(times)
	for i := 1; i < len(times); i++ {
		if step := times[i] - times[i-1]; t.step == 0 || step < t.step {
			t.step = step
		}
	}
	for _, samples := range t.vehicles {
		for i := range samples {
			samples[i].at -= first
		}
	}
	slices.SortFunc(t.vehicles, func(a, b []sample) int { return cmp.Compare(a[0].id, b[0].id) })
	return t, nil
}
