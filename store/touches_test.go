package store_test

import (
	"strings"

	"framehub/session/wire"
	"framehub/store"
)

// touches is who changed which row when: what base is judged by.
type touches struct {
	db *testDB

	// By table and key. Certain: what was there before and after the transaction
	// differs. Possible: the transaction named the row, and may have changed it
	// there and back; or a trigger did, in any row of the table.
	certain, possible map[string][]touched
}

type touched struct {
	version uint64
	dev     store.Device
}

func newTouches(d *testDB) *touches {
	return &touches{d, map[string][]touched{}, map[string][]touched{}}
}

func fields(columns string) []string { return strings.Fields(columns) }

// place names a row so that keys which SQL holds equal are the same.
func (c *touches) place(table string, key []any) string {
	name := table
	for _, v := range key {
		if _, f, ok := numberOf(v); ok {
			name += literal(wire.RealValue(f + 0)) // -0 is 0
			continue
		}
		text := literal(value(v))
		if table == "pair" {
			text = strings.ToLower(text)
		}
		name += "/" + text
	}
	return name
}

func (c *touches) each(ops []testOp, f func(place string)) {
	for _, op := range ops {
		t := c.db.table(op.table)
		for _, r := range op.rows {
			f(c.place(op.table, r[:t.Key]))
		}
	}
}

// check says what becomes of a transaction for its base; where it is only
// possible that a row was changed, as the store decided.
func (c *touches) check(tx written, ops []testOp, version uint64, got wire.Code) wire.Code {
	base := tx.w.Base
	if base > version || version-base > store.RecentEntries {
		return wire.CodeStale
	}
	code := wire.Code("")
	c.each(ops, func(place string) {
		switch {
		case c.after(c.certain[place], base, tx.dev), got == wire.CodeConflict && c.after(c.possible[place], base, tx.dev):
			code = wire.CodeConflict
		}
	})
	for _, op := range ops {
		if got == wire.CodeConflict && c.after(c.possible[op.table], base, tx.dev) {
			code = wire.CodeConflict
		}
	}
	return code
}

func (c *touches) after(all []touched, base uint64, dev store.Device) bool {
	for _, t := range all {
		if t.version > base && t.dev != dev {
			return true
		}
	}
	return false
}

func (c *touches) note(version uint64, dev store.Device, ops []testOp, before, after map[string]rows) {
	now := touched{version, dev}
	c.each(ops, func(place string) { c.possible[place] = append(c.possible[place], now) })
	for _, op := range ops {
		for _, table := range triggered[op.table] {
			c.possible[table] = append(c.possible[table], now)
		}
	}
	for _, t := range c.db.Schema().Tables {
		if !t.Synced {
			continue
		}
		for _, all := range []map[string]rows{before, after} {
			for key := range all[t.Name] {
				if before[t.Name][key] != after[t.Name][key] {
					place := c.place(t.Name, parseKey(key))
					c.certain[place] = append(c.certain[place], now)
				}
			}
		}
	}
}

// triggered are the tables whose rows a table's triggers may replace by the same.
var triggered = map[string][]string{"pair": {"flat", "flatkey"}, "anykey": {"child"}, "realkey": {"plain"}, "plain": {"plain"}}
