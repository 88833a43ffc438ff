package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// logFormat is the format of the frame log's database; a hub that finds another
// refuses to start.
const logFormat = 1

const logTables = `
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS frame(version INTEGER PRIMARY KEY, time INTEGER NOT NULL, entry BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS schema(version INTEGER PRIMARY KEY, frame INTEGER NOT NULL, doc BLOB NOT NULL) STRICT;
`

// A frameLog is the database of entries beside the game database. Append and
// reopen belong to the frame loop; reading is for any goroutine.
type frameLog struct {
	// Set by openLog, never changed after.
	opts *Options
	path string
	mark mark // of this hub; "": a lock keeps others out

	// Owned by the frame loop.
	w      *sqlite.Conn
	begin  *sqlite.Stmt
	commit *sqlite.Stmt
	insert *sqlite.Stmt
	prune  *sqlite.Stmt
	take   *sqlite.Stmt
	has    *sqlite.Stmt
	owner  *sqlite.Stmt // nil without a mark
	first  uint64       // the oldest entry, last+1 when there is none
	last   uint64

	mu  sync.Mutex // guards r, which reopen replaces
	r   *sqlite.Conn
	get *sqlite.Stmt
}

func openLog(o *Options, m mark) (*frameLog, error) {
	l := &frameLog{opts: o, path: o.logPath(), mark: m}
	if err := l.open(func() error { return m.take(l.w, "meta") }); err != nil {
		return nil, explain(l.path, fmt.Errorf("open the frame log: %w", errors.Join(err, l.close())))
	}
	return l, nil
}

// open opens the log; with a mark it first does so much in a transaction.
func (l *frameLog) open(first func() error) error {
	var err error
	if l.w, err = l.opts.open(l.path, "FULL", writeBusy); err != nil {
		return err
	}
	if err := transact(l.w, func() error { return l.w.Exec(logTables) }); err != nil {
		return err
	}
	if l.mark != "" {
		if l.owner, err = readMark(l.w, "meta"); err != nil {
			return err
		}
		if err := transact(l.w, first); err != nil {
			return err
		}
	}
	for _, s := range []struct {
		to  **sqlite.Stmt
		sql string
	}{
		{&l.begin, `BEGIN IMMEDIATE`},
		{&l.commit, `COMMIT`},
		{&l.insert, `INSERT INTO frame(version, time, entry) VALUES (?1, ?2, ?3)`},
		{&l.prune, `DELETE FROM frame WHERE version = ?1`},
		{&l.take, `INSERT INTO meta VALUES ('taken', ?1) ON CONFLICT(key) DO UPDATE SET value = excluded.value`},
		{&l.has, `SELECT entry FROM frame WHERE version = ?1`},
	} {
		if *s.to, err = l.w.Prepare(s.sql); err != nil {
			return err
		}
	}
	if err := l.openReader(); err != nil {
		return err
	}
	return l.bounds()
}

func (l *frameLog) openReader() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if l.r, err = l.opts.open(l.path, "NORMAL", readBusy); err != nil {
		return err
	}
	l.get, err = l.r.Prepare(`SELECT entry FROM frame WHERE version = ?1`)
	return err
}

// bounds reads which entries there are, and that none is missing between.
func (l *frameLog) bounds() error {
	return l.w.Query(`SELECT min(version), max(version), count(*) FROM frame`, nil, func(row []driver.Value) error {
		if row[2] == int64(0) {
			l.first, l.last = 1, 0
			return nil
		}
		l.first, l.last = uint64(row[0].(int64)), uint64(row[1].(int64))
		if n := uint64(row[2].(int64)); n != l.last-l.first+1 {
			return fmt.Errorf("the frame log %s has %d entries between %d and %d: it is damaged, restore a backup", l.path, n, l.first, l.last)
		}
		return nil
	})
}

func (l *frameLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, c := range []**sqlite.Conn{&l.r, &l.w} {
		if *c != nil {
			errs = append(errs, (*c).Close())
			*c = nil
		}
	}
	return errors.Join(errs...)
}

// append commits an entry, and with it up to which of other programs' notes it has
// taken, if that is not 0; and it drops up to two old ones from below floor, where
// nobody else does. When it fails, the outcome is unknown: see [frameLog.settle].
func (l *frameLog) append(version uint64, micros int64, entry []byte, taken int64, floor uint64) error {
	err := l.tryAppend(version, micros, entry, taken, floor)
	for try := 0; try < 5 && l.mark != "" && isBusy(err); try++ {
		var there bool
		if there, err = l.unclear(version, entry); there || err != nil {
			break
		}
		err = l.tryAppend(version, micros, entry, taken, floor)
	}
	return err
}

// unclear finds out what became of an append that met a conflict, which may be untrue.
func (l *frameLog) unclear(version uint64, entry []byte) (there bool, err error) {
	if !l.w.AutoCommit() {
		if err := l.w.Exec(`ROLLBACK`); err != nil {
			return false, err
		}
	}
	if err := l.mark.check(l.owner); err != nil {
		return false, err
	}
	there, err = l.isThere(version, entry)
	if there {
		l.last = version
	}
	return there, err
}

