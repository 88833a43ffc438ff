package loadtest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"framehub/loadtest"
)

// TestFindCeiling: a search comes as near to what a hub can do as it was told to, from
// below and from above, and says how far apart its repeats are.
func TestFindCeiling(t *testing.T) {
	for name, tc := range map[string]struct {
		from, most int
		can        [3]int // what the hub can do, in each search
		ok         bool
	}{
		"from below":             {10, 0, [3]int{137, 137, 137}, true},
		"from above":             {1000, 0, [3]int{137, 137, 137}, true},
		"repeats that differ":    {100, 0, [3]int{200, 150, 180}, true},
		"nothing passes":         {4, 0, [3]int{0, 0, 0}, false},
		"everything passes":      {4, 64, [3]int{64, 64, 64}, true},
		"one passes, two do not": {4, 0, [3]int{1, 1, 1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			steps := 0
			o := loadtest.CeilingOptions{Options: loadtest.Options{Devices: tc.from}, Most: tc.most, Told: func(loadtest.Step) { steps++ }}
			c, err := loadtest.FindCeiling(t.Context(), o.Running(func(search int, o loadtest.Options) (*loadtest.Report, error) {
				return &loadtest.Report{OK: o.Devices <= tc.can[search]}, nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			for i, found := range c.Ceilings {
				if can := tc.can[i]; found > can || float64(can-found) > max(1, 0.05*float64(can)) {
					t.Errorf("search %d found %d, the hub can do %d", i+1, found, can)
				}
			}
			sorted := slices.Sorted(slices.Values(c.Ceilings))
			if len(sorted) != 3 || c.Least != sorted[0] || c.Median != sorted[1] || c.Most != sorted[2] || c.OK != tc.ok {
				t.Errorf("%v: least %d, median %d, most %d, OK %v", c.Ceilings, c.Least, c.Median, c.Most, c.OK)
			}
			if spread := float64(c.Most-c.Least) / float64(max(1, c.Median)); c.Spread != spread {
				t.Errorf("the spread is %v, want %v", c.Spread, spread)
			}
			if steps != len(c.Steps) || steps > 60 {
				t.Errorf("%d steps, told of %d", len(c.Steps), steps)
			}
		})
	}
}

// TestFindCeilingEnds: a hub that can't be loaded at all is a step that did not pass, and
// an interruption leaves what was found.
func TestFindCeilingEnds(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	runs := 0
	o := loadtest.CeilingOptions{Options: loadtest.Options{Devices: 8}}
	c, err := loadtest.FindCeiling(ctx, o.Running(func(_ int, o loadtest.Options) (*loadtest.Report, error) {
		if runs++; runs == 12 {
			stop()
		}
		if o.Devices > 20 {
			return nil, errors.New("the snapshot does not come")
		}
		return &loadtest.Report{OK: true}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := c.Text(&b); err != nil {
		t.Fatal(err)
	}
	if len(c.Ceilings) == 0 || c.Ceilings[0] != 20 || c.OK || !strings.Contains(b.String(), "the snapshot does not come") {
		t.Errorf("%+v\n%s", c, &b)
	}
}

func TestFindCeilingLimited(t *testing.T) {
	c, err := loadtest.FindCeiling(t.Context(), loadtest.CeilingOptions{Options: loadtest.Options{Devices: 8}, Repeats: 1}.Running(
		func(_ int, o loadtest.Options) (*loadtest.Report, error) {
			return &loadtest.Report{OK: true, Generator: loadtest.Generator{Limited: o.Devices > 30}}, nil
		}))
	if err != nil || c.Median != 30 || !c.Limited {
		t.Errorf("%+v, %v", c, err)
	}
}
