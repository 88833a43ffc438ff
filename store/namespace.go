package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"framehub/store/internal/sqlite"
)

// What stands here is for processes under mvSQLite's library that do this alone: a call of
// it hangs while the cluster is away, and what can't be made good ends the process. They
// open no database in a file, which the library can't stand.

// Source names the version that a snapshot on mvSQLite is, for [CopyNamespace]; "": it is of
// a file.
func (sn *Snapshot) Source() string { return sn.source }

// Unsettled returns the versions from first to Version whose entries [FinishCopy] will ask
// for of a snapshot on mvSQLite.
func (sn *Snapshot) Unsettled() (first uint64) { return sn.devices + 1 }

// sourcePattern is what mvSQLite understands: with anything else it hangs for ever.
var sourcePattern = regexp.MustCompile(`^[^@]+@[0-9a-f]{20}$`)

func checkSource(source string) error {
	if !sourcePattern.MatchString(source) {
		return fmt.Errorf("%q names no version of a namespace of mvSQLite", source)
	}
	return nil
}

// CopyNamespace writes what a namespace had at a version of mvSQLite's into a new file, by
// VACUUM INTO. The source is NAMESPACE@VERSION; vfs as in [Options].
func CopyNamespace(source, vfs, path string) (err error) {
	if err := checkSource(source); err != nil {
		return err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return err
	}
	c, err := openNamespace(source, vfs, 0)
	if err != nil {
		return err
	}
	to := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "vfs=unix"}).String()
	err = c.Exec(`PRAGMA cache_size = -16384`)
	if err == nil {
		err = c.Exec(`VACUUM INTO ?`, to)
	}
	return explain(source, errors.Join(err, c.Close()))
}

// What a namespace has in _framehub_meta while a database is loaded into it: from what, and
// the parts that are in it.
const (
	loadingKey = "loading"
	partsKey   = "loaded_parts"
)

// ErrLoading is a namespace into which a database was only partly restored.
var ErrLoading = errors.New("a restore into this database was not finished: run framehub restore again, as before")

// A NamespaceState tells what is in the two namespaces of a database.
type NamespaceState struct {
	Empty   bool
	Loading string // what a [Load] that was not finished said it loads; "": none was begun
	Parts   uint64 // that are in it
}

// LookAtNamespace tells what is in the namespaces of a database.
func LookAtNamespace(o Options) (*NamespaceState, error) {
	n := &NamespaceState{}
	rows := 0
	for _, q := range []struct{ namespace, query string }{
		{o.Path, `SELECT count(*) FROM sqlite_schema`},
		// A log without entries, of a hub that ended in its first moments or of a load, is none.
		{o.logPath(), `SELECT count(*) FROM sqlite_schema WHERE name NOT IN ('meta', 'frame', 'schema') AND type = 'table'`},
	} {
		c, err := openNamespace(q.namespace, o.VFS, 0)
		if err != nil {
			return nil, explain(q.namespace, err)
		}
		err = c.Query(q.query, nil, func(row []driver.Value) error { rows += int(number64(row[0])); return nil })
		if err == nil && q.namespace == o.Path && rows > 0 {
			err = n.readLoading(c)
		}
		if err == nil && q.namespace != o.Path {
			err = n.countEntries(c, &rows)
		}
		if err := errors.Join(err, c.Close()); err != nil {
			return nil, explain(q.namespace, err)
		}
	}
	n.Empty = rows == 0
	return n, nil
}

// countEntries adds the entries of a log to rows.
func (n *NamespaceState) countEntries(c *sqlite.Conn, rows *int) error {
	there := false
	err := c.Query(`SELECT 1 FROM sqlite_schema WHERE name = 'frame'`, nil, func([]driver.Value) error { there = true; return nil })
	if err != nil || !there {
		return err
	}
	return c.Query(`SELECT count(*) FROM (SELECT 1 FROM frame LIMIT 1)`, nil, func(row []driver.Value) error { *rows += int(number64(row[0])); return nil })
}

// readLoading reads what was begun.
func (n *NamespaceState) readLoading(c *sqlite.Conn) error {
	there := false
	err := c.Query(`SELECT 1 FROM sqlite_schema WHERE name = '_framehub_meta'`, nil, func([]driver.Value) error { there = true; return nil })
	if err != nil || !there {
		return err
	}
	meta, err := readMeta(c, "_framehub_meta")
	n.Loading, n.Parts = "", uint64(number64(meta[partsKey]))
	if meta[loadingKey] != nil {
		n.Loading = text(meta[loadingKey])
	}
	return err
}

// A Loading is a database on its way into a namespace.
type Loading struct {
	What     string // in words, what it is: only the same can go on with it
	Schema   []byte // the numbering, for [OpenCopy]
	Contents *Contents
}

// Load makes a database of what [ReadParts] has read elsewhere, in namespaces that are empty,
// or in which the same was begun. A part is a commit, after which all may end and be begun
// again behind it. When all are there they are compared with what they should be; only then
// a hub can open the database, as the beginning of a new history.
func Load(ctx context.Context, o Options, l *Loading, next func() (*LoadPart, error)) error {
	if err := l.parts(ctx, &o, next); err != nil {
		return explain(o.Path, err)
	}
	c, err := openNamespace(o.Path, o.VFS, 0)
	if err != nil {
		return err
	}
	is, err := readContents(ctx, c)
	if err := errors.Join(err, c.Close()); err != nil {
		return explain(o.Path, err)
	}
	if diff := l.Contents.Differences(is); diff != nil {
		return fmt.Errorf("what is in %s differs from what was restored in %s: please report this", o.Path, strings.Join(diff, ", "))
	}
	copied, err := openCopy(o, l.Schema)
	if err != nil {
		return err
	}
	return copied.Found(l.What)
}

// parts brings the parts into the namespace.
func (l *Loading) parts(ctx context.Context, o *Options, next func() (*LoadPart, error)) (err error) {
	c, err := openNamespace(o.Path, o.VFS, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := errors.Join(c.Config(sqlite.EnableTriggers, false), c.Config(sqlite.EnableForeignKeys, false)); err != nil {
		return err
	}
	if err := c.Exec(`PRAGMA ignore_check_constraints = ON; PRAGMA writable_schema = ON`); err != nil {
		return err
	}
	for last := false; !last; {
		p, err := next()
		if err != nil {
			return fmt.Errorf("read what is to be loaded: %w", err)
		}
		if err := transact(c, func() error { return l.part(c, p) }); err != nil {
			return fmt.Errorf("load part %d: %w", p.N, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		last = p.Last
	}
	return nil
}

// part runs a part's steps in the open transaction, unless a commit that was told to have met
// a conflict has brought them already.
func (l *Loading) part(c *sqlite.Conn, p *LoadPart) error {
	n := &NamespaceState{}
	if err := n.readLoading(c); err != nil {
		return err
	}
	switch {
	case n.Loading == l.What && n.Parts == p.N:
		return nil
	case n.Parts != p.N-1, p.N > 1 && n.Loading != l.What:
		return errors.New("something else was loaded meanwhile: another restore is under way")
	}
	for i := range p.Steps {
		if err := p.Steps[i].run(c); err != nil {
			return err
		}
	}
	return c.Exec(`INSERT OR REPLACE INTO _framehub_meta VALUES (?, ?), (?, ?)`, loadingKey, l.What, partsKey, int64(p.N))
}
