package main_test

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestServeSaysWhatIsWrong: a start that fails names what is to be mended, and where.
func TestServeSaysWhatIsWrong(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	dir := t.TempDir()
	file := func(name, text string) string { return write(t, filepath.Join(dir, name), text) }
	good := file("good.sql", schema)
	typo := file("typo.sql", "-- two; tables\nCREATE TABLE a(id INTEGER PRIMARY KEY);\n\n/* the\n * second */ CREAT TABLE b(id);\nCREATE TABLE c(id);")
	tests := map[string]struct {
		args []string
		code int
		says []string
	}{
		"a typo in the schema": {[]string{"--schema", typo}, 1, []string{typo + `:5: near "CREAT": syntax error`}},
		"an unknown type": {[]string{"--schema", file("type.sql", "CREATE TABLE a(\n  id TEXX PRIMARY KEY\n) STRICT;")}, 1,
			[]string{`type.sql:1: unknown datatype for a.id: "TEXX"`}},
		"rules of columns that are not there": {[]string{"--schema", good, "--config", file("rules.toml", "[tables.thing]\nscope = \"zne\"\nread-only = [\"b\"]\n")}, 1,
			[]string{`rules.toml:2: scope: table "thing" has no column "zne": did you mean "zone"?`, `rules.toml:3: read-only: `}},
		"a taken address":              {[]string{"--schema", good, "--listen", taken.Addr().String()}, 1, []string{"--listen: something listens on " + taken.Addr().String()}},
		"a taken address of operators": {[]string{"--schema", good, "--admin-listen", taken.Addr().String()}, 1, []string{"--admin-listen: something listens on"}},
		"a database in a file":         {[]string{"--schema", good, "--db", filepath.Join(good, "sub", "world.db")}, 1, []string{"world.db: ", "is a file, and no folder"}},
		"an unknown flag":              {[]string{"--frames-hz", "3"}, 2, []string{`did you mean "--frame-hz"?`, `Run "framehub serve --help"`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			code, _, says := run(t, serveArgs(t.TempDir(), test.args...)...)
			if code != test.code {
				t.Errorf("exit code %d", code)
			}
			for _, want := range test.says {
				if !strings.Contains(says, want) {
					t.Errorf("it does not say %q:\n%s", want, says)
				}
			}
		})
	}
	if _, _, says := run(t, "serve", "--config", filepath.Join(dir, "rules.toml"), "--schema", filepath.Join(dir, "none.sql")); strings.Contains(says, "--help") {
		t.Errorf("help says nothing of files:\n%s", says)
	}
	if _, _, says := run(t, "check-config", "--config", filepath.Join(dir, "rules.toml"), "--schema", typo); !strings.Contains(says, typo+":5: ") {
		t.Errorf("check-config does not say where the schema is wrong:\n%s", says)
	}
}

// TestAFailedStartLeavesNoDatabase: who mends the schema or the rules of a start that has
// failed gets the tables that they then make, and not those of before.
func TestAFailedStartLeavesNoDatabase(t *testing.T) {
	more := strings.Replace(schema, "a INTEGER", "a INTEGER, coins INTEGER", 1)
	for name, test := range map[string]struct{ sql, rules, says string }{
		"a typo":                     {strings.Replace(schema, "CREATE", "CREAT", 1), "", "syntax error"},
		"no schema":                  {"", "", "--schema FILE"},
		"nothing that devices see":   {"CREATE TABLE thing(id INTEGER);", "", "PRIMARY KEY"},
		"a rule without its column":  {schema, "[tables.thing]\nserver-only = [\"coins\"]\n", `rules.toml:2: server-only: table "thing" has no column "coins"`},
		"a scope without its column": {schema, "[tables.thing]\nscope = \"coins\"\n", `rules.toml:2: scope: table "thing" has no column "coins"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := serveArgs(dir, "--config", write(t, filepath.Join(dir, "rules.toml"), test.rules))
			if test.sql != "" {
				args = append(args, "--schema", write(t, filepath.Join(dir, "schema.sql"), test.sql))
			}
			if code, _, says := run(t, args...); code != 1 || !strings.Contains(says, test.says) {
				t.Fatalf("exit code %d:\n%s", code, says)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*.db*")); !slices.Equal(left, []string{filepath.Join(dir, "world.frames.db.lock")}) {
				t.Errorf("it leaves %q", left)
			}
			p := start(t, append(args, "--schema", write(t, filepath.Join(dir, "schema.sql"), more))...)
			p.out.await(t, `(ws://\S+)`)
			if code := p.end(); code != 0 || strings.Contains(p.err.String(), "lacks") {
				t.Fatalf("exit code %d:\n%s", code, p.err)
			}
			// One that was there before stays.
			write(t, filepath.Join(dir, "rules.toml"), "[tables.none]\n")
			if code, _, says := run(t, args...); code != 1 || !strings.Contains(says, `no table "none"`) {
				t.Fatalf("exit code %d:\n%s", code, says)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "world*.db")); len(left) != 2 {
				t.Errorf("of a database that was there before there is left %q", left)
			}
		})
	}
}

// TestServeWarnsOfSchema: who changes the schema's file is told that the database keeps
// its tables.
func TestServeWarnsOfSchema(t *testing.T) {
	for name, test := range map[string]struct{ sql, says string }{
		"as before, in capitals": {strings.Replace(schema, "thing", "THING", 1), ""},
		"fewer":                  {strings.Replace(schema, ", a INTEGER", "", 1), ""},
		"a table":                {schema + "CREATE TABLE monster(id INTEGER PRIMARY KEY);", "missing=monster"},
		"a column":               {strings.Replace(schema, "a INTEGER", "a INTEGER, b TEXT", 1), "missing=thing.b"},
		"a mistake":              {schema + "\nCREAT", "schema.sql:2: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tables := write(t, filepath.Join(dir, "schema.sql"), schema)
			for _, sql := range []string{schema, test.sql} {
				write(t, tables, sql)
				p := start(t, serveArgs(dir, "--schema", tables)...)
				p.out.await(t, `(ws://\S+)`)
				if code := p.end(); code != 0 {
					t.Fatalf("exit code %d:\n%s", code, p.err)
				}
				says, warns := p.err.String(), ""
				if sql == test.sql {
					warns = test.says
				}
				if strings.Contains(says, "WRN") != (warns != "") || !strings.Contains(says, warns) {
					t.Errorf("wanted is %q:\n%s", warns, says)
				}
				if !strings.Contains(says, "stopping") {
					t.Errorf("it stops without a word:\n%s", says)
				}
			}
		})
	}
}
