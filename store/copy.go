package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"framehub/store/internal/sqlite"
)

// A Copy is a copy of a game database that no hub has: it can be brought to later
// versions by the entries of the frame log, and become the beginning of a new history. A
// copy of which anything fails is of no use any more. It belongs to one goroutine.
type Copy struct {
	s       *Store // what replaying needs of one
	doc     *schemaDoc
	writers map[string]*replayWriter
	devices uint64          // the version up to which it has what devices settled
	pending int             // entries in the open transaction
	foreign map[string]bool // names of [Copy.Foreign]
}

// ErrNewSchema is an entry that changes the schema: the log does not have what became of
// the rows then, so that only a copy from after it leads on.
var ErrNewSchema = errors.New("the schema changed with this version: only a copy from after it leads on")

// replayTx is how many entries are replayed in one transaction.
const replayTx = 1024

// openLoose opens a file that nobody else uses, and that is worth nothing if this process
// or the machine ends: without a journal, and without waiting for the disk.
func openLoose(path string) (*sqlite.Conn, error) {
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{"_mutex": {"no"}}.Encode()}
	c, err := sqlite.Open(dsn.String())
	if err != nil {
		return nil, err
	}
	if err := c.Exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
		PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384`); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// OpenCopy opens a copy that [Snapshot.Copy] has made, with the numbering of its schema.
func OpenCopy(path string, schema []byte) (*Copy, error) {
	return openCopy(Options{Path: path}, schema)
}

// openCopy opens a copy in a file, or in a namespace of mvSQLite.
func openCopy(o Options, schema []byte) (_ *Copy, err error) {
	path := o.Path
	doc, err := decodeSchemaDoc(schema)
	if err != nil {
		return nil, err
	}
	o.Log = slog.New(slog.DiscardHandler)
	s := &Store{opts: o}
	s.recent.init()
	s.devices.init()
	c := &Copy{s: s, doc: doc, writers: map[string]*replayWriter{}, foreign: map[string]bool{}}
	defer func() {
		if err != nil {
			err = explain(path, errors.Join(err, c.Close()))
		}
	}()
	if o.MVSQLite {
		s.w, err = openNamespace(path, o.VFS, 0)
	} else {
		s.w, err = openLoose(path)
	}
	if err != nil {
		return nil, err
	}
	meta, err := readMeta(s.w, "_framehub_meta")
	if err != nil {
		return nil, fmt.Errorf("%s is no copy of a hub's database: %w", path, err)
	}
	if meta["partial"] != nil {
		return nil, fmt.Errorf("%s was copied in the middle of a merge: it is no version", path)
	}
	s.id, s.epoch = blob(meta["id"]), blob(meta["epoch"])
	s.merged.Store(uint64(number64(meta["merged"])))
	s.version.Store(s.merged.Load())
	c.devices = uint64(number64(meta["devices"]))
	tables, err := inspect(s.w, nil, doc)
	if err != nil {
		return nil, err
	}
	if _, changed := number(tables, c.unscoped(), 0, func(*Table) bool { return false }); changed {
		return nil, fmt.Errorf("the tables of %s are not those that belong to this copy", path)
	}
	s.schema.Store(newSchema(0, tables))
	if err := s.prepareFixed(); err != nil {
		return nil, err
	}
	return c, s.enforce(false)
}

// unscoped returns the numbering without scopes, which are the configuration's.
func (c *Copy) unscoped() *schemaDoc {
	d := *c.doc
	d.Tables = slices.Clone(d.Tables)
	for i := range d.Tables {
		d.Tables[i].Scope = -1
	}
	return &d
}

// Version returns the version that the copy has.
func (c *Copy) Version() uint64 { return c.s.version.Load() }

// Epoch names the history that the copy is of, and ID the database.
func (c *Copy) Epoch() []byte { return c.s.epoch }

// Foreign returns the names of tables to which, by the entries that were replayed, another
// program has written though only the hub should: what it changed is not in the copy.
func (c *Copy) Foreign() []string { return slices.Sorted(maps.Keys(c.foreign)) }

// ID names the database, over all its histories.
func (c *Copy) ID() []byte { return c.s.id }

// Replay brings the copy to the next version by that version's entry, as the frame log
// has it. [ErrNewSchema]: it can't, and is left as it was.
func (c *Copy) Replay(version uint64, entry []byte) error {
	if want := c.Version() + 1; version != want {
		return fmt.Errorf("entry %d follows version %d", version, want-1)
	}
	e, err := decodeEntry(version, entry, c.s.Schema())
	if err != nil {
		return err
	}
	if e.Reshape {
		return ErrNewSchema
	}
	if err := c.begin(); err != nil {
		return err
	}
	for _, ch := range e.Tables {
		if err := c.s.replayChange(c.writers, ch); err != nil {
			return fmt.Errorf("replay entry %d into table %q: %w", version, ch.Table.Name, err)
		}
	}
	for _, t := range e.Foreign {
		c.foreign[t.Name] = true
	}
	if err := replaySequences(c.s.w, e); err != nil {
		return fmt.Errorf("replay entry %d: %w", version, err)
	}
	if err := c.settleEntry(e); err != nil {
		return err
	}
	c.s.version.Store(version)
	if c.pending++; c.pending >= replayTx {
		return c.commit(e.Time)
	}
	return nil
}

// settle takes up what devices settled with an entry whose rows the copy has.
func (c *Copy) settle(version uint64, entry []byte) error {
	e, err := decodeEntry(version, entry, c.s.Schema())
	if err != nil {
		return err
	}
	if err := c.begin(); err != nil {
		return err
	}
	return c.settleEntry(e)
}

func (c *Copy) settleEntry(e *Entry) error {
	if err := c.s.devices.preload(c.s.w, e); err != nil {
		return err
	}
	c.s.devices.settle(e)
	return nil
}

func (c *Copy) begin() error {
	if c.s.open.begun {
		return nil
	}
	c.s.open.begun = true
	return c.s.sql.begin.Run()
}

// commit ends the open transaction, if there is one.
func (c *Copy) commit(now time.Time) error {
	s := c.s
	if !s.open.begun {
		return nil
	}
	version := s.version.Load()
	s.devices.flushNow()
	flushed, err := s.devices.collect(version, now)
	if err == nil {
		err = flushed.write(&s.sql.mergeStatements)
	}
	if err == nil {
		err = s.w.Exec(`UPDATE _framehub_meta SET value = ? WHERE key = 'merged'`, int64(version))
	}
	if err == nil {
		err = s.sql.commit.Run()
	}
	if err != nil {
		return explain(s.opts.Path, err)
	}
	s.open, c.pending, c.devices = openTx{}, 0, version
	s.devices.flushed(flushed)
	return nil
}

// travels are the hub's own tables that a copy keeps: what replay needs, and which
// migrations were applied. What devices have settled is part of a version like its rows,
// else one that repeats a transaction would have it twice; and whose they are, else anybody
// could take one over.
var travels = []string{"_framehub_meta", "_framehub_device", changeTable, WillTable, "_framehub_migration"}

// scrub empties all other tables of the hub's own, and forgets which process had the database.
func (c *Copy) scrub() error {
	if err := c.commit(time.Now()); err != nil {
		return err
	}
	var empty []string
	err := c.s.w.Query(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '\_framehub\_%' ESCAPE '\'`, nil, func(row []driver.Value) error {
		if name := text(row[0]); !slices.Contains(travels, name) {
			empty = append(empty, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var sql strings.Builder
	sql.WriteString(`PRAGMA secure_delete = ON; DELETE FROM _framehub_meta WHERE key = 'hub';`)
	for _, name := range empty {
		sql.WriteString("DELETE FROM " + quote(name) + ";")
	}
	return c.s.w.Exec(sql.String())
}

// Found makes the copy the beginning of a new history of its database, with a frame log of
// its own beside it, and makes both durable. From says, for people, what it came from. The
// copy is closed.
func (c *Copy) Found(from string) (err error) {
	defer func() { err = errors.Join(err, c.Close()) }()
	s := c.s
	if err := c.commit(time.Now()); err != nil {
		return err
	}
	doc := *c.doc
	doc.Tables = slices.Clone(doc.Tables)
	for i := range doc.Tables {
		doc.Tables[i].Since = 0
	}
	schema, err := doc.encode()
	if err != nil {
		return err
	}
	ddl, err := sumDDL(s.w, keyless(s.Schema().Tables))
	if err != nil {
		return explain(s.opts.Path, err)
	}
	epoch := random()
	// The log first: without the game database nobody takes it for one.
	if err := foundLog(&s.opts, s.id, epoch, schema, ddl); err != nil {
		return err
	}
	if err := transact(s.w, func() error { return c.foundMeta(epoch, from) }); err != nil {
		return explain(s.opts.Path, err)
	}
	if err := c.Close(); err != nil || s.opts.MVSQLite {
		return err
	}
	return errors.Join(syncFile(s.opts.Path), syncFile(s.opts.logPath()))
}

func (c *Copy) foundMeta(epoch []byte, from string) error {
	if err := c.s.w.Exec(`DELETE FROM _framehub_change; DELETE FROM _framehub_meta`); err != nil {
		return err
	}
	for _, kv := range []struct {
		key   string
		value driver.Value
	}{{"id", c.s.id}, {"epoch", epoch}, {"merged", int64(0)}, {"devices", int64(0)}, {"taken", int64(0)}, {"restored", from}} {
		if err := c.s.w.Exec(`INSERT INTO _framehub_meta VALUES (?, ?)`, kv.key, kv.value); err != nil {
			return err
		}
	}
	return nil
}

// foundLog makes the frame log of a new history whose schema is numbered already. One that
// was made for it before, and came to nothing, is taken up.
func foundLog(o *Options, id, epoch, schema, ddl []byte) (err error) {
	l, err := openLog(o, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	return transact(l.w, func() error {
		if err := l.w.Exec(`DELETE FROM meta; DELETE FROM schema`); err != nil {
			return err
		}
		for _, kv := range []struct {
			key   string
			value driver.Value
		}{{"format", int64(logFormat)}, {"epoch", epoch}, {"id", id}, {"ddl", ddl}} {
			if err := l.writeMeta(kv.key, kv.value); err != nil {
				return err
			}
		}
		return l.w.Exec(`INSERT INTO schema VALUES (1, 0, ?)`, schema)
	})
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close closes the copy, at the last version that it was brought to; closing it again does
// nothing.
func (c *Copy) Close() error {
	if c.s.w == nil {
		return nil
	}
	err := c.commit(time.Now())
	for _, w := range c.writers {
		w.close()
	}
	err = errors.Join(err, c.s.w.Close())
	c.s.w = nil
	return err
}
