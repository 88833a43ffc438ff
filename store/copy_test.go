package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
	"framehub/store/storetest"
)

// A keptCopy is a copy of a database, and what it holds.
type keptCopy struct {
	path     string
	version  uint64
	doc      []byte
	contents *store.Contents
}

// keepCopy copies the database as it is.
func (d *testDB) keepCopy() keptCopy {
	d.Helper()
	sn, err := d.Snapshot(d.context())
	if err != nil {
		d.Fatal("snapshot:", err)
	}
	return d.keepSnapshot(sn)
}

func (d *testDB) keepSnapshot(sn *store.Snapshot) keptCopy {
	d.Helper()
	k := keptCopy{path: filepath.Join(d.TempDir(), "copy.db"), version: sn.Version, doc: sn.SchemaDoc()}
	var err error
	if sn.Source() == "" {
		err = sn.Copy(d.context(), k.path, nil)
	} else if err = store.CopyNamespace(sn.Source(), storetest.VFS, k.path); err == nil {
		err = store.FinishCopy(k.path, k.doc, k.version, d.EntryBytes)
	}
	if err != nil {
		d.Fatal("copy:", err)
	}
	k.contents = readContents(d, k.path)
	return k
}

func readContents(tb testing.TB, path string) *store.Contents {
	tb.Helper()
	if err := store.CheckIntegrity(path); err != nil {
		tb.Fatal(err)
	}
	c, err := store.ReadContents(context.Background(), path)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// open opens a second copy of the copy.
func (k *keptCopy) open(tb testing.TB) (*store.Copy, string) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "restored.db")
	from, err := os.Open(k.path)
	if err != nil {
		tb.Fatal(err)
	}
	to, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		tb.Fatal(err)
	}
	if err := errors.Join(from.Close(), to.Close()); err != nil {
		tb.Fatal(err)
	}
	c, err := store.OpenCopy(path, k.doc)
	if err != nil {
		tb.Fatal(err)
	}
	return c, path
}

// replayTo brings a copy of k to a version, and returns where it is, closed.
func (d *testDB) replayTo(k *keptCopy, version uint64, entries map[uint64][]byte) string {
	d.Helper()
	c, path := k.open(d)
	for v := k.version + 1; v <= version; v++ {
		if err := c.Replay(v, entries[v]); err != nil {
			d.Fatalf("replay version %d onto a copy of %d: %v", v, k.version, err)
		}
	}
	if err := c.Close(); err != nil {
		d.Fatal(err)
	}
	return path
}

// TestCopyProperty: among random transactions of devices, random SQL of another program,
// and kills, each copy and the entries after it give every later copy.
func TestCopyProperty(t *testing.T) {
	for i := range uint64(3) {
		t.Run(fmt.Sprint(i), func(t *testing.T) { copyProperty(t, seedOf(i), 80) })
	}
}

// TestSoakCopy runs on with new seeds for FRAMEHUB_SOAK.
func TestSoakCopy(t *testing.T) {
	until := time.Now().Add(soakTime(t))
	rounds := 0
	for ; time.Now().Before(until) && !t.Failed(); rounds++ {
		t.Run(fmt.Sprint(rounds), func(t *testing.T) { copyProperty(t, seedOf(rand.Uint64()), 200) })
	}
	t.Logf("%d rounds of 200 frames", rounds)
}

func copyProperty(t *testing.T, seed uint64, frames int) {
	t.Helper()
	d := openDB(t, propertySchema, func(o *store.Options) { o.Scopes = map[string]string{"plain": "n", "pair": "k", "flat": "a"} })
	p := &propertyRun{d, newReference(d), newModel(d), newTouches(d), random{rand.New(rand.NewPCG(seed, 5))}, map[wire.Code]int{}, newShadow(d, seed)}
	entries := map[uint64][]byte{}
	var copies []keptCopy
	for range frames {
		outside := d.Merged() == d.Version() && p.random.IntN(3) == 0
		if outside {
			p.outside()
		}
		if p.frame(); t.Failed() {
			t.Fatalf("version %d: run again with FRAMEHUB_SEED=%d", d.Version(), seed)
		}
		b, err := d.EntryBytes(d.Version())
		if err != nil {
			t.Fatal(err)
		}
		entries[d.Version()] = b
		if outside {
			d.merge() // until then what was written is there, and has no version there
		}
		if p.random.IntN(6) == 0 {
			copies = append(copies, d.keepCopy())
		}
	}
	d.merge()
	copies = append(copies, d.keepCopy())
	for i := range copies {
		for j := i + 1; j < len(copies); j++ {
			path := d.replayTo(&copies[i], copies[j].version, entries)
			if diff := copies[j].contents.Differences(readContents(t, path)); diff != nil {
				t.Fatalf("a copy of version %d, brought to %d, differs from that version in %s (FRAMEHUB_SEED=%d)",
					copies[i].version, copies[j].version, strings.Join(diff, ", "), seed)
			}
		}
	}
	restored := d.found(&copies[0], d.Version(), entries)
	if diff := copies[len(copies)-1].contents.Differences(readContents(t, restored.path)); diff != nil {
		t.Errorf("what was restored differs in %s", strings.Join(diff, ", "))
	}
	restored.check(d)
}

