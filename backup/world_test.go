package backup_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"framehub/backup"
	"framehub/backup/place"
	"framehub/session/wire"
	"framehub/store"
	"framehub/store/storetest"
)

// worldSchema has what a restore must give exactly: rowids, sequences, generated columns,
// triggers, tables without rowids and without keys, values that replace each other.
const worldSchema = `
CREATE TABLE item(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE ON CONFLICT REPLACE, n INTEGER, x REAL, twice INTEGER AS (n * 2) STORED, thrice AS (n * 3));
CREATE TABLE pair(a TEXT, b INTEGER, v ANY, PRIMARY KEY(a, b)) STRICT, WITHOUT ROWID;
CREATE TABLE plain(id INTEGER PRIMARY KEY, n INTEGER, s TEXT) STRICT;
CREATE TABLE _log(what, n);
CREATE TRIGGER item_log AFTER INSERT ON item BEGIN INSERT INTO _log VALUES (new.name, new.n); DELETE FROM _log WHERE rowid < (SELECT max(rowid) FROM _log) - 50; END;
CREATE INDEX item_n ON item(n);`

var device = store.Device{'d', 1}

// A world is a store whose frames a test commits, and a place for its backups.
type world struct {
	testing.TB
	*store.Store
	dir   string
	place place.Place
	rng   *rand.Rand
	seq   uint64
	now   time.Time
	raced bool // its worker's child processes have the race detector, where this one has

	mu    sync.Mutex // held while a frame is made
	truth map[uint64]*store.Contents
}

var quiet = slog.New(slog.DiscardHandler)

// onMvsim says whether worlds are on a simulation of mvSQLite, as after storetest.OpenMvsim,
// in this process or in the one that started it.
func onMvsim() bool { return os.Getenv("MVSIM_DIR") != "" }

func (w *world) options() store.Options {
	if onMvsim() {
		return store.Options{Path: "world", MVSQLite: true, VFS: storetest.VFS, Schema: worldSchema, MergeEvery: 50 * time.Millisecond, Ship: true, PinSchemas: true, Log: quiet}
	}
	return store.Options{Path: filepath.Join(w.dir, "world.db"), Schema: worldSchema, Ship: true, PinSchemas: true, Log: quiet}
}

func newWorld(tb testing.TB, seed uint64) *world {
	tb.Helper()
	dir := tb.TempDir()
	w := &world{TB: tb, dir: dir, place: folderAt(tb, filepath.Join(dir, "backups")), rng: rand.New(rand.NewPCG(seed, 9)), now: time.Now(), truth: map[uint64]*store.Contents{}}
	w.open(w.options())
	tb.Cleanup(w.close)
	return w
}

func folderAt(tb testing.TB, dir string) place.Place {
	tb.Helper()
	p, err := place.Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func (w *world) open(o store.Options) {
	w.Helper()
	s, err := store.Open(o)
	if err != nil {
		w.Fatal("open:", err)
	}
	w.Store = s
	w.resume()
}

// resume goes on after the last transaction that has settled.
func (w *world) resume() {
	w.Helper()
	d, _, err := w.Device(device)
	if err != nil {
		w.Fatal("device:", err)
	}
	w.seq = d.Settled
}

func (w *world) close() {
	if w.Store != nil {
		if err := w.Store.Close(); err != nil {
			w.Error("close:", err)
		}
	}
	w.Store = nil
}

// frame commits a frame of random transactions, and merges it.
func (w *world) frame() {
	w.Helper()
	if err := w.tryFrame(); err != nil {
		w.Fatal(err)
	}
}

func (w *world) tryFrame() error {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	f, err := w.Begin()
	if errors.Is(err, store.ErrSchemaChanged) {
		if _, err = w.Reshape(); err == nil {
			f, err = w.Begin()
		}
	}
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	var refused []store.Outcome
	for range 1 + w.rng.IntN(4) {
		w.seq++
		tx := &wire.Write{Seq: w.seq, SchemaVersion: w.Schema().Version}
		for range 1 + w.rng.IntN(3) {
			tx.Ops = append(tx.Ops, w.op())
		}
		r, err := f.Apply(device, tx, nil)
		if err != nil {
			return fmt.Errorf("apply: %w", err)
		}
		if r != nil {
			refused = append(refused, store.Outcome{Device: device, Rejected: wire.Rejected{Seq: w.seq, Refusal: *r}})
		}
	}
	w.now = w.now.Add(time.Second / 60)
	if _, err := f.Commit(w.now, refused); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if _, err := w.Merge(w.now, w.rng.IntN(4) > 0); err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	return nil
}

// merge merges what is left.
func (w *world) merge() {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if _, err := w.Merge(w.now, true); err != nil {
			w.Fatal("merge:", err)
		}
		if !onMvsim() || w.Merged() == w.Version() {
			return
		}
		w.now = w.now.Add(time.Second)
		time.Sleep(time.Millisecond) //nolint:forbidigo // a merge beside the frames tells nobody that it is over
	}
}

