package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// readSchema reads the tables, and numbers them as the log has them. The shape
// is new at the version after the last, if it differs: [Store.recordReshape]
// then makes that version.
func (s *Store) readSchema() error {
	s.reshape = nil
	cookie, err := s.schemaCookie()
	if err != nil {
		return err
	}
	version, last, err := s.log.lastSchema()
	if err != nil {
		return err
	}
	tables, err := inspect(s.w, s.opts.Scopes, last)
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	s.decideAlone(tables)
	if err := checkOwn(tables); err != nil {
		return err
	}
	triggers, err := s.triggersNow()
	if err != nil {
		return err
	}
	// What happened to a table that lost its triggers, since it was made anew for one,
	// nobody knows.
	lost := false
	if s.sql.begin != nil { // at a start the log has it
		if lost, err = s.notesLost(); err != nil {
			return err
		}
	}
	if lost {
		s.opts.Log.Error("what other programs changed has been deleted, or the database put back to an older one: devices get all rows anew")
	}
	unwatched := func(t *Table) bool { return lost && !t.Alone || s.anew[t.ID] || !t.watched(triggers[t.Name]) }
	ddl, err := s.otherDDL(tables)
	if err != nil {
		return err
	}
	if doc, changed := number(tables, last, s.log.last+1, unwatched); changed || ddl {
		s.reshape = doc
		version++
	}
	s.schema.Store(newSchema(version, tables))
	if err := s.checkUnmerged(last); err != nil {
		return err
	}
	s.virtualColumns = slices.ContainsFunc(tables, func(t *Table) bool { return t.Synced && len(t.virtual) > 0 })
	s.was = cookie
	return nil
}

// adopt brings the database up to the log under the schema that was read last, and
// watches its tables; then it does what else is to be done before that is merged.
func (s *Store) adopt(also func() error) error {
	err := s.sql.begin.Run()
	if err != nil {
		return explain(s.opts.Path, busy(err))
	}
	s.open = openTx{begun: true}
	if err = s.distrust(); err == nil {
		err = s.adoptInTx()
	}
	if err == nil {
		err = also()
	}
	if err != nil {
		s.open = openTx{}
		return errors.Join(err, s.w.Exec(`ROLLBACK`))
	}
	return errors.Join(s.commitTx(time.Now()), s.hideTriggers())
}

func (s *Store) adoptInTx() error {
	cookie, err := s.schemaCookie()
	if err == nil && cookie != s.was {
		err = ErrSchemaChanged // again, between reading it and the transaction
	}
	if err != nil {
		return err
	}
	if err := errors.Join(s.watch(), s.anchorNotes()); err != nil {
		return err
	}
	if s.capture, err = s.w.Capture(s.captureTables()); err != nil {
		return err
	}
	s.stmts = newStatements(s.w)
	s.writer = rowWriter{conn: s.w, stmts: s.stmts}
	if err := s.replay(s.merged.Load()+1, s.version.Load()); err != nil {
		return err
	}
	if cookie, err = s.schemaCookie(); err == nil {
		s.Schema().cookie.Store(cookie)
	}
	return err
}

// Reshape takes up a schema that other programs have changed. The entry is the
// version from which on it is the schema; nil: nothing has changed.
// It is for after [ErrSchemaChanged], and as often as that comes. After an error no frame
// can begin before it has been called again, and goes well.
func (s *Store) Reshape() (*Entry, error) {
	e, err := s.takeUpSchema()
	if err != nil {
		return nil, explain(s.opts.Path, fmt.Errorf("another program changed the schema: %w", err))
	}
	return e, nil
}

func (s *Store) takeUpSchema() (*Entry, error) {
	if s.frame != nil || s.lag.claimed {
		return nil, errUnderWay
	}
	if e, err := s.settleReshape(); e != nil || err != nil {
		return e, err
	}
	if s.opts.MVSQLite {
		if err := errors.Join(s.endLag(), s.lookAnew()); err != nil {
			return nil, err
		}
	}
	if s.open.begun {
		return nil, errUnderWay
	}
	s.rows.forget()
	s.written = true
	s.closeStatements()
	if err := s.sql.begin.Run(); err != nil {
		return nil, busy(err)
	}
	if err := s.makeOwnTables(); err != nil {
		return nil, errors.Join(err, s.w.Exec(`ROLLBACK`))
	}
	if err := s.sql.commit.Run(); err != nil {
		return nil, errors.Join(err, s.w.Exec(`ROLLBACK`))
	}
	if err := errors.Join(s.readSchema(), s.prepareSequences()); err != nil {
		return nil, err
	}
	if err := s.adopt(func() error { return nil }); err != nil {
		return nil, err
	}
	return s.recordReshape()
}

// closeStatements ends everything that was prepared for the tables as they were.
func (s *Store) closeStatements() {
	if s.capture != nil {
		s.capture.Close()
		s.capture = nil
	}
	if s.stmts != nil {
		s.stmts.close()
	}
	for _, m := range []map[int]*sqlite.Stmt{s.virtual, s.whole, s.stored} {
		for id, stmt := range m {
			stmt.Close()
			delete(m, id)
		}
	}
	for _, m := range []map[valueOf]*sqlite.Stmt{s.counts, s.keys} {
		for id, stmt := range m {
			stmt.Close()
			delete(m, id)
		}
	}
}

