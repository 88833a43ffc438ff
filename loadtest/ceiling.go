package loadtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// CeilingOptions say how the largest number of devices is searched for that still passes.
type CeilingOptions struct {
	Options // of every run; Devices is where the search begins

	Repeats int     // searches, each of which may find another ceiling; default 3
	Within  float64 // how far apart the largest load that passed and the smallest that did not may be, as a part of it; default 0.05
	Most    int     // devices, beyond which nothing is tried; default 100,000

	// Hub starts a hub for one run, says in the options where it is, and returns what
	// stops it; nil: all runs go to the hub that the options name.
	Hub func(*Options) (stop func() error, err error)

	Told func(Step) // is told of every run; nil: nobody is

	run func(ctx context.Context, search int, o Options) (*Report, error) // by tests
}

// A Step is one run of a search.
type Step struct {
	Search  int      `json:"search"` // from 1
	Devices int      `json:"devices"`
	OK      bool     `json:"ok"`
	Limited bool     `json:"limited"` // by the load test, so that it says nothing of the hub
	Age     *float64 `json:"age_p99_ms"`
	Why     string   `json:"why,omitempty"` // it did not pass
}

// A Ceiling is what a search found.
type Ceiling struct {
	Gates    []string `json:"gates"`
	Ceilings []int    `json:"ceilings"` // devices, of each search that came to its end
	Least    int      `json:"least"`
	Median   int      `json:"median"`
	Most     int      `json:"most"`
	Spread   float64  `json:"spread"`  // from the least to the most, as a part of the median
	Limited  bool     `json:"limited"` // in some search the load test was the limit: the hub's ceiling lies higher
	Steps    []Step   `json:"steps"`
	OK       bool     `json:"ok"` // every search came to its end, and found a load that passes

	opts CeilingOptions
}

// DefaultGates are those of a search that is given none.
const DefaultGates = "age_p99<50ms,lost=0,refused=0"

