package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// A LoadPart is what one commit brings into a namespace of mvSQLite: see [ReadParts] and
// [Load]. Parts are numbered from 1; the same database has the same parts.
type LoadPart struct {
	_     struct{} `cbor:",toarray"`
	N     uint64
	Steps []LoadStep
	Last  bool
	Rows  uint64 // with it, for progress
}

// A LoadStep is a statement, and the rows that it is run with; without any it is run once.
type LoadStep struct {
	_     struct{} `cbor:",toarray"`
	SQL   string
	Width int // values of a row
	Cells []wire.Cell
	Texts []byte
}

// run runs the step.
func (s *LoadStep) run(c *sqlite.Conn) error {
	if s.Width == 0 {
		return c.Exec(s.SQL)
	}
	stmt, err := c.Prepare(s.SQL)
	if err != nil {
		return err
	}
	defer stmt.Close()
	texts, row := string(s.Texts), make([]wire.Value, 0, s.Width)
	for cells := range slices.Chunk(s.Cells, s.Width) {
		row = wire.AppendCells(row[:0], cells, texts, 0)
		if err := stmt.RunWith(row...); err != nil {
			return err
		}
	}
	return nil
}

const (
	// partBytes bounds the memory that a part takes.
	partBytes = 8 << 20

	// largestRow is one that a commit can bring for certain.
	largestRow = 128 << 20
)

// ReadParts reads all of a copy, in the order in which VACUUM makes a database: the tables
// and their indexes, the rows, and the rest of the schema. Parts up to skip are not sent, but
// for the last.
func ReadParts(ctx context.Context, path string, skip uint64, send func(*LoadPart) error) error {
	c, err := openReader(path)
	if err != nil {
		return explain(path, err)
	}
	defer func() { _ = c.Close() }() // it was only read
	r := &partReader{ctx: ctx, c: c, skip: skip, send: send}
	return explain(path, r.read())
}

type partReader struct {
	ctx  context.Context //nolint:containedctx // of one call
	c    *sqlite.Conn
	skip uint64
	send func(*LoadPart) error

	part   LoadPart // that is being filled
	pages  int
	bytes  int
	tables []string
}

func (r *partReader) read() error {
	if err := r.makers(); err != nil {
		return err
	}
	for _, name := range r.tables {
		if err := r.rows(name); err != nil {
			return fmt.Errorf("read table %q: %w", name, err)
		}
	}
	if err := r.flush(false); err != nil {
		return err
	}
	if err := r.rest(); err != nil {
		return err
	}
	return r.flush(true)
}

// flush sends the part, if there is anything in it.
func (r *partReader) flush(last bool) error {
	if len(r.part.Steps) == 0 {
		return nil
	}
	r.part.N++
	r.part.Last = last
	if r.part.N > r.skip || last {
		if err := r.send(&r.part); err != nil {
			return err
		}
	}
	r.part = LoadPart{N: r.part.N, Rows: r.part.Rows}
	r.pages, r.bytes = 0, 0
	return r.ctx.Err()
}

// makers sends what makes tables and indexes. Shadow tables are tables like others; the
// virtual ones come with the rest.
func (r *partReader) makers() error {
	err := r.c.Query(`SELECT type, name, sql FROM sqlite_schema WHERE type IN ('table', 'index') AND rootpage > 0
		AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND sql IS NOT NULL ORDER BY type = 'index', rowid`, nil, func(row []driver.Value) error {
		if text(row[0]) == "table" {
			r.tables = append(r.tables, text(row[1]))
		}
		r.part.Steps = append(r.part.Steps, LoadStep{SQL: text(row[2])})
		return nil
	})
	if err != nil {
		return err
	}
	return r.flush(false)
}

