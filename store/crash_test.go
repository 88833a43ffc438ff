package store_test

import (
	"os"
	"path/filepath"
	"testing"
)

// crash goes on with a copy of the files as they are now, as kill -9 leaves
// them; what lies at from, if anything, is the game database. The old store
// is closed.
func (d *testDB) crash(from string) {
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
	d.open()
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
