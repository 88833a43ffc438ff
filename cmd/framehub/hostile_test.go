package main_test

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"framehub/auth"
	"framehub/session"
	"framehub/session/wire"
)

// A hostile is an input that somebody sends who means no good, and what must come
// of it.
type hostile struct {
	name  string
	do    func(*intruder) string // sends it, and says what came of it, as intruder.outcome does
	want  string
	words string   // that the hub's text must have
	keeps []string // rows that it leaves in the database, as dump has them: table(value, …)
}

// TestHostile sends hostile inputs to hubs in processes of their own, over real
// sockets, and compares what comes of each. It does so twice: what the second round
// leaves behind, of memory, goroutines and rows, the hub would leak. An honest
// device writes all the while, and must get on after each input.
func TestHostile(t *testing.T) {
	const least = 150
	var count atomic.Int64
	t.Run("worlds", func(t *testing.T) {
		for name, world := range map[string]func(*testing.T) (*hostileWorld, []hostile){"token": tokenWorld, "jwt": jwtWorld} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w, cases := world(t)
				count.Add(int64(len(cases)))
				w.tryAll(t, cases)
			})
		}
	})
	if n := count.Load(); n < least && !t.Failed() {
		t.Errorf("%d inputs are fewer than %d", n, least)
	}
	t.Logf("%d hostile inputs", count.Load())
}

// A hostileWorld is a hub under attack.
type hostileWorld struct {
	hub    *child
	args   []string
	addr   string // of devices
	admin  string // http://… of operators
	dir    string
	schema *wire.Schema      // as a server sees it
	tokens map[string]string // by whose they are
	honest *honest

	before   []string // what the database had
	secret   []string // tokens that are sent, good or bad
	requests atomic.Int64
}

// newHostileWorld starts a hub. mint signs tokens for it.
func newHostileWorld(t *testing.T, dir string, mint func(id *auth.Identity) string, args ...string) *hostileWorld {
	t.Helper()
	w := &hostileWorld{dir: dir, tokens: map[string]string{}}
	for name, id := range map[string]auth.Identity{
		"alice":   {Roles: []string{"server"}},
		"bob":     {Roles: []string{"device"}, Scopes: map[string][]any{"thing": {int64(7), int64(8)}}},
		"mallory": {Roles: []string{"device"}, Scopes: map[string][]any{"thing": {int64(7)}}},
		"game":    {Roles: []string{"server"}},
		"root":    {Roles: []string{"admin"}},
	} {
		id.User, id.Expires = name, time.Now().Add(time.Hour)
		w.tokens[name] = w.hide(mint(&id))
	}
	tables := write(t, filepath.Join(dir, "schema.sql"), hostileSchema)
	config := write(t, filepath.Join(dir, "framehub.toml"), hostileRules)
	// Shipping takes some memory once, with its first segment, which no input has made the hub take.
	args = append(args, "--schema", tables, "--config", config, "--admin-auth", "login", "--backup-every", "0s", "--ship-every", "0s")
	w.args = append([]string{"--log-level", "debug"}, serveArgs(dir, args...)...)
	w.hub = newChild(t, w.args)
	w.addr = regexp.MustCompile(`ws://([^/]+)`).FindStringSubmatch(w.hub.out.await(t, `(ws://\S+)`))[1]
	w.admin = w.hub.out.await(t, `operators +(http://\S+)`)
	w.before = dump(t, filepath.Join(dir, "world.db")) // while nobody is there
	c, err := session.Dial(t.Context(), w.url(), session.ClientOptions{Token: w.tokens["game"], Hello: wire.DeviceHello{SubsSet: true}})
	if err != nil {
		t.Fatal(err)
	}
	w.schema = c.Hello.Schema
	c.Close()
	w.honest = newHonest(t, w)
	return w
}

func (w *hostileWorld) url() string { return "ws://" + w.addr + session.Path }

// hide remembers a token, which the hub must never say.
func (w *hostileWorld) hide(token string) string {
	w.secret = append(w.secret, token)
	return token
}

// tryAll tries every input twice, and looks at what that leaves behind.
func (w *hostileWorld) tryAll(t *testing.T, cases []hostile) {
	t.Helper()
	vectors := w.vectorCases(t)
	all := slices.Concat(cases, vectors)
	w.round(t, "first", all)
	memory, goroutines := w.settle(t, 0, 0)
	w.round(t, "again", all)
	w.settle(t, memory, goroutines)
	w.wantRows(t, cases)
	w.wantEnd(t)
	t.Logf("%d inputs, and %d of the golden vectors, twice each: %d requests, while the honest device wrote %d times", len(cases), len(vectors), w.requests.Load(), w.honest.beats)
}

// round tries every input once.
func (w *hostileWorld) round(t *testing.T, name string, cases []hostile) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		var running sync.WaitGroup
		next := make(chan hostile)
		for range atOnce {
			running.Go(func() {
				for c := range next {
					t.Run(c.name, func(t *testing.T) { w.try(t, c) })
				}
			})
		}
		for _, c := range cases {
			next <- c
		}
		close(next)
		running.Wait()
	})
}

// atOnce is how many inputs are tried beside each other: they wait for frames and
// deadlines of the hub's most of their time.
const atOnce = 16

func (w *hostileWorld) try(t *testing.T, c hostile) {
	t.Helper()
	i := &intruder{t: t, w: w}
	defer i.leave()
	if got := c.do(i); got != c.want || !strings.Contains(i.text, c.words) {
		t.Errorf("it came to %q with the words %q, want %q with %q", got, i.text, c.want, c.words)
	}
	w.honest.await(t)
}

