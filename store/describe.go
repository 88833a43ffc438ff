package store

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"

	"framehub/store/internal/sqlite"
)

// Describe reads the tables of a database as they are, or those that a schema
// would make where path is "", and the hub's own, which it may not have yet. It
// only reads, and may be called beside a hub. The tables have no ids.
func Describe(path, schema string) ([]*Table, error) {
	if path == "" {
		return describe("file::memory:?_mutex=no", schema+";"+ownTables)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "_mutex=no&mode=ro"}).String()
	tables, err := describe(dsn, "")
	if err != nil {
		return nil, explain(path, err)
	}
	if slices.ContainsFunc(tables, func(t *Table) bool { return t.Own }) {
		return tables, nil
	}
	own, err := Describe("", "")
	return append(tables, own...), err
}

func describe(dsn, sql string) (_ []*Table, err error) {
	c, err := sqlite.Open(dsn)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := runScript(c, sql); err != nil {
		return nil, fmt.Errorf("make the tables: %w", err)
	}
	return inspect(c, nil, nil)
}
