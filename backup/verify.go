package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"framehub/backup/place"
	"framehub/store"
)

// errNotGood is a copy that can't be restored.
var errNotGood = errors.New("the backup is not good")

// notGood says of an error that it is the copy's fault, if it may be.
func notGood(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || !errors.Is(err, errDamaged) && !errors.Is(err, errManifest) && !errors.Is(err, errSegment) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%w: %w", errNotGood, err)
}

// A verifier looks at copies.
type verifier struct {
	place   place.Place
	keys    []age.Identity
	scratch string // a folder, in which nothing stays
	told    func(int)
}

// copy looks at a copy: that its data is what the manifest says, that SQLite finds nothing
// wrong in it, and that it holds what it should. plain is the database file of one that
// can't be decrypted here; "": it can.
func (v *verifier) copy(ctx context.Context, m *Manifest, plain string) error {
	path := plain
	if plain != "" {
		if err := v.sum(ctx, m); err != nil {
			return notGood(ctx, err)
		}
	} else {
		path = filepath.Join(v.scratch, "verify.db")
		defer func() { _ = os.Remove(path) }()
		err := v.fetch(ctx, m, path)
		if locked(err) { // a key that does not fit, or damage to what says which one does
			err = cmp.Or(v.sum(ctx, m), err)
		}
		if err != nil {
			return notGood(ctx, err)
		}
	}
	if err := store.CheckIntegrity(path); err != nil {
		return fmt.Errorf("%w: %w", errNotGood, err)
	}
	return v.compare(ctx, path, m)
}

// fetch unpacks a copy's database.
func (v *verifier) fetch(ctx context.Context, m *Manifest, path string) (err error) {
	_ = os.Remove(path) // of another time
	r, err := v.place.Open(ctx, m.Data.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return unpack(ctx, m, r, path, v.keys, v.told)
}

// sum compares the bytes in the place with the manifest.
func (v *verifier) sum(ctx context.Context, m *Manifest) (err error) {
	r, err := v.place.Open(ctx, m.Data.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s := newSumming()
	if _, err := io.Copy(s, place.UntilDone(ctx, &telling{r: r, told: v.told})); err != nil {
		return err
	}
	if is := s.sum(); !is.equal(&m.Data.Sum) {
		return fmt.Errorf("%w: %s is not what the manifest says it is", errDamaged, m.Data.Name)
	}
	return nil
}

// compare compares what a database holds with what a manifest says.
func (v *verifier) compare(ctx context.Context, path string, m *Manifest) error {
	is, err := store.ReadContents(ctx, path)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotGood, err)
	}
	if diff := m.Contents.Differences(is); diff != nil {
		return fmt.Errorf("%w: it should be version %d, and differs in %s", errNotGood, m.Version, strings.Join(diff, ", "))
	}
	c, err := store.OpenCopy(path, m.Schema)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotGood, err)
	}
	if version := c.Version(); version != m.Version || string(c.ID()) != string(m.ID) || string(c.Epoch()) != string(m.Epoch) {
		err = fmt.Errorf("%w: it is version %d of the history %s, and not %d of %s", errNotGood, version, historyName(c.ID(), c.Epoch()), m.Version, m.history())
	}
	return errors.Join(err, c.Close())
}

// A rehearsal is a restore of a copy's version from a copy before it.
type rehearsal struct {
	From  uint64   // the version of that; 0: segments don't lead from there, or it is not good itself
	Apart []string // tables that were not compared: by the log, other programs wrote to them
}

// rehearse restores the version of a copy from a copy before it, and compares.
func (v *verifier) rehearse(ctx context.Context, before string, m *Manifest) (r rehearsal, err error) {
	b, err := readManifest(ctx, v.place, before)
	if err != nil || b.Version >= m.Version {
		return r, ctx.Err() // it is another copy that is not good
	}
	c, err := list(ctx, v.place, m.history()+"/log-")
	if err != nil || len(c.Histories) == 0 || c.Histories[0].reach(b.Version) < m.Version {
		return r, err
	}
	path := filepath.Join(v.scratch, "rehearse.db")
	defer func() { _ = os.Remove(path) }()
	if err := v.fetch(ctx, b, path); err != nil {
		return r, ctx.Err() // the same
	}
	p := &replayer{place: v.place, keys: v.keys, history: c.Histories[0]}
	if err := p.replay(ctx, path, b, m.Version, nil); err != nil {
		return r, notGood(ctx, err)
	}
	is, err := store.ReadContents(ctx, path)
	if err != nil {
		return r, err
	}
	if diff := m.Contents.Differences(is, p.foreign...); diff != nil {
		return r, fmt.Errorf("%w: version %d restored from the copy of %d differs from it in %s", errNotGood, m.Version, b.Version, strings.Join(diff, ", "))
	}
	return rehearsal{From: b.Version, Apart: p.foreign}, nil
}

