package hub

import (
	"context"
	"fmt"
	"sync"
	"time"

	"framehub/rules"
	"framehub/session/wire"
	"framehub/store"
)

// What operators' looks at the data may take.
const (
	pageRows  = 50
	pageBytes = 1 << 20
	lookTime  = time.Second     // for a page, and for a part of a row's past
	sizesTime = 2 * time.Second // for counting all tables
	sizesGood = 5 * time.Second // for which the counts are told again
	pastRows  = 50
)

// askLimits bound what an operator asks with SQL.
var askLimits = store.StatementLimits{Time: 2 * time.Second, Rows: 1000, Bytes: 1 << 20}

// Data is what operators see and change of the database. Its methods may be called at the
// same time, and none of them makes a frame wait, but Edit, as any transaction does.
type Data struct {
	hub *Hub

	mu    sync.Mutex // held while tables are counted; guards the following
	sizes []store.TableSize
	at    time.Time
}

// A Page is some rows of a table, as the store tells of it.
type Page = store.Page

// A Past is what became of a row.
type Past = store.Past

// Latest is what became of rows of late.
type Latest = store.Latest

// A Result is what SQL has returned.
type Result = store.Result

// ErrNoTable is a table that is not there, or that one may not look at.
var ErrNoTable = store.ErrNoTable

// TableInfo is a table, as operators see it.
type TableInfo struct {
	store.TableSize

	Rules rules.Words
	Owner string // the column that says whose a row is; ""
	X, Y  int    // places of the columns that say where a row is; -1: none do
}

// Tables lists the tables that there are, with private also those that devices don't see.
// The counts may be some seconds old.
func (d *Data) Tables(ctx context.Context, private bool) (list []TableInfo, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.at) > sizesGood || len(d.sizes) > 0 && d.hub.store.Schema().Table(d.sizes[0].Table.Name) != d.sizes[0].Table {
		if d.sizes, err = d.hub.store.TableSizes(ctx, sizesTime); err != nil {
			return nil, err
		}
		d.at = time.Now()
	}
	b := d.hub.book()
	for _, size := range d.sizes {
		if size.Table.Synced || private {
			list = append(list, d.describe(b, size))
		}
	}
	return list, nil
}

func (d *Data) describe(b *book, size store.TableSize) TableInfo {
	t := size.Table
	info := TableInfo{TableSize: size, Rules: b.Words(t.ID), X: -1, Y: -1}
	if at := b.OwnerColumn(t.ID); at >= 0 {
		info.Owner = t.Columns[at].Name
	}
	if x, y, ok := b.Map(t.ID); ok {
		info.X, info.Y = x, y
	}
	return info
}

// table finds a table that may be looked at.
func (d *Data) table(name string, private bool) (*store.Table, error) {
	t := d.hub.store.Schema().Table(name)
	if t == nil || !t.Browsable() || !t.Synced && !private {
		return nil, fmt.Errorf("%w %q", ErrNoTable, name)
	}
	return t, nil
}

// Columns names the columns of a table that may be looked at, and how many of them are its
// key.
func (d *Data) Columns(table string, private bool) (names []string, key int, err error) {
	t, err := d.table(table, private)
	if err != nil {
		return nil, 0, err
	}
	for i := range t.Columns {
		names = append(names, t.Columns[i].Name)
	}
	return names, t.Key, nil
}

// PageQuery says which rows are wanted: the first, or those after a key, before one, or
// the last.
type PageQuery struct {
	Table         string
	Private       bool
	Filter        string
	After, Before []wire.Value
	Last          bool
}

// A BadQueryError is a question that can't be answered, and why.
type BadQueryError struct{ Text string }

// Error implements error.
func (e *BadQueryError) Error() string { return e.Text }

// Page reads 50 rows of a table, in the order of its key.
func (d *Data) Page(ctx context.Context, q *PageQuery) (*Page, error) {
	t, err := d.table(q.Table, q.Private)
	if err != nil {
		return nil, err
	}
	o := store.PageOptions{Last: q.Last, Rows: pageRows, Bytes: pageBytes, Time: lookTime}
	if o.Where, err = parseFilter(t, q.Filter); err != nil {
		return nil, err
	}
	for _, k := range []struct{ from, to *[]wire.Value }{{&q.After, &o.After}, {&q.Before, &o.Before}} {
		if *k.from == nil {
			continue
		}
		if *k.to, err = storedKey(t, *k.from); err != nil {
			return nil, err
		}
	}
	return d.hub.store.Page(ctx, t.Name, o, d.hub.Version())
}

// Row reads one row; it has none where there is no such row.
func (d *Data) Row(ctx context.Context, table string, key []wire.Value, private bool) (*Page, error) {
	t, err := d.table(table, private)
	if err != nil {
		return nil, err
	}
	if key, err = storedKey(t, key); err != nil {
		return nil, err
	}
	o := store.PageOptions{Rows: 1, Bytes: 1 << 30, Time: lookTime}
	for i, v := range key {
		o.Where = append(o.Where, store.Condition{Column: i, Op: "=", Value: v})
	}
	return d.hub.store.Page(ctx, t.Name, o, d.hub.Version())
}

// Past looks up what became of a row: 50 changes at most, for a second at most. before, if
// it is not 0, is the version before which it goes on.
func (d *Data) Past(ctx context.Context, table string, key []wire.Value, before uint64, private bool) (*Past, error) {
	t, err := d.table(table, private)
	if err != nil {
		return nil, err
	}
	if key, err = storedKey(t, key); err != nil {
		return nil, err
	}
	return d.hub.store.Past(ctx, t.Name, key, store.PastOptions{Before: before, Events: pastRows, Time: lookTime})
}

// Ask runs SQL that only reads: at most 2 s, 1,000 rows and 1 MiB. The end of ctx
// interrupts it.
func (d *Data) Ask(ctx context.Context, text string, private bool) (r *Result, version uint64, refused *wire.Refusal, err error) {
	q := &store.Statement{
		Text: text, Private: private, Limits: askLimits,
		Allow: func(*store.Table, wire.Rights) *wire.Refusal { return nil },
	}
	readOnly, refused, err := d.hub.store.Examine(q)
	if refused == nil && err == nil && !readOnly {
		refused = wire.Refuse(wire.CodeForbidden, "this box only reads: change rows in their tables, or with SQL through a session")
	}
	if refused != nil || err != nil {
		return nil, 0, refused, err
	}
	return d.hub.store.Query(ctx, q, d.hub.Version())
}

// Follow returns what tells, each time that it is called, what became of rows with these
// keys since the last time.
func (d *Data) Follow(table string, keys [][]wire.Value, since uint64, private bool) (func() Latest, error) {
	t, err := d.table(table, private)
	if err != nil {
		return nil, err
	}
	stored := make([]store.Key, len(keys))
	for i, key := range keys {
		k, err := storedKey(t, key)
		if err != nil {
			return nil, err
		}
		stored[i] = t.KeyOf(k)
	}
	return func() Latest {
		l := d.hub.store.Latest(t.ID, stored, since)
		since = l.Version
		return l
	}, nil
}

func storedKey(t *store.Table, key []wire.Value) ([]wire.Value, error) {
	stored, refused := t.StoredKey(key)
	if refused != nil {
		return nil, &BadQueryError{refused.Text}
	}
	return stored, nil
}
