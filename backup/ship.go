package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"filippo.io/age"

	"framehub/store"
)

// A shipper brings the frame log's entries to the place.
type shipper struct {
	w *Worker

	mu     sync.Mutex // held while it ships, and guards the following
	next   uint64     // the first version that is not shipped; 0: there is no copy yet to lead on from
	before []byte     // the sum of the segment that ends before next
	to     []age.Recipient
}

// begin finds out where to go on.
func (s *shipper) begin(ctx context.Context, h *History) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to, err = Recipients(s.w.o.Recipients); err != nil {
		return err
	}
	s.next, s.before = 0, nil
	for _, f := range h.Copies {
		if f.Manifest != nil {
			s.next = max(s.next, f.Version+1)
		}
	}
	if n := len(h.Segments); n > 0 {
		if err := s.resume(ctx, h.Segments[n-1]); err != nil {
			return err
		}
	}
	s.shipped(s.next)
	return nil
}

// resume goes on after the last segment, if that is of this log's past.
func (s *shipper) resume(ctx context.Context, last *SegmentFile) error {
	b, err := readAll(ctx, s.w.o.Place, last.Name, maxSegment)
	if err != nil {
		return fmt.Errorf("%s: %w", last.Name, err)
	}
	if len(b) > 32 {
		s.before = b[len(b)-32:]
	}
	s.next = last.To + 1
	if last.encrypted {
		return nil // nobody here can read it
	}
	seg, err := decodeSegment(b, nil, false)
	if err != nil {
		s.w.o.Log.Error("the last segment is damaged: a full copy follows", "segment", last.Name, "err", err)
		s.w.need(last.To+1, "a segment is damaged")
		return nil
	}
	entry, err := s.w.src.EntryBytes(seg.To)
	switch {
	case errors.Is(err, store.ErrGone):
		return nil
	case err != nil:
		return err
	case !bytes.Equal(entry, seg.Entries[len(seg.Entries)-1]):
		return fmt.Errorf("%w (version %d is another one there): restore it from there, or use another --backup-dir", ErrForked, seg.To)
	}
	return nil
}

// from begins to ship after a version, of which a copy is made, if it has not begun yet.
func (s *shipper) from(version uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == 0 {
		s.next = version + 1
		s.shipped(s.next)
	}
}

// shipped tells up to where it has come.
func (s *shipper) shipped(next uint64) {
	if next == 0 {
		return
	}
	s.w.src.Shipped(next - 1)
	s.w.update(func(st *State) {
		st.Shipped, st.Unshipped = next-1, time.Time{}
	})
}

// run ships until ctx ends.
func (s *shipper) run(ctx context.Context) {
	if s.w.o.ShipEvery == 0 {
		return
	}
	for wait(ctx, s.w.o.ShipEvery) {
		err := s.once(ctx)
		if ctx.Err() != nil {
			return
		}
		text := ""
		if err != nil {
			text = err.Error()
			s.w.o.Log.Error("entries of the frame log are not shipped, and wait there", "err", err)
		}
		s.w.update(func(st *State) { st.ShipTrouble = text })
	}
}

// now ships up to a version. What fails is tried again in its time.
func (s *shipper) now(ctx context.Context, version uint64) {
	if s.w.State().Shipped < version {
		_ = s.once(ctx)
	}
}

// once ships all that there is.
func (s *shipper) once(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == 0 {
		return nil
	}
	s.gap()
	for last := s.w.src.Version(); s.next <= last; {
		seg, err := s.collect(last)
		if errors.Is(err, store.ErrGone) && len(seg.Entries) == 0 {
			s.gap()
			continue
		}
		if err != nil && !errors.Is(err, store.ErrGone) {
			return err
		}
		b, err := seg.encode(s.to)
		if err != nil {
			return err
		}
		if err := s.w.o.Place.Write(ctx, segmentName(historyName(seg.ID, seg.Epoch), seg, len(s.to) > 0), b); err != nil {
			return err
		}
		s.next, s.before = seg.To+1, seg.sum
		s.shipped(s.next)
	}
	return nil
}

// gap goes on behind versions that the log has let go, for it had grown too large.
func (s *shipper) gap() {
	floor := s.w.src.LogFloor()
	if s.next >= floor {
		return
	}
	gap := fmt.Sprintf("%d to %d", s.next, floor-1)
	s.w.o.Log.Error("the frame log grew beyond --log-max, and let go of versions that were not shipped: no restore can end there; a full copy follows", "versions", gap)
	s.w.update(func(st *State) { st.Gap = gap })
	s.w.need(floor, "a gap in the log")
	s.next, s.before = floor, nil
}

// collect makes a segment of the next entries, up to a new schema.
func (s *shipper) collect(last uint64) (*Segment, error) {
	seg := &Segment{Format: Format, ID: s.w.src.ID(), Epoch: s.w.src.Epoch(), From: s.next, Before: s.before}
	size := 0
	for v := s.next; v <= last && size < segmentBytes; v++ {
		b, err := s.w.src.EntryBytes(v)
		if err != nil {
			return seg, err
		}
		facts, err := store.ReadEntryFacts(b)
		if err != nil {
			return seg, fmt.Errorf("entry %d of the frame log: %w", v, err)
		}
		if v == s.next {
			s.w.update(func(st *State) { st.Unshipped = facts.Time })
		}
		if facts.NewSchema {
			s.w.need(v, newSchema)
			if v > s.next {
				return seg, nil
			}
			seg.NewSchema = true
		}
		seg.Entries, seg.To = append(seg.Entries, b), v
		size += len(b)
	}
	return seg, nil
}