// A restoredDB is a database that has become the beginning of a new history.
type restoredDB struct{ path string }

func (d *testDB) found(k *keptCopy, version uint64, entries map[uint64][]byte) restoredDB {
	d.Helper()
	c, path := k.open(d)
	for v := k.version + 1; v <= version; v++ {
		if err := c.Replay(v, entries[v]); err != nil {
			d.Fatal(err)
		}
	}
	if err := c.Found("a test"); err != nil {
		d.Fatal(err)
	}
	return restoredDB{path}
}

// check opens it as a hub would, and looks at what is known of devices, and that it goes on.
func (r restoredDB) check(d *testDB) {
	d.Helper()
	opts := d.opts
	opts.Path = r.path
	n := &testDB{TB: d.TB, opts: opts, now: time.Now(), seq: map[store.Device]uint64{}}
	n.open()
	defer n.close()
	if n.Version() != 0 || string(n.Epoch()) == string(d.Epoch()) || string(n.ID()) != string(d.ID()) {
		d.Errorf("it has version %d; a new epoch: %v; the same id: %v", n.Version(), string(n.Epoch()) != string(d.Epoch()), string(n.ID()) == string(d.ID()))
	}
	for _, dev := range []store.Device{alice, bob, carol} {
		was, _, err := d.Device(dev)
		if err != nil {
			d.Fatal(err)
		}
		is, _, err := n.Device(dev)
		if err != nil || is.Settled != was.Settled || is.Owner != was.Owner || len(is.Rejected) != len(was.Rejected) {
			d.Errorf("a device had settled %d, of it %d refused, of %q; now %d, %d, %q (%v)",
				was.Settled, len(was.Rejected), was.Owner, is.Settled, len(is.Rejected), is.Owner, err)
		}
		n.seq[dev] = is.Settled
	}
	n.do(put("flat", "id a", row(77, 1)))
}

// TestCopyOfWrites: a snapshot waits until what another program has written has a version.
func TestCopyOfWrites(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT`)
	d.do(put("a", "id n", row(1, 1)))
	d.outsider().do("INSERT INTO a VALUES (2, 2)")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if sn, err := d.Snapshot(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a snapshot of what has no version: %v, %v", sn, err)
	}
	d.frame()
	k := d.keepCopy()
	if k.version != d.Version() || k.contents.Tables[0].Rows != 2 {
		t.Errorf("the copy has version %d and %+v", k.version, k.contents.Tables)
	}
}

// TestCopyOfANewSchema: the log leads up to a new schema, and a pinned snapshot is the
// first version of it.
func TestCopyOfANewSchema(t *testing.T) {
	for _, c := range []struct {
		name string
		sql  []string
	}{
		{"a column", []string{"ALTER TABLE a ADD COLUMN c TEXT DEFAULT 'c'"}},
		{"a column and rows", []string{"ALTER TABLE a ADD COLUMN c TEXT DEFAULT 'c'", "UPDATE a SET n = n + 1"}},
		{"a new table with rows", []string{"CREATE TABLE b AS SELECT * FROM a"}},
		{"a table made anew", []string{"CREATE TABLE b(id INTEGER PRIMARY KEY, n TEXT)", "INSERT INTO b SELECT id, n FROM a", "DROP TABLE a", "ALTER TABLE b RENAME TO a"}},
		{"a dropped table", []string{"DROP TABLE _private"}},
		{"a unique index", []string{"CREATE UNIQUE INDEX i ON a(n)"}},
		{"an index", []string{"CREATE INDEX i ON a(n)"}},
		{"a trigger", []string{"CREATE TRIGGER t AFTER INSERT ON _private BEGIN SELECT 1; END"}},
		{"vacuum", []string{"VACUUM"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT; CREATE TABLE _private(x)`, func(o *store.Options) { o.PinSchemas = true })
			d.do(put("a", "id n", row(1, 1), row(2, 2), row(3, 3)))
			if sn := d.TakePinned(); sn != nil {
				if err := sn.Close(); err != nil {
					t.Fatal(err)
				}
			}
			before := d.keepCopy()
			o := d.outsider()
			if len(c.sql) == 1 {
				o.exec(c.sql[0])
			} else {
				o.do(c.sql...)
			}
			if _, err := d.Begin(); !errors.Is(err, store.ErrSchemaChanged) {
				t.Fatal("begin:", err)
			}
			e, err := d.Reshape()
			if err != nil || e == nil {
				t.Fatal("reshape:", e, err)
			}
			d.frame()
			sn := d.TakePinned()
			if sn == nil {
				t.Fatal("no snapshot is pinned")
			}
			d.do(put("a", "id n", row(9, 9)))
			pinned := d.keepSnapshot(sn)
			if pinned.version >= d.Version() || pinned.version < before.version {
				t.Errorf("pinned is version %d of %d", pinned.version, d.Version())
			}
			b, err := d.EntryBytes(e.Version)
			if err != nil {
				t.Fatal(err)
			}
			cp, _ := before.open(t)
			if err := cp.Replay(e.Version, b); !errors.Is(err, store.ErrNewSchema) {
				t.Error("replay a new schema:", err)
			}
			if err := cp.Close(); err != nil {
				t.Fatal(err)
			}
			entries := map[uint64][]byte{}
			for v := pinned.version + 1; v <= d.Version(); v++ {
				if entries[v], err = d.EntryBytes(v); err != nil {
					t.Fatal(err)
				}
			}
			last := d.keepCopy()
			if diff := last.contents.Differences(readContents(t, d.replayTo(&pinned, d.Version(), entries))); diff != nil {
				t.Errorf("the pinned copy, brought to the last version, differs in %s", strings.Join(diff, ", "))
			}
		})
	}
}