func (l *frameLog) tryAppend(version uint64, micros int64, entry []byte, taken int64, floor uint64) error {
	if err := l.begin.Run(); err != nil {
		return err
	}
	if l.mark != "" {
		if err := l.mark.check(l.owner); err != nil {
			return err
		}
	}
	err := l.insert.RunWithBlob(entry, wire.IntegerValue(int64(version)), wire.IntegerValue(micros))
	if err == nil && taken > 0 {
		err = l.take.RunWith(wire.IntegerValue(taken))
	}
	first := l.first
	for ; err == nil && l.mark == "" && first < floor && first < l.first+2; first++ {
		err = l.prune.RunWith(wire.IntegerValue(int64(first)))
	}
	if err == nil {
		err = l.commit.Run()
	}
	if err != nil {
		return err
	}
	l.first, l.last = first, version
	return nil
}

// settle finds out whether an append that failed took place after all: it opens
// the log anew, so that what lies on the disk decides, and looks for the entry.
func (l *frameLog) settle(version uint64, entry []byte) (there bool, err error) {
	// What can't be closed cleanly now is of no use any more either way.
	_ = l.close()
	if err = l.open(l.renewMark); err == nil && l.mark == "" {
		err = l.renew()
	}
	if err != nil {
		return false, explain(l.path, errors.Join(fmt.Errorf("open the frame log again: %w", err), l.close()))
	}
	return l.isThere(version, entry)
}

// isThere says whether the log has a version, which must be this hub's then.
func (l *frameLog) isThere(version uint64, entry []byte) (bool, error) {
	if err := l.has.Bind(wire.IntegerValue(int64(version))); err != nil {
		return false, err
	}
	row, _, err := l.has.Fetch(nil, 1, 1<<30)
	l.has.Reset()
	if err != nil || len(row) == 0 {
		return false, err
	}
	if row[0].Bytes() != string(entry) {
		return false, fmt.Errorf("%w: version %d", ErrStale, version)
	}
	return true, nil
}

// renew leaves no doubt about what the log holds. An entry that is there may be in
// the system's cache alone, marked as written by the sync that failed: it is
// written once more, to another file. One that is not may still lie in the WAL,
// for a crash to find: a new WAL takes its place.
func (l *frameLog) renew() error {
	if _, _, err := l.w.Checkpoint(sqlite.Truncate); err != nil {
		return err
	}
	return l.setMeta("renewed", time.Now().UnixMicro())
}

// renewMark does the same where the mark is what an append reads: one that is still on
// its way can't be committed after that has been written.
func (l *frameLog) renewMark() error {
	if err := l.mark.check(l.owner); err != nil {
		return err
	}
	return l.writeMeta("renewed", time.Now().UnixMicro())
}

// pruneTo drops a few of the entries below a version, in a transaction of its own.
func (l *frameLog) pruneTo(version uint64) error {
	const most = 64
	version = min(version, l.first+most)
	if version <= l.first {
		return nil
	}
	err := transact(l.w, func() error { return l.w.Exec(`DELETE FROM frame WHERE version < ?`, int64(version)) })
	if err == nil {
		l.first = version
	}
	return err
}

// read returns an entry's bytes; nil when the log no longer, or not yet, has it.
func (l *frameLog) read(version uint64) (entry string, found bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.r == nil {
		return "", false, errClosed
	}
	if err := l.get.Bind(wire.IntegerValue(int64(version))); err != nil {
		return "", false, err
	}
	row, _, err := l.get.Fetch(nil, 1, 1<<30)
	l.get.Reset()
	if err != nil || len(row) == 0 {
		return "", false, err
	}
	return row[0].Bytes(), true, nil
}

// meta reads and sets the log's own facts.
func (l *frameLog) meta() (map[string]driver.Value, error) { return readMeta(l.w, "meta") }

func (l *frameLog) setMeta(key string, value driver.Value) error {
	return transact(l.w, func() error { return l.writeMeta(key, value) })
}

func (l *frameLog) writeMeta(key string, value driver.Value) error {
	return l.w.Exec(`INSERT INTO meta VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value`, key, value)
}

func readMeta(c *sqlite.Conn, table string) (map[string]driver.Value, error) {
	m := map[string]driver.Value{}
	err := c.Query(`SELECT key, value FROM `+table, nil, func(row []driver.Value) error {
		m[text(row[0])] = row[1]
		return nil
	})
	return m, err
}

// size returns the bytes that the log's entries take; pages that are free and
// will be used again don't count.
func (l *frameLog) size() (bytes int64, err error) {
	err = l.w.Query(`SELECT (p.page_count - f.freelist_count) * s.page_size
		FROM pragma_page_count() AS p, pragma_freelist_count() AS f, pragma_page_size() AS s`, nil,
		func(row []driver.Value) error { bytes = number64(row[0]); return nil })
	return bytes, err
}

// timeOf returns when an entry was made.
func (l *frameLog) timeOf(version uint64) (t time.Time, err error) {
	err = l.w.Query(`SELECT time FROM frame WHERE version = ?`, []driver.Value{int64(version)}, func(row []driver.Value) error {
		t = time.UnixMicro(number64(row[0]))
		return nil
	})
	return t, err
}
