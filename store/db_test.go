package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// epochStart is the time of the first frame of every test; each frame is a
// sixtieth of a second later.
var epochStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const frameTime = time.Second / 60

// ages is longer than the time between epochStart and now.
const ages = 100 * 365 * 24 * time.Hour

// A testDB is a store with what tests do to one. It is closed, and both its
// files checked by SQLite's own shell, when the test ends.
type testDB struct {
	testing.TB
	*store.Store
	opts store.Options
	now  time.Time
	seq  map[store.Device]uint64

	apply func(*store.Frame, written) (*wire.Refusal, error) // nil: without a guard
}

// openDB makes a database in a folder of its own.
func openDB(tb testing.TB, schema string, options ...func(*store.Options)) *testDB {
	tb.Helper()
	opts := store.Options{Path: filepath.Join(tb.TempDir(), "world.db"), Schema: schema, Log: quiet, DeviceAge: ages}
	for _, f := range options {
		f(&opts)
	}
	d := &testDB{TB: tb, opts: opts, now: epochStart, seq: map[store.Device]uint64{}}
	d.open()
	tb.Cleanup(func() {
		d.close()
		checkFile(tb, opts.Path)
		checkFile(tb, logOf(opts.Path))
	})
	return d
}

var quiet = slog.New(slog.DiscardHandler)

func logOf(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) + ".frames.db" }

func (d *testDB) context() context.Context { return d.Context() }

func (d *testDB) open() {
	d.Helper()
	s, err := store.Open(d.opts)
	if err != nil {
		d.Fatal("open:", err)
	}
	d.Store = s
}

func (d *testDB) close() {
	d.Helper()
	if d.Store == nil {
		return
	}
	if err := d.Store.Close(); err != nil {
		d.Error("close:", err)
	}
	d.Store = nil
}

func (d *testDB) reopen() {
	d.Helper()
	d.close()
	d.open()
}

func (d *testDB) table(name string) *store.Table {
	d.Helper()
	t := d.Schema().Table(name)
	if t == nil {
		d.Fatalf("there is no table %q", name)
	}
	return t
}

// A testOp is an op by names; columns are in the order of the block.
type testOp struct {
	kind    wire.OpKind
	table   string
	columns string
	rows    [][]any
}

func row(values ...any) []any { return values }

func put(table, columns string, rows ...[]any) testOp {
	return testOp{wire.OpPut, table, columns, rows}
}

func insert(table, columns string, rows ...[]any) testOp {
	return testOp{wire.OpInsert, table, columns, rows}
}

func update(table, columns string, rows ...[]any) testOp {
	return testOp{wire.OpUpdate, table, columns, rows}
}

func remove(table, columns string, rows ...[]any) testOp {
	return testOp{wire.OpDelete, table, columns, rows}
}

func add(table, columns string, rows ...[]any) testOp {
	return testOp{wire.OpAdd, table, columns, rows}
}

func touch(table, columns string, rows ...[]any) testOp {
	return testOp{wire.OpTouch, table, columns, rows}
}

func expect(table, columns string, rows ...[]any) testOp {
	return testOp{wire.OpExpect, table, columns, rows}
}

// write builds a transaction of the device's next number.
func (d *testDB) write(dev store.Device, ops ...testOp) *wire.Write {
	d.Helper()
	d.seq[dev]++
	w := &wire.Write{Seq: d.seq[dev], SchemaVersion: d.Schema().Version}
	for _, op := range ops {
		w.Ops = append(w.Ops, wire.Op{Kind: op.kind, Block: d.block(op)})
	}
	return w
}

func (d *testDB) block(op testOp) wire.Block {
	d.Helper()
	t := d.table(op.table)
	var places []int
	for name := range strings.FieldsSeq(op.columns) {
		place := t.Column(strings.ReplaceAll(name, "·", " "))
		if place < 0 {
			d.Fatalf("table %q has no column %q", op.table, name)
		}
		places = append(places, place)
	}
	g := wire.Grid{Stride: len(places)}
	for _, r := range op.rows {
		if len(r) != len(places) {
			d.Fatalf("a row of table %q has %d values for %d columns", op.table, len(r), len(places))
		}
		for _, v := range r {
			g.Values = append(g.Values, value(v))
		}
	}
	return d.decode(wire.AppendBlock(nil, t.ID, places, nil, g, nil))
}

