package session

import (
	"fmt"
	"slices"

	"framehub/session/wire"
)

// Frame takes a frame, or a part of one: it is put in place once it is whole.
// The error is [ErrGap] when something is missing before it.
func (r *Replica) Frame(f *wire.Frame) error {
	r.mu.Lock()
	var parts []*wire.Frame
	if r.err == nil {
		parts, r.err = r.takeFrame(f)
	}
	err := r.err
	r.mu.Unlock()
	if err == nil && parts != nil {
		r.report(f.Version, false, authorsOf(parts))
	}
	return err
}

// authorsOf returns the authors of a whole frame.
func authorsOf(parts []*wire.Frame) []wire.Author {
	authors := parts[0].Authors
	for _, f := range parts[1:] {
		authors = append(authors, f.Authors...)
	}
	return authors
}

// takeFrame returns the parts of a frame that is whole, and in place.
func (r *Replica) takeFrame(f *wire.Frame) (parts []*wire.Frame, err error) {
	if f.Previous > r.told {
		return nil, fmt.Errorf("%w: the frame follows version %d, the copy has %d", ErrGap, f.Previous, r.told)
	}
	if len(r.parts) > 0 {
		if first := r.parts[0]; f.Version != first.Version || f.Previous != first.Previous {
			if err := r.breach("version %d came where more of version %d was announced", f.Version, first.Version); err != nil {
				return nil, err
			}
			r.parts = nil
		}
	}
	r.parts = append(r.parts, f)
	if f.More {
		return nil, nil
	}
	parts, r.parts = r.parts, nil
	return parts, r.apply(parts)
}

// apply puts a whole frame in place: what was removed first, then what changed.
func (r *Replica) apply(parts []*wire.Frame) error {
	last := parts[len(parts)-1]
	if last.Version < r.frame {
		return r.breach("version %d came after version %d", last.Version, r.frame)
	}
	complete, err := r.complete(last)
	if err != nil {
		return err
	}
	if err := r.checkNews(parts); err != nil {
		return err
	}
	in := &incoming{version: last.Version, exact: r.inStep(last)}
	for _, f := range parts {
		for i := range f.Removed {
			if err := r.removeBlock(in, &f.Removed[i]); err != nil {
				return err
			}
		}
	}
	for _, f := range parts {
		for i := range f.Changed {
			if err := r.changeBlock(in, &f.Changed[i]); err != nil {
				return err
			}
		}
	}
	for _, s := range complete {
		s.version = max(s.version, last.Version)
	}
	r.frame = last.Version
	r.told = max(r.told, last.Version)
	r.copy.Version, r.copy.Time = r.told, last.Time
	return r.checkUnknown(in)
}

// An incoming frame.
type incoming struct {
	version uint64
	exact   bool // it holds one commit and nothing else
	unknown []unknownKey
}

// An unknownKey was removed and not there.
type unknownKey struct {
	table *Table
	key   []wire.Value
}

// complete returns the subscriptions that a frame completes.
func (r *Replica) complete(f *wire.Frame) ([]*replicaSub, error) {
	var subs []*replicaSub
	if f.All {
		for i, s := range r.copy.subs {
			if s.live() {
				subs = append(subs, s)
			} else if err := r.breach("version %d claims to complete subscription %d, whose snapshot is still to come", f.Version, i); err != nil {
				return nil, err
			}
		}
		return subs, nil
	}
	for _, place := range f.Complete {
		if place >= len(r.copy.subs) || !r.copy.subs[place].live() {
			if err := r.breach("version %d claims to complete subscription %d, which is not there or whose snapshot is still to come", f.Version, place); err != nil {
				return nil, err
			}
			continue
		}
		subs = append(subs, r.copy.subs[place])
	}
	return subs, nil
}

