package main_test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // the driver
	"go.uber.org/goleak"

	"framehub/backup"
	main "framehub/cmd/framehub"
	"framehub/session"
	"framehub/session/wire"
)

func TestMain(m *testing.M) {
	if os.Getenv(childArgs) != "" || len(os.Args) > 1 && os.Args[1] == backup.ChildCommand {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM) // as main has it
		code := main.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}
	if os.Getenv(hostileArgs) != "" {
		hostileMain()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

const schema = `CREATE TABLE thing(id INTEGER PRIMARY KEY, zone INTEGER, a INTEGER) STRICT;`

// output is what a program prints; it can be read while it runs.
type output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	written chan struct{}
}

func newOutput() *output { return &output{written: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.written <- struct{}{}:
	default:
	}
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// await returns what the pattern's group matches, once it is printed.
func (o *output) await(tb testing.TB, pattern string) string {
	tb.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(30 * time.Second)
	for {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m[1]
		}
		select {
		case <-o.written:
		case <-timeout:
			tb.Fatalf("%q was not printed:\n%s", pattern, o)
		}
	}
}

// A program is a run of framehub.
type program struct {
	out, err *output
	stop     context.CancelFunc
	code     chan int
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	p := &program{out: newOutput(), err: newOutput(), stop: stop, code: make(chan int, 1)}
	go func() { p.code <- main.Run(ctx, args, p.out, p.err) }()
	t.Cleanup(func() { stop(); <-p.code })
	return p
}

// end stops the program and returns its exit code.
func (p *program) end() int {
	p.stop()
	code := <-p.code
	p.code <- code
	return code
}

// run runs framehub to its end, which must come by itself.
func run(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	o, e := newOutput(), newOutput()
	code = main.Run(ctx, args, o, e)
	if ctx.Err() != nil {
		t.Errorf("it did not end by itself")
	}
	return code, o.String(), e.String()
}

func write(tb testing.TB, path, text string) string {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func serveArgs(dir string, more ...string) []string {
	return append([]string{
		"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--admin-auth", "none", "--db", filepath.Join(dir, "world.db"),
	}, more...)
}

func TestServe(t *testing.T) {
	dir := t.TempDir()
	tables := write(t, filepath.Join(dir, "schema.sql"), schema)
	config := write(t, filepath.Join(dir, "framehub.toml"), "schema = \""+tables+"\"\n[tables.thing]\nscope = \"zone\"\n")
	p := start(t, serveArgs(dir, "--config", config)...)
	url := p.out.await(t, `(ws://\S+)`)
	c, err := session.Dial(t.Context(), url, session.ClientOptions{Hello: wire.DeviceHello{SubsSet: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	table := thingOf(c.Hello.Schema)
	if table.Name != "thing" || table.Scope != 1 {
		t.Fatalf("the schema has %+v", table)
	}
	p.stop()
	for {
		m, err := c.Next(t.Context())
		if err != nil {
			t.Fatalf("the hub went without a goodbye: %v", err)
		}
		if g, ok := m.(*wire.Goodbye); ok {
			if g.Code != wire.CloseStopping {
				t.Fatalf("the goodbye is %+v", g)
			}
			break
		}
	}
	c.Close()
	if code := p.end(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, p.err)
	}
}

// thingOf returns the table of the test's own schema.
func thingOf(s *wire.Schema) *wire.SchemaTable {
	for i := range s.Tables {
		if s.Tables[i].Name == "thing" {
			return &s.Tables[i]
		}
	}
	return &wire.SchemaTable{}
}

// A flag wins over the environment, and that over the file.
func TestWhereSettingsComeFrom(t *testing.T) {
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "framehub.toml"), "listen = \"10.0.0.1:1\"\nadmin-listen = \"127.0.0.1:0\"\n")
	for name, tc := range map[string]struct {
		env  string
		args []string
		want string
	}{
		"file":        {"", nil, "--listen 10.0.0.1:1 "},
		"environment": {"10.0.0.3:1", nil, "--listen 10.0.0.3:1 "},
		"flag":        {"10.0.0.3:1", []string{"--listen", "10.0.0.4:1"}, "--listen 10.0.0.4:1 "},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.env != "" {
				t.Setenv("FRAMEHUB_LISTEN", tc.env)
			}
			code, _, err := run(t, append([]string{"serve", "--config", config}, tc.args...)...)
			if code != 1 || !strings.Contains(err, tc.want) {
				t.Fatalf("exit code %d, said:\n%s", code, err)
			}
		})
	}
}

