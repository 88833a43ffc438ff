package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"time"

	"framehub/store/internal/sqlite"
)

// A Snapshot is the game database at exactly one version. It belongs to one goroutine, and
// must soon be copied or closed: it is a read transaction of its own, and while that is open
// the write-ahead log can't begin anew, and grows with all that frames write. On mvSQLite,
// which keeps old versions, it is nothing but the name of one.
type Snapshot struct {
	Version uint64
	Time    time.Time // of that version
	Size    int64     // of the database, in bytes
	Schema  *Schema

	s     *Store
	conn  *sqlite.Conn
	doc   []byte // the schema's numbering
	begun time.Time

	source  string // on mvSQLite: NAMESPACE@VERSION
	devices uint64 // the version up to which the tables have what devices had settled
}

// ErrUnsettled is a game database that other programs write all the time, so that no
// moment was found at which it was at one version.
var ErrUnsettled = errors.New("other programs write to the game database all the time: there was no moment at which all of it had a version")

// snapshotPatience is how long Snapshot looks for a moment at which other programs have
// written nothing that has no version yet.
const snapshotPatience = 10 * time.Second

// Snapshot opens a snapshot of the version that the game database has at some moment
// from now on.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	pause := 500 * time.Microsecond
	if s.opts.MVSQLite { // where looking is a question to the cluster
		pause = 20 * time.Millisecond
	}
	sn, err := s.newSnapshot()
	if err != nil {
		return nil, explain(s.opts.Path, err)
	}
	for until := time.Now().Add(snapshotPatience); ; {
		exact, err := sn.begin()
		if exact {
			return sn, nil
		}
		if err == nil && time.Now().After(until) {
			err = ErrUnsettled
		}
		if err != nil {
			return nil, explain(s.opts.Path, errors.Join(err, sn.Close()))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), sn.Close())
		}
	}
}

func (s *Store) newSnapshot() (*Snapshot, error) {
	c, err := s.opts.open(s.opts.Path, "NORMAL", readBusy)
	if err != nil {
		return nil, err
	}
	if err := c.Exec(`PRAGMA query_only = ON; PRAGMA cache_size = -2048`); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &Snapshot{s: s, conn: c}, nil
}

// begin begins the transaction, and says whether what it sees is one version.
func (sn *Snapshot) begin() (exact bool, err error) {
	if err := sn.conn.Exec(`BEGIN`); err != nil {
		return false, err
	}
	if exact, err = sn.look(); exact && err == nil {
		sn.begun = time.Now()
		if !sn.s.opts.MVSQLite {
			return true, nil
		}
		if err = sn.nameVersion(); err == nil {
			return true, sn.Close()
		}
	}
	return false, errors.Join(err, sn.conn.Exec(`ROLLBACK`))
}

// nameVersion notes the version of mvSQLite's that the transaction reads.
func (sn *Snapshot) nameVersion() error {
	return sn.conn.Query(`SELECT mv_last_known_version('main')`, nil, func(row []driver.Value) error {
		sn.source = sn.s.opts.Path + "@" + text(row[0])
		return checkSource(sn.source)
	})
}

// look says whether all that the transaction sees has a version: other programs' writes
// were taken up, and the schema is that of a version which is there.
func (sn *Snapshot) look() (exact bool, err error) {
	s := sn.s
	var taken, noted, cookie int64
	var partial bool
	err = sn.conn.Query(`SELECT schema_version,
			(SELECT value FROM _framehub_meta WHERE key = 'merged'),
			(SELECT value FROM _framehub_meta WHERE key = 'taken'),
			(SELECT max(id) FROM _framehub_change),
			(SELECT value FROM _framehub_meta WHERE key = 'devices'),
			(SELECT value FROM _framehub_meta WHERE key = 'partial'),
			(SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)
		FROM pragma_schema_version`, nil, func(row []driver.Value) error {
		cookie, sn.Version, taken, noted = number64(row[0]), uint64(number64(row[1])), number64(row[2]), number64(row[3])
		sn.devices, partial, sn.Size = uint64(number64(row[4])), row[5] != nil, number64(row[6])
		return nil
	})
	sn.Schema = s.Schema()
	if s.opts.MVSQLite { // other programs' writes have no version there
		noted = taken
	}
	if err != nil || partial || noted > taken || cookie != sn.Schema.cookie.Load() {
		return false, err
	}
	since, doc, err := s.log.schemaSince(sn.Schema.Version)
	if err != nil || doc == nil || since > sn.Version {
		return false, err
	}
	sn.doc = doc
	if sn.Version == 0 {
		sn.Time = time.Now().UTC().Truncate(time.Microsecond)
		return true, nil
	}
	e, err := s.Entry(sn.Version)
	if err != nil {
		return false, err
	}
	sn.Time = e.Time
	return true, nil
}

