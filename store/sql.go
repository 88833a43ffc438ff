package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// A Statement is SQL that somebody who is trusted runs through the store: one SELECT,
// INSERT, UPDATE or DELETE. What it does to a table that devices don't see, but for
// what the game's triggers and views do, and everything else that SQL can do, is
// refused by SQLite's authorizer.
type Statement struct {
	Text   string
	Params []wire.Value

	// Allow says why it may not do something to a table that devices see; nil: it may.
	Allow func(t *Table, right wire.Rights) *wire.Refusal

	Limits StatementLimits
}

// StatementLimits bound what a statement takes.
type StatementLimits struct {
	Time  time.Duration // that it runs
	Rows  int           // that it returns
	Bytes int           // of those, about
}

// A Result is what a statement has returned.
type Result struct {
	Columns []string
	Rows    wire.Grid
}

// hidden says whether a name that is no table of the schema's is SQLite's own, or the
// hub's, or that of a function which tells of either.
func hidden(name string) bool {
	name = lowerASCII(name)
	return strings.HasPrefix(name, "_") || strings.HasPrefix(name, "sqlite_") || strings.HasPrefix(name, "pragma_")
}

// rightFor is the right that an access to a table takes.
var rightFor = map[sqlite.Action]wire.Rights{
	sqlite.ActionRead: wire.RightRead, sqlite.ActionInsert: wire.RightInsert, sqlite.ActionUpdate: wire.RightUpdate, sqlite.ActionDelete: wire.RightDelete,
}

// Examine says whether a statement only reads, without running it, or why it may not
// run at all.
func (s *Store) Examine(q *Statement) (readOnly bool, refused *wire.Refusal, err error) {
	err = s.look(func(c *sqlite.Conn) error {
		c.Restrict(q.Limits.Time)
		defer c.Free()
		var stmt *sqlite.Stmt
		if stmt, refused, err = s.prepare(c, q); stmt != nil {
			readOnly = stmt.ReadOnly()
			stmt.Close()
		}
		return err
	})
	return readOnly, refused, err
}

