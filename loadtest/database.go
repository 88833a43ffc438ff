package loadtest

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"strings"

	_ "github.com/mattn/go-sqlite3" // the driver sqlite3

	"framehub/session/wire"
)

// A database is the hub's, opened to be read alone.
type database struct {
	sql    *sql.DB
	path   string
	schema *wire.Schema
}

// A picture is a database at one version, as SQL shows it.
type picture struct {
	version uint64
	tables  map[string]map[string][]wire.Value // rows by their table's name and their key, as keyOf has it
}

func openDatabase(path string, schema *wire.Schema) (*database, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: "mode=ro&_query_only=1&_busy_timeout=5000"}
	db, err := sql.Open("sqlite3", u.String())
	if err != nil {
		return nil, err
	}
	return &database{sql: db, path: path, schema: schema}, nil
}

// isOf returns an error where the database is not the one of a hub with that history.
func (d *database) isOf(ctx context.Context, epoch []byte) error {
	if err := readEpoch(ctx, d.sql, epoch); err != nil {
		return fmt.Errorf("the database %s: %w", d.path, err)
	}
	return nil
}

func (d *database) close() error { return d.sql.Close() }

// read reads every table of the schema, and the version that the database
// records, in one transaction. epoch is of the history that the hub is in.
func (d *database) read(ctx context.Context, epoch []byte) (*picture, error) {
	p, err := d.readTx(ctx, epoch)
	if err != nil {
		return nil, fmt.Errorf("the database %s: %w", d.path, err)
	}
	return p, nil
}

func (d *database) readTx(ctx context.Context, epoch []byte) (*picture, error) {
	tx, err := d.sql.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	p := &picture{tables: map[string]map[string][]wire.Value{}}
	if err := readEpoch(ctx, tx, epoch); err != nil {
		return nil, err
	}
	if err := tx.QueryRowContext(ctx, `SELECT value FROM _framehub_meta WHERE key = 'merged'`).Scan(&p.version); err != nil {
		return nil, fmt.Errorf("it records no version: %w", err)
	}
	for i := range d.schema.Tables {
		t := &d.schema.Tables[i]
		if wire.OwnTable(t.Name) {
			continue // observers don't ask for it
		}
		if p.tables[t.Name], err = readTable(ctx, tx, t); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return p, nil
}

// A querier is a database, or a transaction in one.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// readEpoch returns an error where a database is not the one of a history.
func readEpoch(ctx context.Context, q querier, epoch []byte) error {
	var own []byte
	if err := q.QueryRowContext(ctx, `SELECT value FROM _framehub_meta WHERE key = 'epoch'`).Scan(&own); err != nil {
		return fmt.Errorf("it records no epoch: %w", err)
	}
	if !bytes.Equal(own, epoch) {
		return errors.New("it has another history than the hub's: it is not the one that the hub has open")
	}
	return nil
}

func readTable(ctx context.Context, tx *sql.Tx, t *wire.SchemaTable) (map[string][]wire.Value, error) {
	var columns []string
	for _, c := range t.Columns {
		// An expression has no declared type, by which the driver would make dates
		// and booleans of numbers.
		columns = append(columns, "+"+quote(c.Name))
	}
	rows, err := tx.QueryContext(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM "+quote(t.Name)) //nolint:gosec // names, quoted
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	table := map[string][]wire.Value{}
	row, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		values := make([]wire.Value, len(row))
		for i, v := range row {
			values[i] = valueOf(v)
		}
		table[keyOf(values[:t.KeyLength])] = values
	}
	return table, rows.Err()
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// valueOf returns what the driver gave as the protocol has it, which has no infinities.
func valueOf(v any) wire.Value {
	switch v := v.(type) {
	case int64:
		return wire.IntegerValue(v)
	case float64:
		if math.IsInf(v, 0) {
			return wire.Value{}
		}
		return wire.RealValue(v)
	case string:
		return wire.TextValue(v)
	case []byte:
		return wire.BlobValue(v)
	default:
		return wire.Value{}
	}
}

// keyOf returns a key as a string that no other key has.
func keyOf(key []wire.Value) string {
	var b []byte
	for _, v := range key {
		b = append(b, byte(v.Kind()))
		switch v.Kind() {
		case wire.Text, wire.Blob:
			b = append(binary.AppendUvarint(b, uint64(v.Len())), v.Bytes()...)
		case wire.Real:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Float64()))
		default:
			b = binary.LittleEndian.AppendUint64(b, uint64(v.Int64()))
		}
	}
	return string(b)
}
