package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// Browsable says whether operators may look at the table: all but what the hub keeps for
// itself, and the parts of virtual tables.
func (t *Table) Browsable() bool { return !t.shadow && (t.Synced || !t.Own) }

// A Condition is one that rows of a [Page] have.
type Condition struct {
	Column int    // its place; -1: any that holds texts, or the key
	Op     string // one of Comparisons
	Value  wire.Value
}

// Comparisons are the operators of conditions. ~ is that the one text has the other in it,
// in whatever case ASCII letters are; NULL is = NULL, and nothing else.
var Comparisons = []string{"=", "!=", "<=", ">=", "<", ">", "~"}

// PageOptions say which rows of a table a page has: the first, those after a key, before
// one, or the last.
type PageOptions struct {
	After, Before []wire.Value // as stored; nil: not so
	Last          bool
	Where         []Condition // all of them

	Rows  int           // the most
	Bytes int           // the page ends with the row that goes beyond
	Time  time.Duration // that SQL may take; what it has found by then is the page
}

// A Page is some rows of a table, in the order of the key.
type Page struct {
	Version      uint64
	Rows         wire.Grid // of all columns
	Before, More bool      // there are rows before them, and after
	Partial      bool      // time was up: not all were looked at
}

// Page reads a page of a table, as of a version that is least or later. The end of ctx
// interrupts it.
func (s *Store) Page(ctx context.Context, table string, o PageOptions, least uint64) (p *Page, err error) {
	err = s.viewFrom(ctx, least, func(v *View) error {
		t := v.Schema.Table(table)
		if t == nil || !t.Browsable() {
			return fmt.Errorf("%w %q", ErrNoTable, table)
		}
		p = &Page{Version: v.Version}
		v.conn.Deadline(o.Time)
		defer v.conn.Free()
		return v.interruptible(ctx, func() error { return v.page(t, &o, p) })
	})
	return p, explain(s.opts.Path, err)
}

// ErrNoTable is a table that is not there, or that nobody may look at.
var ErrNoTable = errors.New("there is no table")

func (v *View) page(t *Table, o *PageOptions, p *Page) error {
	backwards := o.Before != nil || o.Last
	sql, args := t.pageSQL(o, backwards)
	stmt, err := v.conn.Prepare(sql)
	if err != nil {
		return err
	}
	defer stmt.Close()
	if err := stmt.Bind(append(args, wire.IntegerValue(int64(o.Rows)+1))...); err != nil {
		return err
	}
	stride, size := len(t.Columns), 0
	var values []wire.Value
	for done := false; !done && size <= o.Bytes; {
		before := len(values)
		const batch = 16
		values, done, err = stmt.Fetch(values, batch, o.Bytes)
		size += sizeOf(values[before:])
		if err != nil && sqlite.CodeOf(err)&0xff != sqliteInterrupt {
			return err
		}
		if p.Partial = err != nil; p.Partial {
			values = values[:len(values)/stride*stride]
			break
		}
		if !done && size > o.Bytes {
			p.More = true
		}
	}
	if over := o.Rows * stride; len(values) > over {
		values, p.More = values[:over], true
	}
	p.Rows = wire.Grid{Stride: stride, Values: values}
	p.Before = o.After != nil
	if backwards {
		p.Before, p.More = p.More, o.Before != nil
		reverseRows(p.Rows)
	}
	return nil
}

// pageSQL returns the statement of a page; its last parameter is how many rows.
func (t *Table) pageSQL(o *PageOptions, backwards bool) (string, []wire.Value) {
	names := make([]string, len(t.Columns))
	for i := range names {
		names[i] = quote(t.Columns[i].Name)
	}
	key := names[:t.Key]
	var where []string
	var args []wire.Value
	param := func(v wire.Value) string {
		args = append(args, v)
		return fmt.Sprintf("?%d", len(args))
	}
	for _, bound := range []struct {
		key []wire.Value
		op  string
	}{{o.After, ">"}, {o.Before, "<"}} {
		if bound.key == nil {
			continue
		}
		params := make([]string, len(bound.key))
		for i, v := range bound.key {
			params[i] = param(v)
		}
		where = append(where, fmt.Sprintf("(%s) %s (%s)", strings.Join(key, ", "), bound.op, strings.Join(params, ", ")))
	}
	for i := 0; i < t.Key && t.nullable && t.Synced; i++ { // see identifies
		where = append(where, names[i]+" IS NOT NULL")
	}
	for i := range o.Where {
		where = append(where, t.conditionSQL(&o.Where[i], names, param))
	}
	sql := fmt.Sprintf("SELECT %s FROM %s", strings.Join(names, ", "), quote(t.Name))
	if len(where) > 0 {
		sql += " WHERE " + strings.Join(where, " AND ")
	}
	order := slices.Clone(key)
	if backwards {
		for i := range order {
			order[i] += " DESC"
		}
	}
	return fmt.Sprintf("%s ORDER BY %s LIMIT ?%d", sql, strings.Join(order, ", "), len(args)+1), args
}

