package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	driver "github.com/mattn/go-sqlite3"

	"framehub/session/wire"
	"framehub/store"
)

// A reference is what the protocol says in the plainest way there is: a database
// in memory in which each transaction runs alone, statement by statement,
// through database/sql.
type reference struct {
	testing.TB
	conn *sql.Conn
	db   *testDB // for its schema only
}

func newReference(d *testDB) *reference {
	d.Helper()
	db, err := sql.Open("sqlite3", ":memory:?_foreign_keys=1")
	if err != nil {
		d.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = errors.Join(conn.Close(), db.Close()) })
	r := &reference{d.TB, conn, d}
	if err := r.exec(d.opts.Schema); err != nil {
		d.Fatal(err)
	}
	return r
}

// A rejection is why the reference refuses.
type rejection struct {
	code wire.Code
	why  string
}

func (r rejection) Error() string { return string(r.code) + ": " + r.why }

func reject(code wire.Code, format string, args ...any) error {
	return rejection{code, fmt.Sprintf(format, args...)}
}

func (r *reference) exec(query string, args ...any) error {
	_, err := r.conn.ExecContext(context.Background(), query, args...)
	return err
}

// affected runs a statement and returns how many rows it changed.
func (r *reference) affected(query string, args ...any) (int64, error) {
	res, err := r.conn.ExecContext(context.Background(), query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// run runs a transaction, and returns why it is refused, "" when it is not.
func (r *reference) run(ops []testOp) wire.Code {
	r.Helper()
	if err := r.exec(`BEGIN`); err != nil {
		r.Fatal(err)
	}
	err := r.ops(ops)
	if err == nil {
		err = r.judge()
	}
	if err == nil {
		err = r.exec(`COMMIT`)
	}
	if err == nil {
		return ""
	}
	_ = r.exec(`ROLLBACK`) // a trigger's RAISE(ROLLBACK) may have done it
	var no rejection
	var sqlErr driver.Error
	switch {
	case errors.As(err, &no):
		return no.code
	case errors.As(err, &sqlErr) && (sqlErr.Code == driver.ErrMismatch || sqlErr.ExtendedCode == driver.ErrConstraint.Extend(12)):
		return wire.CodeType
	case errors.As(err, &sqlErr) && (sqlErr.Code == driver.ErrConstraint || sqlErr.Code == driver.ErrError):
		return wire.CodeConstraint
	default:
		r.Fatal("the reference failed:", err)
		return ""
	}
}

func (r *reference) ops(ops []testOp) error {
	for _, op := range ops {
		for _, row := range op.rows {
			if err := r.row(op, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// judge refuses what devices can't be told.
func (r *reference) judge() error {
	for name, all := range r.contents() {
		if strings.HasPrefix(name, "_") {
			continue
		}
		for _, text := range all {
			if strings.Contains(text, "Inf") {
				return reject(wire.CodeConstraint, "an infinity in %s", name)
			}
		}
	}
	return nil
}

// A rowOp is an op on one row, in the terms of SQL.
type rowOp struct {
	table, where string
	names        []string // beside the key
	key, values  []any
}

func (r *reference) rowOp(op testOp, row []any) rowOp {
	t := r.db.table(op.table)
	names := strings.Fields(op.columns)
	o := rowOp{table: op.table, names: names[t.Key:], key: row[:t.Key], values: row[t.Key:]}
	var where []string
	for _, n := range names[:t.Key] {
		where = append(where, n+" = ?")
	}
	o.where = strings.Join(where, " AND ")
	return o
}

func (r *reference) row(op testOp, row []any) error {
	o := r.rowOp(op, row)
	switch op.kind {
	case wire.OpPut:
		hit, err := r.update(o)
		if err != nil || hit {
			return err
		}
		return r.insert(op, row)
	case wire.OpInsert:
		if there, err := r.there(o); err != nil || there {
			return errors.Join(err, reject(wire.CodeExists, "%v", o))
		}
		return r.insert(op, row)
	case wire.OpUpdate:
		hit, err := r.update(o)
		if err == nil && !hit {
			err = reject(wire.CodeMissing, "%v", o)
		}
		return err
	case wire.OpTouch:
		_, err := r.update(o)
		return err
	case wire.OpDelete:
		return r.exec("DELETE FROM "+o.table+" WHERE "+o.where, o.key...)
	case wire.OpAdd:
		return r.add(o)
	default:
		return r.expect(o)
	}
}

func (r *reference) there(o rowOp) (bool, error) {
	var n int
	err := r.conn.QueryRowContext(context.Background(), "SELECT count(*) FROM "+o.table+" WHERE "+o.where, o.key...).Scan(&n)
	return n > 0, err
}

func (r *reference) update(o rowOp) (hit bool, err error) {
	if len(o.names) > 0 {
		set := strings.Join(o.names, " = ?, ") + " = ?"
		n, err := r.affected("UPDATE "+o.table+" SET "+set+" WHERE "+o.where, append(append([]any(nil), o.values...), o.key...)...)
		if err != nil || n > 0 {
			return true, err
		}
	}
	return r.there(o) // a trigger may have kept it as it is
}

func (r *reference) insert(op testOp, row []any) error {
	names := strings.Fields(op.columns)
	return r.exec("INSERT INTO "+op.table+"("+strings.Join(names, ", ")+") VALUES (?"+strings.Repeat(", ?", len(names)-1)+")", row...)
}

// values reads the columns beside the key; nil when there is no row.
func (r *reference) values(o rowOp) ([]any, error) {
	got := make([]any, len(o.names)+1)
	into := make([]any, len(got))
	for i := range got {
		into[i] = &got[i]
	}
	err := r.conn.QueryRowContext(context.Background(), "SELECT 1"+strings.Join(append([]string{""}, o.names...), ", ")+" FROM "+o.table+" WHERE "+o.where, o.key...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return got, err
}

func (r *reference) add(o rowOp) error {
	got, err := r.values(o)
	if err == nil && got == nil {
		err = reject(wire.CodeMissing, "%v", o)
	}
	if err != nil || len(o.names) == 0 {
		return err
	}
	sums := make([]any, len(o.names))
	for i, delta := range o.values {
		if sums[i], err = plus(got[i+1], delta); err != nil {
			return err
		}
	}
	_, err = r.affected("UPDATE "+o.table+" SET "+strings.Join(o.names, " = ?, ")+" = ? WHERE "+o.where, append(sums, o.key...)...)
	return err
}

func plus(have, delta any) (any, error) {
	if have == nil {
		have = int64(0)
		if _, ok := delta.(float64); ok {
			have = 0.0
		}
	}
	h, hf, hok := numberOf(have)
	d, df, dok := numberOf(delta)
	switch {
	case !hok || !dok:
		return nil, reject(wire.CodeType, "%v + %v", have, delta)
	case h != nil && d != nil:
		sum := new(big.Int).Add(h, d)
		if !sum.IsInt64() {
			return nil, reject(wire.CodeConstraint, "%v + %v", have, delta)
		}
		return sum.Int64(), nil
	case math.IsInf(hf+df, 0):
		return nil, reject(wire.CodeConstraint, "%v + %v", have, delta)
	default:
		return hf + df, nil
	}
}

// numberOf returns an integer as big, and any number as a float.
func numberOf(v any) (*big.Int, float64, bool) {
	switch v := v.(type) {
	case int:
		return big.NewInt(int64(v)), float64(v), true
	case int64:
		return big.NewInt(v), float64(v), true
	case float64:
		return nil, v, true
	default:
		return nil, 0, false
	}
}

func (r *reference) expect(o rowOp) error {
	if len(o.names) == 0 {
		return nil
	}
	got, err := r.values(o)
	if err == nil && got == nil {
		err = reject(wire.CodeConflict, "%v is missing", o)
	}
	if err != nil {
		return err
	}
	for i, want := range o.values {
		if !equal(got[i+1], want) {
			return reject(wire.CodeConflict, "%v is %v", o, got[i+1])
		}
	}
	return nil
}

func equal(a, b any) bool {
	x, y := exactly(a), exactly(b)
	if x != nil || y != nil {
		return x != nil && y != nil && x.Cmp(y) == 0
	}
	return literal(value(a)) == literal(value(b))
}

// exactly returns a number without loss, nil for what is none.
func exactly(v any) *big.Rat {
	n, f, ok := numberOf(v)
	switch {
	case !ok:
		return nil
	case n != nil:
		return new(big.Rat).SetInt(n)
	default:
		return new(big.Rat).SetFloat64(f)
	}
}

// contents reads every table of the schema.
func (r *reference) contents() map[string]rows {
	r.Helper()
	out := map[string]rows{}
	for _, t := range r.db.Schema().Tables {
		names := make([]string, len(t.Columns))
		for i, c := range t.Columns {
			names[i] = c.Name
		}
		out[t.Name] = r.rows(t, "SELECT "+strings.Join(names, ", ")+" FROM "+t.Name)
	}
	return out
}

func (r *reference) rows(t *store.Table, query string) rows {
	r.Helper()
	found, err := r.conn.QueryContext(context.Background(), query)
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	all := rows{}
	for found.Next() {
		raw, into, got := make([]any, len(t.Columns)), make([]any, len(t.Columns)), make([]wire.Value, len(t.Columns))
		for i := range raw {
			into[i] = &raw[i]
		}
		if err := found.Scan(into...); err != nil {
			r.Fatal(err)
		}
		for i, v := range raw {
			got[i] = value(v)
		}
		all[literals(got[:t.Key])] = literals(got)
	}
	if err := found.Err(); err != nil {
		r.Fatal(err)
	}
	return all
}
