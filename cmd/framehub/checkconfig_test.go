package main_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"framehub/session"
	"framehub/session/wire"
)

func TestCheckConfig(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string { return write(t, filepath.Join(dir, name), text) }
	tables := file("schema.sql", schema)
	good := file("good.toml", "listen = \"127.0.0.1:1\"\n[tables.thing]\nscope = \"zone\"\ninsert = \"all\"\n")
	bad := file("bad.toml", "\n[tables.thing]\nscop = \"zone\"\ninsert = 1\n")
	column := file("column.toml", "[tables.thing]\nscope = \"room\"\n")
	owned := file("owned.toml", "[tables.thing]\nowner = \"owner\"\nmax-owned = 3\n")
	judged := file("judged.sql", "CREATE TABLE thing(id INTEGER PRIMARY KEY, owner TEXT, n INTEGER CHECK (n > 0)) STRICT;")
	indexed := file("indexed.sql", "CREATE TABLE thing(id INTEGER PRIMARY KEY, owner TEXT, n INTEGER CHECK (n > 0)) STRICT; CREATE INDEX i ON thing(owner, n);")
	expression := file("expression.sql", "CREATE TABLE thing(id INTEGER PRIMARY KEY, k TEXT) STRICT; CREATE UNIQUE INDEX i ON thing(lower(k));")
	db := filepath.Join(dir, "world.db")
	start(t, serveArgs(dir, "--schema", tables)...).out.await(t, `(ws://\S+)`)
	for name, tc := range map[string]struct {
		args     []string
		code     int
		out, err string
	}{
		"a good file":             {[]string{"--config", good, "--schema", tables}, 0, "good.toml: no mistakes", ""},
		"beside its hub":          {[]string{"--config", good, "--db", db}, 0, "no mistakes", ""},
		"without tables":          {[]string{"--config", column}, 0, "no mistakes", "--schema FILE"},
		"mistakes":                {[]string{"--config", bad}, 1, "bad.toml:3: unknown rule \"scop\"", ""},
		"mistakes, the second":    {[]string{"--config", bad}, 1, "bad.toml:4: insert", ""},
		"a column":                {[]string{"--config", column, "--schema", tables}, 1, "column.toml:2: scope: table \"thing\" has no column \"room\"", ""},
		"a column of a database":  {[]string{"--config", column, "--db", db}, 1, "column.toml:2:", ""},
		"a schema of its own":     {[]string{"--config", file("own.toml", "schema = '"+tables+"'\n[tables.thong]\n")}, 1, "own.toml:2:", ""},
		"an index is missing":     {[]string{"--config", owned, "--schema", judged}, 0, "no mistakes", `CREATE INDEX "thing_by_owner" ON "thing"("owner" COLLATE BINARY);`},
		"who writes with SQL":     {[]string{"--config", file("alone.toml", "[tables.thing]\nwriters = \"hub\"\n"), "--schema", tables}, 0, `table "thing": written by the hub alone: writers = "hub"`, ""},
		"and by default":          {[]string{"--config", good, "--schema", tables}, 0, `table "thing": written by the hub, and by other programs with SQL`, ""},
		"and where it can't":      {[]string{"--config", file("shared.toml", "[tables.thing]\nwriters = \"sql\"\n"), "--schema", expression}, 1, `shared.toml:2: writers = "sql": SQL can't share table "thing" with the hub: it has a UNIQUE index on an expression`, ""},
		"an index is there":       {[]string{"--config", owned, "--schema", indexed}, 0, "no mistakes", ""},
		"no file":                 {[]string{"--config", "nowhere.toml"}, 2, "", "nowhere.toml"},
		"no flag":                 {nil, 2, "", "--config"},
		"no schema":               {[]string{"--config", good, "--schema", "nowhere.sql"}, 2, "", "nowhere.sql"},
		"no database":             {[]string{"--config", good, "--db", "nowhere.db"}, 2, "", "nowhere.db"},
		"a mistake in the schema": {[]string{"--config", good, "--schema", file("bad.sql", "CREATE TABEL x;")}, 2, "", "TABEL"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, err := run(t, append([]string{"check-config"}, tc.args...)...)
			if code != tc.code || !strings.Contains(out, tc.out) || !strings.Contains(err, tc.err) {
				t.Fatalf("exit code %d, want %d; printed:\n%s\nsaid:\n%s", code, tc.code, out, err)
			}
		})
	}
	t.Run("JSON", func(t *testing.T) {
		for config, want := range map[string]int{bad: 2, good: 0} {
			_, out, _ := run(t, "check-config", "--json", "--config", config)
			var list []struct {
				File, Text string
				Line       int
			}
			if err := json.Unmarshal([]byte(out), &list); err != nil || list == nil || len(list) != want {
				t.Fatalf("%v: %s", err, out)
			}
			if want > 0 && (list[0].File != bad || list[0].Line != 3 || list[0].Text == "") {
				t.Fatalf("the mistakes are %+v", list)
			}
		}
	})
}