func (t *Table) conditionSQL(c *Condition, names []string, param func(wire.Value) string) string {
	has := func(name, p string) string { return fmt.Sprintf("instr(lower(%s), lower(%s)) > 0", name, p) }
	if c.Column < 0 {
		p := param(c.Value)
		var any []string
		for i := range t.Columns {
			if kind := t.Columns[i].Type; kind == "TEXT" || kind == "ANY" || i < t.Key && kind != "BLOB" {
				any = append(any, has(names[i], p))
			}
		}
		if len(any) == 0 {
			return "0"
		}
		return "(" + strings.Join(any, " OR ") + ")"
	}
	name := names[c.Column]
	switch c.Op {
	case "=":
		return name + " IS " + param(c.Value)
	case "!=":
		return name + " IS NOT " + param(c.Value)
	case "~":
		return has(name, param(c.Value))
	default:
		return name + " " + c.Op + " " + param(c.Value)
	}
}

func reverseRows(g wire.Grid) {
	for i, j := 0, g.Rows()-1; i < j; i, j = i+1, j-1 {
		a, b := g.Row(i), g.Row(j)
		for k := range a {
			a[k], b[k] = b[k], a[k]
		}
	}
}

// Bounds of what TableSizes looks at.
const (
	mostCounted = 1_000_000              // rows of a table
	countTime   = 250 * time.Millisecond // for a table
	sampleRows  = 200
)

// A TableSize is how much a table holds.
type TableSize struct {
	Table   *Table
	Rows    int64 // -1: that was not found out
	AtLeast bool  // it has more: counting ended at 1,000,000 rows
	Bytes   int64 // of its values, from a sample of its rows; -1: not known
}

// TableSizes counts what the tables hold that operators may look at. It takes as long as
// within at most: what there was no time for is not known.
func (s *Store) TableSizes(ctx context.Context, within time.Duration) (sizes []TableSize, err error) {
	until := time.Now().Add(within)
	err = s.View(ctx, func(v *View) error {
		defer v.conn.Free()
		return v.interruptible(ctx, func() error {
			for _, t := range v.Schema.Tables {
				if !t.Browsable() {
					continue
				}
				size := TableSize{Table: t, Rows: -1, Bytes: -1}
				if left := time.Until(until); left > 0 {
					v.conn.Deadline(min(left, countTime))
					if err := v.measure(&size); err != nil && sqlite.CodeOf(err)&0xff != sqliteInterrupt {
						return fmt.Errorf("count the rows of table %q: %w", t.Name, err)
					}
				}
				sizes = append(sizes, size)
			}
			return nil
		})
	})
	return sizes, explain(s.opts.Path, err)
}

func (v *View) measure(size *TableSize) error {
	t := size.Table
	table := quote(t.Name)
	stmt, err := v.conn.Prepare(fmt.Sprintf("SELECT * FROM %s LIMIT %d", table, sampleRows))
	if err != nil {
		return err
	}
	defer stmt.Close()
	sample, _, err := stmt.Fetch(nil, sampleRows, batchBytes)
	if err != nil {
		return err
	}
	err = v.conn.Query(fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %d)", table, mostCounted+1), nil, func(row []driver.Value) error {
		size.Rows = number64(row[0])
		return nil
	})
	if err != nil {
		return err
	}
	if size.AtLeast = size.Rows > mostCounted; size.AtLeast {
		size.Rows = mostCounted
	}
	size.Bytes = 0
	if n := len(sample); n > 0 {
		rows := n / max(1, len(stmt.Columns()))
		size.Bytes = int64(float64(sizeOf(sample)) / float64(max(1, rows)) * float64(size.Rows))
	}
	return nil
}
