package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"framehub/hub"
	"framehub/mvsqlite"
	"framehub/store"
)

// notOpened says why the database could not be opened, in the words of the file that is
// to be mended where it is one: the schema, or the configuration whose rules don't fit.
func (s *serveCommand) notOpened(err error, file *config, o store.Options) error {
	if _, ok := errors.AsType[*store.ScriptError](err); ok {
		return inScript(s.Schema, err)
	}
	if file.rules == nil || mvsqlite.Is(s.DB) {
		return s.missing(err)
	}
	tables, e := store.Describe(s.DB, "")
	if errors.Is(e, fs.ErrNotExist) || e == nil && !slices.ContainsFunc(tables, func(t *store.Table) bool { return !t.Own }) { // it is to be made yet
		tables, e = store.Describe("", o.Schema)
	}
	if e != nil {
		return err
	}
	if _, mistakes := file.rules.Compile(hub.RuleTables(tables)); len(mistakes) > 0 {
		return &fileError{file.path, mistakes}
	}
	return err
}

// checkSchema refuses a database in which devices could see nothing, or that the rules don't
// fit, and warns of tables that they can't see although nothing marks them as private.
func (s *serveCommand) checkSchema(schema *store.Schema, file *config, log *slog.Logger) error {
	synced, others := 0, 0
	for _, t := range schema.Tables {
		switch {
		case t.Own:
		case t.Synced:
			synced++
		case !strings.HasPrefix(t.Name, "_"):
			others++
			log.Warn("devices don't see this table: it has no primary key that tells its rows apart, or is part of a virtual one", "table", t.Name)
		}
	}
	_, mistakes := file.rules.Compile(hub.RuleTables(schema.Tables))
	switch {
	case synced > 0 && len(mistakes) > 0:
		return &fileError{file.path, mistakes}
	case synced > 0:
		return nil
	case others > 0:
		return fmt.Errorf("no table of %s has a primary key: declare PRIMARY KEY columns, by which devices tell rows apart", s.DB)
	default:
		return fmt.Errorf("%s has no tables that devices can see: make some with --schema FILE, or name another --db", s.DB)
	}
}

// warnOfSchema tells who has changed the schema's file that this alone changes no
// database that has tables already.
func (s *serveCommand) warnOfSchema(have *store.Schema, sql string, log *slog.Logger) {
	if sql == "" || mvsqlite.Is(s.DB) {
		return
	}
	wanted, err := store.Describe("", sql)
	if err != nil {
		log.Warn("the schema's file has a mistake, and was not needed: the database has its tables", "err", inScript(s.Schema, err))
		return
	}
	if missing := missingIn(have, wanted); len(missing) > 0 {
		log.Warn("the database lacks what the schema's file has: --schema makes the tables of an empty database only; "+
			"change this one with SQL, or with framehub migrate", "schema", s.Schema, "db", s.DB, "missing", strings.Join(missing, ", "))
	}
}

// missingIn lists the tables and columns of wanted that a schema does not have.
func missingIn(have *store.Schema, wanted []*store.Table) (missing []string) {
	for _, t := range wanted {
		if t.Own {
			continue
		}
		at := slices.IndexFunc(have.Tables, func(o *store.Table) bool { return strings.EqualFold(o.Name, t.Name) })
		if at < 0 {
			missing = append(missing, t.Name)
			continue
		}
		for _, c := range t.Columns {
			if !slices.ContainsFunc(have.Tables[at].Columns, func(o store.Column) bool { return strings.EqualFold(o.Name, c.Name) }) {
				missing = append(missing, t.Name+"."+c.Name)
			}
		}
	}
	return missing
}
