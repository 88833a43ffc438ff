package store

import (
	"database/sql/driver"
	"fmt"
	"regexp"
	"strings"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// A plain table is one whose rows SQL only keeps: what a put makes of them, and
// whether it may, can be told without asking. Its rows that are in use are held
// in memory, where transactions run against them, and SQL gets them when they are
// merged, once however often they were written. It must be STRICT, with nothing
// that looks at what is written: no CHECK, UNIQUE beside the key, FOREIGN KEY to
// or from it, trigger, AUTOINCREMENT, generated column or index on an expression,
// and no default that is more than a literal.
//
// The result is by definition SQL's. Whatever is not sure to be the same without
// it, a text for an INTEGER column for one, is left to SQL: rows.go writes down
// what memory has, and the transaction runs as in any other table.
type plainTable struct {
	fresh []wire.Value // a row that names no column beside its key
}

// literal is a default that is a constant as it stands.
var literal = regexp.MustCompile(`(?is)^\s*([-+]?\s*[0-9.]+(e[-+]?[0-9]+)?|'([^']|'')*'|x'([0-9a-f]{2})*'|null)\s*$`)

// findPlain tells which tables are plain.
func findPlain(c *sqlite.Conn, tables []*Table) error {
	parents := map[string]bool{}
	for _, t := range tables {
		err := c.Query(`SELECT lower("table") FROM pragma_foreign_key_list(?)`, []driver.Value{t.Name}, func(row []driver.Value) error {
			parents[text(row[0])], parents[lowerASCII(t.Name)] = true, true
			return nil
		})
		if err != nil {
			return fmt.Errorf("foreign keys of table %q: %w", t.Name, err)
		}
	}
	for _, t := range tables {
		if err := t.findPlain(c, parents[lowerASCII(t.Name)]); err != nil {
			return fmt.Errorf("constraints and defaults of table %q: %w", t.Name, err)
		}
	}
	return nil
}

func (t *Table) findPlain(c *sqlite.Conn, references bool) error {
	switch {
	case !t.Synced && !t.Own:
		t.notPlain = "devices don't see it"
	case t.triggers:
		t.notPlain = "it has triggers"
	case references:
		t.notPlain = "foreign keys refer from it or to it"
	case !t.plainColumns():
		t.notPlain = "it has generated columns, or a key with a collation or without a type"
	default:
		ok, err := plainBySchema(c, t.Name)
		if err != nil {
			return err
		}
		if !ok {
			t.notPlain = "it is not STRICT, or has CHECK, UNIQUE beside its key, AUTOINCREMENT, a conflict clause, or an index with a condition or an expression"
			return nil
		}
		if t.plain, err = freshRow(c, t); err != nil {
			return err
		}
		if t.plain == nil {
			t.notPlain = "it has a default that is no literal of its column's type"
		}
	}
	return nil
}

// WhySQL says why transactions on the table run as SQL, so that on mvSQLite it is
// merged in its frame; "": they run in memory.
func (t *Table) WhySQL() string { return t.notPlain }

// lowerASCII is SQL's lower, and how SQL compares names.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// plainColumns says whether the columns alone let a table be plain.
func (t *Table) plainColumns() bool {
	for i := range t.Columns {
		col := &t.Columns[i]
		if col.Generated || i < t.Key && (col.collation != collateBinary || col.Type == "ANY") {
			return false
		}
	}
	return true
}

// plainBySchema asks SQLite for what else looks at a table's rows. CHECK and
// conflict clauses it tells in the text of the schema alone; a column that has
// one of those words for its name is taken for one, which does no harm.
func plainBySchema(c *sqlite.Conn, table string) (bool, error) {
	plain := false
	err := c.Query(`SELECT l.strict AND s.sql NOT LIKE '%check%' AND s.sql NOT LIKE '%conflict%' AND s.sql NOT LIKE '%autoincrement%'
			AND NOT EXISTS (SELECT 1 FROM pragma_index_list(l.name) AS i
				WHERE i.origin <> 'pk' AND (i."unique" OR i.partial
					OR EXISTS (SELECT 1 FROM pragma_index_xinfo(i.name) AS x WHERE x.cid = -2)))
		FROM pragma_table_list AS l, sqlite_schema AS s
		WHERE l.schema = 'main' AND l.name = ? AND s.type = 'table' AND s.name = l.name`,
		[]driver.Value{table}, func(row []driver.Value) error { plain = row[0] == int64(1); return nil })
	return plain, err
}

// freshRow returns the rules of a plain table, or nil when a default is no
// literal, or not of its column's type.
func freshRow(c *sqlite.Conn, t *Table) (*plainTable, error) {
	p := &plainTable{fresh: make([]wire.Value, len(t.Columns))}
	defaults := map[string]string{}
	err := c.Query(`SELECT name, dflt_value FROM pragma_table_info(?) WHERE dflt_value IS NOT NULL`, []driver.Value{t.Name},
		func(row []driver.Value) error { defaults[text(row[0])] = text(row[1]); return nil })
	if err != nil {
		return nil, err
	}
	for i := range t.Columns {
		sql, ok := defaults[t.Columns[i].Name]
		if !ok {
			continue
		}
		if !literal.MatchString(sql) {
			return nil, nil
		}
		stmt, err := c.Prepare("SELECT " + sql)
		if err != nil {
			return nil, err
		}
		row, _, err := stmt.Fetch(nil, 1, 1<<20)
		stmt.Close()
		if err != nil {
			return nil, err
		}
		if p.fresh[i], ok = t.Columns[i].exact(row[0]); !ok {
			return nil, nil
		}
	}
	return p, nil
}

// exact returns a value as the column of a plain table stores it; false: only
// SQL knows.
func (c *Column) exact(v wire.Value) (wire.Value, bool) {
	switch k := v.Kind(); {
	case k == wire.Null:
		return v, true
	case c.Type == "REAL" && k == wire.Real:
		if v.Float64() == 0 {
			return wire.RealValue(0), true // SQLite keeps no sign of a zero
		}
		return v, v.Finite()
	case c.Type == "REAL" && k == wire.Integer:
		const exactly = 1 << 53 // from here on floats skip integers
		i := v.Int64()
		return wire.RealValue(float64(i)), -exactly <= i && i <= exactly
	case c.Type == "INTEGER":
		return v, k == wire.Integer
	case c.Type == "TEXT":
		return v, k == wire.Text
	case c.Type == "BLOB":
		return v, k == wire.Blob
	default: // ANY keeps what it is given, but for the sign of a zero and such
		return v, c.Type == "ANY" && (k == wire.Integer || k == wire.Text || k == wire.Blob)
	}
}

// integral says whether a form holds integers.
func integral(f wire.Form) bool { return f >= wire.Uint8 && f <= wire.Int64 }

// takes says whether every value of a block's column is sure to be stored as it
// is, or as exact has it.
func (c *Column) takes(b *wire.Block, at int) bool {
	switch form := b.Cols[at].Form; {
	case form == wire.Cells:
		for row := range b.N {
			if _, ok := c.exact(b.Value(at, row)); !ok {
				return false
			}
		}
		return true
	case integral(form):
		if c.Type == "REAL" && form == wire.Int64 {
			return false
		}
		return c.Type == "INTEGER" || c.Type == "REAL" || c.Type == "ANY"
	default:
		return c.Type == "REAL"
	}
}
