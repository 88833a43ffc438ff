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
