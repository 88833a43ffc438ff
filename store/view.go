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

// A View is the game database at one version, as SQL shows it. It is used by one
// goroutine, and holds a read transaction open: it must wait for nobody.
type View struct {
	Version uint64 // merged: it may be a little older than the store's Version
	Schema  *Schema

	conn *sqlite.Conn
}

// View calls f with a view of the database. As many views as the machine has
// processors are open at a time; a further one waits for a place, or for ctx.
func (s *Store) View(ctx context.Context, f func(*View) error) error {
	select {
	case s.viewers <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.viewers }()
	return s.withConn(func(c *sqlite.Conn) error {
		v, err := s.openView(ctx, c)
		if err == nil {
			err = f(v)
		}
		if c.AutoCommit() {
			return err
		}
		return errors.Join(err, c.Exec(`ROLLBACK`))
	})
}

// mergePatience is how long a view waits for a version to be merged.
const mergePatience = 10 * time.Second

// ErrUnmerged is a version that the game database's tables should have by now.
var ErrUnmerged = errors.New("the game database's tables are behind what was committed, as where another program holds its lock, or the disk or the cluster does not answer: try again")

// viewFrom calls f with a view of a version that is least or later. Where that is not
// merged yet it waits for it, up to mergePatience, and takes no place meanwhile.
func (s *Store) viewFrom(ctx context.Context, least uint64, f func(*View) error) error {
	const pause = 2 * time.Millisecond
	for until := time.Now().Add(mergePatience); s.merged.Load() < least; {
		if time.Now().After(until) {
			return ErrUnmerged
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.View(ctx, f)
}

// interruptible calls f, whose statements the end of ctx interrupts: then the error is
// ctx's.
func (v *View) interruptible(ctx context.Context, f func() error) error {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		v.conn.Interrupt()
		close(done)
	})
	err := f()
	if !stop() {
		<-done
		return errors.Join(ctx.Err(), err)
	}
	return err
}

// openView begins a read transaction. Where another program has changed the schema
// and no frame has taken that up yet, it waits for the frame.
func (s *Store) openView(ctx context.Context, c *sqlite.Conn) (*View, error) {
	const patience, pause = 2 * time.Second, 5 * time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		if err := c.Exec(`BEGIN`); err != nil {
			return nil, err
		}
		v, cookie := &View{conn: c}, int64(0)
		err := c.Query(`SELECT value, schema_version FROM _framehub_meta, pragma_schema_version WHERE key = 'merged'`, nil, func(row []driver.Value) error {
			v.Version, cookie = uint64(number64(row[0])), number64(row[1])
			return nil
		})
		if v.Schema = s.Schema(); err == nil && cookie == v.Schema.cookie.Load() {
			return v, nil
		}
		if err = errors.Join(err, c.Exec(`ROLLBACK`)); err != nil {
			return nil, err
		}
		if waited >= patience {
			return nil, ErrSchemaChanged
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// look lends a reading connection for a short look.
func (s *Store) look(f func(*sqlite.Conn) error) error {
	s.looks <- struct{}{}
	defer func() { <-s.looks }()
	return s.withConn(f)
}

func (s *Store) withConn(f func(*sqlite.Conn) error) error {
	c, err := s.takeConn()
	if err != nil {
		return explain(s.opts.Path, err)
	}
	if err := f(c); err != nil {
		return errors.Join(err, c.Close())
	}
	s.viewersMu.Lock()
	defer s.viewersMu.Unlock()
	if s.closed {
		return c.Close()
	}
	s.idle = append(s.idle, c)
	return nil
}

func (s *Store) takeConn() (*sqlite.Conn, error) {
	c, err := s.idleConn()
	if c != nil || err != nil {
		return c, err
	}
	if c, err = s.opts.open(s.opts.Path, "NORMAL", readBusy); err != nil {
		return nil, err
	}
	// Without triggers and foreign keys a statement that is examined is nothing but itself.
	if err := errors.Join(c.Exec(`PRAGMA query_only = ON`), c.Config(sqlite.EnableTriggers, false), c.Config(sqlite.EnableForeignKeys, false)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (s *Store) idleConn() (*sqlite.Conn, error) {
	s.viewersMu.Lock()
	defer s.viewersMu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	n := len(s.idle)
	if n == 0 {
		return nil, nil
	}
	c := s.idle[n-1]
	s.idle = s.idle[:n-1]
	return c, nil
}

// A batch of rows is at most so many, and about so many bytes of text.
const (
	batchRows  = 4096
	batchBytes = 1 << 20
)

// scopesAtOnce is how many scopes one statement looks for: SQLite takes 32,766 parameters.
const scopesAtOnce = 30_000

// Scan calls f with a table's rows in batches, whole rows in the order of the
// table's columns: all of them, or with scoped those that have one of scopes in
// the scope column. The grid is reused between calls.
func (v *View) Scan(t *Table, scoped bool, scopes []wire.Value, f func(wire.Grid) error) error {
	if !scoped {
		return v.scan(t, "", nil, f)
	}
	name := quote(t.Columns[t.Scope].Name)
	values := slices.DeleteFunc(slices.Clone(scopes), wire.Value.IsNull)
	for some := range slices.Chunk(values, scopesAtOnce) {
		// Byte for byte, as the hub compares.
		in := fmt.Sprintf("%s COLLATE BINARY IN (?%s)", name, strings.Repeat(", ?", len(some)-1))
		if err := v.scan(t, in, some, f); err != nil {
			return err
		}
	}
	if len(values) == len(scopes) {
		return nil
	}
	return v.scan(t, name+" IS NULL", nil, f) // which is in no list
}

// scan calls f with the rows of which a condition holds; "": of all.
func (v *View) scan(t *Table, condition string, params []wire.Value, f func(wire.Grid) error) error {
	names := make([]string, len(t.Columns))
	for i := range t.Columns {
		names[i] = quote(t.Columns[i].Name)
	}
	var where []string
	if condition != "" {
		where = append(where, condition)
	}
	for i := 0; i < t.Key && t.nullable && t.Synced; i++ { // see identifies
		where = append(where, names[i]+" IS NOT NULL")
	}
	sql := fmt.Sprintf("SELECT %s FROM %s", strings.Join(names, ", "), quote(t.Name))
	if len(where) > 0 {
		sql += " WHERE " + strings.Join(where, " AND ")
	}
	stmt, err := v.conn.Prepare(sql)
	if err != nil {
		return fmt.Errorf("read table %q: %w", t.Name, err)
	}
	defer stmt.Close()
	if err := stmt.Bind(params...); err != nil {
		return err
	}
	g := wire.Grid{Stride: len(t.Columns)}
	for done := false; !done; {
		if g.Values, done, err = stmt.Fetch(g.Values[:0], batchRows, batchBytes); err != nil {
			return fmt.Errorf("read table %q: %w", t.Name, err)
		}
		if len(g.Values) == 0 {
			continue
		}
		if err := f(g); err != nil {
			return err
		}
	}
	return nil
}

// Values returns some of a row's values, by the places of their columns; nil when there is
// no such row.
func (v *View) Values(t *Table, key []wire.Value, columns []int) (row []wire.Value, err error) {
	names := make([]string, len(columns))
	for i, at := range columns {
		names[i] = quote(t.Columns[at].Name)
	}
	stmt, err := v.conn.Prepare(fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(names, ", "), quote(t.Name), t.whereKey()))
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	if err := stmt.Bind(key...); err != nil {
		return nil, err
	}
	row, _, err = stmt.Fetch(nil, 1, 1<<30)
	return row, err
}
