package store_test

import (
	"path/filepath"
	"slices"
	"testing"

	"framehub/store"
)

func TestDescribe(t *testing.T) {
	const schema = `CREATE TABLE thing(a TEXT, id INTEGER PRIMARY KEY) STRICT; CREATE TABLE _private(id INTEGER PRIMARY KEY) STRICT;`
	path := filepath.Join(t.TempDir(), "world.db")
	s, err := store.Open(store.Options{Path: path, Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for name, tc := range map[string]struct{ path, schema string }{
		"a schema":                  {"", schema},
		"a database beside its hub": {path, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tables, err := store.Describe(tc.path, tc.schema)
			if err != nil {
				t.Fatal(err)
			}
			// The hub's own come beside them: devices may see one of the two.
			own := 0
			tables = slices.DeleteFunc(tables, func(t *store.Table) bool {
				if t.Own {
					own++
				}
				return t.Own
			})
			if own != 2 || len(tables) != 2 || tables[0].Synced || !tables[1].Synced || tables[1].Columns[0].Name != "id" {
				t.Fatalf("the tables are %+v", tables)
			}
		})
	}
	for name, tc := range map[string]struct{ path, schema string }{
		"a mistake in the schema": {"", "CREATE TABEL x"},
		"no such file":            {filepath.Join(t.TempDir(), "none.db"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := store.Describe(tc.path, tc.schema); err == nil {
				t.Fatal("no error")
			}
		})
	}
}
