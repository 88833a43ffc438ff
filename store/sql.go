package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// A Statement is SQL that somebody who is trusted runs through the store: one SELECT,
// INSERT, UPDATE or DELETE. What it does itself to a table that devices don't see, also
// through a view, and everything else that SQL can do, is refused by SQLite's
// authorizer; what triggers and foreign keys do because of it is the game's own.
type Statement struct {
	Text   string
	Params []wire.Value

	// Allow says why it may not do something to a table that devices see; nil: it may.
	Allow func(t *Table, right wire.Rights) *wire.Refusal

	Private bool // it may also be about tables that devices don't see, but for those of the hub's own

	Limits StatementLimits

	examined int64 // the cookie of the schema by which it may run; 0: of none
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
// run at all. It comes before Exec.
func (s *Store) Examine(q *Statement) (readOnly bool, refused *wire.Refusal, err error) {
	err = s.look(func(c *sqlite.Conn) error {
		c.Restrict(q.Limits.Time)
		defer c.Free()
		cookie := s.Schema().cookie.Load()
		var stmt *sqlite.Stmt
		if stmt, refused, err = s.examine(c, q); stmt != nil {
			readOnly, q.examined = stmt.ReadOnly(), cookie
			stmt.Close()
		}
		return err
	})
	return readOnly, refused, err
}

// Query runs a statement that only reads, on the database as of a version that is
// returned, and is least or later. Where that is not merged yet it waits for it. The end
// of ctx interrupts it.
func (s *Store) Query(ctx context.Context, q *Statement, least uint64) (r *Result, version uint64, refused *wire.Refusal, err error) {
	err = s.viewFrom(ctx, least, func(v *View) error {
		version = v.Version
		v.conn.Restrict(q.Limits.Time)
		defer v.conn.Free()
		return v.interruptible(ctx, func() error {
			stmt, no, err := s.examine(v.conn, q)
			if stmt != nil {
				r, no, err = q.run(stmt)
			}
			refused = no
			return err
		})
	})
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
	refusal, err := f.exec(a, q.Limits.Time)
	if err != nil {
		f.s.broken = true
	}
	return a.result, refusal, explain(f.s.opts.Path, err)
}

// exec runs a statement; one that runs again gets more time, for it was let.
func (f *Frame) exec(a *acceptedWrite, within time.Duration) (*wire.Refusal, error) {
	s, q := f.s, a.statement
	if q.examined != s.Schema().cookie.Load() { // the schema has changed since
		if _, refusal, err := s.Examine(q); refusal != nil || err != nil {
			return refusal, err
		}
	}
	if err := s.flush(); err != nil {
		return nil, err
	}
	refusal, err := f.finish(a.device, 0, func() (*wire.Refusal, error) {
		s.w.Restrict(within)
		defer s.w.Free()
		stmt, _, err := s.w.PrepareOne(q.Text)
		if err != nil {
			return q.failed(err)
		}
		r, refusal, err := q.run(stmt)
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

// examine compiles a statement on a restricted connection that has neither triggers nor
// foreign keys, if it may run.
func (s *Store) examine(c *sqlite.Conn, q *Statement) (*sqlite.Stmt, *wire.Refusal, error) {
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
	if n := len(stmt.Columns()); n > maxResultColumns {
		return wire.Refuse(wire.CodeTooLarge, "the statement returns %d columns, the most is %d", n, maxResultColumns)
	}
	accesses := c.Accesses()
	if len(accesses) == 0 {
		return notSQL()
	}
	for _, a := range accesses {
		t := s.Schema().folded(a.Table)
		if t == nil && (a.Table == "" || a.Action == sqlite.ActionRead && !hidden(a.Table)) {
			continue // a view, a full-text index, what WITH has named, a function that is a table
		}
		if t == nil || !t.Synced && !(q.Private && t.Browsable()) {
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

// maxResultColumns bounds the columns that a statement returns, each of which SQLite may
// hold a large value of at the same time.
const maxResultColumns = 256

// run runs a statement on a restricted connection, to its end, and closes it.
func (q *Statement) run(stmt *sqlite.Stmt) (*Result, *wire.Refusal, error) {
	defer stmt.Close()
	r := &Result{Columns: stmt.Columns()}
	r.Rows.Stride = len(r.Columns)
	err := stmt.Bind(q.Params...)
	size := 0
	for _, name := range r.Columns {
		size += len(name) + rowHead
	}
	for done := false; !done && err == nil; {
		const batch = 256
		before := len(r.Rows.Values)
		r.Rows.Values, done, err = stmt.FetchWithin(r.Rows.Values, batch, q.Limits.Bytes)
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
	case errors.Is(err, sqlite.ErrTooMuch):
		return q.tooMuch(&Result{}, q.Limits.Bytes+1), nil
	case sqlite.Greedy(err):
		return wire.Refuse(wire.CodeTooLarge, "the statement takes too much memory: sort and collect less"), nil
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
