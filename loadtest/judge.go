package loadtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// A verdict is what the check at the end found.
type verdict struct {
	version   uint64 // at which copies and database were compared
	converged *bool  // nil: there was nothing to compare with
	copies    int
	tables    int
	rows      int // of the database
	different int // values and rows that differ, in all copies
	shown     []Difference
	lost      int64 // rows that are not as their last acknowledged write made them
}

// A Difference is a value that a copy has and SQL does not.
type Difference struct {
	Who    string // whose copy
	Table  string
	Key    string
	Column string // "": the whole row
	Copy   string
	SQL    string
}

// String tells it to a person.
func (d Difference) String() string {
	what := "row"
	if d.Column != "" {
		what = "column " + d.Column
	}
	return fmt.Sprintf("%s, table %s, key %s, %s: the copy has %s, SQL has %s", d.Who, d.Table, d.Key, what, d.Copy, d.SQL)
}

// mostShown is how many differences a report tells.
const mostShown = 10

func (v *verdict) differ(d Difference) {
	v.different++
	if len(v.shown) < mostShown {
		v.shown = append(v.shown, d)
	}
}

// judge compares every copy with the database, and the database, or where there
// is none the copies, with what was acknowledged.
func (r *run) judge(ctx context.Context, c *cast) *verdict {
	v := &verdict{copies: len(c.observers)}
	for _, a := range c.actors {
		if a.writer != nil {
			_, at := a.writer.state()
			v.version = max(v.version, at)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, r.opts.Patience)
	defer cancel()
	if err := r.compare(ctx, c, v); err != nil {
		r.fail("the check: %v", err)
	}
	return v
}

func (r *run) compare(ctx context.Context, c *cast, v *verdict) error {
	if err := c.await(ctx, v.version); err != nil {
		return err
	}
	if r.opts.planted != nil {
		r.opts.planted(c.observers)
	}
	if r.opts.DB == "" {
		for _, o := range c.observers {
			v.lost = max(v.lost, c.lost(o.row))
		}
		if r.ledger != nil {
			v.lost += r.ledger.audit(tablesOf(c.observers[0].view, accounts, transfers))
		}
		if !r.opts.Unchecked {
			r.fail("nothing was compared with SQL: name the hub's database with --db, or say --unchecked where there is none to be had")
		}
		return nil
	}
	converged := false
	v.converged = &converged
	db, err := openDatabase(r.opts.DB, c.schema)
	if err != nil {
		return err
	}
	p, err := r.picture(ctx, db, c, v)
	if err = errors.Join(err, db.close()); err != nil {
		return err
	}
	v.tables = len(p.tables)
	for _, rows := range p.tables {
		v.rows += len(rows)
	}
	if converged = v.different == 0; !converged {
		r.fail("the copies are not what SQL has at version %d: %d differences", v.version, v.different)
	}
	v.lost = c.lost(func(id wire.Value) []wire.Value { return p.tables[r.opts.Table][keyOf([]wire.Value{id})] })
	if r.ledger != nil {
		v.lost += r.ledger.audit(p.tables)
	}
	return nil
}

// picture reads the database once it has everything that was acknowledged, and
// compares the copies with it. Where somebody else writes meanwhile, so that a
// copy is already beyond what was read, it reads again.
func (r *run) picture(ctx context.Context, db *database, c *cast, v *verdict) (*picture, error) {
	acknowledged := v.version
	for {
		p, err := db.read(ctx, c.epoch)
		if err != nil {
			return nil, err
		}
		v.version, v.different, v.shown = p.version, 0, nil
		compared := false
		if p.version >= acknowledged {
			if err := c.await(ctx, p.version); err != nil {
				return nil, err
			}
			compared = c.compare(p, v)
		}
		if compared {
			return p, nil
		}
		if pause(ctx) != nil {
			return nil, fmt.Errorf("the database stays at version %d, acknowledged was version %d, or somebody writes to it all the time", p.version, acknowledged)
		}
	}
}

func pause(ctx context.Context) error {
	const often = 10 * time.Millisecond
	select {
	case <-time.After(often):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await waits until every copy is complete to a version.
func (c *cast) await(ctx context.Context, version uint64) error {
	for _, o := range c.observers {
		for o.complete() < version {
			if o.over.Load() && o.complete() < version {
				return fmt.Errorf("%s has lost its session, and its copy is not complete to version %d", o.name, version)
			}
			if pause(ctx) != nil {
				return fmt.Errorf("the copy of %s does not come to version %d", o.name, version)
			}
		}
	}
	return nil
}

// compare compares every copy with a picture, and says whether all could be: one
// that has changed since can't.
func (c *cast) compare(p *picture, v *verdict) bool {
	for _, o := range c.observers {
		ok := o.at(p.version, func(copied *session.Copy) {
			for _, t := range copied.Tables {
				if rows, read := p.tables[t.Name]; read {
					if shown := shown(copied, t); shown != nil {
						v.compareTable(o.name, t, rows, shown)
					}
				}
			}
		})
		if !ok {
			return false
		}
	}
	return true
}

// shown returns what says whether a row of a table is one that a copy must have, by what it
// is subscribed to; nil where that is none.
func shown(copied *session.Copy, t *session.Table) func(row []wire.Value) bool {
	var scopes []wire.Value
	any := false
	for _, s := range copied.Subs() {
		switch {
		case s.Name != t.Name:
		case !s.Scoped:
			return func([]wire.Value) bool { return true }
		default:
			any, scopes = true, append(scopes, s.Scopes...)
		}
	}
	if !any {
		return nil
	}
	return func(row []wire.Value) bool { return slices.Contains(scopes, row[t.Scope]) }
}

func (v *verdict) compareTable(who string, t *session.Table, rows map[string][]wire.Value, shown func(row []wire.Value) bool) {
	const none = "no such row"
	for row := range t.Rows() {
		want, ok := rows[keyOf(row.Key())]
		if !ok {
			v.differ(Difference{Who: who, Table: t.Name, Key: tuple(row.Key()), Copy: tuple(row.Values), SQL: none})
			continue
		}
		for i, c := range t.Columns {
			if !same(row.Values[i], want[i]) {
				v.differ(Difference{who, t.Name, tuple(row.Key()), c.Name, row.Values[i].String(), want[i].String()})
			}
		}
	}
	for _, want := range rows {
		if !shown(want) {
			continue
		}
		if _, ok := t.Get(want[:t.KeyLength]...); !ok {
			v.differ(Difference{Who: who, Table: t.Name, Key: tuple(want[:t.KeyLength]), Copy: none, SQL: tuple(want)})
		}
	}
}

// same says whether a copy's value is SQL's: bit for bit, but for a value so large
// that the hub leaves it out of messages.
func same(copied, want wire.Value) bool {
	const large = 32 << 10 // half of the largest message that a device takes
	return copied == want || copied.Kind() == wire.Undefined && want.Len() > large
}

func tuple(values []wire.Value) string {
	if len(values) == 1 {
		return values[0].String()
	}
	return fmt.Sprint(values)
}

// lost counts the rows that are not as their last acknowledged write made them;
// row returns what there is, nil where there is none.
func (c *cast) lost(row func(id wire.Value) []wire.Value) (lost int64) {
	for _, a := range c.actors {
		if a.writer == nil {
			continue
		}
		for _, want := range a.writer.wants() {
			got := row(want.values[0])
			if want.gone != (got == nil) || !want.gone && !c.layout.holds(got, want.values) {
				lost++
			}
		}
	}
	return lost
}

// holds says whether a row has the values of a write.
func (l *layout) holds(row, values []wire.Value) bool {
	for i, c := range l.columns {
		if row[c] != values[i] {
			return false
		}
	}
	return true
}

// row returns the row of an entity in the copy, nil where there is none.
func (o *observer) row(id wire.Value) (values []wire.Value) {
	o.view.View(func(c *session.Copy) {
		if row, ok := c.Table(o.table).Get(id); ok {
			values = append(values, row.Values...)
		}
	})
	return values
}