// TestCopyWhileWriting: frames go on while a copy is made, which is of one version.
func TestCopyWhileWriting(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, s TEXT) STRICT`)
	var rs [][]any
	for i := range 3000 {
		rs = append(rs, row(i, 0, strings.Repeat("x", 1000)))
	}
	d.do(put("a", "id n s", rs...))
	sn, err := d.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path, version := filepath.Join(t.TempDir(), "copy.db"), sn.Version
	for i := range 50 { // after the snapshot was opened
		d.do(put("a", "id n", row(i, 1), row(i+1000, 1), row(i+2000, 1)))
	}
	steps := 0
	if err := sn.Copy(t.Context(), path, func(done, total int) {
		if steps++; steps == 2 {
			d.do(put("a", "id n", row(1500, 1)))
		}
		if done > total {
			t.Errorf("%d pages of %d", done, total)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if sum := sqlite3(t, path, "SELECT sum(n), count(*) FROM a"); sum != "0|3000" || version >= d.Version() {
		t.Errorf("the copy of version %d of %d has %s", version, d.Version(), sum)
	}
}

// TestCopyLeavesOut: of the hub's own tables a copy has only those that it needs.
func TestCopyLeavesOut(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY) STRICT`, func(o *store.Options) { o.Presence = true })
	d.outsider().do(`CREATE TABLE _framehub_account(name TEXT, secret TEXT)`, `INSERT INTO _framehub_account VALUES ('alice', 'the-secret-of-alice')`)
	if _, err := d.Reshape(); err != nil {
		t.Fatal(err)
	}
	d.do(put("a", "id", row(1)))
	k := d.keepCopy()
	if got := sqlite3(t, k.path, "SELECT count(*) FROM _framehub_account"); got != "0" {
		t.Error("a table that no copy should have has rows")
	}
	b, err := os.ReadFile(k.path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "the-secret-of-alice") {
		t.Error("its rows are in the file")
	}
}

// TestShipped: the log keeps what was not shipped, until it is too large.
func TestShipped(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, s TEXT) STRICT`, func(o *store.Options) {
		o.Ship, o.LogSize, o.LogMax = true, 1, 1<<20
	})
	fill := func(frames, size int) {
		d.now = d.now.Add(2 * time.Second)
		for i := range frames {
			d.now = d.now.Add(time.Second)
			d.do(put("a", "id s", row(i, strings.Repeat("x", size))))
		}
	}
	c, err := store.NewCheckpointer(d.Store, d.now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	settle := func() { d.now = d.now.Add(time.Minute); c.Look(d.now) }
	fill(20, 10)
	settle()
	fill(20, 10)
	if f := d.LogFloor(); f != 1 {
		t.Errorf("nothing was shipped, and the log begins at %d", f)
	}
	d.Shipped(10)
	fill(20, 10)
	if f := d.LogFloor(); f != 11 {
		t.Errorf("10 versions were shipped, and the log begins at %d", f)
	}
	fill(20, 100_000)
	settle()
	fill(20, 10)
	if f := d.LogFloor(); f <= 11 {
		t.Errorf("the log is larger than it may be, and begins at %d", f)
	}
}