// schemaSince returns from which version on a schema is in force, and its numbering; nil
// where the log does not have it, or not yet.
func (l *frameLog) schemaSince(version uint64) (since uint64, doc []byte, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.r == nil {
		return 0, nil, errClosed
	}
	err = l.r.Query(`SELECT frame, doc FROM schema WHERE version = ?`, []driver.Value{int64(version)}, func(row []driver.Value) error {
		since, doc = uint64(number64(row[0])), append([]byte(nil), blob(row[1])...)
		return nil
	})
	return since, doc, err
}

// SchemaDoc is the numbering of the schema, for [OpenCopy].
func (sn *Snapshot) SchemaDoc() []byte { return sn.doc }

// Close ends the snapshot; closing it again does nothing.
func (sn *Snapshot) Close() error {
	if sn.conn == nil {
		return nil
	}
	err := sn.conn.Close()
	sn.conn = nil
	return err
}

const (
	copyPages = 256      // that are copied without looking up
	copySync  = 16 << 20 // bytes after which they go to the disk, so that the frame log never waits for all of a copy
)

// Copy writes the database into a new file and closes the snapshot. The copy has what
// devices had settled at its version, and of the hub's own tables only those that the
// game's data needs; it is no hub's, until [Copy.Found]. progress is told of pages, and
// may be nil. A copy that fails is removed.
//
// The file is not made durable. Copying takes little memory, whatever the size.
func (sn *Snapshot) Copy(ctx context.Context, path string, progress func(done, total int)) (err error) {
	defer func() {
		if err = errors.Join(err, sn.Close()); err != nil {
			_ = os.Remove(path)
		}
	}()
	if err := sn.copyPages(ctx, path, progress); err != nil {
		return explain(path, err)
	}
	if err := sn.Close(); err != nil {
		return err
	}
	return FinishCopy(path, sn.doc, sn.Version, sn.s.EntryBytes)
}

// FinishCopy makes a copy of what was copied page by page, or by [CopyNamespace]: it brings
// what devices have settled up to the version, by the entries before it, and empties the
// tables that no copy keeps. schema is the numbering of the tables.
func FinishCopy(path string, schema []byte, version uint64, entry func(version uint64) ([]byte, error)) (err error) {
	c, err := OpenCopy(path, schema)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if c.Version() != version {
		return fmt.Errorf("the copy %s has version %d, it should have %d", path, c.Version(), version)
	}
	for v := c.devices + 1; v <= version; v++ {
		b, err := entry(v)
		if err == nil {
			err = c.settle(v, b)
		}
		if err != nil {
			return err
		}
	}
	return c.scrub()
}

func (sn *Snapshot) copyPages(ctx context.Context, path string, progress func(done, total int)) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	to, err := openLoose(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	steps := 0
	return sn.conn.CopyTo(to, copyPages, func(done, total int) error {
		if steps++; steps%(copySync/(copyPages*4096)) == 0 {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		if progress != nil {
			progress(done, total)
		}
		return ctx.Err()
	})
}

// EntryBytes returns an entry as the frame log has it, with its checksum, for
// [Copy.Replay]. ErrGone: the log no longer has it.
func (s *Store) EntryBytes(version uint64) ([]byte, error) {
	b, found, err := s.log.read(version)
	if err == nil && !found {
		err = ErrGone
	}
	return []byte(b), err
}

// EntryFacts are what can be told of an entry's bytes without a schema.
type EntryFacts struct {
	Time      time.Time
	NewSchema bool // [Copy.Replay] can't go on with it
}

// ReadEntryFacts reads the facts of an entry, and checks its checksum.
func ReadEntryFacts(b []byte) (EntryFacts, error) {
	doc, err := decodeDoc(b)
	if err != nil {
		return EntryFacts{}, err
	}
	return EntryFacts{time.UnixMicro(doc.Time).UTC(), doc.Reshape}, nil
}
