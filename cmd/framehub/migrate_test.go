package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"framehub/session"
	"framehub/session/wire"
)

// TestMigrate: migrations run before there is a hub, and beside one, whose sessions are
// told.
func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "migrations"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := func(name, text string) { write(t, filepath.Join(dir, "migrations", name), text) }
	migrate := func(args ...string) (int, string, string) {
		return run(t, append([]string{"migrate", filepath.Join(dir, "migrations"), "--db", filepath.Join(dir, "world.db")}, args...)...)
	}
	file("0001_things.sql", "CREATE TABLE thing(id INTEGER PRIMARY KEY, n INTEGER) STRICT; INSERT INTO thing VALUES (1, 1);")
	for _, args := range [][]string{{"--dry-run"}, nil} { // which may be a mistyped path
		if code, out, err := migrate(args...); code != 1 || out != "" || !strings.Contains(err, "there is no database "+dir) {
			t.Fatal(code, out, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "world.db")); err == nil {
		t.Fatal("a database was made")
	}
	for _, args := range [][]string{{"--create", "--dry-run"}, {"--create"}} {
		if code, out, err := migrate(args...); code != 0 || out != "0001_things.sql\n" || err != "" {
			t.Fatal(code, out, err)
		}
	}
	if code, out, err := migrate(); code != 0 || out != "" || !strings.Contains(err, "has had all 1") {
		t.Fatal(code, out, err)
	}

	url := start(t, serveArgs(dir)...).out.await(t, `(ws://\S+)`)
	c, err := session.Dial(t.Context(), url, session.ClientOptions{Hello: wire.DeviceHello{SubsSet: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	file("0002_names.sql", "ALTER TABLE thing ADD COLUMN name TEXT;")
	if code, out, err := migrate("--json"); code != 0 || out != "[\"0002_names.sql\"]\n" {
		t.Fatal(code, out, err)
	}
	for {
		m, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := m.(*wire.Schema); ok {
			for i := range s.Tables {
				if s.Tables[i].Name == "thing" && len(s.Tables[i].Columns) == 3 {
					return
				}
			}
			t.Fatalf("the schema is %+v", s)
		}
	}
}

func TestMigrateThatIsRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "named.sql"), "SELECT 1")
	for name, c := range map[string]struct {
		args []string
		code int
		err  string
	}{
		"a file without a number": {[]string{dir}, 1, "0001_what_it_does.sql"},
		"no folder":               {[]string{filepath.Join(dir, "nowhere")}, 1, "nowhere"},
		"no argument":             {nil, 2, "<dir>"},
	} {
		code, out, err := run(t, append([]string{"migrate", "--db", filepath.Join(dir, "world.db")}, c.args...)...)
		if code != c.code || out != "" || !strings.Contains(err, c.err) {
			t.Errorf("%s: exit code %d, printed %q, said %q", name, code, out, err)
		}
	}
}
