package backup

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// choose returns the history that a target is in; name is the beginning of its name, where
// that is said.
func (c *Catalog) choose(name string, t Target) (*History, error) {
	var all []*History
	ids := map[string]bool{}
	for _, h := range c.Histories {
		if strings.HasPrefix(h.Name, name) && len(h.Copies) > 0 {
			all = append(all, h)
			ids[h.Name[:16]] = true
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no backup%s", c.others(name))
	}
	if len(ids) > 1 {
		return nil, fmt.Errorf("there are backups of %d databases: say by --history which one%s", len(ids), c.others(""))
	}
	if t.Time == nil {
		return all[len(all)-1], nil
	}
	for _, h := range slices.Backward(all) { // the newest that had begun
		if first := h.first(); !first.IsZero() && !first.After(*t.Time) {
			return h, nil
		}
	}
	return nil, fmt.Errorf("the first backup is of %s, which is later than %s", all[0].first().Format(time.RFC3339), t)
}

// others lists the histories, for people.
func (c *Catalog) others(name string) string {
	var b strings.Builder
	for _, h := range c.Histories {
		if len(h.Copies) > 0 {
			fmt.Fprintf(&b, "\n  %s: versions %d to %d, the last copy made %s", h.Name, h.Copies[0].Version, h.end(), h.newest().Format(time.RFC3339))
		}
	}
	if b.Len() == 0 {
		return ""
	}
	if name != "" {
		return fmt.Sprintf(" whose history begins with %q; there are:%s", name, b.String())
	}
	return ":" + b.String()
}

// first returns the time of the first version.
func (h *History) first() time.Time {
	for _, f := range h.Copies {
		if f.Manifest != nil {
			return f.Manifest.Time
		}
	}
	return time.Time{}
}

// candidates returns the copies from which a target can be reached, the best first: it has
// the fewest entries to replay. Copies that were proven not to be good are none.
func (h *History) candidates(t Target) (all []*CopyFile) {
	for _, f := range slices.Backward(h.Copies) {
		switch {
		case f.Err != nil, f.Manifest.Proof != nil && !f.Manifest.Proof.OK:
		case t.Version != nil && (f.Version > *t.Version || f.Reach < *t.Version):
		case t.Time != nil && f.Manifest.Time.After(*t.Time):
		default:
			all = append(all, f)
		}
	}
	return all
}

// unreachable says why there is no way to a target.
func (h *History) unreachable(t Target) error {
	var why []string
	if end := h.end(); t.Version != nil && *t.Version > end {
		why = append(why, fmt.Sprintf("this history ends at version %d", end))
	}
	if gaps := h.gaps(); len(gaps) > 0 {
		why = append(why, "no copy leads to the versions "+strings.Join(gaps, ", "))
	}
	for _, f := range h.Copies {
		switch {
		case f.Err != nil:
			why = append(why, fmt.Sprintf("the copy of version %d: %v", f.Version, f.Err))
		case f.Manifest.Proof != nil && !f.Manifest.Proof.OK:
			why = append(why, fmt.Sprintf("the copy of version %d was proven not to be good: %s", f.Version, f.Manifest.Proof.Error))
		}
	}
	if len(why) == 0 {
		why = append(why, fmt.Sprintf("the first copy is of version %d", h.Copies[0].Version))
	}
	return fmt.Errorf("%s of the history %s can't be restored: %s", t, h.Name, strings.Join(why, "; "))
}
