package store

import (
	"errors"
	"fmt"
	"net/url"
	"os"

	"framehub/store/internal/sqlite"
)

// Describe reads the tables of a database as they are, or those that a schema
// would make where path is "". It only reads, and may be called beside a hub.
// The tables have no ids.
func Describe(path, schema string) (_ []*Table, err error) {
	dsn := "file::memory:?_mutex=no"
	if path != "" {
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
		dsn = (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "_mutex=no&mode=ro"}).String()
	}
	c, err := sqlite.Open(dsn)
	if err != nil {
		return nil, explain(path, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if path == "" {
		if err := c.Exec(schema); err != nil {
			return nil, fmt.Errorf("make the tables: %w", err)
		}
	}
	tables, err := inspect(c, nil)
	return tables, explain(path, err)
}
