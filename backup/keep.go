package backup

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"framehub/backup/place"
)

// Keep says which backups are kept: the copies that any of its rules keeps, the last good one always.
type Keep struct {
	Last    int // newest copies
	Hourly  int // of the last hours in which there are copies, the last copy each; the others likewise
	Daily   int
	Weekly  int
	Monthly int
	Log     time.Duration // entries younger than this, and all since the last good copy
}

// DefaultKeep is what is kept if nothing else is said.
var DefaultKeep = Keep{Last: 4, Hourly: 24, Daily: 7, Weekly: 4, Monthly: 12, Log: 7 * 24 * time.Hour}

// unfinished is how old data without a manifest, and copies that were never proven, get.
const unfinished = 24 * time.Hour

// A Removed is a file that was removed, or would be.
type Removed struct {
	Name string    `json:"name"`
	Size int64     `json:"size"`
	Time time.Time `json:"time"`
	Why  string    `json:"why"`
}

// Prune removes what is not to be kept of a database's backups, and returns it; with dry,
// it only returns it.
func Prune(ctx context.Context, p place.Place, id []byte, k Keep, now time.Time, dry bool) ([]Removed, error) {
	c, err := List(ctx, p)
	if err != nil {
		return nil, err
	}
	gone := k.judge(c, id, now)
	for i, g := range gone {
		if dry {
			break
		}
		if err := p.Remove(ctx, g.Name); err != nil {
			return gone[:i], err
		}
	}
	return gone, nil
}

// judge returns what may go. A copy's manifest goes before its data, so that what is there
// is whole.
func (k Keep) judge(c *Catalog, id []byte, now time.Time) (gone []Removed) {
	var good []*CopyFile // of all histories of the database, the newest first
	for _, h := range c.Histories {
		for _, f := range h.Copies {
			if f.Good() && f.Err == nil && bytes.Equal(f.Manifest.ID, id) {
				good = append(good, f)
			}
		}
	}
	if len(good) == 0 {
		return nil // better a doubtful copy than none
	}
	slices.SortStableFunc(good, func(a, b *CopyFile) int { return b.Manifest.Made.Compare(a.Manifest.Made) })
	keep := k.choose(good)
	for _, h := range c.Histories {
		if len(h.ID) > 0 && !bytes.Equal(h.ID, id) || len(h.ID) == 0 && historyName(id, make([]byte, 8))[:16] != h.Name[:16] {
			continue
		}
		gone = append(gone, k.copies(h, keep, now)...)
		gone = append(gone, k.segments(h, keep, now)...)
	}
	for _, b := range c.Strays {
		if b.Name[:16] == short(id) && now.Sub(b.Time) > unfinished {
			gone = append(gone, Removed{b.Name, b.Size, b.Time, "it belongs to no copy"})
		}
	}
	return gone
}

// choose returns the copies that are kept, of good ones, the newest first.
func (k Keep) choose(good []*CopyFile) map[*CopyFile]bool {
	keep := map[*CopyFile]bool{good[0]: true}
	for _, f := range good[:min(len(good), k.Last)] {
		keep[f] = true
	}
	for _, rule := range []struct {
		periods int
		period  func(time.Time) string
	}{
		{k.Hourly, func(t time.Time) string { return t.Format("2006-01-02 15") }},
		{k.Daily, func(t time.Time) string { return t.Format(time.DateOnly) }},
		{k.Weekly, func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprint(y, w) }},
		{k.Monthly, func(t time.Time) string { return t.Format("2006-01") }},
	} {
		last, n := "", 0
		for _, f := range good {
			if p := rule.period(f.Manifest.Made.UTC()); p != last && n < rule.periods {
				keep[f], last = true, p
				n++
			}
		}
	}
	return keep
}

func (k Keep) copies(h *History, keep map[*CopyFile]bool, now time.Time) (gone []Removed) {
	for _, f := range h.Copies {
		var why string
		switch {
		case keep[f]:
			continue
		case f.Good() && f.Err == nil:
			why = "newer copies are kept"
		case now.Sub(f.blob.Time) > unfinished:
			why = "it was not proven, or is damaged, and there are good ones"
		default:
			continue
		}
		gone = append(gone, Removed{f.Name, f.blob.Size, f.blob.Time, why})
		if f.Manifest != nil {
			gone = append(gone, Removed{f.Manifest.Data.Name, f.Size, f.blob.Time, why})
		}
	}
	return gone
}

func (k Keep) segments(h *History, keep map[*CopyFile]bool, now time.Time) (gone []Removed) {
	var first, last *CopyFile // that are kept
	for _, f := range h.Copies {
		if !keep[f] {
			continue
		}
		if first == nil {
			first = f
		}
		last = f
	}
	for _, s := range h.Segments {
		switch {
		case first != nil && s.To <= first.Version, first == nil && now.Sub(s.blob.Time) > unfinished:
			gone = append(gone, Removed{s.Name, s.Size, s.blob.Time, "no copy that is kept leads to it"})
		case (last == nil || s.From <= last.Version) && now.Sub(s.blob.Time) > k.Log:
			gone = append(gone, Removed{s.Name, s.Size, s.blob.Time, "it is older than the log is kept"})
		}
	}
	return gone
}
