package main_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"framehub/session"
	"framehub/session/wire"
)

// The city of the chaos: reg is plain, so that its rows are written in memory;
// guarded goes through SQL, for its CHECK; journal tells which transactions were
// applied, and count how often.
const chaosSchema = `
	CREATE TABLE reg(id INTEGER PRIMARY KEY, v INTEGER NOT NULL, zone INTEGER) STRICT;
	CREATE TABLE guarded(id INTEGER PRIMARY KEY, v INTEGER NOT NULL CHECK (v < 1000000), zone INTEGER) STRICT;
	CREATE TABLE count(device INTEGER PRIMARY KEY, n INTEGER NOT NULL DEFAULT 0) STRICT;
	CREATE TABLE journal(id TEXT PRIMARY KEY, device INTEGER, note TEXT DEFAULT 'written') STRICT;
	CREATE TABLE _seen(id TEXT);
	CREATE TRIGGER journal_is_seen AFTER INSERT ON journal BEGIN INSERT INTO _seen VALUES (new.id); END;
	INSERT INTO reg SELECT value, 0, value % 3 FROM json_each('[0,1,2,3,4,5]');
	INSERT INTO guarded SELECT id, v, zone FROM reg;`

const (
	chaosDevices   = 8
	chaosObservers = 3
	chaosRows      = 6
)

// TestChaos runs devices and observers against a hub that is killed again and
// again, behind a network that cuts connections in the middle of messages. At the
// end each transaction's outcome is what SQL shows, exactly once, every copy
// equals SQL, and the history of what was acknowledged is linearizable.
func TestChaos(t *testing.T) { runChaos(t, 10) }

// TestSoakChaos does so 200 times, in rounds of 20 with a new world each.
func TestSoakChaos(t *testing.T) {
	if os.Getenv("FRAMEHUB_SOAK") == "" {
		t.Skip("set FRAMEHUB_SOAK=10m (or run make soak)")
	}
	for i := range 10 {
		t.Run(strconv.Itoa(i), func(t *testing.T) { runChaos(t, 20) })
	}
}

func runChaos(t *testing.T, kills int) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d kills, seed %d", kills, seed)
	c := newChaos(t, seed)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	c.writing.Add(chaosDevices)
	for i := range chaosDevices {
		running.Go(func() { c.device(ctx, i, seed+uint64(i)) })
	}
	for i := range chaosObservers {
		running.Go(func() { c.observe(i) })
	}
	for range kills {
		c.pause(200*time.Millisecond, 1500*time.Millisecond)
		c.hub.kill(t)
		c.pause(0, 200*time.Millisecond)
		c.hub.start(t)
	}
	c.pause(200*time.Millisecond, 500*time.Millisecond)
	stop()
	c.writing.Wait()
	c.settled.Wait()
	c.quiet.Store(true)
	c.judge(t)
	c.finish()
	running.Wait()
}

// A chaos is the whole world of the test.
type chaos struct {
	t         *testing.T
	rng       *rand.Rand
	hub       *hubProcess
	net       *roughNet
	writing   sync.WaitGroup // devices that go on
	settled   sync.WaitGroup // transactions that have no outcome
	observers [chaosObservers]*session.Device
	finish    context.CancelFunc
	finished  context.Context // of the devices, which outlive their writing
	quiet     atomic.Bool
	began     time.Time

	mu      sync.Mutex // guards the following
	history []porcupine.Operation
	done    map[string]error // outcomes by journal id
}

const chaosRules = `
	tables.reg = { scope = "zone", insert = "all", update = "all", delete = "all" }
	tables.guarded = { scope = "zone", insert = "all", update = "all", delete = "all" }
	tables.count = { insert = "all", update = "all", delete = "all" }
	tables.journal = { insert = "all", update = "all", delete = "all" }`

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	c := &chaos{t: t, rng: rand.New(rand.NewPCG(seed, 1)), done: map[string]error{}, began: time.Now()}
	c.finished, c.finish = context.WithCancel(t.Context())
	c.hub = newHubProcess(t, chaosSchema, chaosRules)
	c.net = newRoughNet(t, c.hub.addr, &c.quiet, seed)
	t.Cleanup(c.finish)
	return c
}