// VerifyOptions say what is looked at.
type VerifyOptions struct {
	Place   place.Place
	History string  // the beginning of a history's name; "": all
	Version *uint64 // of a copy; nil: all copies, and all segments
	Keys    []age.Identity
	Scratch string // a folder with room for a database

	Told     func(Verified)                       // of each as it is done; may be nil
	Progress func(name string, done, total int64) // bytes of a copy; may be nil
}

// Verified is what a look at a copy or a segment said.
type Verified struct {
	Name  string `json:"name"`
	Good  bool   `json:"good"`
	NoKey bool   `json:"no_key,omitempty"` // its bytes are what they should be, and what they say can't be read without its key
	Error string `json:"error,omitempty"`
}

// Verify looks at copies and segments as whoever restores them will. An error is one that
// stood in the way.
func Verify(ctx context.Context, o VerifyOptions) (all []Verified, err error) {
	c, err := List(ctx, o.Place)
	if err != nil {
		return nil, err
	}
	v := &verifier{place: o.Place, keys: o.Keys, scratch: o.Scratch}
	told := func(name string, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		one := Verified{Name: name, Good: err == nil, NoKey: locked(err)}
		if err != nil {
			one.Error = strings.TrimPrefix(err.Error(), name+": ")
		}
		all = append(all, one)
		if o.Told != nil {
			o.Told(one)
		}
		return nil
	}
	for _, h := range c.Histories {
		if !strings.HasPrefix(h.Name, o.History) {
			continue
		}
		for _, f := range h.Copies {
			if o.Version != nil && f.Version != *o.Version {
				continue
			}
			err := f.Err
			if err == nil {
				done := int64(0)
				v.told = func(n int) {
					if done += int64(n); o.Progress != nil {
						o.Progress(fmt.Sprintf("copy of version %d", f.Version), done, f.Manifest.Data.Size)
					}
				}
				err = v.copy(ctx, f.Manifest, "")
			}
			if err := told(f.Name, err); err != nil {
				return all, err
			}
		}
		if o.Version != nil {
			continue
		}
		if err := v.segments(ctx, h, told); err != nil {
			return all, err
		}
	}
	return all, nil
}

// segments looks at all segments of a history, that they are of one past, and that none is
// missing between them, or after the last copy: entries go with age, the oldest first.
func (v *verifier) segments(ctx context.Context, h *History, told func(string, error) error) error {
	var before *Segment
	end := uint64(0) // of what is there, without a gap
	if n := len(h.Copies); n > 0 && len(h.Segments) > 0 && h.Segments[0].From > h.Copies[n-1].Version {
		end = h.Copies[n-1].Version
	}
	for _, f := range h.Segments {
		if end > 0 && f.From > end+1 {
			err := errors.New("no segment has them: no restore can end there")
			if err := told(fmt.Sprintf("%s/log: versions %d to %d", h.Name, end+1, f.From-1), err); err != nil {
				return err
			}
		}
		end = max(end, f.To)
		s, err := readSegment(ctx, v.place, f, v.keys)
		if err == nil {
			err = s.check(before)
			before = s
		} else {
			before = nil
		}
		if err := told(f.Name, err); err != nil {
			return err
		}
	}
	return nil
}

// check looks at each entry.
func (s *Segment) check(before *Segment) error {
	for i, b := range s.Entries {
		if _, err := store.ReadEntryFacts(b); err != nil {
			return fmt.Errorf("entry %d: %w", s.From+uint64(i), err)
		}
	}
	return s.follows(before)
}
