package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"filippo.io/age"

	"framehub/backup/place"
	"framehub/store"
)

// A replayer brings a copy to later versions by segments.
type replayer struct {
	place   place.Place
	keys    []age.Identity
	history *History

	reached uint64 // the version that the copy has
	at      time.Time
	foreign []string // tables in which it lacks what other programs wrote
	told    func(version uint64)
}

// errStopped ends a replay before an entry that is too late.
var errStopped = errors.New("the moment is reached")

// replay brings the copy of m at path to a version, or to the last one that is not later
// than until. The copy is left closed.
func (p *replayer) replay(ctx context.Context, path string, m *Manifest, to uint64, until *time.Time) error {
	c, err := store.OpenCopy(path, m.Schema)
	if err != nil {
		return err
	}
	err = p.bring(ctx, c, m, to, until)
	p.foreign = c.Foreign()
	return errors.Join(err, c.Close())
}

func (p *replayer) bring(ctx context.Context, c *store.Copy, m *Manifest, to uint64, until *time.Time) error {
	p.reached, p.at = c.Version(), m.Time
	var before *Segment
	for _, f := range p.history.chain(p.reached) {
		if f.From > to {
			break
		}
		s, err := readSegment(ctx, p.place, f, p.keys)
		if err != nil {
			return err
		}
		if string(s.ID) != string(m.ID) || string(s.Epoch) != string(m.Epoch) {
			return fmt.Errorf("%s: %w: it is of another history", f.Name, errSegment)
		}
		if err := s.follows(before); err != nil {
			return err
		}
		before = s
		if err := p.entries(ctx, c, s, to, until); err != nil {
			if errors.Is(err, errStopped) {
				return nil
			}
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

func (p *replayer) entries(ctx context.Context, c *store.Copy, s *Segment, to uint64, until *time.Time) error {
	for i, b := range s.Entries {
		v := s.From + uint64(i)
		if v <= p.reached {
			continue
		}
		if v > to {
			return errStopped
		}
		facts, err := store.ReadEntryFacts(b)
		if err != nil {
			return fmt.Errorf("%w: %w", errSegment, err)
		}
		if until != nil && facts.Time.After(*until) {
			return errStopped
		}
		if err := c.Replay(v, b); err != nil {
			return err
		}
		p.reached, p.at = v, facts.Time
		if p.told != nil {
			p.told(v)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
