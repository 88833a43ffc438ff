package store

import (
	"bytes"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"framehub/store/internal/sqlite"
)

// privateTables are the hub's own in the game database. What they hold is never
// sent, and the log does not carry it: replay makes it again.
const privateTables = makeChangeTable + `
CREATE TABLE IF NOT EXISTS _framehub_meta(key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _framehub_device(
	id BLOB PRIMARY KEY, settled INTEGER NOT NULL, refused BLOB, seen INTEGER NOT NULL,
	owner TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;
`

// Open opens or makes a game database and its frame log, and brings the first
// up to the second. It refuses, in words, what it can't be sure of: a log of
// another database, a log that is gone or too old, another hub on the same files. What it
// has made is gone again after an error.
func Open(o Options) (_ *Store, err error) {
	o = o.withDefaults()
	o.syncs.begin(o.MVSQLite)
	s := &Store{opts: o, takenMerged: -1, viewers: make(chan struct{}, max(2, runtime.NumCPU())), looks: make(chan struct{}, 4)}
	s.recent.init()
	s.devices.init()
	var making []string
	defer func() {
		if err != nil {
			err = explain(o.Path, errors.Join(err, s.abandon(making)))
		}
	}()
	if err := s.keepOut(); err != nil {
		return nil, err
	}
	if making, err = o.making(); err != nil {
		return nil, err
	}
	if s.w, err = o.open(o.Path, "NORMAL", readBusy); err != nil {
		return nil, err
	}
	s.w.LeaveOut(changeTable)
	if err := s.prepareDatabase(); err != nil {
		return nil, err
	}
	if s.log, err = openLog(&s.opts, s.mark); err != nil {
		return nil, err
	}
	if err := s.match(); err != nil {
		return nil, err
	}
	// A log that can't be written is told now, not by the first frame.
	if err := s.log.setMeta("opened", time.Now().UnixMicro()); err != nil {
		return nil, explain(s.log.path, fmt.Errorf("write to the frame log: %w", err))
	}
	if err := s.catchUp(); err != nil {
		return nil, err
	}
	if o.Check != nil {
		if err := o.Check(s.Schema()); err != nil {
			return nil, err
		}
	}
	return s, s.start()
}

// making returns the files that are to be made, and that go again if the store can't be
// opened: the game database's, if it is not there, and the log's, if that is not there either.
// A log that is made for a database which is there stays: the database tells of it.
func (o *Options) making() (files []string, err error) {
	if o.MVSQLite {
		return nil, nil
	}
	all := Files(o.Path)
	for ; len(all) > 0; all = all[3:] {
		if _, err := os.Lstat(all[0]); !errors.Is(err, fs.ErrNotExist) {
			return files, err
		}
		files = append(files, all[:3]...)
	}
	return files, nil
}