// The example's rules are good ones, and what README shows too.
func TestExamplesHaveNoMistakes(t *testing.T) {
	for name, args := range map[string][]string{
		"city":   {"--config", "../../examples/city/framehub.toml", "--schema", "../../examples/city/schema.sql"},
		"tests":  {"--config", "../../conformance/tables/framehub.toml", "--schema", "../../conformance/tables/schema.sql"},
		"tests'": {"--config", "../../conformance/city.toml", "--schema", "../../examples/city/schema.sql"},
	} {
		t.Run(name, func(t *testing.T) {
			if code, out, err := run(t, append([]string{"check-config"}, args...)...); code != 0 || err != "" {
				t.Fatalf("exit code %d:\n%s%s", code, out, err)
			}
		})
	}
}

// SIGHUP reloads the rules, and sessions go on.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	tables := write(t, filepath.Join(dir, "schema.sql"), schema)
	path := filepath.Join(dir, "framehub.toml")
	write(t, path, "[tables.thing]\nscope = \"zone\"\n")
	p := start(t, serveArgs(dir, "--schema", tables, "--config", path)...)
	url := p.out.await(t, `(ws://\S+)`)
	c, err := session.Dial(t.Context(), url, session.ClientOptions{Hello: wire.DeviceHello{SubsSet: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	seq := uint64(0)
	rejected := func() int {
		seq++
		block := wire.AppendBlock(nil, thingOf(c.Hello.Schema).Number, []int{0}, nil, wire.Grid{Stride: 1, Values: []wire.Value{wire.IntegerValue(int64(seq))}}, nil)
		if err := c.Write(t.Context(), wire.WriteHeader{Seq: seq, SchemaVersion: c.Hello.Schema.Version}, [][]byte{wire.AppendOp(nil, wire.OpInsert, block)}); err != nil {
			t.Fatal(err)
		}
		for {
			m, err := c.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if s, ok := m.(*wire.Settled); ok {
				return len(s.Rejected)
			}
		}
	}
	for _, tc := range []struct {
		file, says string
		rejected   int
	}{
		{"[tables.thing]\nscope = \"zone\"\ninsert = \"all\"\n", `rules are reloaded .*changed="table thing"`, 0},
		{"[tables.thing]\nscope = \"zone\"\n\ninsert = \"all\"\n", `they are as before`, 0},
		{"[tables.thing]\nscop = \"zone\"\n", `framehub.toml:2: `, 0},
		{"[tables.thing]\nscope = \"a\"\n", `when the hub starts anew`, 0},
		{"[tables.thing]\nscope = \"zone\"\nwriters = \"hub\"\n", `only the hub writes were \[\] and are \[thing\]: they change only when the hub starts anew`, 0},
		{"[tables.thing]\nscope = \"zone\"\nread-only = [\"b\"]\n", `framehub.toml:3: `, 0},
		{"[tables.thing]\nscope = \"zone\"\n[limits]\nrows = 1\n", `changed="limits, table thing"`, 1},
	} {
		write(t, path, tc.file)
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.err.await(t, "("+tc.says+")")
		if n := rejected(); n != tc.rejected {
			t.Fatalf("%s\n%d transactions are rejected, want %d", tc.file, n, tc.rejected)
		}
	}
}