func (c *chaos) pause(least, most time.Duration) {
	time.Sleep(least + time.Duration(c.rng.Int64N(int64(most-least)+1))) //nolint:forbidigo // how long the hub lives is the point
}

func (c *chaos) newDevice(subs []wire.Sub) *session.Device {
	d, err := session.NewDevice(session.DeviceOptions{
		URL: "ws://" + c.net.addr() + session.Path, Subs: subs, Strict: true, MinWait: time.Millisecond, MaxWait: 50 * time.Millisecond,
	})
	if err != nil {
		panic(err) // the options are constants
	}
	return d
}

// observe runs a device that only watches: everything, or a zone.
func (c *chaos) observe(i int) {
	subs := []wire.Sub(nil)
	if i > 0 {
		zone := []wire.Value{wire.IntegerValue(int64(i - 1))}
		subs = []wire.Sub{{Name: "reg", Scoped: true, Scopes: zone}, {Name: "guarded", Scoped: true, Scopes: zone}, {Name: "journal"}}
	}
	d := c.newDevice(subs)
	c.mu.Lock()
	c.observers[i] = d
	c.mu.Unlock()
	if err := d.Run(c.finished); err != nil {
		c.t.Errorf("observer %d: %v", i, err)
	}
}

// A call is what a transaction does to one row, for the judge of histories.
type call struct {
	row  string
	kind string // put, add or swap
	old  int64
	new  int64
}

// device writes until ctx ends, and stays until its transactions are settled.
func (c *chaos) device(ctx context.Context, i int, seed uint64) {
	d := c.newDevice([]wire.Sub{})
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Run(c.finished); err != nil {
			c.t.Errorf("device %d: %v", i, err)
		}
	})
	defer running.Wait()
	rng := rand.New(rand.NewPCG(seed, 2))
	free := make(chan struct{}, 4) // under way at most
	for n := 0; ctx.Err() == nil; n++ {
		free <- struct{}{}
		c.submit(d, i, n, rng, func() { <-free })
	}
	c.writing.Done()
}

func (c *chaos) submit(d *session.Device, device, n int, rng *rand.Rand, then func()) {
	id := fmt.Sprintf("%d-%d", device, n)
	table := []string{"reg", "guarded"}[rng.IntN(2)]
	row := rng.Int64N(chaosRows)
	in := call{row: fmt.Sprint(table, row), kind: []string{"put", "add", "swap"}[rng.IntN(3)], old: rng.Int64N(4), new: rng.Int64N(4)}
	tx := new(session.Tx)
	switch in.kind {
	case "swap":
		tx.Expect(table, []string{"id", "v"}, session.Values(row, in.old))
		fallthrough
	case "put":
		tx.Put(table, []string{"id", "v"}, session.Values(row, in.new))
	case "add":
		tx.Add(table, []string{"id", "v"}, session.Values(row, in.new))
	}
	tx.Insert("journal", []string{"id", "device"}, session.Values(id, device))
	if n == 0 {
		tx.Insert("count", []string{"device", "n"}, session.Values(device, 1))
	} else {
		tx.Add("count", []string{"device", "n"}, session.Values(device, 1))
	}
	c.settled.Add(1)
	called := time.Since(c.began)
	err := d.Submit(tx, func(o session.Outcome) {
		c.note(device, id, in, called, o.Err)
		then()
		c.settled.Done()
	})
	if err != nil {
		c.t.Errorf("submit %s: %v", id, err)
		then()
		c.settled.Done()
	}
}

func (c *chaos) note(device int, id string, in call, called time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[id] = err
	var refused *wire.Refusal
	switch {
	case err == nil:
	case errors.As(err, &refused) && refused.Code == wire.CodeConflict:
	case errors.As(err, &refused) && refused.Code == wire.CodeMissing: // the first one, which makes the counter, was refused
		return
	default:
		c.t.Errorf("transaction %s: %v", id, err)
		return
	}
	c.history = append(c.history, porcupine.Operation{
		ClientId: device, Input: in, Output: err == nil, Call: int64(called), Return: int64(time.Since(c.began)),
	})
}

