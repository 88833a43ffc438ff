package backup

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Target is the moment that a restore is to give; the zero Target the latest one.
type Target struct {
	Version *uint64
	Time    *time.Time
}

// ParseTarget reads "latest", a version, or a time: 2026-01-31T18:00:00Z, or with a date and
// a time alone in the machine's own zone.
func ParseTarget(text string) (Target, error) {
	text = strings.TrimSpace(text)
	if text == "latest" {
		return Target{}, nil
	}
	if v, err := strconv.ParseUint(text, 10, 64); err == nil {
		return Target{Version: &v}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return Target{Time: &t}, nil
		}
	}
	return Target{}, fmt.Errorf("%q is no moment: it should be latest, a version, or a time like 2026-01-31T18:00:00Z or \"2026-01-31 18:00:00\"", text)
}

// String returns the target for people.
func (t Target) String() string {
	switch {
	case t.Version != nil:
		return fmt.Sprintf("version %d", *t.Version)
	case t.Time != nil:
		return t.Time.Format(time.RFC3339Nano)
	default:
		return "latest"
	}
}
