package store

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"framehub/store/internal/sqlite"
)

// With [Options].MVSQLite both databases are namespaces of mvSQLite, SQLite on
// FoundationDB. What is different there, by trying it with mvSQLite 0.3.22:
//
//   - There are no locks. Two transactions that touch a page in common conflict, which
//     SQLITE_BUSY at COMMIT tells the later one: it is to roll back, and to do everything
//     again. That can be untrue, where an answer was lost: what is done again must be
//     found, or idempotent.
//   - A commit is durable, costs several milliseconds, and more with every page. So a
//     frame is one append to the log, and merges go beside the frames (lag.go).
//   - A statement outside of a transaction that meets BUSY is tried again for ever inside
//     the library: everything that writes is in a transaction.
//   - There is no WAL, and nothing to checkpoint. A commit of more than 50,000 pages ends
//     the process.
//   - While the servers are away, calls hang until they are back.

// ErrFenced is another hub having taken over the databases: this one can't go on.
var ErrFenced = errors.New("another hub has taken over this database, and only one can write it")

// ErrStale is an entry that another hub, which this one has replaced, has still written:
// the store has to be opened again to know it.
var ErrStale = errors.New("a hub that this one has replaced was still writing: start again")

// A NamespaceError is a namespace that the cluster has not got.
type NamespaceError struct {
	Name string
	err  error
}

func (e *NamespaceError) Error() string {
	return fmt.Sprintf("mvSQLite has no namespace %q: %v", e.Name, e.err)
}

// Unwrap returns what SQLite has said.
func (e *NamespaceError) Unwrap() error { return e.err }

// open opens a connection to one of the store's databases.
func (o *Options) open(path, synchronous string, busy time.Duration) (*sqlite.Conn, error) {
	if o.MVSQLite {
		return openNamespace(path, o.VFS, busy)
	}
	if path == o.logPath() {
		return openConn(path, synchronous, busy, logCache, o.syncs.log)
	}
	return openConn(path, synchronous, busy, gameCache, o.syncs.game)
}

func openNamespace(name, vfs string, busy time.Duration) (*sqlite.Conn, error) {
	query := url.Values{"_mutex": {"no"}, "_timeout": {strconv.FormatInt(busy.Milliseconds(), 10)}}
	if vfs != "" {
		query.Set("vfs", vfs)
	}
	c, err := sqlite.Open((&url.URL{Scheme: "file", Opaque: url.PathEscape(name), RawQuery: query.Encode()}).String())
	if sqlite.CodeOf(err) == sqliteIOErrLock { // the driver has asked the cluster already
		return nil, &NamespaceError{name, err}
	}
	if err != nil {
		return nil, err
	}
	if err := c.Exec("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// transact runs f in a transaction, and again where that meets a conflict.
func transact(c *sqlite.Conn, f func() error) (err error) {
	const tries = 5
	for try := range tries {
		if err = c.Exec(`BEGIN IMMEDIATE`); err != nil {
			return err
		}
		if err = f(); err == nil {
			err = c.Exec(`COMMIT`)
		}
		if err == nil {
			return nil
		}
		if !c.AutoCommit() {
			err = errors.Join(err, c.Exec(`ROLLBACK`))
		}
		if !isBusy(err) {
			break
		}
		time.Sleep(time.Millisecond << try)
	}
	return err
}

func isBusy(err error) bool { return sqlite.CodeOf(err)&0xff == sqliteBusy }

// A mark is who writes both databases, in words, with what makes it unlike all others.
type mark string

func newMark() mark {
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	return mark(fmt.Sprintf("process %d on %s, since %s, %x", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339), random()[:4]))
}

// take writes the mark into a table of facts, from where on whoever had written its own
// there finds this one: by reading it, or in a conflict.
func (m mark) take(c *sqlite.Conn, table string) error {
	return c.Exec("INSERT INTO "+table+" VALUES ('hub', ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", string(m))
}

// check makes sure, in the caller's transaction, that the mark is there still. That
// makes the row a thing that the transaction has read, so that it can't be committed
// beside another hub's take.
func (m mark) check(read *sqlite.Stmt) error {
	row, _, err := read.Fetch(nil, 1, 1<<16)
	read.Reset()
	switch {
	case err != nil:
		return err
	case len(row) == 0:
		return fmt.Errorf("%w: who, it does not say", ErrFenced)
	case mark(row[0].Bytes()) != m:
		return fmt.Errorf("%w: %s", ErrFenced, row[0].Bytes())
	default:
		return nil
	}
}

// readMark prepares what check reads.
func readMark(c *sqlite.Conn, table string) (*sqlite.Stmt, error) {
	return c.Prepare("SELECT value FROM " + table + " WHERE key = 'hub'")
}
