//go:build libsqlite3 && linux

package main_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"framehub/session"
	"framehub/session/wire"
	"framehub/store/storetest"
)

// libsqlite3 says whether this program loads a SQLite as it starts.
const libsqlite3 = true

// A cluster is a simulation of mvSQLite with the namespaces of a world, whose library
// is preloaded.
type cluster struct {
	*storetest.Mvsim
	library, schema string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	t.Setenv(childArgs, "1") // for the hub that the supervisor starts
	m := storetest.OpenMvsim(t, "world", "world.frames")
	library, err := storetest.Compile(t.TempDir(), "mvsim", "-ldl")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	return &cluster{m, library, write(t, filepath.Join(t.TempDir(), "schema.sql"), schema)}
}

// serve starts a hub under its supervisor, which listens at the address.
func (c *cluster) serve(t *testing.T, listen string) *program {
	t.Helper()
	p := start(t, "serve", "--listen", listen, "--admin-listen", "127.0.0.1:0", "--db", clusterURL, "--mvsqlite-lib", c.library, "--schema", c.schema)
	p.out.await(t, `(ws://\S+)`)
	return p
}

// TestServeMVSQLite: one command serves devices from mvSQLite. The process is aborted
// in its commits, as mvSQLite's library does; the supervisor starts it again, and what
// devices were told is there, once.
func TestServeMVSQLite(t *testing.T) {
	c := newCluster(t)
	addr := freePort(t)
	p := c.serve(t, addr)
	if out := p.out.await(t, `database +(\S+)`); out != clusterURL {
		t.Errorf("the database is said to be %s", out)
	}
	d, err := session.NewDevice(session.DeviceOptions{URL: "ws://" + addr + session.Path, Strict: true, MinWait: 10 * time.Millisecond, MaxWait: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Run(t.Context()); err != nil {
			t.Errorf("the device: %v", err)
		}
	})
	const each = 40
	n := 0
	for _, plan := range [][]string{
		nil,
		{"commit world.frames 7 storeabort"},
		{"commit world.frames 7 abort"},
		{"commit world 1 abort"},
		{"commit world 1 storeabort"},
		{"commit world.frames 3 untrue", "commit world.frames 9 storeioerr", "commit world.frames 20 conflict", "commit world 1 conflict"},
	} {
		before := len(c.Fired())
		c.Plan(plan...)
		for range each {
			n++
			c.add(t, d, n)
		}
		c.Await(before + len(plan))
	}
	if starts := strings.Count(p.out.String(), "ws://"); starts != 5 {
		t.Errorf("the hub started %d times, and crashed in 4 commits:\n%s", starts, p.err)
	}
	if !strings.Contains(p.err.String(), "the hub crashed, and is started again") {
		t.Errorf("the supervisor said:\n%s", p.err)
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.err)
	}
	c.Open("world").Want(`SELECT count(*) || ' ' || sum(a) FROM thing`, fmt.Sprintf("1 %d", n))
}

// add adds 1 to the only thing, or makes it, and waits for the hub's answer.
func (c *cluster) add(t *testing.T, d *session.Device, n int) {
	t.Helper()
	tx := new(session.Tx)
	if n == 1 {
		tx.Insert("thing", []string{"id", "a"}, session.Values(1, 1))
	} else {
		tx.Add("thing", []string{"id", "a"}, session.Values(1, 1))
	}
	outcome := make(chan error, 1)
	if err := d.Submit(tx, func(o session.Outcome) { outcome <- o.Err }); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-outcome:
		if err != nil {
			t.Fatalf("transaction %d: %v", n, err)
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("transaction %d was not answered", n)
	}
}