// checkNews complains of rows in a frame of a version that everything has already.
func (r *Replica) checkNews(parts []*wire.Frame) error {
	rows := 0
	for _, f := range parts {
		for i := range f.Changed {
			rows += f.Changed[i].N
		}
		for i := range f.Removed {
			rows += f.Removed[i].N
		}
	}
	version := parts[0].Version
	behind := slices.ContainsFunc(r.copy.subs, func(s *replicaSub) bool { return s.live() && s.version < version })
	if rows > 0 && !behind {
		return r.breach("version %d came with %d rows to a copy that has it", version, rows)
	}
	return nil
}

// inStep says whether a frame is the next commit and nothing else, so that
// whatever it removes must be there.
func (r *Replica) inStep(f *wire.Frame) bool {
	return f.All && f.Version == f.Previous+1 && !slices.ContainsFunc(r.copy.subs, func(s *replicaSub) bool {
		return !s.live() || s.version != f.Previous
	})
}

func (r *Replica) removeBlock(in *incoming, b *wire.Block) error {
	t, err := r.tableOf(b)
	if t == nil {
		return err
	}
	if len(b.Columns) != t.KeyLength {
		if err := r.breach("the removed rows of table %q hold more than their keys", t.Name); err != nil {
			return err
		}
	}
	for row := range b.N {
		at, ok := t.find(b, row)
		if !ok {
			if in.exact {
				in.unknown = append(in.unknown, unknownKey{t, b.Row(nil, row)[:t.KeyLength]})
			}
			continue
		}
		newest, live := t.cover(t.scopeOf(t.at(at)))
		if !live {
			if err := r.breach("version %d removes the key %v of table %q, which no subscription covers now", in.version, t.row(at).Key(), t.Name); err != nil {
				return err
			}
			continue
		}
		if newest <= in.version { // else another subscription knows better
			t.lose(at)
		}
	}
	return nil
}

// checkUnknown complains of keys that one commit removed from a copy that had
// everything before it, and neither had nor got them.
func (r *Replica) checkUnknown(in *incoming) error {
	for _, u := range in.unknown {
		if _, ok := u.table.Get(u.key...); !ok {
			return r.breach("version %d removes the key %v of table %q, which is not there", in.version, u.key, u.table.Name)
		}
	}
	return nil
}

func (r *Replica) changeBlock(in *incoming, b *wire.Block) error {
	t, err := r.tableOf(b)
	if t == nil {
		return err
	}
	r.stamp++
	scope := slices.Index(b.Columns, t.Scope)
	for row := range b.N {
		if err := r.changeRow(in, t, b, row, scope); err != nil {
			return err
		}
	}
	return nil
}

// changeRow puts a row in place; scope is where the block has the row's scope, -1
// where it does not.
func (r *Replica) changeRow(in *incoming, t *Table, b *wire.Block, row, scope int) error {
	at, ok := t.find(b, row)
	var was, is wire.Value
	if ok {
		was = t.scopeOf(t.at(at))
		is = was
	}
	if scope >= 0 {
		is = b.Value(scope, row)
		if !ok {
			was = is
		}
	}
	newest, _ := t.cover(was)
	_, live := t.cover(is)
	switch {
	case newest > in.version:
		return nil // another subscription knows better
	case !ok && len(b.Columns) < len(t.Columns):
		return r.breach("version %d holds a part of the row %v of table %q, which is not there", in.version, b.Row(nil, row)[:t.KeyLength], t.Name)
	case !live:
		return r.breach("version %d holds the row %v of table %q, which no subscription covers now", in.version, b.Row(nil, row)[:t.KeyLength], t.Name)
	case ok && t.stamps[at] == r.stamp:
		if err := r.breach("version %d holds the key %v of table %q twice in a block", in.version, t.row(at).Key(), t.Name); err != nil {
			return err
		}
	case !ok:
		at = t.add()
	}
	t.set(at, b, row)
	t.stamps[at] = r.stamp
	t.changes.changed = append(t.changes.changed, at)
	return nil
}