// settle waits until the hub has no session but the honest one's, and not more
// memory and goroutines than it had; 0: whatever it has then is the measure.
func (w *hostileWorld) settle(t *testing.T, memory, goroutines int) (nowMemory, nowGoroutines int) {
	t.Helper()
	const slack = 4 << 20 // chance, and what the devices of a round are remembered by: one goroutine's stack for each input would be more
	client := trusting(t, nil)
	ask := func(path, pattern string) int {
		code, body, _ := get(t, client, w.admin+path, "Authorization", "Bearer "+w.tokens["root"])
		m := regexp.MustCompile(pattern).FindStringSubmatch(body)
		if code != http.StatusOK || m == nil {
			t.Fatalf("%s answers %d, without %s:\n%.500s", path, code, pattern, body)
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	for end := time.Now().Add(20 * time.Second); ; <-time.After(50 * time.Millisecond) {
		sessions := ask("metrics", `(?m)^framehub_sessions (\S+)$`)
		nowGoroutines = ask("metrics", `(?m)^go_goroutines (\S+)$`)
		if sessions == 1 && (goroutines == 0 || nowGoroutines <= goroutines) {
			nowMemory = ask("debug/pprof/heap?gc=1&debug=1", `# HeapInuse = (\d+)`)
			if memory == 0 || nowMemory <= memory+slack {
				t.Logf("%.1f MiB in use, %d goroutines", float64(nowMemory)/(1<<20), nowGoroutines)
				return nowMemory, nowGoroutines
			}
		}
		if time.Now().After(end) {
			t.Fatalf("the hub has %d sessions and %d goroutines, before %d; %d bytes in use, before %d", sessions, nowGoroutines, goroutines, nowMemory, memory)
		}
	}
}

// wantRows compares the database with what it had, the rows that inputs may leave,
// and what the honest device wrote.
func (w *hostileWorld) wantRows(t *testing.T, cases []hostile) {
	t.Helper()
	want := map[string]int{fmt.Sprintf("beat(1, %d)", w.honest.stop(t)): 1}
	for _, row := range w.before {
		want[row]++
	}
	for _, c := range cases {
		for _, row := range c.keeps {
			want[row]++
		}
	}
	end := time.Now().Add(10 * time.Second)
	for { // until the tables have what the log has
		left := maps.Clone(want)
		for _, row := range dump(t, filepath.Join(w.dir, "world.db")) {
			left[row]--
		}
		maps.DeleteFunc(left, func(_ string, n int) bool { return n == 0 })
		if len(left) == 0 {
			break
		}
		if time.Now().After(end) {
			for row, n := range left {
				t.Errorf("the database has %d fewer rows than it should of %.300s", n, row)
			}
			break
		}
		<-time.After(50 * time.Millisecond)
	}
	wantSound(t, filepath.Join(w.dir, "world.db"))
}

// wantEnd ends the hub, and reads what it has said: no token, and nothing that
// could forge a line or reach a terminal. What it leaves must do for another start.
func (w *hostileWorld) wantEnd(t *testing.T) {
	t.Helper()
	said := endHub(t, w.hub)
	for _, token := range w.secret {
		for i, part := range strings.Split(token, ".") {
			if i > 0 && len(part) > 16 && strings.Contains(said, part) {
				t.Errorf("it has said a part of a token, %.100q", part)
			}
		}
	}
	if i := strings.IndexFunc(said, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }); i >= 0 || !utf8.ValidString(said) {
		t.Errorf("the log is not plain text: %.200q", said[max(0, i-100):])
	}
	for _, bad := range []string{"panic", " ERR ", "can't commit"} {
		if strings.Contains(said, bad) {
			t.Errorf("it has said %q:\n%s", bad, said)
		}
	}
	again := newChild(t, w.args)
	again.out.await(t, `(ws://\S+)`)
	endHub(t, again)
	wantSound(t, filepath.Join(w.dir, "world.db"))
}

// endHub ends a hub as an operator does, and returns what it has said.
func endHub(t *testing.T, hub *child) string {
	t.Helper()
	if err := hub.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := hub.cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	return hub.out.String()
}

// dump returns the rows of every table but the hub's own, and the schema.
func dump(t *testing.T, path string) []string {
	t.Helper()
	db, err := sqlOpen(path + "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all := column(t, db, `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '\_framehub\_%' ESCAPE '\'`)
	// One statement for each table: its name, and its columns as SQL writes them.
	for _, query := range column(t, db, `SELECT 'SELECT ' || quote(t.name || '(') || ' || ' ||
			(SELECT group_concat(format('iif(instr("%w", char(0)), hex("%w"), quote("%w"))', c.name, c.name, c.name), ' || '', '' || ') FROM pragma_table_xinfo(t.name) AS c WHERE c.hidden IN (0, 2, 3)) ||
			' || '')'' FROM "' || replace(t.name, '"', '""') || '"'
		FROM pragma_table_list AS t WHERE t.schema = 'main' AND t.type IN ('table', 'shadow') AND t.name NOT LIKE '\_framehub\_%' ESCAPE '\' AND t.name <> 'sqlite_schema'`) {
		all = append(all, column(t, db, query)...)
	}
	return all
}

// wantSound asks SQLite whether a database is whole.
func wantSound(t *testing.T, path string) {
	t.Helper()
	db, err := sqlOpen(path + "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if got := column(t, db, `PRAGMA integrity_check`); !slices.Equal(got, []string{"ok"}) {
		t.Errorf("PRAGMA integrity_check: %q", got)
	}
	if got := column(t, db, `SELECT "table" FROM pragma_foreign_key_check`); len(got) > 0 {
		t.Errorf("PRAGMA foreign_key_check: %q", got)
	}
}
