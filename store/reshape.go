package store

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"time"
)

// readSchema reads the tables, and numbers them as the log has them. The shape
// is new at the version after the last, if it differs: [Store.recordReshape]
// then makes that version.
func (s *Store) readSchema() error {
	tables, err := inspect(s.w, s.opts.Scopes)
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	if err := checkOwn(tables); err != nil {
		return err
	}
	version, last, err := s.log.lastSchema()
	if err != nil {
		return err
	}
	if doc, changed := number(tables, last, s.log.last+1); changed {
		s.reshape = doc
		version++
	}
	s.schema.Store(newSchema(version, tables))
	if err := s.checkUnmerged(last); err != nil {
		return err
	}
	s.virtualColumns = slices.ContainsFunc(tables, func(t *Table) bool { return t.Synced && len(t.virtual) > 0 })
	s.cookie, err = s.schemaCookie()
	return err
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
// the log. Entries before it are read by what they have in common.
func (s *Store) recordReshape() error {
	if s.reshape == nil {
		return nil
	}
	// The log must not know a schema that power loss can take from the database.
	if err := s.sync(); err != nil {
		return err
	}
	b, err := s.reshape.encode()
	if err != nil {
		return err
	}
	now := time.Now()
	e := &Entry{Version: s.log.last + 1, Time: now, Schema: s.Schema(), Reshape: true}
	entry, err := e.encode()
	if err != nil {
		return err
	}
	if err := s.log.appendSchema(e, b, entry); err != nil {
		return fmt.Errorf("record the schema in the frame log: %w", err)
	}
	s.reshape = nil
	s.version.Store(e.Version)
	if err := s.beginTx(); err != nil {
		return err
	}
	return s.commitTx(now)
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

func (l *frameLog) appendSchema(e *Entry, doc, entry []byte) error {
	err := l.begin.Run()
	if err == nil {
		err = l.w.Exec(`INSERT INTO schema VALUES (?, ?, ?)`, int64(e.Schema.Version), int64(e.Version), doc)
	}
	if err == nil {
		err = l.w.Exec(`INSERT INTO frame VALUES (?, ?, ?)`, int64(e.Version), e.Time.UnixMicro(), entry)
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