func (d *testDB) decode(b []byte) wire.Block {
	d.Helper()
	block, err := wire.DecodeBlock(b, 1<<20)
	if err != nil {
		d.Fatal("decode a block:", err)
	}
	return block
}

func value(v any) wire.Value {
	switch v := v.(type) {
	case nil:
		return wire.Value{}
	case int:
		return wire.IntegerValue(int64(v))
	case int64:
		return wire.IntegerValue(v)
	case float64:
		return wire.RealValue(v)
	case string:
		return wire.TextValue(v)
	case []byte:
		return wire.BlobValue(v)
	case wire.Value:
		return v
	default:
		panic(fmt.Sprintf("no value: %T", v))
	}
}

// A written is a transaction on its way into a frame.
type written struct {
	dev store.Device
	w   *wire.Write
}

// frame commits a frame of transactions and merges it. Refusals are returned by
// their place, nil for what was accepted, and settle with the frame.
func (d *testDB) frame(txs ...written) (*store.Entry, []*wire.Refusal) {
	d.Helper()
	e, refusals := d.commit(txs...)
	d.merge()
	return e, refusals
}

func (d *testDB) commit(txs ...written) (*store.Entry, []*wire.Refusal) {
	d.Helper()
	d.now = d.now.Add(frameTime)
	f, err := d.Begin()
	if err != nil {
		d.Fatal("begin:", err)
	}
	apply := d.apply
	if apply == nil {
		apply = func(f *store.Frame, tx written) (*wire.Refusal, error) { return f.Apply(tx.dev, tx.w, nil) }
	}
	var refused []store.Outcome
	refusals := make([]*wire.Refusal, len(txs))
	for i, tx := range txs {
		r, err := apply(f, tx)
		if err != nil {
			d.Fatalf("apply transaction %d: %v", i, err)
		}
		if refusals[i] = r; r != nil {
			refused = append(refused, store.Outcome{Device: tx.dev, Rejected: wire.Rejected{Seq: tx.w.Seq, Refusal: *r}})
		}
	}
	e, err := f.Commit(d.now, refused)
	if err != nil {
		d.Fatal("commit:", err)
	}
	return e, refusals
}

func (d *testDB) merge() {
	d.Helper()
	for i := 0; d.opts.MVSQLite && i < 10; i++ { // where it goes on beside the frames
		d.now = d.now.Add(time.Second)
		left, err := d.Merge(d.now, true)
		if err = errors.Join(err, store.EndMerge(d.Store)); err != nil {
			d.Fatal("merge:", err)
		}
		if !left {
			return
		}
	}
	if left, err := d.Merge(d.now, true); err != nil || left {
		d.Fatal("merge:", left, err)
	}
}

// do commits one transaction, which must be accepted.
func (d *testDB) do(ops ...testOp) *store.Entry {
	d.Helper()
	e, refusals := d.frame(written{alice, d.write(alice, ops...)})
	if refusals[0] != nil {
		d.Fatal("refused:", refusals[0])
	}
	return e
}

// try commits one transaction, and returns why it was refused, or nil.
func (d *testDB) try(ops ...testOp) *wire.Refusal {
	d.Helper()
	_, refusals := d.frame(written{alice, d.write(alice, ops...)})
	return refusals[0]
}

// Devices of the tests.
var (
	alice = store.Device{'a', 1}
	bob   = store.Device{'b', 2}
	carol = store.Device{'c', 3}
)

// shell returns SQLite's own shell, "" where there is none: then it says so.
func shell(tb testing.TB) string {
	tb.Helper()
	program := os.Getenv("SQLITE3")
	if program == "" {
		program = "sqlite3"
	}
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		tb.Error("the sqlite3 shell is missing, which looks at databases with other eyes than ours:", err)
	default:
		tb.Log("SKIPPED the look of SQLite's own shell at the database: there is no sqlite3 here:", err)
	}
	return ""
}

// sqlite3 runs SQLite's own shell on a file.
func sqlite3(tb testing.TB, path string, commands ...string) string {
	tb.Helper()
	// Not the test's context: that is done when its cleanups run.
	out, err := exec.CommandContext(context.Background(), shell(tb), append([]string{"-bail", path}, commands...)...).CombinedOutput()
	if err != nil {
		tb.Fatalf("sqlite3 %s: %v\n%s", path, err, out)
	}
	return strings.TrimSpace(string(out))
}
