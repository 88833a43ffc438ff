package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Mistake is what is wrong in a configuration file.
type Mistake struct {
	Line int    `json:"line"` // from 1
	Text string `json:"text"` // what is wrong, and what to do
}

// Mistakes are all that is wrong in a file, in the order of the lines.
type Mistakes []Mistake //nolint:errname // a list of findings first, an error second

// Error lists the mistakes, one a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = fmt.Sprintf("line %d: %s", one.Line, one.Text)
	}
	return strings.Join(lines, "\n")
}

// Err returns the mistakes as an error, nil where there are none.
func (m Mistakes) Err() error {
	if len(m) == 0 {
		return nil
	}
	return m
}

func (m *Mistakes) add(line int, format string, args ...any) {
	*m = append(*m, Mistake{line, fmt.Sprintf(format, args...)})
}

func (m Mistakes) sorted() Mistakes {
	slices.SortStableFunc(m, func(a, b Mistake) int { return cmp.Compare(a.Line, b.Line) })
	return m
}

// suggest returns what to say of a name that is not known: the one that was
// probably meant, or all where they are few.
func suggest(name string, known []string) string {
	best, at := 3, -1
	for i, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < best && d < len(name) {
			best, at = d, i
		}
	}
	const few = 12
	switch {
	case at >= 0:
		return fmt.Sprintf("did you mean %q?", known[at])
	case len(known) == 0:
		return "there are none"
	case len(known) <= few:
		return "there are " + strings.Join(known, ", ")
	default:
		return fmt.Sprintf("there are %s and %d others", strings.Join(known[:few], ", "), len(known)-few)
	}
}

// distance is how many letters must be added, removed, replaced or swapped with
// their neighbour to get from a to b.
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now := make([]int, len(b)+1)
		now[0] = i
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last = last, now
	}
	return last[len(b)]
}