// FindCeiling searches for the largest number of devices with which a run passes: twice as
// many at a time until one does not, then between the two. It returns what there is when
// ctx ends.
func FindCeiling(ctx context.Context, o CeilingOptions) (*Ceiling, error) {
	o.Options = o.withDefaults()
	set(&o.Repeats, 3)
	set(&o.Within, 0.05)
	set(&o.Most, 100_000)
	if o.run == nil {
		o.run = func(ctx context.Context, _ int, o Options) (*Report, error) { return Run(ctx, o) }
	}
	if o.Told == nil {
		o.Told = func(Step) {}
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	c := &Ceiling{opts: o}
	for i := range o.Gates {
		c.Gates = append(c.Gates, o.Gates[i].text)
	}
	from := o.Devices
	for search := 1; search <= o.Repeats && ctx.Err() == nil; search++ {
		found, err := c.search(ctx, search, from)
		if err != nil {
			return nil, err
		}
		if ctx.Err() == nil {
			c.Ceilings = append(c.Ceilings, found)
			from = max(1, found)
		}
	}
	c.sum()
	return c, nil
}

// search returns the largest load that passed.
func (c *Ceiling) search(ctx context.Context, search, from int) (passed int, err error) {
	failed, limited := c.opts.Most+1, false // by the load test, and not by the hub
	apart := func() bool { return float64(failed-passed) > max(1, c.opts.Within*float64(passed)) }
	for n := from; ctx.Err() == nil && apart() && n > passed; {
		s, err := c.step(ctx, search, n)
		if err != nil {
			return 0, err
		}
		if s.OK {
			passed = n
		} else {
			failed, limited = n, s.Limited
		}
		switch {
		case failed > c.opts.Most: // none has failed yet
			n = min(2*n, c.opts.Most)
		case passed == 0:
			n /= 2
		default:
			n = (passed + failed) / 2
		}
	}
	c.Limited = c.Limited || limited
	return passed, nil
}

// step makes one run.
func (c *Ceiling) step(ctx context.Context, search, devices int) (s Step, err error) {
	o := c.opts.Options
	o.Devices = devices
	if c.opts.Hub != nil {
		stop, err := c.opts.Hub(&o)
		if err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	s = Step{Search: search, Devices: devices}
	p, err := c.opts.run(ctx, search, o)
	switch {
	case err != nil: // so many could not even connect
		s.Why = err.Error()
	default:
		s.OK, s.Limited, s.Why = p.OK && !p.Generator.Limited, p.Generator.Limited, p.why()
		if p.Age != nil {
			s.Age = &p.Age.P99
		}
	}
	if ctx.Err() != nil {
		return s, nil // what was cut short says nothing
	}
	c.Steps = append(c.Steps, s)
	c.opts.Told(s)
	return s, nil
}

// why says in a line why a run did not pass.
func (p *Report) why() string {
	var all []string
	if p.Generator.Limited {
		all = append(all, "the load test was the limit")
	}
	for _, g := range p.Gates {
		switch {
		case g.OK:
		case g.Value == nil:
			all = append(all, g.Gate+": not measured")
		default:
			all = append(all, fmt.Sprintf("%s: %.4g", g.Gate, *g.Value))
		}
	}
	return strings.Join(append(all, p.failures...), "; ")
}

func (c *Ceiling) sum() {
	if len(c.Ceilings) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(c.Ceilings))
	c.Least, c.Median, c.Most = sorted[0], sorted[(len(sorted)-1)/2], sorted[len(sorted)-1]
	if c.Median > 0 {
		c.Spread = float64(c.Most-c.Least) / float64(c.Median)
	}
	c.OK = len(c.Ceilings) == c.opts.Repeats && c.Least > 0
}

// JSON writes what was found as one object.
func (c *Ceiling) JSON(w io.Writer) error { return json.NewEncoder(w).Encode(c) }

// what says what was searched for.
func (c *Ceiling) what() string {
	o := &c.opts
	return fmt.Sprintf("%s: how many devices, each writing %s %s", o.Profile, many(o.Entities, "row", "rows"), often(o.Hz))
}

// how says by what, and in which runs.
func (c *Ceiling) how() string {
	return fmt.Sprintf("passes %s; runs of %v", strings.Join(c.Gates, ", "), c.opts.Duration.Round(time.Millisecond))
}

// found says what was found.
func (c *Ceiling) found() string {
	if len(c.Ceilings) == 0 {
		return "no search came to its end"
	}
	return fmt.Sprintf("%d devices; least %d, most %d of %d searches (spread %.0f %%)", c.Median, c.Least, c.Most, len(c.Ceilings), 100*c.Spread)
}

const (
	limitOfSearch = "THE LOAD TEST WAS THE LIMIT of some search: the hub's ceiling lies higher; load it from another machine"
	notFound      = "not every search found a load that passes"
)

// Text writes what was found for a person.
func (c *Ceiling) Text(w io.Writer) error {
	t := &text{}
	t.title(c.what() + "\n" + c.how())
	if !c.opts.Terminal { // where they have passed by
		t.print("%6s %8s %12s\n", "search", "devices", "seen p99 ms")
		for i := range c.Steps {
			t.print("%s\n", c.Steps[i])
		}
		t.print("\n")
	}
	t.line("ceiling", "%s", c.found())
	if c.Limited {
		t.line("", "%s", limitOfSearch)
	}
	if !c.OK {
		t.line("FAILED", "%s", notFound)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

// String tells a step to a person, in the columns of [Ceiling.Text].
func (s Step) String() string {
	age, what := "-", "passed"
	if s.Age != nil {
		age = fmt.Sprintf("%.1f", *s.Age)
	}
	if !s.OK {
		what = "not passed: " + s.Why
	}
	return fmt.Sprintf("%6d %8d %12s  %s", s.Search, s.Devices, age, what)
}
