package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"framehub/store/internal/sqlite"
)

// Other programs write the game's tables with SQL. Triggers in the database itself,
// so that they run wherever it is written, note in a table which rows were changed
// and in which columns; the next frame takes that up ([Frame.takeUp]). The hub's own
// connection does not see them, or leaves the notes out ([sqlite.Conn.LeaveOut]).
//
// Not all columns are named by the triggers, for ALTER TABLE … DROP COLUMN refuses
// to drop what a trigger reads: those that can't be dropped anyway, of the key and of
// UNIQUE, the scope, which rules need, and in UPDATE OF, which may name what is not
// there.

// changeTable is where the triggers write. A note's id only grows: the last one
// stays when notes are deleted.
const changeTable = "_framehub_change"

// makeChangeTable makes it, for keys of any table so far.
const makeChangeTable = `
CREATE TABLE IF NOT EXISTS _framehub_change(id INTEGER PRIMARY KEY, tbl INTEGER NOT NULL, what INTEGER NOT NULL, scope ANY, k0 ANY) STRICT;
`

// What a note says of the row with its key; a column's id, from 0 on, says that it
// was set.
const (
	noteMade  = -1 // a row came to be
	noteThere = -2 // a row was there just before: it was deleted, replaced, moved, or might have been
	noteAlone = -3 // of no row: the hub's own table was written
)

// A trigger is one that the hub keeps in the database.
type trigger struct{ name, sql string }

// captureTriggers returns the triggers that a table is to have.
func (t *Table) captureTriggers() []trigger {
	switch {
	case t.shadow: // SQLite runs no triggers for it
		return nil
	case t.Alone:
		return t.aloneTriggers()
	}
	all := []trigger{
		t.trigger("made", "AFTER INSERT", "", t.note(noteMade, "NEW")),
		t.trigger("gone", "BEFORE DELETE", "", t.note(noteThere, "OLD")),
		t.trigger("moved", "AFTER UPDATE OF "+t.keySetBy(), "NOT "+t.keyStays(), t.note(noteThere, "OLD"), t.note(noteMade, "NEW")),
		t.trigger("replaced", "BEFORE INSERT", "", t.replaced("")...),
		t.trigger("replaced_by_update", "BEFORE UPDATE"+t.uniqueSetBy(), "", t.replaced(" AND NOT "+t.sameAs("OLD"))...),
	}
	for i := t.Key; i < len(t.Columns); i++ {
		if c := &t.Columns[i]; !c.Generated {
			all = append(all, t.trigger(fmt.Sprintf("set_%d", c.ID), "AFTER UPDATE OF "+quote(c.Name), "", t.note(c.ID, "NEW")))
		}
	}
	return all
}

// aloneTriggers tell that a table was written that only the hub should write: once
// is enough.
func (t *Table) aloneTriggers() (all []trigger) {
	note := fmt.Sprintf("INSERT INTO %s(tbl, what) SELECT %d, %d WHERE (SELECT tbl * 8 - what FROM %[1]s ORDER BY id DESC LIMIT 1) IS NOT %[4]d",
		changeTable, t.ID, noteAlone, t.ID*8-noteAlone)
	for _, op := range []string{"INSERT", "UPDATE", "DELETE"} {
		all = append(all, t.trigger("alone_"+strings.ToLower(op), "AFTER "+op, "", note))
	}
	return all
}

func (t *Table) trigger(what, when, condition string, body ...string) trigger {
	if condition != "" {
		condition = " WHEN " + condition
	}
	name := fmt.Sprintf("%s%d_%s", privatePrefix, t.ID, what)
	return trigger{name, fmt.Sprintf("CREATE TRIGGER %s %s ON %s%s BEGIN %s; END", name, when, quote(t.Name), condition, strings.Join(body, "; "))}
}

// note returns the statement that notes something of the row OLD or NEW.
func (t *Table) note(what int, row string) string {
	scope := "NULL"
	if t.Scope >= 0 && what != noteMade {
		scope = "OLD." + quote(t.Columns[t.Scope].Name)
	}
	return fmt.Sprintf("INSERT INTO %s(tbl, what, scope, %s) VALUES (%d, %d, %s, %s)",
		changeTable, noteKeys(t.Key), t.ID, what, scope, t.keyOf(row+"."))
}

// noteKeys names the columns of a note that have its key.
func noteKeys(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("k%d", i)
	}
	return strings.Join(names, ", ")
}

func (t *Table) keyOf(prefix string) string {
	parts := make([]string, t.Key)
	for i := range parts {
		parts[i] = prefix + quote(t.Columns[i].Name)
	}
	return strings.Join(parts, ", ")
}