// rows sends a table's rows, in the order of its key.
func (r *partReader) rows(table string) error {
	columns, err := r.columns(table)
	if err != nil {
		return err
	}
	indexes := 0
	if err := r.c.Query(`SELECT count(*) FROM pragma_index_list(?)`, []driver.Value{table}, func(row []driver.Value) error {
		indexes = int(number64(row[0]))
		return nil
	}); err != nil {
		return err
	}
	names, params := strings.Join(columns, ", "), strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
	stmt, err := r.c.Prepare(fmt.Sprintf("SELECT %s FROM %s NOT INDEXED", names, quote(table)))
	if err != nil {
		return err
	}
	defer stmt.Close()
	insert := fmt.Sprintf("INSERT OR REPLACE INTO %s(%s) VALUES (%s)", quote(table), names, params)
	return r.each(stmt, insert, len(columns), 1+indexes)
}

// each sends the rows of a statement, for an insert that writes so many pages a row.
func (r *partReader) each(stmt *sqlite.Stmt, insert string, width, pages int) error {
	g := wire.Grid{Stride: width}
	var step *LoadStep
	for done := false; !done; {
		var err error
		if g.Values, done, err = stmt.Fetch(g.Values[:0], batchRows, batchBytes); err != nil {
			return err
		}
		for i := range g.Rows() {
			row := g.Row(i)
			if step == nil || len(r.part.Steps) == 0 {
				r.part.Steps = append(r.part.Steps, LoadStep{SQL: insert, Width: width})
				step = &r.part.Steps[len(r.part.Steps)-1]
			}
			texts := len(step.Texts)
			step.Cells, step.Texts = wire.Flatten(step.Cells, step.Texts, row)
			size := len(step.Texts) - texts + 9*width // SQLite has no more of a number
			if size > largestRow {
				return fmt.Errorf("a row has %d bytes, and mvSQLite takes no commit of more than some 400 MB", size)
			}
			r.part.Rows++
			r.bytes += size
			if r.pages += pages + size/4096; r.pages >= pagesPerCommit || r.bytes >= partBytes {
				if err := r.flush(false); err != nil {
					return err
				}
				step = nil
			}
		}
	}
	return nil
}

// columns returns what an INSERT can set, quoted: all that is not generated, and the rowid
// where no key tells rows apart.
func (r *partReader) columns(table string) (names []string, err error) {
	columns, err := readColumns(r.c, table)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(columns, func(c Column) bool { return c.pk > 0 }) {
		if name, err := rowidName(columns); err == nil {
			names = append(names, name)
		}
	}
	for i := range columns {
		if !columns[i].Generated {
			names = append(names, quote(columns[i].Name))
		}
	}
	return names, nil
}

// rest sends what tables have no rows of: numbers that were given, statistics, views, triggers
// and virtual tables, and the database's own numbers.
func (r *partReader) rest() error {
	for _, t := range []struct{ name, made string }{{"sqlite_sequence", ""}, {"sqlite_stat1", "ANALYZE sqlite_schema"}} {
		there := false
		if err := r.c.Query(`SELECT 1 FROM sqlite_schema WHERE name = ?`, []driver.Value{t.name}, func([]driver.Value) error { there = true; return nil }); err != nil {
			return err
		}
		if !there {
			continue
		}
		if t.made != "" {
			r.part.Steps = append(r.part.Steps, LoadStep{SQL: t.made})
		}
		r.part.Steps = append(r.part.Steps, LoadStep{SQL: "DELETE FROM " + t.name})
		if err := r.rows(t.name); err != nil {
			return err
		}
	}
	stmt, err := r.c.Prepare(`SELECT type, name, tbl_name, 0, sql FROM sqlite_schema WHERE type IN ('view', 'trigger') OR type = 'table' AND rootpage = 0 ORDER BY rowid`)
	if err != nil {
		return err
	}
	defer stmt.Close()
	if err := r.each(stmt, `INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)`, 5, 1); err != nil {
		return err
	}
	for _, pragma := range []string{"user_version", "application_id"} {
		if err := r.c.Query("PRAGMA "+pragma, nil, func(row []driver.Value) error {
			r.part.Steps = append(r.part.Steps, LoadStep{SQL: fmt.Sprintf("PRAGMA %s = %d", pragma, number64(row[0]))})
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}