// Query runs a statement that only reads, on the database as of a version that is
// returned, and is least or later. Where that is not merged yet it waits for it.
func (s *Store) Query(ctx context.Context, q *Statement, least uint64) (r *Result, version uint64, refused *wire.Refusal, err error) {
	const pause = 2 * time.Millisecond
	for done := false; !done && err == nil; {
		err = s.View(ctx, func(v *View) error {
			if done = v.Version >= least; !done {
				return nil
			}
			version = v.Version
			v.conn.Restrict(q.Limits.Time)
			defer v.conn.Free()
			r, refused, err = s.runStatement(v.conn, q)
			return err
		})
		if !done && err == nil {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
	}
	return r, version, refused, err
}

// Exec runs a statement in the frame, as a transaction of a device that settles no
// number. What it returns is what it has done if the frame is committed.
func (f *Frame) Exec(d Device, q *Statement) (*Result, *wire.Refusal, error) {
	if err := f.usable(); err != nil {
		return nil, nil, err
	}
	f.guard = nil
	a := &acceptedWrite{device: d, statement: q, result: &Result{}}
	refusal, err := f.exec(a)
	if err != nil {
		f.s.broken = true
	}
	return a.result, refusal, explain(f.s.opts.Path, err)
}

func (f *Frame) exec(a *acceptedWrite) (*wire.Refusal, error) {
	s := f.s
	if err := s.flush(); err != nil {
		return nil, err
	}
	refusal, err := f.finish(a.device, 0, func() (*wire.Refusal, error) {
		s.w.Restrict(a.statement.Limits.Time)
		defer s.w.Free()
		r, refusal, err := s.runStatement(s.w, a.statement)
		if r != nil {
			*a.result = *r
		}
		return refusal, err
	})
	if refusal == nil && err == nil {
		f.accepted = append(f.accepted, *a)
	}
	return refusal, err
}

// prepare compiles a statement on a restricted connection.
func (s *Store) prepare(c *sqlite.Conn, q *Statement) (*sqlite.Stmt, *wire.Refusal, error) {
	stmt, rest, err := c.PrepareOne(q.Text)
	if err != nil {
		refusal, err := q.failed(err)
		return nil, refusal, err
	}
	refusal := s.mayRun(c, q, stmt, rest)
	if refusal != nil && stmt != nil {
		stmt.Close()
		stmt = nil
	}
	return stmt, refusal, nil
}

func (s *Store) mayRun(c *sqlite.Conn, q *Statement, stmt *sqlite.Stmt, rest string) *wire.Refusal {
	if stmt == nil {
		return wire.Refuse(wire.CodeConstraint, "there is no statement")
	}
	if strings.Trim(rest, " \t\r\n;") != "" {
		return wire.Refuse(wire.CodeConstraint, "one statement at a time: after the first comes %.40q", rest)
	}
	if n := stmt.Parameters(); n != len(q.Params) {
		return wire.Refuse(wire.CodeType, "the statement has %d parameters, %d were given", n, len(q.Params))
	}
	accesses := c.Accesses()
	if len(accesses) == 0 {
		return notSQL()
	}
	for _, a := range accesses {
		t := s.Schema().Table(a.Table)
		if t == nil && (a.Table == "" || a.Action == sqlite.ActionRead && !hidden(a.Table)) {
			continue // a view, a full-text index, what WITH has named, a function that is a table
		}
		if t == nil || !t.Synced {
			return wire.Refuse(wire.CodeForbidden, "SQL is for tables that devices see, not for %q", a.Table)
		}
		if refusal := q.Allow(t, rightFor[a.Action]); refusal != nil {
			return refusal
		}
	}
	return nil
}

// rowHead is what a row, or the name of a column, takes in an answer beside its values.
const rowHead = 5

// runStatement runs a statement on a restricted connection, to its end.
func (s *Store) runStatement(c *sqlite.Conn, q *Statement) (*Result, *wire.Refusal, error) {
	stmt, refusal, err := s.prepare(c, q)
	if stmt == nil {
		return nil, refusal, err
	}
	defer stmt.Close()
	r := &Result{Columns: stmt.Columns()}
	r.Rows.Stride = len(r.Columns)
	err = stmt.Bind(q.Params...)
	size := 0
	for _, name := range r.Columns {
		size += len(name) + rowHead
	}
	for done := false; !done && err == nil; {
		const batch = 256
		before := len(r.Rows.Values)
		r.Rows.Values, done, err = stmt.Fetch(r.Rows.Values, batch, batchBytes)
		size += sizeOf(r.Rows.Values[before:]) + rowHead*(len(r.Rows.Values)-before)/max(1, r.Rows.Stride)
		if refusal := q.tooMuch(r, size); refusal != nil {
			return nil, refusal, nil
		}
	}
	if err != nil {
		refusal, err := q.failed(err)
		return nil, refusal, err
	}
	return r, nil, nil
}

func (q *Statement) tooMuch(r *Result, size int) *wire.Refusal {
	switch {
	case r.Rows.Stride > 0 && r.Rows.Rows() > q.Limits.Rows:
		return wire.Refuse(wire.CodeTooLarge, "the statement returns more than %d rows: add LIMIT", q.Limits.Rows)
	case size > q.Limits.Bytes:
		return wire.Refuse(wire.CodeTooLarge, "the statement returns more than %d bytes: ask for less", q.Limits.Bytes)
	default:
		return nil
	}
}

func notSQL() *wire.Refusal {
	return wire.Refuse(wire.CodeForbidden, "SQL through the hub is one SELECT, INSERT, UPDATE or DELETE, and nothing else")
}

// failed tells a refusal, in SQL's words, from a failure of the database.
func (q *Statement) failed(err error) (*wire.Refusal, error) {
	switch code := sqlite.CodeOf(err); {
	case code&0xff == sqliteInterrupt:
		return wire.Refuse(wire.CodeTooLarge, "the statement has run for %v, which is the most: make it smaller", q.Limits.Time), nil
	case code&0xff == sqliteAuth:
		return notSQL(), nil
	case code == constraintDatatype || code&0xff == sqliteMismatch:
		return wire.Refuse(wire.CodeType, "%s", words(err)), nil
	case code&0xff == sqliteTooBig:
		return wire.Refuse(wire.CodeTooLarge, "%s", words(err)), nil
	case refuses(code):
		return wire.Refuse(wire.CodeConstraint, "%s", words(err)), nil
	default:
		return nil, fmt.Errorf("run a statement: %w", err)
	}
}
