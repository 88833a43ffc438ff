package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	driver "github.com/mattn/go-sqlite3"

	"framehub/session/wire"
	"framehub/store"
)

const browseSchema = `
CREATE TABLE thing(id INTEGER PRIMARY KEY, name TEXT, n INTEGER, x REAL, raw BLOB) STRICT;
CREATE TABLE pair(a TEXT COLLATE NOCASE, b INTEGER, v ANY, PRIMARY KEY(a, b)) STRICT, WITHOUT ROWID;
CREATE TABLE _hidden(secret TEXT);
CREATE VIRTUAL TABLE words USING fts4(word);`

func pageOf(rows int, set ...func(*store.PageOptions)) store.PageOptions {
	o := store.PageOptions{Rows: rows, Bytes: 1 << 20, Time: time.Minute}
	for _, f := range set {
		f(&o)
	}
	return o
}

func (d *testDB) page(table string, o store.PageOptions) *store.Page {
	d.Helper()
	p, err := d.Page(d.context(), table, o, d.Version())
	if err != nil {
		d.Fatal(err)
	}
	return p
}

// keysOf writes the first columns of a page's rows down.
func keysOf(p *store.Page, n int) string {
	var out []string
	for i := range p.Rows.Rows() {
		var key []string
		for _, v := range p.Rows.Row(i)[:n] {
			key = append(key, strings.Trim(v.String(), `"`))
		}
		out = append(out, strings.Join(key, "/"))
	}
	return strings.Join(out, " ")
}

// TestPagesAreAll goes through tables page by page, both ways, and meets every row once.
func TestPagesAreAll(t *testing.T) {
	d := openDB(t, browseSchema)
	var want []string
	for i := range 10 {
		d.do(insert("thing", "id n", row(i*i, i)))
		want = append(want, fmt.Sprint(i*i))
	}
	d.do(insert("pair", "a b", row("b", 1), row("A", 2), row("a", -1), row("C", 0), row("b", 0)))
	d.merge()
	for _, tc := range []struct {
		table string
		key   int
		want  []string
	}{{"thing", 1, want}, {"pair", 2, []string{"a/-1", "A/2", "b/0", "b/1", "C/0"}}} {
		for size := 1; size <= len(tc.want)+1; size++ {
			var forth, back []string
			o := pageOf(size)
			for {
				p := d.page(tc.table, o)
				if p.Before != (o.After != nil) {
					t.Fatalf("%s: the page after %v says before: %v", tc.table, o.After, p.Before)
				}
				if p.Rows.Rows() > 0 {
					forth = append(forth, keysOf(p, tc.key))
					o.After = slices.Clone(p.Rows.Row(p.Rows.Rows() - 1)[:tc.key])
				}
				if !p.More {
					break
				}
			}
			o = pageOf(size, func(o *store.PageOptions) { o.Last = true })
			for {
				p := d.page(tc.table, o)
				if p.Rows.Rows() > 0 {
					back = append([]string{keysOf(p, tc.key)}, back...)
					o = pageOf(size, func(o *store.PageOptions) { o.Before = slices.Clone(p.Rows.Row(0)[:tc.key]) })
				}
				if !p.Before {
					break
				}
			}
			for _, got := range [][]string{forth, back} {
				if text := strings.Join(got, " "); text != strings.Join(tc.want, " ") {
					t.Errorf("%s, %d rows a page: %s", tc.table, size, text)
				}
			}
		}
	}
}

