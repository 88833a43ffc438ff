package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"framehub/backup/place"
)

// A Catalog is what a place holds.
type Catalog struct {
	Histories []*History   // by the time of their last copy, the newest last
	Strays    []place.Blob // data without a manifest, of copies that never became whole or that were half removed
}

// A History is what a place holds of one history of a database.
type History struct {
	Name     string
	ID       Hex // empty where no manifest could be read
	Epoch    Hex
	Copies   []*CopyFile    // by version
	Segments []*SegmentFile // by version
}

// A CopyFile is a copy in a place.
type CopyFile struct {
	Name     string // of the manifest
	Version  uint64
	Manifest *Manifest // nil: it can't be read, for Err
	Err      error
	Size     int64  // of the data
	Reach    uint64 // the version up to which segments lead on from it without a gap
	blob     place.Blob
}

// A SegmentFile is a segment in a place.
type SegmentFile struct {
	Name      string
	From, To  uint64
	NewSchema bool
	Size      int64

	encrypted bool
	blob      place.Blob
}

// Good says whether the copy was proven.
func (f *CopyFile) Good() bool { return f.Manifest != nil && f.Manifest.Good() }

// List reads what a place holds, with all manifests.
func List(ctx context.Context, p place.Place) (*Catalog, error) {
	return list(ctx, p, "")
}

// list reads the histories whose names begin with a prefix.
func list(ctx context.Context, p place.Place, prefix string) (*Catalog, error) {
	blobs, err := p.List(ctx, prefix)
	if err != nil {
		return nil, err
	}
	c := &Catalog{}
	data := map[string]place.Blob{}
	for _, b := range blobs {
		if parts := manifestPattern.FindStringSubmatch(b.Name); parts != nil {
			h := c.history(parts[1])
			h.Copies = append(h.Copies, &CopyFile{Name: b.Name, Version: versionOf(parts[2]), blob: b})
		} else if parts := segmentPattern.FindStringSubmatch(b.Name); parts != nil {
			h := c.history(parts[1])
			h.Segments = append(h.Segments, &SegmentFile{
				Name: b.Name, From: versionOf(parts[2]), To: versionOf(parts[3]), NewSchema: parts[4] != "", Size: b.Size, encrypted: parts[5] != "", blob: b,
			})
		} else if dataPattern.MatchString(b.Name) {
			data[b.Name] = b
		}
	}
	for _, h := range c.Histories {
		if err := h.read(ctx, p, data); err != nil {
			return nil, err
		}
	}
	for _, b := range data {
		c.Strays = append(c.Strays, b)
	}
	slices.SortFunc(c.Strays, func(a, b place.Blob) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(c.Histories, func(a, b *History) int { return a.newest().Compare(b.newest()) })
	return c, nil
}

func (c *Catalog) history(name string) *History {
	for _, h := range c.Histories {
		if h.Name == name {
			return h
		}
	}
	h := &History{Name: name}
	c.Histories = append(c.Histories, h)
	return h
}

// read reads the manifests, and takes their data out of data.
func (h *History) read(ctx context.Context, p place.Place, data map[string]place.Blob) error {
	slices.SortFunc(h.Copies, func(a, b *CopyFile) int { return cmp.Compare(a.Version, b.Version) })
	slices.SortFunc(h.Segments, func(a, b *SegmentFile) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	there := h.Copies[:0]
	for _, f := range h.Copies {
		m, err := readManifest(ctx, p, f.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was removed meanwhile
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			f.Err = err
		default:
			f.take(m, data)
			h.ID, h.Epoch = m.ID, m.Epoch
		}
		there = append(there, f)
		f.Reach = h.reach(f.Version)
	}
	h.Copies = there
	return nil
}

func (f *CopyFile) take(m *Manifest, data map[string]place.Blob) {
	f.Manifest = m
	b, there := data[m.Data.Name]
	delete(data, m.Data.Name)
	f.Size = b.Size
	switch {
	case !there:
		f.Err = fmt.Errorf("%w: %s is missing", errDamaged, m.Data.Name)
	case b.Size != m.Data.Size:
		f.Err = fmt.Errorf("%w: %s has %d bytes instead of %d", errDamaged, m.Data.Name, b.Size, m.Data.Size)
	}
}

// reach returns the version up to which segments lead from a version.
func (h *History) reach(from uint64) uint64 {
	for _, s := range h.chain(from) {
		from = s.To
	}
	return from
}

// chain returns the segments that lead on from a version, up to a gap or a new schema.
func (h *History) chain(from uint64) (chain []*SegmentFile) {
	for _, s := range h.Segments {
		switch {
		case s.To <= from: // before it, or twice
		case s.From > from+1, s.NewSchema && s.From > from:
			return chain
		default:
			chain = append(chain, s)
			from = s.To
		}
	}
	return chain
}

// end returns the highest version that something tells of.
func (h *History) end() (end uint64) {
	for _, f := range h.Copies {
		end = max(end, f.Version)
	}
	for _, s := range h.Segments {
		end = max(end, s.To)
	}
	return end
}

// gaps returns the versions that no copy leads to, from the first copy on, for people.
func (h *History) gaps() (gaps []string) {
	if len(h.Copies) == 0 {
		return nil
	}
	at := h.Copies[0].Version
	for {
		for _, f := range h.Copies {
			if f.Version <= at && f.Err == nil {
				at = max(at, f.Reach)
			}
		}
		next := uint64(0)
		for _, f := range h.Copies {
			if f.Version > at && f.Err == nil && (next == 0 || f.Version < next) {
				next = f.Version
			}
		}
		if next == 0 {
			if end := h.end(); end > at {
				gaps = append(gaps, fmt.Sprintf("%d to %d", at+1, end))
			}
			return gaps
		}
		if next > at+1 {
			gaps = append(gaps, fmt.Sprintf("%d to %d", at+1, next-1))
		}
		at = next
	}
}

// newest returns when the last copy was made.
func (h *History) newest() (newest time.Time) {
	for _, f := range h.Copies {
		if f.Manifest != nil && f.Manifest.Made.After(newest) {
			newest = f.Manifest.Made
		}
	}
	return newest
}

// Database returns the id of the database whose history's name begins so; "": the only
// one that there is.
func (c *Catalog) Database(name string) (id Hex, err error) {
	for _, h := range c.Histories {
		if len(h.ID) == 0 || !strings.HasPrefix(h.Name, name) {
			continue
		}
		if id != nil && id.String() != h.ID.String() {
			return nil, fmt.Errorf("there are backups of several databases: say by --history which one%s", c.others(""))
		}
		id = h.ID
	}
	if id == nil {
		return nil, fmt.Errorf("there is no backup%s", c.others(name))
	}
	return id, nil
}