// abandon closes a store that could not be opened. Files that it has made go: the next
// start would take them for a database, and a schema that was mended for one of no use.
func (s *Store) abandon(made []string) error {
	lock := s.lock
	s.lock = nil // until they are gone
	err := s.Close()
	for _, file := range made {
		if e := os.Remove(file); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	if lock != nil {
		err = errors.Join(err, lock.unlock())
	}
	return err
}

// keepOut sees to it that other hubs can't write: by a lock beside the file, or by the
// mark that is to be left in both databases.
func (s *Store) keepOut() (err error) {
	if s.opts.MVSQLite {
		s.mark = newMark()
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(s.opts.Path), 0o750); err != nil {
		return err
	}
	s.lock, err = lockFile(s.opts.logPath() + ".lock")
	return err
}

// logPath returns where the frame log is.
func (o *Options) logPath() string {
	if o.MVSQLite {
		return o.Path + ".frames"
	}
	return strings.TrimSuffix(o.Path, filepath.Ext(o.Path)) + ".frames.db"
}

// prepareDatabase makes the tables of an empty database, and the hub's own.
func (s *Store) prepareDatabase() error {
	empty := true
	err := s.w.Query(`SELECT 1 FROM sqlite_schema WHERE tbl_name NOT LIKE '\_framehub\_%' ESCAPE '\' AND tbl_name <> ? LIMIT 1`, []driver.Value{SessionTable},
		func([]driver.Value) error { empty = false; return nil })
	if err != nil {
		return err
	}
	if err := transact(s.w, func() error { return s.makeTables(empty) }); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	if s.mark != "" {
		if s.owner, err = readMark(s.w, "_framehub_meta"); err != nil {
			return err
		}
	}
	return s.w.Exec(`PRAGMA foreign_keys = ON`)
}

func (s *Store) makeTables(empty bool) error {
	if s.opts.MVSQLite && !empty {
		n := &NamespaceState{}
		if err := n.readLoading(s.w); err != nil {
			return err
		}
		if n.Loading != "" {
			return ErrLoading
		}
	}
	if empty {
		if err := runScript(s.w, s.opts.Schema); err != nil {
			return err
		}
	}
	if err := s.makeOwnTables(); err != nil {
		return err
	}
	if empty && s.opts.Schema != "" {
		if err := s.checkMade(); err != nil { // before it is too late to mend the schema and try again
			return err
		}
	}
	if s.mark != "" {
		return s.mark.take(s.w, "_framehub_meta")
	}
	return nil
}

// makeOwnTables makes what is missing of the hub's own.
func (s *Store) makeOwnTables() error {
	sql := privateTables
	if s.opts.Presence {
		sql += ownTables
	} else {
		sql += dropOwnTables
	}
	return errors.Join(s.w.Exec(sql), s.renewTables())
}

// renewTables brings the hub's own tables, as an older one may have made them, up
// to privateTables.
func (s *Store) renewTables() error {
	owner := false
	err := s.w.Query(`SELECT 1 FROM pragma_table_info('_framehub_device') WHERE name = 'owner'`, nil,
		func([]driver.Value) error { owner = true; return nil })
	if err != nil || owner {
		return err
	}
	return s.w.Exec(`ALTER TABLE _framehub_device ADD COLUMN owner TEXT NOT NULL DEFAULT ''`)
}

// checkMade refuses a schema of which devices could see nothing.
func (s *Store) checkMade() error {
	tables, err := inspect(s.w, nil, nil)
	if err != nil {
		return err
	}
	if err := checkOwn(tables); err != nil {
		return err
	}
	if !slices.ContainsFunc(tables, func(t *Table) bool { return t.Synced && !t.Own }) {
		return errors.New("the schema makes no table that devices can see: declare PRIMARY KEY columns, by which devices tell rows apart, " +
			"and no _ at the beginning of the name")
	}
	return nil
}

// match makes sure that the game database and the log are of one history, and
// gives a new pair its id and epoch.
func (s *Store) match() error {
	game, err := readMeta(s.w, "_framehub_meta")
	if err != nil {
		return err
	}
	log, err := s.log.meta()
	if err != nil {
		return err
	}
	gameID, logID := blob(game["id"]), blob(log["id"])
	switch {
	case log["format"] != nil && log["format"] != int64(logFormat):
		return fmt.Errorf("the frame log %s has format %v, this program knows %d: use the program that wrote it", s.log.path, log["format"], logFormat)
	case gameID == nil && s.log.last == 0:
		return s.found(logID)
	case s.opts.NewEpoch && s.log.last == 0:
		return s.found(nil)
	case logID == nil:
		return fmt.Errorf("the game database %s has a history, but its frame log %s is missing or new: put the log back, "+
			"or give the database a new history with --new-epoch (devices then take everything anew, and what only the log held is lost)", s.opts.Path, s.log.path)
	case gameID == nil:
		return fmt.Errorf("there is a frame log, %s, that is not that of the game database %s, which is missing or new: put back the database "+
			"that belongs to it, or move the log away to begin anew", s.log.path, s.opts.Path)
	case !bytes.Equal(gameID, logID) || !bytes.Equal(blob(game["epoch"]), blob(log["epoch"])):
		return fmt.Errorf("the frame log %s is not that of the game database %s: put the two files back that belong together", s.log.path, s.opts.Path)
	}
	s.id, s.epoch = gameID, blob(game["epoch"])
	merged := uint64(number64(game["merged"]))
	switch {
	case merged > s.log.last:
		return fmt.Errorf("the game database %s has merged version %d, but its frame log %s ends at %d: the log is an older copy, put the right one back",
			s.opts.Path, merged, s.log.path, s.log.last)
	case merged+1 < s.log.first:
		return fmt.Errorf("the game database %s has merged version %d, but its frame log %s begins at %d: the database is an older copy, put the right one back",
			s.opts.Path, merged, s.log.path, s.log.first)
	}
	s.merged.Store(merged)
	s.taken = number64(log["taken"])
	return nil
}

// found begins a history. The log is told first: a crash in between leaves a log
// without entries, which is taken up.
func (s *Store) found(id []byte) error {
	s.id, s.epoch = id, random()
	if s.id == nil {
		s.id = random()
	}
	for _, kv := range []struct {
		key   string
		value driver.Value
	}{{"format", int64(logFormat)}, {"epoch", s.epoch}, {"id", s.id}} {
		if err := s.log.setMeta(kv.key, kv.value); err != nil {
			return err
		}
	}
	err := transact(s.w, func() (err error) {
		for _, kv := range []struct {
			key   string
			value driver.Value
		}{{"epoch", s.epoch}, {"id", s.id}, {"merged", int64(0)}, {"devices", int64(0)}} {
			err = errors.Join(err, s.w.Exec(`INSERT INTO _framehub_meta VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value`, kv.key, kv.value))
		}
		return err
	})
	return errors.Join(err, s.sync())
}

// sync makes durable what the game database has committed, whoever did: a commit
// that is synced syncs all of the WAL before it.
func (s *Store) sync() error {
	if s.opts.MVSQLite {
		return nil
	}
	err := s.w.Exec(`PRAGMA synchronous = FULL;
		INSERT INTO _framehub_meta VALUES ('synced', ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value`, time.Now().UnixMicro())
	if err = errors.Join(err, s.w.Exec(`PRAGMA synchronous = NORMAL`)); err != nil {
		return fmt.Errorf("write the game database to the disk: %w", err)
	}
	return nil
}

// syncWAL makes durable what other programs have committed, before the log says that it
// was taken up: they may leave that to the next checkpoint.
func (s *Store) syncWAL() error {
	f, err := os.OpenFile(s.opts.Path+"-wal", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("write the game database to the disk: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the game database to the disk: %w", err)
	}
	return nil
}

// catchUp reads the schema and replays what the game database lacks.
func (s *Store) catchUp() error {
	s.version.Store(s.log.last)
	s.recent.floor.Store(s.log.first)
	if err := s.readSchema(); err != nil {
		return err
	}
	if err := s.prepareFixed(); err != nil {
		return err
	}
	if from, to := s.merged.Load()+1, s.log.last; from <= to {
		s.opts.Log.Info("replaying the frame log", "from", from, "to", to)
	}
	return s.adopt(s.loadDevices)
}

// start loads what the recent past is asked for.
func (s *Store) start() error {
	if _, err := s.recordReshape(); err != nil {
		return err
	}
	s.w.SetBusyTimeout(0) // from here on the frame loop decides how long to wait
	return s.loadRecent()
}

func (s *Store) captureTables() []sqlite.CaptureTable {
	var out []sqlite.CaptureTable
	for _, t := range s.Schema().Tables {
		c := sqlite.CaptureTable{Name: t.Name, Key: t.Key, Scope: -1}
		if t.rowid != "" {
			c.Key = 0
		}
		for i, place := range t.captured {
			c.CIDs = append(c.CIDs, t.Columns[place].cid)
			c.Real = append(c.Real, t.Columns[place].affinity == affinityReal)
			if place == t.Scope {
				c.Scope = i
			}
		}
		out = append(out, c)
	}
	for _, name := range []string{"_framehub_meta", "_framehub_device", changeTable, "sqlite_sequence"} {
		out = append(out, sqlite.CaptureTable{Name: name, Scope: -1, Ignore: true})
	}
	return out
}

// Close merges what is unmerged, and closes both databases. It is for after the
// frame loop and Run have ended; closing again does nothing.
func (s *Store) Close() error {
	var errs []error
	if sn := s.TakePinned(); sn != nil {
		errs = append(errs, sn.Close())
	}
	if s.w != nil {
		s.pinWanted = false
		errs = append(errs, s.finish(), s.endLag())
		if s.capture != nil {
			s.capture.Close()
		}
		errs = append(errs, s.w.Close())
		s.w = nil
	}
	s.viewersMu.Lock()
	for _, c := range s.idle {
		errs = append(errs, c.Close())
	}
	s.idle, s.closed = nil, true
	s.viewersMu.Unlock()
	if s.log != nil {
		errs = append(errs, s.log.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.unlock())
		s.lock = nil
	}
	s.opts.syncs.end()
	return errors.Join(errs...)
}

// finish merges what is unmerged, with what devices have settled. A frame under
// way, or a failure, leaves that to the next start.
func (s *Store) finish() error {
	if s.broken || s.frame != nil || s.capture == nil {
		return nil
	}
	if err := s.beginTx(); err != nil {
		return nil //nolint:nilerr // the log has it all
	}
	s.devices.flushNow()
	return s.commitTx(time.Now())
}

func random() []byte {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails, by its documentation
	return b
}

func blob(v driver.Value) []byte {
	b, _ := v.([]byte)
	return b
}

func number64(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}
