package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"framehub/session/wire"
)

// A Past is what became of a row, as far as the frame log was looked through.
type Past struct {
	Events []RowEvent // newest first
	Looked uint64     // the oldest version that was looked at: before it there may be more
	Time   time.Time  // of that
	Over   bool       // the log has no more of the table as it is now
}

// A RowEvent is what one version did to a row.
type RowEvent struct {
	Version uint64
	Time    time.Time
	Row     Row
	Image   []wire.Value // the row after; of one that was deleted the key alone
	By      []Author     // in the order of their transactions
}

// Changed returns of the names of the table's columns those that were changed. Past the
// 63rd it is not known which.
func (e *RowEvent) Changed(names []string) (changed []string) {
	for i, name := range names {
		if e.Row.Mask&MaskBit(i) != 0 {
			changed = append(changed, name)
		}
	}
	return changed
}

// An Author is who wrote a row. The nil device is the hub itself, or another program with
// SQL.
type Author struct {
	Device Device
	User   string // whose device it is; "": nobody's, or it was forgotten
}

// PastOptions bound how far a [Past] goes back.
type PastOptions struct {
	Before uint64        // 0: from now on; otherwise only what is older than that version
	Events int           // the most
	Time   time.Duration // that it may look
}

// Past looks up in the frame log what became of a row, the newest first.
func (s *Store) Past(ctx context.Context, table string, key []wire.Value, o PastOptions) (*Past, error) {
	t := s.Schema().Table(table)
	if t == nil || !t.Browsable() {
		return nil, fmt.Errorf("%w %q", ErrNoTable, table)
	}
	p := &Past{Looked: s.Version() + 1}
	if o.Before > 0 {
		p.Looked = min(p.Looked, o.Before)
	}
	k, until := t.KeyOf(key), time.Now().Add(o.Time)
	for len(p.Events) < o.Events {
		at := p.Looked - 1
		if p.Over = at < max(1, t.Since, s.LogFloor()); p.Over {
			break
		}
		if time.Now().After(until) {
			break
		}
		e, err := s.Entry(at)
		if errors.Is(err, ErrGone) { // it was cut meanwhile
			p.Over = true
			break
		}
		if err != nil {
			return nil, err
		}
		p.Looked, p.Time = at, e.Time
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := s.pastOf(p, e, t, k); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// pastOf adds what an entry did to a row.
func (s *Store) pastOf(p *Past, e *Entry, t *Table, k Key) error {
	c := e.Change(t.ID)
	if c == nil {
		return nil
	}
	i := c.seek(k)
	if i < 0 {
		return nil
	}
	event := RowEvent{Version: e.Version, Time: e.Time, Row: c.Rows[i], Image: c.Images.Row(i)}
	if !event.Row.After {
		event.Image = event.Image[:t.Key]
	}
	for _, w := range append([]int32{c.Rows[i].By}, c.Also[int32(i)]...) {
		a := Author{Device: e.Writers[w].Device}
		if a.Device != (Device{}) {
			d, err := s.LookUp(a.Device)
			if err != nil {
				return err
			}
			a.User = d.Owner
		}
		event.By = append(event.By, a)
	}
	p.Events = append(p.Events, event)
	return nil
}

// seek returns the place of a row, -1 where the change has it not. It makes no index, for
// an entry is seldom looked at twice.
func (c *Change) seek(k Key) int {
	for i := range c.Rows {
		if c.Table.key(c.Images.Row(i)) == k {
			return i
		}
	}
	return -1
}

// Latest returns, of rows of a table with these keys, what became of them in the versions
// after one, up to the last: nil of those that nothing became of. Beside them it counts the
// rows of the table that came and went. It looks at what of the log is in memory.
func (s *Store) Latest(table int, keys []Key, after uint64) (l Latest) {
	l.Version = s.Version()
	schema := s.Schema()
	l.Rows = make([]*RowEvent, len(keys))
	wanted := map[Key]int{}
	for i, k := range keys {
		wanted[k] = i
	}
	for v := l.Version; v > after; v-- {
		e := s.recent.get(v)
		if e == nil || e.Schema != schema {
			l.Gone = true
			return l
		}
		if c := e.Change(table); c != nil {
			l.take(e, c, wanted)
		}
	}
	return l
}

// Latest is what became of rows.
type Latest struct {
	Version    uint64
	Rows       []*RowEvent // by their keys; without who did it
	Came, Went int         // rows of the table
	Changed    int         // rows of the table that changed, counted in each version
	Gone       bool        // what happened is no longer in memory, or the schema has changed
}

func (l *Latest) take(e *Entry, c *Change, wanted map[Key]int) {
	for i := range c.Rows {
		row := &c.Rows[i]
		switch {
		case row.After && !row.Before:
			l.Came++
		case row.Before && !row.After:
			l.Went++
		default:
			l.Changed++
		}
		if len(wanted) == 0 {
			continue
		}
		k := c.Table.key(c.Images.Row(i))
		if at, ok := wanted[k]; ok {
			delete(wanted, k)
			l.Rows[at] = &RowEvent{Version: e.Version, Time: e.Time, Row: *row, Image: c.Images.Row(i)}
		}
	}
}
