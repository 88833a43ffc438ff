package store

import "time"

// pinPatience is how long a pinned snapshot waits for who wants it.
const pinPatience = 30 * time.Second

// The log can't lead from one schema to another: what a migration made of the rows is not
// in it. So where copies are made, the first moment at which a new schema
// and all that has happened since have a version is kept open, for a copy of exactly that.

// pinSchema opens the snapshot that is wanted, if the moment is good. It is for after a
// merge.
func (s *Store) pinSchema() {
	if old := s.pinned.Load(); old != nil && time.Since(old.begun) > pinPatience && s.pinned.CompareAndSwap(old, nil) {
		s.dropPin(old)
	}
	if !s.pinWanted {
		return
	}
	sn, err := s.newSnapshot()
	if err == nil {
		var exact bool
		if exact, err = sn.begin(); exact && err == nil {
			s.pinWanted = false
			s.dropPin(s.pinned.Swap(sn))
			return
		}
		s.dropPin(sn)
	}
	if err != nil {
		s.pinWanted = false
		s.opts.Log.Error("open a snapshot of the new schema: the next copy is of a later version", "err", err)
	}
}

func (s *Store) dropPin(sn *Snapshot) {
	if sn == nil {
		return
	}
	if err := sn.Close(); err != nil {
		s.opts.Log.Error("close a snapshot", "err", err)
	}
}

// TakePinned returns the snapshot of the first version of a new schema, if there is one
// that nobody has taken; see [Options.PinSchemas].
func (s *Store) TakePinned() *Snapshot { return s.pinned.Swap(nil) }
