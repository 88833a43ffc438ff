package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Changed returns the names of the tables and events of which the rules differ,
// and "limits" where those do. Where a rule stands in its file is no difference.
func (s *Set) Changed(was *Set) []string {
	before, after := was.texts(), s.texts()
	var names []string
	for name, text := range after {
		if before[name] != text {
			names = append(names, name)
		}
	}
	for name := range before {
		if _, stays := after[name]; !stays {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// texts writes the rules of each table and event down, for comparing.
func (s *Set) texts() map[string]string {
	texts := map[string]string{"limits": fmt.Sprint(s.Limits())}
	if s == nil {
		return texts
	}
	for _, t := range s.tables {
		texts["table "+t.name] = t.String()
	}
	for _, r := range s.events {
		texts["event "+r.name] = fmt.Sprintf("%d %d %d %v", r.send.roles, r.to, r.max, r.rate)
	}
	return texts
}

// String writes the rules down without their lines.
func (t *tableRules) String() string {
	var out strings.Builder
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(&out, format, args...) }
	say("%q %q %v %d,%d,%d,%d,%d %d", t.scope.name, t.owner.name, t.byToken,
		t.read.roles, t.insert.roles, t.update.roles, t.remove.roles, t.give.roles, t.maxOwned)
	if t.onDemand {
		say(" on-demand")
	}
	if t.onGone != 0 {
		say(" on-gone")
	}
	for _, c := range t.readOnly {
		say(" read-only %q", c.name)
	}
	for _, c := range t.serverOnly {
		say(" server-only %q", c.name)
	}
	for _, c := range t.position {
		say(" map %q", c.name)
	}
	for _, p := range t.precision {
		say(" precision %q %v", p.name, p.step)
	}
	for _, x := range t.texts {
		say(" text %q %d %v %v %q", x.name, x.max, x.trim, x.multiline, x.source)
	}
	for _, b := range t.blobs {
		say(" blob %q %d", b.name, b.max)
	}
	return out.String()
}