// keyStays is the condition that an update leaves the key as it is.
func (t *Table) keyStays() string {
	var parts []string
	for i := range t.Key {
		name := quote(t.Columns[i].Name)
		parts = append(parts, fmt.Sprintf("OLD.%s IS NEW.%[1]s COLLATE BINARY", name))
		if t.Columns[i].affinity == affinityBlob { // which keeps 1 and 1.0, though they are equal
			parts = append(parts, fmt.Sprintf("typeof(OLD.%s) = typeof(NEW.%[1]s)", name))
		}
	}
	return "(" + strings.Join(parts, " AND ") + ")"
}

// keySetBy lists the names by which an update may set the key, for UPDATE OF.
func (t *Table) keySetBy() string {
	var names []string
	for i := range t.Key {
		names = append(names, quote(t.Columns[i].Name))
	}
	if t.intKey {
		names = append(names, "rowid", "_rowid_", "oid")
	}
	return strings.Join(names, ", ")
}

// uniqueSetBy says by which names it may set anything that is unique: by any, where
// other columns decide what that is.
func (t *Table) uniqueSetBy() string {
	names := []string{t.keySetBy()}
	for _, u := range t.uniques {
		if u.partial {
			return ""
		}
		for _, place := range u.columns {
			if t.Columns[place].Generated {
				return ""
			}
			names = append(names, quote(t.Columns[place].Name))
		}
	}
	return " OF " + strings.Join(names, ", ")
}

// sameAs is the condition that a row of the table is the row OLD.
func (t *Table) sameAs(row string) string {
	parts := make([]string, t.Key)
	for i := range parts {
		name := quote(t.Columns[i].Name)
		parts[i] = fmt.Sprintf("%s IS %s.%[1]s COLLATE BINARY", name, row)
	}
	return "(" + strings.Join(parts, " AND ") + ")"
}

// A unique is columns that no two rows have the same of, by a key's index, or
// another one. REPLACE deletes rows by it without telling delete triggers.
type unique struct {
	columns    []int // places
	collations []string
	expression bool // some of it is no column
	partial    bool // of some rows only
}

// replaced returns the statements that note what the row NEW may replace.
func (t *Table) replaced(also string) (body []string) {
	scope := "NULL"
	if t.Scope >= 0 {
		scope = quote(t.Columns[t.Scope].Name)
	}
	for _, u := range t.uniques {
		parts := make([]string, len(u.columns))
		for i, place := range u.columns {
			name := quote(t.Columns[place].Name)
			value := "NEW." + name
			if c := &t.Columns[place]; c.NotNull && c.fallback != "" { // which REPLACE puts in place of NULL
				value = fmt.Sprintf("ifnull(%s, %s)", value, c.fallback)
			}
			parts[i] = fmt.Sprintf("%s = %s COLLATE %s", name, value, u.collations[i])
		}
		body = append(body, fmt.Sprintf("INSERT INTO %s(tbl, what, scope, %s) SELECT %d, %d, %s, %s FROM %s WHERE %s%s",
			changeTable, noteKeys(t.Key), t.ID, noteThere, scope, t.keyOf(""), quote(t.Name), strings.Join(parts, " AND "), also))
	}
	return body
}

// readUniques finds what REPLACE deletes rows by.
func (t *Table) readUniques(c *sqlite.Conn) error {
	if t.intKey {
		t.uniques = append(t.uniques, unique{columns: []int{0}, collations: []string{"BINARY"}})
	}
	at := map[string]int{}
	return c.Query(`SELECT l.name, x.name, x.coll, l.partial FROM pragma_index_list(?) AS l, pragma_index_xinfo(l.name) AS x
		WHERE l."unique" AND x.key ORDER BY l.seq, x.seqno`, []driver.Value{t.Name}, func(row []driver.Value) error {
		i, ok := at[text(row[0])]
		if !ok {
			i = len(t.uniques)
			at[text(row[0])] = i
			t.uniques = append(t.uniques, unique{})
		}
		u := &t.uniques[i]
		u.partial = row[3] != int64(0)
		if row[1] == nil {
			u.expression = true
			return nil
		}
		u.columns = append(u.columns, t.Column(text(row[1])))
		u.collations = append(u.collations, text(row[2]))
		return nil
	})
}

// decideAlone says which tables only the hub writes: its own, those that the
// options name, and those of which SQL writers' changes can't be told.
func (s *Store) decideAlone(tables []*Table) {
	for _, t := range tables {
		t.mvsqlite = s.opts.MVSQLite
		t.Alone = s.opts.Alone[t.Name] || t.WhyAlone() != ""
	}
}

// OnMVSQLite says of tables that they are to be on mvSQLite.
func OnMVSQLite(tables []*Table) {
	for _, t := range tables {
		t.mvsqlite = true
	}
}

