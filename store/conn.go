package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"time"

	"framehub/store/internal/sqlite"
)

// readBusy is how long a reader waits for a lock: in WAL mode there is one only
// for the moment of a recovery.
const readBusy = 5 * time.Second

// writeBusy is how long an append to the frame log waits for a lock. The log is
// the hub's own; whoever holds one there stops the frames.
const writeBusy = 100 * time.Millisecond

// walKeep is how many bytes of a write-ahead log's file stay, for the next frames, when it
// begins anew. One that grew larger, as while a copy is read, gives its room back.
const walKeep = 128 << 20

// The most KiB of pages that a connection keeps in memory. The log's are written once, and
// read seldom; so are those of large values, which would push all others out.
const (
	gameCache  = 64 << 10
	heavyCache = 8 << 10 // of the frames' connection, while they write large values
	logCache   = 4 << 10
)

// heavyFrames is for how many frames after large values were written more may come.
const heavyFrames = 600

// sizeCache has the frames' connection keep few pages while frames write large values.
func (s *Store) sizeCache(e *Entry) error {
	was := s.heavyTo
	switch {
	case s.opts.MVSQLite: // where a page comes from afar
	case e.isHeavy():
		if s.heavyTo = e.Version + heavyFrames; was == 0 {
			return s.w.Exec(fmt.Sprintf("PRAGMA cache_size = -%d", heavyCache))
		}
	case was != 0 && e.Version > was:
		s.heavyTo = 0
		return s.w.Exec(fmt.Sprintf("PRAGMA cache_size = -%d", gameCache))
	}
	return nil
}

// openConn opens a database in WAL mode with checkpoints left to the
// checkpointer: SQLite's automatic one would fsync inside a frame. It waits up
// to busy for a lock that another connection holds. With syncs, those are counted.
func openConn(path, synchronous string, busy time.Duration, cache int, syncs *sqlite.Syncs) (*sqlite.Conn, error) {
	query := url.Values{"_mutex": {"no"}, "_timeout": {strconv.FormatInt(busy.Milliseconds(), 10)}}
	syncs.Ask(query)
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}
	if err := makePrivate(path); err != nil {
		return nil, err
	}
	c, err := sqlite.Open(dsn.String())
	if err != nil {
		return nil, err
	}
	if err := useWAL(c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	for _, pragma := range []string{
		"wal_autocheckpoint = 0",
		"journal_size_limit = " + strconv.Itoa(walKeep),
		"synchronous = " + synchronous,
		"temp_store = MEMORY",
		fmt.Sprintf("cache_size = -%d", cache),
	} {
		if err := c.Exec("PRAGMA " + pragma); err != nil {
			_ = c.Close()
			return nil, fmt.Errorf("PRAGMA %s: %w", pragma, err)
		}
	}
	c.WatchWAL()
	return c, nil
}

// makePrivate makes a database's file, if there is none, for its owner alone: SQLite would
// let everybody read it. Its WAL and the WAL's index get the modes that it has.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// useWAL asks for WAL mode, which SQLite answers with the mode that it can have.
func useWAL(c *sqlite.Conn) error {
	mode := ""
	err := c.Query("PRAGMA journal_mode = WAL", nil, func(row []driver.Value) error { mode = text(row[0]); return nil })
	if err == nil && mode != "wal" {
		err = fmt.Errorf("SQLite can't use a write-ahead log there, only the journal mode %q: the file must lie on a local disk", mode)
	}
	return err
}