func TestPageConditions(t *testing.T) {
	d := openDB(t, browseSchema)
	d.do(insert("thing", "id name n x raw",
		row(1, "Ada", 3, 1.5, []byte("abc")), row(2, "bob", nil, -2.0, nil), row(3, nil, 3, nil, []byte{0}), row(4, "adam's", 10, 1e9, nil)))
	d.merge()
	text, num, real := wire.TextValue, wire.IntegerValue, wire.RealValue
	for name, tc := range map[string]struct {
		where []store.Condition
		want  string
	}{
		"none":             {nil, "1 2 3 4"},
		"equal":            {[]store.Condition{{2, "=", num(3)}}, "1 3"},
		"equal to null":    {[]store.Condition{{2, "=", wire.Value{}}}, "2"},
		"other than":       {[]store.Condition{{2, "!=", num(3)}}, "2 4"},
		"other than null":  {[]store.Condition{{1, "!=", wire.Value{}}}, "1 2 4"},
		"less":             {[]store.Condition{{3, "<", real(1.5)}}, "2"},
		"less or equal":    {[]store.Condition{{3, "<=", real(1.5)}}, "1 2"},
		"more, and equal":  {[]store.Condition{{2, ">", num(2)}, {3, ">=", real(2)}}, "4"},
		"contains":         {[]store.Condition{{1, "~", text("ADA")}}, "1 4"},
		"a quote":          {[]store.Condition{{1, "~", text("'")}}, "4"},
		"any text":         {[]store.Condition{{-1, "~", text("bo")}}, "2"},
		"any text, of key": {[]store.Condition{{-1, "~", text("4")}}, "4"},
		"a blob":           {[]store.Condition{{4, "=", wire.BlobValue([]byte{0})}}, "3"},
	} {
		if got := keysOf(d.page("thing", pageOf(9, func(o *store.PageOptions) { o.Where = tc.where })), 1); got != tc.want {
			t.Errorf("%s: %s, not %s", name, got, tc.want)
		}
	}
}