// checkUnmerged refuses to lose what a crash left to the log alone and a change
// of the schema after it has no place for any more.
func (s *Store) checkUnmerged(last *schemaDoc) error {
	rekeyed := last.rekeyed(s.Schema())
	for v := s.merged.Load() + 1; v <= s.log.last && len(rekeyed) > 0; v++ {
		b, _, err := s.log.read(v)
		if err != nil {
			return err
		}
		e, err := decodeEntry(v, []byte(b), last.schema(0))
		if err != nil {
			return err
		}
		for _, c := range e.Tables {
			if name, ok := rekeyed[c.Table.ID]; ok {
				return fmt.Errorf("table %q got another primary key before version %d of the frame log was merged into it: "+
					"put the old table back, let the hub start once, then change it", name, v)
			}
		}
	}
	return nil
}

// recordReshape appends the entry of a schema that differs from the last one in
// the log, and returns it. Entries before it are read by what they have in common.
func (s *Store) recordReshape() (*Entry, error) {
	if s.reshape == nil {
		return nil, nil
	}
	// The log must not know a schema that power loss can take from the database.
	if err := s.sync(); err != nil {
		return nil, err
	}
	b, err := s.reshape.encode()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	e := &Entry{Version: s.log.last + 1, Time: now, Schema: s.Schema(), Reshape: true}
	entry, err := new(entryEncoder).encode(e)
	if err != nil {
		return nil, err
	}
	ddl, err := sumDDL(s.w, keyless(e.Schema.Tables))
	if err != nil {
		return nil, err
	}
	if err := s.log.appendSchema(e, b, entry, ddl, s.anewTo); err != nil {
		s.recording, s.recordBytes = e, entry
		return nil, fmt.Errorf("record the schema in the frame log: %w", err)
	}
	return s.reshaped(e)
}

// settleReshape finds out what became of a reshape's append that failed: its entry, if
// it took place after all.
func (s *Store) settleReshape() (*Entry, error) {
	e := s.recording
	if e == nil {
		return nil, nil
	}
	there, err := s.log.settle(e.Version, s.recordBytes)
	if err != nil {
		return nil, err
	}
	s.recording, s.recordBytes = nil, nil
	if !there {
		return nil, nil
	}
	return s.reshaped(e)
}

// reshaped takes note of a schema that the log has.
func (s *Store) reshaped(e *Entry) (*Entry, error) {
	s.reshape, s.pinWanted = nil, s.opts.PinSchemas
	s.taken = max(s.taken, s.anewTo)
	s.anew, s.anewTo = nil, 0
	s.version.Store(e.Version)
	s.recent.add(e, s.log.first)
	if err := s.beginTx(); err == nil {
		_ = s.commitTx(e.Time) // the log has it: what fails is put right by Recover
	}
	return e, nil
}

func (l *frameLog) lastSchema() (version uint64, doc *schemaDoc, err error) {
	doc = &schemaDoc{}
	err = l.w.Query(`SELECT version, doc FROM schema ORDER BY version DESC LIMIT 1`, nil, func(row []driver.Value) error {
		version = uint64(number64(row[0]))
		doc, err = decodeSchemaDoc(blob(row[1]))
		return err
	})
	return version, doc, err
}

func (l *frameLog) appendSchema(e *Entry, doc, entry, ddl []byte, taken int64) error {
	err := l.begin.Run()
	if err == nil && l.mark != "" {
		err = l.mark.check(l.owner)
	}
	if err == nil {
		err = l.w.Exec(`INSERT INTO schema VALUES (?, ?, ?)`, int64(e.Schema.Version), int64(e.Version), doc)
	}
	if err == nil {
		err = l.w.Exec(`INSERT INTO frame VALUES (?, ?, ?)`, int64(e.Version), e.Time.UnixMicro(), entry)
	}
	if err == nil {
		err = l.writeMeta("ddl", ddl)
	}
	if err == nil && taken > 0 {
		err = l.take.RunWith(wire.IntegerValue(taken))
	}
	if err == nil {
		err = l.commit.Run()
	}
	if err == nil {
		l.last = e.Version
	}
	return err
}

// SchemaAt returns the schema that had this version, as far as the log knows it,
// or nil.
func (s *Store) SchemaAt(version uint64) (*Schema, error) {
	if now := s.Schema(); version == now.Version {
		return now, nil
	}
	doc, err := s.log.schemaDoc(version)
	if err != nil || doc == nil {
		return nil, err
	}
	return doc.schema(version), nil
}

func (l *frameLog) schemaDoc(version uint64) (doc *schemaDoc, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.r == nil {
		return nil, errClosed
	}
	err = l.r.Query(`SELECT doc FROM schema WHERE version = ?`, []driver.Value{int64(version)}, func(row []driver.Value) error {
		doc, err = decodeSchemaDoc(blob(row[0]))
		return err
	})
	return doc, err
}

// schemaCookie returns the number that SQLite raises with every change of the schema.
func (s *Store) schemaCookie() (cookie int64, err error) {
	err = s.w.Query(`PRAGMA schema_version`, nil, func(row []driver.Value) error { cookie = number64(row[0]); return nil })
	return cookie, err
}