// judge looks at what everything has come to.
func (c *chaos) judge(t *testing.T) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+c.hub.db+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	c.awaitMerged(t, db)
	c.judgeOutcomes(t, db)
	c.judgeCopies(t, db)
	c.mu.Lock()
	defer c.mu.Unlock()
	if res, _ := porcupine.CheckOperationsVerbose(registers, c.history, 2*time.Minute); res != porcupine.Ok {
		t.Errorf("the history of %d transactions is not linearizable: %v", len(c.history), res)
	}
	t.Logf("%d transactions, %d connections cut", len(c.done), c.net.cuts.Load())
}

// awaitMerged waits until nothing is written any more and the tables have it all.
func (c *chaos) awaitMerged(t *testing.T, db *sql.DB) {
	t.Helper()
	last, same := int64(-1), 0
	for same < 5 {
		var v int64
		if err := db.QueryRowContext(t.Context(), `SELECT value FROM _framehub_meta WHERE key = 'merged'`).Scan(&v); err != nil {
			t.Fatal(err)
		}
		if same++; v != last {
			last, same = v, 0
		}
		time.Sleep(100 * time.Millisecond) //nolint:forbidigo // another process's database is polled
	}
}

func (c *chaos) judgeOutcomes(t *testing.T, db *sql.DB) {
	t.Helper()
	there := column(t, db, `SELECT id FROM journal`)
	seen := column(t, db, `SELECT id FROM _seen`)
	if len(there) != len(seen) {
		t.Errorf("%d transactions are in the journal, its trigger saw %d", len(there), len(seen))
	}
	applied := map[string]int64{}
	for _, id := range there {
		applied[id] = 1
	}
	want := map[int64]int64{}
	for id, err := range c.done {
		if (err == nil) != (applied[id] == 1) {
			t.Errorf("transaction %s: the device was told %v, the journal has it %d times", id, err, applied[id])
		}
		if err == nil {
			device, _, _ := strings.Cut(id, "-")
			n, _ := strconv.ParseInt(device, 10, 64)
			want[n]++
		}
		delete(applied, id)
	}
	for id := range applied {
		t.Errorf("transaction %s was applied, and nobody was told", id)
	}
	for device, n := range want {
		var have int64
		if err := db.QueryRowContext(t.Context(), `SELECT n FROM count WHERE device = ?`, device).Scan(&have); err != nil || have != n {
			t.Errorf("device %d was told of %d commits, SQL counts %d (%v)", device, n, have, err)
		}
	}
}

func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func (c *chaos) judgeCopies(t *testing.T, db *sql.DB) {
	t.Helper()
	for i, d := range c.observers {
		zone := ""
		if i > 0 {
			zone = fmt.Sprintf(" WHERE zone = %d", i-1)
		}
		for table, query := range map[string]string{
			"reg":     `SELECT id || ' ' || v || ' ' || zone FROM reg` + zone,
			"guarded": `SELECT id || ' ' || v || ' ' || zone FROM guarded` + zone,
			"journal": `SELECT id || ' ' || device || ' ' || note FROM journal`,
		} {
			want := column(t, db, query)
			have := awaitRows(d, table, len(want))
			for _, row := range want {
				if !have[row] {
					t.Errorf("observer %d does not have row %q of %s", i, row, table)
				}
			}
			if len(have) != len(want) {
				t.Errorf("observer %d has %d rows of %s, SQL has %d", i, len(have), table, len(want))
			}
		}
		if n := d.Breaches(); n > 0 {
			t.Errorf("observer %d saw %d broken promises", i, n)
		}
	}
}

// awaitRows returns a copy's rows once there are so many, or after a while
// however many there are: the last frame may still be on its way.
func awaitRows(d *session.Device, table string, n int) map[string]bool {
	for deadline := time.Now().Add(10 * time.Second); ; {
		rows := map[string]bool{}
		d.View(func(c *session.Copy) {
			if t := c.Table(table); t != nil {
				for r := range t.Rows() {
					var parts []string
					for _, v := range r.Values {
						parts = append(parts, strings.Trim(v.String(), `"`))
					}
					rows[strings.Join(parts, " ")] = true
				}
			}
		})
		if len(rows) == n || time.Now().After(deadline) {
			return rows
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // frames come over a real network
	}
}

// registers is the model of rows that are put, added to, and swapped if they are
// what the device expects.
var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		rows := map[string][]porcupine.Operation{}
		for _, op := range history {
			row := op.Input.(call).row
			rows[row] = append(rows[row], op)
		}
		var parts [][]porcupine.Operation
		for _, ops := range rows {
			parts = append(parts, ops)
		}
		return parts
	},
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		v, in, ok := state.(int64), input.(call), output.(bool)
		switch {
		case in.kind == "swap":
			if ok {
				return v == in.old, in.new
			}
			return v != in.old, v
		case !ok:
			return false, v
		case in.kind == "put":
			return true, in.new
		default:
			return true, v + in.new
		}
	},
}