// op makes a random op.
func (w *world) op() wire.Op {
	r := w.rng
	switch r.IntN(6) {
	case 0, 1:
		return w.block(wire.OpPut, "item", []string{"id", "name", "n", "x"}, int64(r.IntN(40)), fmt.Sprint("n", r.IntN(30)), int64(r.IntN(1000)), r.Float64())
	case 2:
		return w.block(wire.OpDelete, "item", []string{"id"}, int64(r.IntN(40)))
	case 3:
		return w.block(wire.OpPut, "pair", []string{"a", "b", "v"}, fmt.Sprint(r.IntN(5)), int64(r.IntN(8)), []any{int64(1), 1.0, "1", nil}[r.IntN(4)])
	default:
		return w.block(wire.OpPut, "plain", []string{"id", "n", "s"}, int64(r.IntN(200)), int64(r.IntN(1000)), strings.Repeat("s", r.IntN(200)))
	}
}

func (w *world) block(kind wire.OpKind, table string, columns []string, values ...any) wire.Op {
	w.Helper()
	t := w.Schema().Table(table)
	var places []int
	g := wire.Grid{Stride: len(columns)}
	for i, c := range columns {
		places = append(places, t.Column(c))
		switch v := values[i].(type) {
		case int64:
			g.Values = append(g.Values, wire.IntegerValue(v))
		case float64:
			g.Values = append(g.Values, wire.RealValue(v))
		case string:
			g.Values = append(g.Values, wire.TextValue(v))
		default:
			g.Values = append(g.Values, wire.Value{})
		}
	}
	b, err := wire.DecodeBlock(wire.AppendBlock(nil, t.ID, places, nil, g, nil), 100)
	if err != nil {
		w.Fatal(err)
	}
	return wire.Op{Kind: kind, Block: b}
}

// note keeps what the database holds at its version, by a copy that has nothing to do
// with the backups.
func (w *world) note() uint64 {
	w.Helper()
	w.merge()
	version, c := contentsNow(w, w.Store)
	w.truth[version] = c
	return version
}

func contentsNow(tb testing.TB, s *store.Store) (uint64, *store.Contents) {
	tb.Helper()
	sn, err := s.Snapshot(context.Background())
	if err != nil {
		tb.Fatal("snapshot:", err)
	}
	version := sn.Version
	dir, err := os.MkdirTemp("", "truth") //nolint:usetesting // the child process has no test
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "copy.db")
	if sn.Source() == "" {
		err = sn.Copy(context.Background(), path, nil)
	} else if err = store.CopyNamespace(sn.Source(), storetest.VFS, path); err == nil {
		err = store.FinishCopy(path, sn.SchemaDoc(), version, s.EntryBytes)
	}
	if err != nil {
		tb.Fatal("copy:", err)
	}
	c, err := store.ReadContents(context.Background(), path)
	if err != nil {
		tb.Fatal(err)
	}
	return version, c
}

// backup begins a worker, which ends with the test, or when stop is called.
func (w *world) backup(o backup.Options) (b *backup.Worker, stop func()) {
	w.Helper()
	if o.Place == nil {
		o.Place = w.place
	}
	if o.Keep == (backup.Keep{}) {
		o.Keep = backup.DefaultKeep
	}
	if onMvsim() {
		o.VFS = storetest.VFS
	}
	o.Scratch, o.Child, o.Program = filepath.Join(w.dir, "scratch"), plain(w), "a test"
	if w.raced {
		o.Child[0] = os.Args[0]
	}
	if o.Log == nil {
		o.Log = quiet
	}
	if o.Patience == 0 { // with other tests that have the processors
		o.Patience = 200 * time.Millisecond
	}
	b, err := backup.New(w.Store, o)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.Error("worker:", err)
			}
		})
	}
	w.Cleanup(stop)
	return b, stop
}

// now has a copy made, and returns what became of it.
func (w *world) copyNow(b *backup.Worker) *backup.Outcome {
	w.Helper()
	n := b.Ask("a test")
	until(w, "a copy", func() bool { return b.State().Answer >= n })
	return b.State().Last
}

// until waits for something that other processes bring about.
func until(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(60 * time.Second); !is(); {
		select {
		case <-tick.C:
		case <-timeout:
			tb.Fatal("waited in vain for", what)
		}
	}
}

// restored restores and returns what came of it, checked against SQLite's own eyes.
func restored(tb testing.TB, p place.Place, to string, more ...func(*backup.RestoreOptions)) (*backup.Restored, error) {
	tb.Helper()
	target, err := backup.ParseTarget(to)
	if err != nil {
		tb.Fatal(err)
	}
	o := backup.RestoreOptions{Place: p, To: target, DB: filepath.Join(tb.TempDir(), "restored.db")}
	for _, f := range more {
		f(&o)
	}
	r, err := backup.Restore(context.Background(), o)
	if err == nil {
		if err := store.CheckIntegrity(o.DB); err != nil {
			tb.Error(err)
		}
	}
	return r, err
}

// same wants contents to be those of a version.
func same(tb testing.TB, what string, want, got *store.Contents) {
	tb.Helper()
	if want == nil || got == nil {
		tb.Fatalf("%s: nothing to compare", what)
	}
	if diff := want.Differences(got); diff != nil {
		tb.Errorf("%s differs in %s", what, strings.Join(diff, ", "))
	}
}
