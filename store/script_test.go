package store_test

import (
	"errors"
	"testing"

	"framehub/store"
)

// TestScriptLines: an error in a file of SQL is told with the line where its statement begins.
func TestScriptLines(t *testing.T) {
	const table = "CREATE TABLE a(id INTEGER PRIMARY KEY);"
	for name, test := range map[string]struct {
		sql  string
		line int // 0: nothing is wrong
	}{
		"nothing":           {"", 0},
		"only a comment":    {"-- nothing;", 0},
		"an open comment":   {table + "/* nothing", 0},
		"no last semicolon": {"CREATE TABLE a(id INTEGER PRIMARY KEY)\n", 0},
		"first line":        {"CREAT TABLE a(id);\n" + table, 1},
		"not compiled":      {table + "\n\nCREAT TABLE b(id);\n", 3},
		"not run":           {table + "\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (1);\n", 3},
		"behind comments":   {table + " -- one;\n/* two;\n*/ -- three\n;; CREATE TABLE\n a(id);", 4},
		"a trigger's semicolons": {
			table + "\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM a; DELETE FROM a;\nEND;\nCREAT;", 5,
		},
		"a semicolon in a text":  {table + "\nCREATE TABLE b(id INTEGER PRIMARY KEY, t TEXT DEFAULT ';\n');\nCREAT;", 4},
		"needs what was before":  {table + "CREATE INDEX i ON a(id);\nCREATE VIEW v AS SELECT id FROM a; CREATE INDEX i ON a(id);", 2},
		"cut in the middle":      {table + "\nCREATE TABLE b(\n id", 2},
		"returns rows, no error": {table + "PRAGMA user_version; SELECT * FROM a; PRAGMA user_version = 7", 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.Describe("", test.sql+"\n")
			e, ok := errors.AsType[*store.ScriptError](err)
			switch {
			case test.line == 0 && err != nil:
				t.Errorf("it fails: %v", err)
			case test.line != 0 && (!ok || e.Line != test.line):
				t.Errorf("it says %v, not line %d", err, test.line)
			}
		})
	}
}
