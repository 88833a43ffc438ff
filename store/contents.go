package store

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// Contents tells what a game database holds, apart from how it lies in the file: two
// databases with equal contents have the same schema and the same rows. It guards against
// faults, not forgers.
type Contents struct {
	Schema string          `json:"schema"` // a hash of the SQL that makes the tables and all that belongs to them
	Tables []TableContents `json:"tables"` // by name
}

// TableContents is a table in [Contents]. The hash is the sum of those of the rows, 128
// bits in hexadecimal, so that their order does not matter.
type TableContents struct {
	Name string `json:"name"`
	Rows uint64 `json:"rows"`
	Hash string `json:"hash"`
}

// Differences tells, for people, in what other contents differ, but for the rows of some
// tables; none: they are equal.
func (c *Contents) Differences(other *Contents, but ...string) (all []string) {
	if c.Schema != other.Schema {
		all = append(all, "the schema")
	}
	find := func(tables []TableContents, name string) *TableContents {
		i := slices.IndexFunc(tables, func(t TableContents) bool { return t.Name == name })
		if i < 0 {
			return nil
		}
		return &tables[i]
	}
	for i := range c.Tables {
		t := &c.Tables[i]
		switch is := find(other.Tables, t.Name); {
		case is == nil:
			all = append(all, fmt.Sprintf("table %q is missing", t.Name))
		case slices.Contains(but, t.Name):
		case is.Rows != t.Rows:
			all = append(all, fmt.Sprintf("table %q has %d rows instead of %d", t.Name, is.Rows, t.Rows))
		case is.Hash != t.Hash:
			all = append(all, fmt.Sprintf("table %q has other rows", t.Name))
		}
	}
	for i := range other.Tables {
		if find(c.Tables, other.Tables[i].Name) == nil {
			all = append(all, fmt.Sprintf("table %q should not be there", other.Tables[i].Name))
		}
	}
	return all
}

// ReadContents reads all of a database that nobody writes. Of the hub's own tables it
// looks at those whose rows have versions.
func ReadContents(ctx context.Context, path string) (*Contents, error) {
	c, err := openReader(path)
	if err != nil {
		return nil, explain(path, err)
	}
	contents, err := readContents(ctx, c)
	return contents, explain(path, errors.Join(err, c.Close()))
}

// CheckIntegrity has SQLite check all of a database that nobody writes, which ctx does not
// interrupt.
func CheckIntegrity(path string) error {
	c, err := openReader(path)
	if err != nil {
		return explain(path, err)
	}
	var wrong []string
	err = c.Query(`PRAGMA integrity_check(10)`, nil, func(row []driver.Value) error {
		if s := text(row[0]); s != "ok" {
			wrong = append(wrong, s)
		}
		return nil
	})
	if len(wrong) > 0 {
		err = errors.Join(err, fmt.Errorf("SQLite's integrity_check: %s", strings.Join(wrong, "; ")))
	}
	return explain(path, errors.Join(err, c.Close()))
}

// openReader opens a file that nobody writes.
func openReader(path string) (*sqlite.Conn, error) {
	c, err := openLoose(path)
	if err != nil {
		return nil, err
	}
	if err := c.Exec(`PRAGMA query_only = ON`); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// readContents reads what c's transaction sees.
func readContents(ctx context.Context, c *sqlite.Conn) (*Contents, error) {
	sum, err := sumDDL(c, false)
	if err != nil {
		return nil, err
	}
	all := &Contents{Schema: hex.EncodeToString(sum[:16]), Tables: []TableContents{}}
	err = c.Query(`SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow')
		AND name NOT IN ('sqlite_schema', 'sqlite_temp_schema') AND name NOT LIKE 'sqlite\_stat%' ESCAPE '\' ORDER BY name`, nil, func(row []driver.Value) error {
		if name := text(row[0]); ownTable(name) || !strings.HasPrefix(name, privatePrefix) {
			all.Tables = append(all.Tables, TableContents{Name: name})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range all.Tables {
		if err := all.Tables[i].read(ctx, c); err != nil {
			return nil, fmt.Errorf("read table %q: %w", all.Tables[i].Name, err)
		}
	}
	return all, nil
}

func (t *TableContents) read(ctx context.Context, c *sqlite.Conn) error {
	columns, err := storedColumns(c, t.Name)
	if err != nil {
		return err
	}
	stmt, err := c.Prepare(fmt.Sprintf("SELECT %s FROM %s", strings.Join(columns, ", "), quote(t.Name)))
	if err != nil {
		return err
	}
	defer stmt.Close()
	h := newRowHash()
	g := wire.Grid{Stride: len(columns)}
	for done := false; !done; {
		if g.Values, done, err = stmt.Fetch(g.Values[:0], batchRows, batchBytes); err != nil {
			return err
		}
		for i := range g.Rows() {
			h.add(g.Row(i))
		}
		t.Rows += uint64(g.Rows())
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	t.Hash = h.String()
	return nil
}

// storedColumns returns the columns that are stored, quoted, and before them the rowid
// where there is no other key.
func storedColumns(c *sqlite.Conn, table string) (names []string, err error) {
	columns, err := readColumns(c, table)
	if err != nil {
		return nil, err
	}
	keyless := true
	for i := range columns {
		if !columns[i].virtual {
			names = append(names, quote(columns[i].Name))
		}
		keyless = keyless && columns[i].pk == 0
	}
	if !keyless || strings.HasPrefix(table, "sqlite_") {
		return names, nil
	}
	rowid, err := rowidName(columns)
	if err != nil {
		return names, nil //nolint:nilerr // columns hide it: nobody else can see it either
	}
	return append([]string{rowid}, names...), nil
}

// A rowHash adds up hashes of rows.
type rowHash struct {
	digests [2]*xxhash.Digest
	sums    [2]uint64
	buf     []byte
}

// rowSeeds make two hashes of one; any two numbers do.
var rowSeeds = [2]uint64{0x6672616d65687562, 0x726f772d68617368}

func newRowHash() *rowHash {
	return &rowHash{digests: [2]*xxhash.Digest{xxhash.NewWithSeed(rowSeeds[0]), xxhash.NewWithSeed(rowSeeds[1])}}
}

func (h *rowHash) add(row []wire.Value) {
	b := h.buf[:0]
	for i := range row {
		v := &row[i]
		b = append(b, byte(v.Kind()))
		switch v.Kind() {
		case wire.Integer:
			b = binary.LittleEndian.AppendUint64(b, uint64(v.Int64()))
		case wire.Real:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Float64()))
		case wire.Text, wire.Blob:
			b = binary.AppendUvarint(b, uint64(v.Len()))
			b = append(b, v.Bytes()...)
		default:
		}
	}
	for i, d := range h.digests {
		d.ResetWithSeed(rowSeeds[i])
		_, _ = d.Write(b) // never fails, by its documentation
		h.sums[i] += d.Sum64()
	}
	h.buf = b
}

// String returns the sum in hexadecimal.
func (h *rowHash) String() string { return fmt.Sprintf("%016x%016x", h.sums[0], h.sums[1]) }
