package store

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"framehub/store/internal/sqlite"
)

// privatePrefix begins the names of the hub's own tables that devices don't see. But
// for WillTable the log leaves them out.
const privatePrefix = "_framehub_"

// inspect reads the tables as they are. Ids are zero, and Since too: [number]
// gives them. was is the last schema, nil for none.
func inspect(c *sqlite.Conn, scopes map[string]string, was *schemaDoc) ([]*Table, error) {
	var tables []*Table
	var withoutRowid []bool
	err := c.Query(`SELECT name, wr, type FROM pragma_table_list
		WHERE schema = 'main' AND type IN ('table', 'shadow') AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
		ORDER BY name`, nil,
		func(row []driver.Value) error {
			name := text(row[0])
			if own := ownTable(name); own || !strings.HasPrefix(name, privatePrefix) {
				t := &Table{Name: name, Scope: -1, Synced: text(row[2]) == "table" && !strings.HasPrefix(name, "_"), Own: own, shadow: text(row[2]) == "shadow"}
				tables = append(tables, t)
				withoutRowid = append(withoutRowid, row[1] != int64(0))
			}
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	for i, t := range tables {
		if err := inspectTable(c, t, withoutRowid[i], scopes[t.Name], was); err != nil {
			return nil, fmt.Errorf("table %q: %w", t.Name, err)
		}
	}
	return tables, findPlain(c, tables)
}

func inspectTable(c *sqlite.Conn, t *Table, withoutRowid bool, scope string, was *schemaDoc) error {
	columns, err := readColumns(c, t.Name)
	if err != nil {
		return err
	}
	if err := countable(columns); err != nil {
		return err
	}
	collations, indexed, err := keyCollations(c, t.Name)
	if err != nil {
		return err
	}
	var key, rest []Column
	for _, col := range columns {
		if col.pk == 0 {
			rest = append(rest, col)
			continue
		}
		col.collation = collations[col.cid]
		key = append(key, col)
	}
	slices.SortFunc(key, func(a, b Column) int { return cmp.Compare(a.pk, b.pk) })
	alias := len(key) == 1 && !indexed && !withoutRowid
	t.nullable = !alias && !withoutRowid
	if t.Synced, err = identifies(c, t, key, was); err != nil {
		return err
	}
	if !t.Synced && !alias && !withoutRowid {
		if t.rowid, err = rowidName(columns); err != nil {
			return err
		}
		key, rest = []Column{{Name: t.rowid, Type: "INTEGER", NotNull: true, cid: -1, affinity: affinityInteger}}, columns
	}
	t.Key = len(key)
	t.Columns = append(key, rest...)
	err = c.Query(`SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE
		AND name NOT LIKE '\_framehub\_%' ESCAPE '\' LIMIT 1`, []driver.Value{t.Name},
		func([]driver.Value) error { t.triggers = true; return nil })
	if err != nil {
		return err
	}
	t.intKey = alias || t.rowid != ""
	for i, col := range t.Columns {
		switch {
		case col.virtual:
			t.virtual = append(t.virtual, i)
		case col.cid >= 0:
			t.captured = append(t.captured, i)
		}
	}
	if err := errors.Join(t.readIndexed(c), t.readUniques(c)); err != nil {
		return err
	}
	return t.setScope(scope)
}

// countable refuses what the preupdate hook of SQLite 3.46 and before mistakes for
// another column: one that comes after a virtual column, which is not stored.
func countable(columns []Column) error {
	version, number := sqlite.Version()
	virtual := slices.IndexFunc(columns, func(c Column) bool { return c.virtual })
	if number >= 3_049_000 || virtual < 0 || !slices.ContainsFunc(columns[virtual:], func(c Column) bool { return !c.virtual }) {
		return nil
	}
	return fmt.Errorf("its virtual generated column %q comes before stored ones, which SQLite %s miscounts: declare it last, make it STORED, or use SQLite 3.49 or newer",
		columns[virtual].Name, version)
}

// readIndexed finds the columns by which SQL finds rows without looking at all.
func (t *Table) readIndexed(c *sqlite.Conn) error {
	return c.Query(`SELECT x.name FROM pragma_index_list(?) AS l, pragma_index_xinfo(l.name) AS x
		WHERE x.seqno = 0 AND x.key AND NOT l.partial AND x.coll = 'BINARY' COLLATE NOCASE AND x.name IS NOT NULL`,
		[]driver.Value{t.Name}, func(row []driver.Value) error {
			t.indexed = append(t.indexed, t.Column(text(row[0])))
			return nil
		})
}

func (t *Table) setScope(name string) error {
	if name == "" {
		return nil
	}
	t.Scope = t.Column(name)
	switch {
	case t.Scope < 0:
		return fmt.Errorf("the configuration names %q as its scope, but it has no such column", name)
	case slices.Contains(t.virtual, t.Scope):
		return fmt.Errorf("its scope %q is a virtual generated column: make it STORED", name)
	case !t.Synced:
		return fmt.Errorf("the configuration gives it a scope, but devices don't see this table")
	}
	return nil
}

// readColumns returns the columns in SQL's order.
func readColumns(c *sqlite.Conn, table string) (columns []Column, err error) {
	strict := false
	err = c.Query(`SELECT strict FROM pragma_table_list WHERE schema = 'main' AND name = ?`, []driver.Value{table},
		func(row []driver.Value) error { strict = row[0] != int64(0); return nil })
	if err != nil {
		return nil, err
	}
	const generatedVirtual, generatedStored = int64(2), int64(3)
	err = c.Query(`SELECT cid, name, type, "notnull", dflt_value IS NOT NULL, pk, hidden, ifnull('(' || dflt_value || ')', '') FROM pragma_table_xinfo(?)`,
		[]driver.Value{table}, func(row []driver.Value) error {
			col := column(text(row[1]), text(row[2]), strict)
			col.cid = int(row[0].(int64))
			col.pk = int(row[5].(int64))
			col.NotNull = row[3] != int64(0) || col.pk > 0
			col.Default, col.fallback = row[4] != int64(0), text(row[7])
			col.virtual = row[6] == generatedVirtual
			col.Generated = col.virtual || row[6] == generatedStored
			columns = append(columns, col)
			return nil
		})
	return columns, err
}

// column tells a column's affinity from its declared type, by the rules of
// SQLite's documentation ("Datatypes in SQLite", 3.1).
func column(name, declared string, strict bool) Column {
	up := strings.ToUpper(declared)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(up, p) })
	}
	switch {
	case strict && up == "ANY":
		return Column{Name: name, Type: "ANY", affinity: affinityBlob}
	case has("INT"):
		return Column{Name: name, Type: "INTEGER", affinity: affinityInteger}
	case has("CHAR", "CLOB", "TEXT"):
		return Column{Name: name, Type: "TEXT", affinity: affinityText}
	case up == "":
		return Column{Name: name, Type: "ANY", affinity: affinityBlob}
	case has("BLOB"):
		return Column{Name: name, Type: "BLOB", affinity: affinityBlob}
	case has("REAL", "FLOA", "DOUB"):
		return Column{Name: name, Type: "REAL", affinity: affinityReal}
	default:
		return Column{Name: name, Type: "ANY", affinity: affinityNumeric}
	}
}