// TestPageIsBounded by rows, bytes and time, and what it has it gives.
func TestPageIsBounded(t *testing.T) {
	d := openDB(t, browseSchema)
	for i := range 100 {
		d.do(insert("thing", "id raw", row(i, make([]byte, 10_000))))
	}
	d.merge()
	if p := d.page("thing", pageOf(1000, func(o *store.PageOptions) { o.Bytes = 100_000 })); p.Rows.Rows() > 40 || p.Rows.Rows() < 10 || !p.More {
		t.Errorf("%d rows, more: %v", p.Rows.Rows(), p.More)
	}
	p := d.page("thing", pageOf(50, func(o *store.PageOptions) {
		o.Time = time.Nanosecond
		o.Where = []store.Condition{{-1, "~", wire.TextValue("nothing has this")}, {3, "<", wire.RealValue(-1)}}
	}))
	if !p.Partial && p.Rows.Rows() != 0 {
		t.Errorf("%+v", p)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Page(ctx, "thing", pageOf(1), d.Version()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, name := range []string{"_framehub_meta", "_framehub_device", "words_content", "sqlite_schema", "nothing", ""} {
		if _, err := d.Page(t.Context(), name, pageOf(1), 0); !errors.Is(err, store.ErrNoTable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTableSizes(t *testing.T) {
	d := openDB(t, browseSchema, func(o *store.Options) { o.Presence = true })
	d.do(insert("thing", "id name", row(1, strings.Repeat("x", 1000)), row(2, strings.Repeat("x", 1000))))
	d.merge()
	sizes, err := d.TableSizes(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, s := range sizes {
		if got[s.Table.Name] = s.Rows; s.Table.Name == "thing" && (s.Bytes < 2000 || s.Bytes > 3000) {
			t.Errorf("%d bytes", s.Bytes)
		}
	}
	if fmt.Sprint(got) != "map[_hidden:0 framehub_session:0 pair:0 thing:2]" {
		t.Error(got)
	}
	if sizes, err = d.TableSizes(t.Context(), 0); err != nil || len(sizes) != 4 || sizes[0].Rows != -1 || sizes[0].Bytes != -1 {
		t.Errorf("without time: %+v, %v", sizes, err)
	}
}

// TestQueryIsInterrupted when nobody waits for its answer any more.
func TestQueryIsInterrupted(t *testing.T) {
	d := openDB(t, browseSchema)
	q := &store.Statement{
		Text:   `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n, thing`,
		Limits: store.StatementLimits{Time: time.Hour, Rows: 1, Bytes: 1000}, Allow: func(*store.Table, wire.Rights) *wire.Refusal { return nil },
	}
	d.do(insert("thing", "id", row(1)))
	d.merge()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, _, err := d.Query(ctx, q, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if p := d.page("thing", pageOf(1)); p.Rows.Rows() != 1 { // the connection goes on
		t.Error("no row")
	}
}

// TestQueryWaitsForTheMerge, for ten seconds at most, and with no place among the views.
func TestQueryWaitsForTheMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDB(t, browseSchema)
		query := func() (rows int, err error) {
			q := &store.Statement{
				Text:   `SELECT id FROM thing`,
				Limits: store.StatementLimits{Time: time.Hour, Rows: 9, Bytes: 1000}, Allow: func(*store.Table, wire.Rights) *wire.Refusal { return nil },
			}
			r, _, _, err := d.Query(t.Context(), q, d.Version())
			if err == nil {
				rows = r.Rows.Rows()
			}
			return rows, err
		}
		d.commit(written{alice, d.write(alice, insert("thing", "id", row(1)))})
		let := make(chan struct{})
		var views sync.WaitGroup
		for range max(2, runtime.NumCPU()) {
			views.Go(func() {
				if err := d.View(t.Context(), func(*store.View) error { <-let; return nil }); err != nil {
					t.Error(err)
				}
			})
		}
		began := time.Now()
		if _, err := query(); !errors.Is(err, store.ErrUnmerged) || time.Since(began) > 11*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		close(let)
		views.Wait()
		late := make(chan int)
		go func() {
			rows, err := query()
			if err != nil {
				t.Error(err)
			}
			late <- rows
		}()
		synctest.Wait()
		d.merge()
		if rows := <-late; rows != 1 {
			t.Errorf("%d rows", rows)
		}
	})
}

// TestQueryTakesNoMemory: what SQLite holds to sort, to collect or to go on with is bounded.
func TestQueryTakesNoMemory(t *testing.T) {
	d := openDB(t, browseSchema)
	const endless = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) `
	for name, text := range map[string]string{
		"sorting":              endless + `SELECT i, randomblob(900) AS r FROM n ORDER BY r`,
		"sorting large values": endless + `SELECT zeroblob(900000) || i AS r FROM n ORDER BY r`,
		"a queue":              `WITH RECURSIVE n(i, b) AS (SELECT 1, zeroblob(900000) UNION SELECT i + 1, zeroblob(900000) FROM n) SELECT max(i) FROM n`,
		"groups":               endless + `SELECT i, count(*) FROM n GROUP BY i || hex(zeroblob(500)) LIMIT 1`,
		"what is distinct":     endless + `SELECT count(DISTINCT i || hex(zeroblob(500))) FROM n`,
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the connection goes on
				q := &store.Statement{
					Text:   text,
					Limits: store.StatementLimits{Time: time.Minute, Rows: 1, Bytes: 1000}, Allow: func(*store.Table, wire.Rights) *wire.Refusal { return nil },
				}
				if _, _, refused, err := d.Query(t.Context(), q, 0); err != nil || refused == nil || !strings.Contains(refused.Text, "too much memory") {
					t.Errorf("%+v, %v", refused, err)
				}
			}
		})
	}
	if p := d.page("thing", pageOf(1)); p.Rows.Rows() != 0 {
		t.Error("there is a row")
	}
}

func TestPrivateSQL(t *testing.T) {
	d := openDB(t, browseSchema)
	_, number, _ := driver.Version()
	fullText := number >= 3_041_000 // SQLite 3.40 says that a full-text index reads the schema, too
	for _, tc := range []struct {
		text    string
		private bool
		ok      bool
	}{
		{"SELECT * FROM _hidden", true, true}, {"SELECT * FROM _hidden", false, false}, {"SELECT * FROM thing", false, true},
		{"SELECT * FROM _framehub_device", true, false}, {"SELECT * FROM _framehub_meta", true, false}, {"SELECT * FROM sqlite_schema", true, false},
		{"SELECT * FROM _Framehub_Will", true, false}, {"SELECT * FROM pragma_table_info('thing')", true, false}, {"SELECT * FROM words_content", true, false},
		{"PRAGMA writable_schema = 1", true, false}, {"ATTACH 'x' AS x", true, false}, {"SELECT load_extension('x')", true, false}, {"SELECT * FROM words", true, fullText},
	} {
		q := &store.Statement{Text: tc.text, Private: tc.private, Limits: store.StatementLimits{Time: time.Minute, Rows: 9, Bytes: 9}, Allow: func(*store.Table, wire.Rights) *wire.Refusal { return nil }}
		readOnly, refused, err := d.Examine(q)
		if err != nil || (refused == nil) != tc.ok || tc.ok && !readOnly {
			t.Errorf("%s: %v, %v", tc.text, refused, err)
		}
	}
}