// childArgs is set for a process of the test that is to be the program.
const childArgs = "FRAMEHUB_TEST_CHILD"

// A hubProcess is a hub in a process of its own, to be killed.
type hubProcess struct {
	dir, db, addr string
	cmd           *exec.Cmd
	out           *output
}

func newHubProcess(tb testing.TB, tables, config string) *hubProcess {
	tb.Helper()
	h := &hubProcess{dir: tb.TempDir(), addr: "127.0.0.1:0"}
	h.db = filepath.Join(h.dir, "world.db")
	write(tb, filepath.Join(h.dir, "schema.sql"), tables)
	write(tb, filepath.Join(h.dir, "framehub.toml"), config)
	h.start(tb)
	tb.Cleanup(func() { h.kill(tb) })
	return h
}

func (h *hubProcess) start(tb testing.TB) {
	tb.Helper()
	h.out = newOutput()
	h.cmd = exec.Command(os.Args[0], "serve", "--config", filepath.Join(h.dir, "framehub.toml"), "--listen", h.addr, //nolint:noctx // killed by kill
		"--admin-listen", "127.0.0.1:0", "--admin-auth", "none", "--db", h.db, "--schema", filepath.Join(h.dir, "schema.sql"))
	h.cmd.Env = append(os.Environ(), childArgs+"=1")
	h.cmd.Stdout, h.cmd.Stderr = h.out, h.out
	if err := h.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	h.addr = regexp.MustCompile(`ws://([^/]+)`).FindStringSubmatch(h.out.await(tb, `(ws://\S+)`))[1]
}

func (h *hubProcess) kill(tb testing.TB) {
	tb.Helper()
	if h.cmd == nil {
		return
	}
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait() // killed
	h.cmd = nil
	if out := h.out.String(); strings.Contains(out, "DATA RACE") || strings.Contains(out, "panic") || strings.Contains(out, " ERR ") {
		tb.Errorf("the hub printed:\n%s", out)
	}
}

// A roughNet carries connections to an address, and cuts them at random until it
// is told to be quiet.
type roughNet struct {
	to    string
	l     net.Listener
	quiet *atomic.Bool
	cuts  atomic.Int64

	mu  sync.Mutex
	rng *rand.Rand
}

func newRoughNet(t *testing.T, to string, quiet *atomic.Bool, seed uint64) *roughNet {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &roughNet{to: to, l: l, quiet: quiet, rng: rand.New(rand.NewPCG(seed, 3))}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { n.carry(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); running.Wait() })
	return n
}

func (n *roughNet) addr() string { return n.l.Addr().String() }

// fate returns how many bytes of a direction pass before the connection is cut.
func (n *roughNet) fate() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return 200 + n.rng.IntN(60_000)
}

func (n *roughNet) carry(c net.Conn) {
	defer func() { _ = c.Close() }()
	up, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", n.to)
	if err != nil {
		return // the hub is down
	}
	defer func() { _ = up.Close() }()
	var both sync.WaitGroup
	both.Go(func() { n.copy(up, c) })
	both.Go(func() { n.copy(c, up) })
	both.Wait()
}

func (n *roughNet) copy(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	defer func() { _ = from.Close() }()
	buf := make([]byte, 4096)
	for left := n.fate(); ; {
		m, err := from.Read(buf)
		if !n.quiet.Load() && m >= left {
			n.cuts.Add(1)
			_, _ = to.Write(buf[:left])
			return
		}
		left -= m
		if _, werr := to.Write(buf[:m]); err != nil || werr != nil {
			return
		}
	}
}