// keyCollations returns the collations of the primary key's columns by their
// index in the table, and whether the key has an index: one that is the rowid
// has none.
func keyCollations(c *sqlite.Conn, table string) (found map[int]collation, indexed bool, err error) {
	found = map[int]collation{}
	err = c.Query(`SELECT x.cid, x.coll FROM pragma_index_list(?) AS l, pragma_index_xinfo(l.name) AS x
		WHERE l.origin = 'pk' AND x.key`, []driver.Value{table}, func(row []driver.Value) error {
		indexed = true
		switch name := text(row[1]); strings.ToUpper(name) {
		case "BINARY":
		case "NOCASE":
			found[int(row[0].(int64))] = collateNoCase
		case "RTRIM":
			found[int(row[0].(int64))] = collateRTrim
		default:
			return fmt.Errorf("its key has the collation %q, which the hub does not have", name)
		}
		return nil
	})
	return found, indexed, err
}

// identifies says whether a table that devices might see has a key that tells
// its rows apart. SQLite lets NULL into the primary key of an old-style table,
// and any number of rows can have that. Once devices see the table, rows that another
// program gives no key are left out of what they see.
func identifies(c *sqlite.Conn, t *Table, key []Column, was *schemaDoc) (bool, error) {
	if !t.Synced || len(key) == 0 || !t.nullable || was.synced(t.Name, key) {
		return t.Synced && len(key) > 0, nil
	}
	var null []string
	for _, k := range key {
		null = append(null, quote(k.Name)+" IS NULL")
	}
	yes := true
	err := c.Query(fmt.Sprintf(`SELECT 1 FROM %s WHERE %s LIMIT 1`, quote(t.Name), strings.Join(null, " OR ")), nil,
		func([]driver.Value) error { yes = false; return nil })
	return yes, err
}

// rowidName returns a name of the rowid that no column hides.
func rowidName(columns []Column) (string, error) {
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		if !slices.ContainsFunc(columns, func(c Column) bool { return strings.EqualFold(c.Name, name) }) {
			return name, nil
		}
	}
	return "", errors.New("it has no primary key that tells its rows apart, and its columns hide the rowid: declare a PRIMARY KEY that is NOT NULL")
}

// text returns a driver's value as a string; the driver gives TEXT as either.
func text(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	default:
		return fmt.Sprint(v)
	}
}

// quote returns name as an SQL identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