func TestMistakesAreTold(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string { return write(t, filepath.Join(dir, name), text) }
	good := file("schema.sql", schema)
	old := filepath.Join(dir, "old.db")
	db, err := sqlOpen(old)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE log(line TEXT)"); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no command":               {nil, 2, "expected one of"},
		"unknown flag":             {[]string{"serve", "--lisen", "x"}, 2, "--lisen"},
		"other machines":           {serveArgs("", "--listen", "0.0.0.0:0"), 1, "--insecure"},
		"operators elsewhere":      {serveArgs("", "--insecure", "--admin-listen", "0.0.0.0:0"), 1, "--admin-listen"},
		"no schema":                {serveArgs(""), 1, "--schema FILE"},
		"schema without keys":      {serveArgs("", "--schema", file("nokey.sql", "CREATE TABLE t(a);")), 1, "PRIMARY KEY"},
		"schema with a mistake":    {serveArgs("", "--schema", file("bad.sql", "CREATE TABEL t(a);")), 1, "TABEL"},
		"schema that is missing":   {serveArgs("", "--schema", "nowhere.sql"), 1, "nowhere.sql"},
		"unknown key":              {serveArgs("", "--config", file("key.toml", "lisen = 1\n")), 2, `"lisen"`},
		"unknown rule":             {serveArgs("", "--config", file("rule.toml", "[tables.thing]\nscop = \"a\"\n")), 2, `"scop"`},
		"many mistakes":            {serveArgs("", "--config", file("many.toml", "lisen = 1\n[tables.thing]\nread = 1\n")), 2, "many.toml:3: read must be"},
		"a rule without its table": {serveArgs("", "--schema", good, "--config", file("table.toml", "[tables.thong]\n")), 1, `table.toml:1: there is no table "thong"`},
		"no TOML":                  {serveArgs("", "--config", file("no.toml", "a = \n")), 2, "no.toml:1: "},
		"database without keys":    {serveArgs("", "--db", old), 1, "PRIMARY KEY"},
		"scope without a column":   {serveArgs("", "--schema", good, "--config", file("scope.toml", "[tables.thing]\nscope = \"room\"\n")), 1, `"room"`},
		"frame rate":               {serveArgs("", "--frame-hz", "0"), 1, "--frame-hz"},
		"no patience":              {serveArgs("", "--clock-patience", "0s"), 1, "--clock-patience"},
		"a certificate alone":      {serveArgs("", "--tls-cert", "c.pem"), 1, "--tls-cert and --tls-key go together"},
		"an admin's key alone":     {serveArgs("", "--admin-tls-key", "k.pem"), 1, "--admin-tls-cert and --admin-tls-key go together"},
		"no such certificate":      {serveArgs("", "--tls-cert", "c.pem", "--tls-key", "k.pem"), 1, "c.pem"},
		"a proxy that is none":     {serveArgs("", "--trusted-proxy", "10.0.0.0/8,proxy"), 1, `--trusted-proxy: "proxy"`},
		"a name that is none":      {serveArgs("", "--admin-host", "https://hub.example"), 1, `--admin-host: "https://hub.example" is no name`},
		"a name for everybody":     {serveArgs("", "--admin-host", "hub.example"), 1, "--admin-auth none nothing checks who asks"},
		"an origin that is none":   {serveArgs("", "--origin", "[game"), 1, `--origin: "[game"`},
		"no sessions":              {serveArgs("", "--max-sessions", "0"), 1, "--max-sessions"},
		"a list for one value":     {serveArgs("", "--config", file("list.toml", "schema = [\"a\"]\n")), 2, "list.toml:1: schema is a list, it must be one value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir()) // where serveArgs then has its database
			code, _, err := run(t, tc.args...)
			if code != tc.code || !strings.Contains(err, tc.want) {
				t.Fatalf("exit code %d, want %d; said:\n%s", code, tc.code, err)
			}
		})
	}
}

func sqlOpen(path string) (*sql.DB, error) { return sql.Open("sqlite3", "file:"+path) }

func TestVersion(t *testing.T) {
	if code, out, _ := run(t, "version"); code != 0 || !strings.HasPrefix(out, "framehub ") {
		t.Fatalf("exit code %d, printed %q", code, out)
	}
}

// A second hub on the same database is told of the first.
func TestSecondHub(t *testing.T) {
	dir := t.TempDir()
	tables := write(t, filepath.Join(dir, "schema.sql"), schema)
	p := start(t, serveArgs(dir, "--schema", tables)...)
	p.out.await(t, `(ws://\S+)`)
	if code, _, err := run(t, serveArgs(dir, "--schema", tables)...); code != 1 || !strings.Contains(err, "another hub") {
		t.Fatalf("exit code %d, said:\n%s", code, err)
	}
}
