package store_test

import (
	"testing"

	"framehub/session/wire"
	"framehub/store"
)

// A model is what a device that sees everything would hold: the rows of every
// table by key, made by folding entries and nothing else.
type model struct {
	*testDB
	tables map[int]map[store.Key][]wire.Value
}

// newModel begins with what SELECT gives now.
func newModel(d *testDB) *model {
	d.Helper()
	m := &model{d, map[int]map[store.Key][]wire.Value{}}
	err := d.View(d.context(), func(v *store.View) error {
		for _, t := range v.Schema.Tables {
			all := map[store.Key][]wire.Value{}
			m.tables[t.ID] = all
			if err := v.Scan(t, false, nil, func(g wire.Grid) error {
				for i := range g.Rows() {
					r := append([]wire.Value(nil), g.Row(i)...)
					all[t.KeyOf(r)] = r
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		d.Fatal(err)
	}
	return m
}

// apply folds an entry, and checks that each row says the truth about what was
// there before.
func (m *model) apply(e *store.Entry) {
	m.Helper()
	for _, c := range e.Tables {
		all := m.tables[c.Table.ID]
		for i := range c.Rows {
			m.applyRow(e, c, i, all)
		}
	}
}

func (m *model) applyRow(e *store.Entry, c *store.Change, i int, all map[store.Key][]wire.Value) {
	m.Helper()
	r, image, t := &c.Rows[i], c.Images.Row(i), c.Table
	k := t.KeyOf(image)
	if place, found := c.Find(k); found != r || place != i {
		m.Errorf("version %d, table %q: Find does not find row %d", e.Version, t.Name, i)
	}
	was, there := all[k]
	if r.Before != there {
		m.Errorf("version %d, table %q, key %v: Before is %v, the row before %v", e.Version, t.Name, literals(image[:t.Key]), r.Before, literals(was))
	}
	if r.Reborn && !(r.Before && r.After) {
		m.Errorf("version %d, table %q, key %v: reborn, but %+v", e.Version, t.Name, literals(image[:t.Key]), *r)
	}
	if there && t.Scope >= 0 && r.Before && r.Scope != was[t.Scope] {
		m.Errorf("version %d, table %q, key %v: Scope is %v, was %v", e.Version, t.Name, literals(image[:t.Key]), r.Scope, was[t.Scope])
	}
	if int(r.By) >= len(e.Writers) {
		m.Errorf("version %d, table %q: writer %d of %d", e.Version, t.Name, r.By, len(e.Writers))
	}
	if !r.After {
		delete(all, k)
		return
	}
	if there && !r.Reborn {
		m.checkMask(e, t, r, was, image)
	} else if r.Mask != ^uint64(0) {
		m.Errorf("version %d, table %q, key %v: a new row has the mask %b", e.Version, t.Name, literals(image[:t.Key]), r.Mask)
	}
	all[k] = append([]wire.Value(nil), image...)
}

// checkMask: every column that differs is in the mask. That it has no others
// holds for rows touched once, see [model.exact].
func (m *model) checkMask(e *store.Entry, t *store.Table, r *store.Row, was, is []wire.Value) {
	m.Helper()
	for place := range was {
		if was[place] != is[place] && r.Mask&store.MaskBit(place) == 0 {
			m.Errorf("version %d, table %q, key %v: column %q changed from %v to %v, the mask is %b",
				e.Version, t.Name, literals(is[:t.Key]), t.Columns[place].Name, was[place], is[place], r.Mask)
		}
	}
}

// check compares the model with what SELECT gives.
func (m *model) check(when string) {
	m.Helper()
	if m.opts.MVSQLite {
		m.merge()
	}
	want := map[string]rows{}
	for _, t := range m.Schema().Tables {
		all := rows{}
		for _, r := range m.tables[t.ID] {
			all[literals(r[:t.Key])] = literals(r)
		}
		want[t.Name] = all
	}
	if diff := diffTables(want, m.contents()); diff != "" {
		m.Fatalf("%s: the entries folded and the database differ:\n%s", when, diff)
	}
}

// TestMask: the mask of a row that was touched once has exactly the columns that
// differ, also those that SQL changed.
func TestMask(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, x REAL, s TEXT, g INTEGER AS (n * 2) STORED, v INTEGER AS (n * 3)) STRICT;
		CREATE TABLE b(id INTEGER PRIMARY KEY, n INTEGER, x REAL, s TEXT) STRICT;
		CREATE TRIGGER t AFTER UPDATE OF n ON b WHEN new.n = 5 BEGIN UPDATE b SET s = 'five' WHERE id = new.id; END`)
	d.do(put("a", "id n x s", row(1, 1, 1.0, "s")), put("b", "id n x s", row(1, 1, 1.0, "s")))
	bit := store.MaskBit
	for _, c := range []struct {
		op   testOp
		want uint64
	}{
		{put("a", "id n", row(1, 2)), bit(1) | bit(4) | bit(5)},
		{put("a", "id x", row(1, 2.0)), bit(2) | bit(5)}, // virtual columns always
		{put("b", "id n", row(1, 2)), bit(1)},
		{put("b", "id n x s", row(1, 2, 1.0, "t")), bit(3)},
		{put("b", "id x s", row(1, 1, "t")), 0},
		{add("b", "id n", row(1, 1)), bit(1)},
		{add("b", "id n", row(1, 0)), 0},
		{put("b", "id n", row(1, 5)), bit(1) | bit(3)},
		{put("b", "id s", row(1, nil)), bit(3)},
		{put("b", "id s", row(1, "")), bit(3)},
	} {
		e := d.do(c.op)
		if c.want == 0 {
			if e.RowCount() != 0 {
				t.Errorf("%v: a row that did not change is in the entry", c.op)
			}
			continue
		}
		if r := e.Tables[0].Rows[0]; r.Mask != c.want || !r.Before || !r.After {
			t.Errorf("%v: %+v, want the mask %b", c.op, r, c.want)
		}
	}
}