// WhyAlone says why SQL writers can't share the table with the hub; "": they can.
func (t *Table) WhyAlone() string {
	if t.Own {
		return "it is the hub's own"
	}
	if t.mvsqlite {
		return "it is on mvSQLite, where merges come after the frames"
	}
	if t.shadow {
		return "it is part of a virtual table, which SQLite writes"
	}
	if slices.ContainsFunc(t.uniques, func(u unique) bool { return u.expression }) {
		return "it has a UNIQUE index on an expression, and what REPLACE deletes by that can't be told"
	}
	return ""
}

// triggersNow returns the hub's triggers that the database has, by table.
func (s *Store) triggersNow() (map[string][]trigger, error) {
	now := map[string][]trigger{}
	err := s.w.Query(`SELECT tbl_name, name, sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '\_framehub\_%' ESCAPE '\'`, nil,
		func(row []driver.Value) error {
			table := text(row[0])
			now[table] = append(now[table], trigger{text(row[1]), text(row[2])})
			return nil
		})
	return now, err
}

// watched says whether a table has the triggers that it is to have.
func (t *Table) watched(now []trigger) bool {
	want := t.captureTriggers()
	return len(want) == len(now) && !slices.ContainsFunc(want, func(w trigger) bool { return !slices.Contains(now, w) })
}

// watch gives every table its triggers, in the caller's transaction, and takes away
// those that are none's. It ends every prepared statement where there was something
// to do.
func (s *Store) watch() error {
	now, err := s.triggersNow()
	if err != nil {
		return err
	}
	keys := 0
	var sql []string
	for _, t := range s.Schema().Tables {
		keys = max(keys, t.Key)
		if !t.watched(now[t.Name]) {
			for _, is := range now[t.Name] {
				sql = append(sql, "DROP TRIGGER "+quote(is.name))
			}
			for _, want := range t.captureTriggers() {
				sql = append(sql, want.sql)
			}
		}
		delete(now, t.Name)
	}
	for _, lost := range now { // of tables that are the hub's own no longer, or of none
		for _, is := range lost {
			sql = append(sql, "DROP TRIGGER "+quote(is.name))
		}
	}
	if err := s.widenNotes(keys); err != nil {
		return err
	}
	for _, statement := range sql {
		if err := s.w.Exec(statement); err != nil {
			return fmt.Errorf("make the triggers by which other programs' writes are found: %w", err)
		}
	}
	if s.notes != nil {
		s.notes.Close()
	}
	s.noteKeys = max(keys, 1)
	s.notes, err = s.w.Prepare(fmt.Sprintf("SELECT id, tbl, what, scope, %s FROM %s WHERE id > ?1 ORDER BY id", noteKeys(s.noteKeys), changeTable))
	return err
}

// widenNotes makes room in the notes for keys of n columns.
func (s *Store) widenNotes(n int) error {
	have := map[string]bool{}
	err := s.w.Query(`SELECT name FROM pragma_table_info(?)`, []driver.Value{changeTable},
		func(row []driver.Value) error { have[text(row[0])] = true; return nil })
	for i := 1; i < n && err == nil; i++ {
		if name := fmt.Sprintf("k%d", i); !have[name] {
			err = s.w.Exec(fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s ANY", changeTable, name))
		}
	}
	return err
}

// notesLost says whether there are fewer notes than were taken: somebody has deleted
// them, or put back an older database, and what was written since nobody knows.
func (s *Store) notesLost() (bool, error) {
	var last int64
	err := s.w.Query(`SELECT ifnull(max(id), 0) FROM _framehub_change`, nil, func(row []driver.Value) error { last = number64(row[0]); return nil })
	return last < s.taken, err
}

// anchorNotes makes sure that the next note has a higher number than any that was
// taken, also where the database is older than the log.
func (s *Store) anchorNotes() error {
	return s.w.Exec(`INSERT INTO _framehub_change(id, tbl, what) SELECT ?1, 0, ?2 WHERE ?1 > (SELECT ifnull(max(id), 0) FROM _framehub_change)`,
		s.taken, int64(noteThere))
}

// hideTriggers makes the hub's own connection forget the hub's triggers: it reads the
// schema while they are deleted, and that is rolled back. SQLite reads it again when
// another program changes the schema, and then they are hidden again; until then, or
// if it should do so otherwise, they only cost time, for what they would write is left
// out.
func (s *Store) hideTriggers() error {
	s.capture.Pause()
	defer s.capture.Resume()
	err := s.w.Exec(`BEGIN IMMEDIATE;
		PRAGMA writable_schema = ON;
		DELETE FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '\_framehub\_%' ESCAPE '\';
		PRAGMA writable_schema = RESET;
		SELECT count(*) FROM sqlite_schema;`)
	if s.w.AutoCommit() {
		return nil // another program has the lock: they are seen, and left out
	}
	if err = errors.Join(err, s.w.Exec(`ROLLBACK`)); err != nil {
		return fmt.Errorf("hide the hub's triggers from itself: %w", err)
	}
	return nil
}
