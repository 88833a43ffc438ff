package store_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"framehub/store"
)

// crash goes on with a copy of the files as they are now, as kill -9 leaves
// them; what lies at from, if anything, is the game database. The old store
// is closed.
func (d *testDB) crash(from string) {
	d.Helper()
	d.copyTo(from)
	d.open()
}

// copyTo is the first half of crash: the store is closed, its copy not open yet.
func (d *testDB) copyTo(from string) {
	d.Helper()
	dir := d.TempDir()
	to := filepath.Join(dir, "world.db")
	copyFile(d, from, to)
	if from == d.opts.Path {
		copyFile(d, from+"-wal", to+"-wal")
	}
	copyFile(d, logOf(d.opts.Path), logOf(to))
	copyFile(d, logOf(d.opts.Path)+"-wal", logOf(to)+"-wal")
	d.close()
	d.opts.Path = to
	d.Cleanup(func() {
		checkFile(d, to)
		checkFile(d, logOf(to))
	})
}

func copyFile(tb testing.TB, from, to string) {
	tb.Helper()
	b, err := os.ReadFile(from)
	if os.IsNotExist(err) {
		return
	}
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// replay commits a transaction, crashes before it is merged, and compares what
// replay makes of it, twice, with the entry.
func (m *model) replay(ops ...testOp) *store.Entry {
	m.Helper()
	e, refusals := m.commit(written{alice, m.write(alice, ops...)})
	if refusals[0] != nil {
		m.Fatal("refused:", refusals[0])
	}
	m.apply(e)
	m.crash(m.opts.Path)
	m.check("replayed")
	old, err := m.Entry(e.Version)
	if err != nil {
		m.Fatal(err)
	}
	sameEntry(m, e, old)
	return old
}

// sameEntry compares an entry with what was read back from the log.
func sameEntry(tb testing.TB, made, read *store.Entry) {
	tb.Helper()
	if made.Version != read.Version || !made.Time.Equal(read.Time) || len(made.Tables) != len(read.Tables) ||
		!slices.Equal(made.Writers, read.Writers) || !slices.Equal(made.Refused, read.Refused) || !slices.Equal(made.Owners, read.Owners) {
		tb.Errorf("the log has\n%+v\nthe frame had\n%+v", read, made)
		return
	}
	for i, c := range made.Tables {
		r := read.Tables[i]
		if c.Table.ID != r.Table.ID || !slices.Equal(c.Rows, r.Rows) || literals(c.Images.Values) != literals(r.Images.Values) ||
			!maps.EqualFunc(c.Also, r.Also, slices.Equal) {
			tb.Errorf("table %q: the log has\n%+v\n%s\nthe frame had\n%+v\n%s", c.Table.Name,
				r.Rows, literals(r.Images.Values), c.Rows, literals(c.Images.Values))
		}
	}
}