// TestMVSQLiteBackup: the hub backs up what is on mvSQLite, also after it was aborted; what
// was backed up is restored into a file and into other namespaces, each with all that
// devices were told.
func TestMVSQLiteBackup(t *testing.T) {
	c := newCluster(t)
	addr, admin := freePort(t), freePort(t)
	p := start(t, "serve", "--listen", addr, "--admin-listen", admin, "--db", clusterURL, "--mvsqlite-lib", c.library, "--schema", c.schema, "--ship-every", "50ms")
	p.out.await(t, `(ws://\S+)`)
	if every := p.out.await(t, `backups +data/backups +every (\S+)`); every != "30m0s," {
		t.Errorf("the hub backs up every %s", every)
	}
	d, err := session.NewDevice(session.DeviceOptions{URL: "ws://" + addr + session.Path, Strict: true, MinWait: 10 * time.Millisecond, MaxWait: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Run(t.Context()); err != nil {
			t.Errorf("the device: %v", err)
		}
	})
	n := 0
	for range 3 {
		for range 20 {
			n++
			c.add(t, d, n)
		}
		if code, out, err := run(t, "backup", "now", "--admin-url", "http://"+admin); code != 0 || !strings.Contains(out, "proven") {
			t.Fatalf("backup now: exit code %d\n%s\n%s\nthe hub said\n%s", code, out, err, p.err)
		}
		c.Plan("commit world.frames 3 storeabort")
		n++
		c.add(t, d, n)
		n++
		c.add(t, d, n)
		n++
		c.add(t, d, n)
		c.Plan()
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.err)
	}
	if code, out, err := run(t, "backup", "verify"); code != 0 || strings.Count(out, "good ") < 4 {
		t.Errorf("verify: exit code %d\n%s\n%s", code, out, err)
	}
	if code, out, err := run(t, "restore", "--to", "latest", "--db", "elsewhere/world.db", "--backup-dir", "data/backups"); code != 0 {
		t.Fatalf("restore into a file: exit code %d\n%s\n%s", code, out, err)
	}
	want := fmt.Sprintf("1 %d", n)
	db, err := sqlOpen("elsewhere/world.db")
	if err != nil {
		t.Fatal(err)
	}
	if got := column(t, db, `SELECT count(*) || ' ' || sum(a) FROM thing`); len(got) != 1 || got[0] != want {
		t.Errorf("the file has %s, want %s", got, want)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}

	other := storetest.OpenMvsim(t, "again", "again.frames")
	again := []string{"restore", "--to", "latest", "--db", "mvsqlite://127.0.0.1:7000/again", "--backup-dir", "data/backups", "--mvsqlite-lib", c.library}
	other.Plan("commit again 2 abort")
	if code, out, err := run(t, again...); code != 1 || !strings.Contains(err, "the child process ended before its work did") {
		t.Errorf("a restore that is aborted: exit code %d\n%s\n%s", code, out, err)
	}
	other.Plan()
	code, out, errText := run(t, again...)
	if code != 0 || !strings.Contains(out, "mvsqlite://127.0.0.1:7000/again is version") || !strings.Contains(out, "was gone on with") {
		t.Fatalf("restore into namespaces: exit code %d\n%s\n%s", code, out, errText)
	}
	if code, out, err := run(t, append(again, "--force")...); code != 1 || !strings.Contains(err, "not empty") {
		t.Errorf("a second restore: exit code %d\n%s\n%s", code, out, err)
	}
	other.Open("again").Want(`SELECT count(*) || ' ' || sum(a) FROM thing`, want)
	q := start(t, "serve", "--listen", freePort(t), "--admin-listen", "127.0.0.1:0", "--db", "mvsqlite://127.0.0.1:7000/again", "--mvsqlite-lib", c.library)
	q.out.await(t, `(ws://\S+)`)
	if code := q.end(); code != 0 {
		t.Errorf("a hub on what was restored: exit code %d:\n%s", code, q.err)
	}
}

// TestMVSQLiteReplaced: a second hub takes the database over; the first ends in words,
// with an exit code of its own, and is not started again.
func TestMVSQLiteReplaced(t *testing.T) {
	c := newCluster(t)
	first := c.serve(t, "127.0.0.1:0")
	second := c.serve(t, freePort(t))
	select {
	case code := <-first.code:
		first.code <- code
		if said := first.err.String(); code != 76 || !strings.Contains(said, "another hub") {
			t.Errorf("exit code %d, said:\n%s", code, said)
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("the first hub goes on:\n%s", first.err)
	}
	url := second.out.await(t, `(ws://\S+)`)
	dev, err := session.Dial(t.Context(), url, session.ClientOptions{Hello: wire.DeviceHello{SubsSet: true}})
	if err != nil {
		t.Fatal(err)
	}
	dev.Close()
	if code := second.end(); code != 0 {
		t.Errorf("the second hub: exit code %d:\n%s", code, second.err)
	}
}

// TestMVSQLiteMissing: namespaces that are not there are named, with the command that
// makes them.
func TestMVSQLiteMissing(t *testing.T) {
	c := newCluster(t)
	code, out, err := run(t, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
		"--db", "mvsqlite://127.0.0.1:7000/other", "--mvsqlite-lib", c.library, "--schema", c.schema)
	if code != 1 || strings.Contains(out, "ws://") || !strings.Contains(err, `the cluster has no other`) || !strings.Contains(err, "/api/create_namespace") {
		t.Errorf("exit code %d; printed\n%s\nsaid\n%s", code, out, err)
	}
}
