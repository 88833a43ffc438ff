package main_test

import (
	"path/filepath"
	"strings"
	"testing"
)

const clusterURL = "mvsqlite://127.0.0.1:7000/world"

// TestMVSQLiteRefused: what can't work is said before anything is started.
func TestMVSQLiteRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, tc := range map[string]struct {
		args  []string
		code  int
		words string
	}{
		"no namespace": {[]string{"serve", "--db", "mvsqlite://127.0.0.1:7000"}, 1, "--db: mvsqlite://127.0.0.1:7000: it names no namespace"},
		"a library that is none": {
			[]string{"serve", "--db", clusterURL, "--mvsqlite-lib", write(t, "lib.so", "no library")}, 1,
			map[bool]string{true: "--mvsqlite-lib", false: "make build-mvsqlite"}[libsqlite3],
		},
		"no library": {[]string{"serve", "--db", clusterURL}, 1, map[bool]string{true: "mvSQLite's library is missing", false: "make build-mvsqlite"}[libsqlite3]},
		"migrate":    {[]string{"migrate", ".", "--db", clusterURL}, 1, "framehub migrate works on a file"},
		"loadtest":   {[]string{"loadtest", "--url", "ws://127.0.0.1:1/", "--db", clusterURL}, 2, "loadtest: --db works on a file"},
		"restore":    {[]string{"restore", "--to", "latest", "--db", clusterURL}, 1, map[bool]string{true: "mvSQLite's library is missing", false: "make build-mvsqlite"}[libsqlite3]},
	} {
		t.Run(name, func(t *testing.T) {
			if code, out, err := run(t, tc.args...); code != tc.code || out != "" || !strings.Contains(err, tc.words) {
				t.Errorf("exit code %d; printed %q, said:\n%s\nwant %q", code, out, err, tc.words)
			}
		})
	}
}

// TestMVSQLiteModes: check-config says of each table when it is merged, and why.
func TestMVSQLiteModes(t *testing.T) {
	dir := t.TempDir()
	tables := write(t, filepath.Join(dir, "schema.sql"), `CREATE TABLE plain(id INTEGER PRIMARY KEY, n INTEGER) STRICT;
		CREATE TABLE judged(id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 0)) STRICT;
		CREATE TABLE seen(id INTEGER PRIMARY KEY) STRICT; CREATE TABLE log(id INTEGER PRIMARY KEY) STRICT;
		CREATE TRIGGER see AFTER INSERT ON seen BEGIN INSERT INTO log VALUES (new.id); END;
		CREATE TABLE leaf(id INTEGER PRIMARY KEY, seen INTEGER REFERENCES seen(id)) STRICT;`)
	config := write(t, filepath.Join(dir, "framehub.toml"), "db = \""+clusterURL+"\"\nschema = '"+tables+"'\n")
	code, out, err := run(t, "check-config", "--config", config)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s%s", code, out, err)
	}
	for _, line := range []string{
		`table "plain": written by the hub alone, merged beside the frames`,
		`table "judged": written by the hub alone, merged in its frame: it is not STRICT, or has CHECK`,
		`table "seen": written by the hub alone, merged in its frame: it has triggers`,
		`table "leaf": written by the hub alone, merged in its frame: foreign keys`,
	} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is not in:\n%s", line, out)
		}
	}
}
