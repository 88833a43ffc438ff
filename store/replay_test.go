package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"framehub/store"
)

// TestCrashEveryFrame: after each frame, and each merge, the files as they lie on
// the disk open again to what the log's last version has.
func TestCrashEveryFrame(t *testing.T) {
	d := openDB(t, propertySchema, func(o *store.Options) { o.MergeEvery = time.Hour })
	p := &propertyRun{testDB: d, ref: newReference(d), model: newModel(d), touches: newTouches(d), random: random{rand.New(rand.NewPCG(seedOf(7), 2))}}
	for range 60 {
		var txs []written
		for range 3 {
			tx, _ := p.transaction()
			txs = append(txs, tx)
		}
		e, _ := d.commit(txs...)
		p.model.apply(e)
		p.checkCopy(d.opts.Path)
		if p.random.IntN(3) == 0 {
			d.merge()
			p.checkCopy(d.opts.Path)
		}
	}
}

// checkCopy opens a copy of the files, twice, and compares it with the model.
func (p *propertyRun) checkCopy(game string) {
	p.Helper()
	copied := *p.model
	sub := *p.testDB
	sub.Store, sub.opts.Path = nil, copyFiles(p.TB, game, p.opts.Path)
	copied.testDB = &sub
	for range 2 {
		sub.open()
		if sub.Version() != p.Version() || sub.Merged() != p.Version() {
			p.Fatalf("the copy is at version %d, merged %d; the original at %d", sub.Version(), sub.Merged(), p.Version())
		}
		copied.check(fmt.Sprintf("a copy at version %d", p.Version()))
		sub.close()
	}
	checkFile(p, sub.opts.Path)
}

// copyFiles copies a game database, the file alone where it is another than
// that of the log, and the log, as they lie on the disk. It returns the copy's path.
func copyFiles(tb testing.TB, game, path string) string {
	tb.Helper()
	to := filepath.Join(tb.TempDir(), "world.db")
	copyFile(tb, game, to)
	if game == path {
		copyFile(tb, path+"-wal", to+"-wal")
	}
	copyFile(tb, logOf(path), logOf(to))
	copyFile(tb, logOf(path)+"-wal", logOf(to)+"-wal")
	return to
}

// TestPowerLoss: a game database put back to its last full checkpoint, its WAL
// dropped, is brought up to date by the log, which has all since.
func TestPowerLoss(t *testing.T) {
	d := openDB(t, propertySchema)
	p := &propertyRun{testDB: d, ref: newReference(d), model: newModel(d), touches: newTouches(d), random: random{rand.New(rand.NewPCG(seedOf(8), 2))}}
	saved := filepath.Join(t.TempDir(), "saved.db")
	copyFile(t, d.opts.Path, saved) // before the first checkpoint: founded, no more
	copyFile(t, d.opts.Path+"-wal", saved+"-wal")
	sqlite3(t, saved, `PRAGMA wal_checkpoint(TRUNCATE)`)
	c, err := store.NewCheckpointer(d.Store, d.now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	for i := range 80 {
		tx, _ := p.transaction()
		e, _ := d.frame(tx)
		p.model.apply(e)
		if i%20 == 10 {
			c.Look(d.now.Add(time.Duration(i) * time.Hour))
			if d.Durable() != d.Version() {
				t.Fatalf("durable up to %d of %d", d.Durable(), d.Version())
			}
			copyFile(t, d.opts.Path, saved)
		}
		if i%5 == 4 {
			p.checkCopy(saved)
		}
	}
}

// TestUniqueSwaps: values of a UNIQUE column that rows exchange, within a frame
// and across frames, come out right however far replay has to go.
func TestUniqueSwaps(t *testing.T) {
	for name, suffix := range map[string]string{"rowid": "", "without rowid": " WITHOUT ROWID"} {
		t.Run(name, func(t *testing.T) {
			d := openDB(t, `CREATE TABLE a(id TEXT PRIMARY KEY, u INTEGER UNIQUE, v INTEGER, n INTEGER, UNIQUE(u, v))`+suffix)
			m := newModel(d)
			saved := filepath.Join(t.TempDir(), "saved.db")
			m.apply(d.do(put("a", "id u v n", row("a", 1, 1, 1), row("b", 2, 2, 2), row("c", 3, 3, 3))))
			d.close()
			copyFile(t, d.opts.Path, saved)
			d.open()
			free := put("a", "id u", row("a", nil), row("b", nil), row("c", nil))
			for i := range 12 {
				ops := []testOp{free, put("a", "id u", row("a", 1+i%3), row("b", 1+(i+1)%3), row("c", 1+(i+2)%3))}
				if i%4 == 3 {
					ops = append(ops, remove("a", "id", row("b")), put("a", "id u", row("d", 1+(i+1)%3)), remove("a", "id", row("d")), put("a", "id n", row("b", i)))
				}
				m.apply(d.do(ops...))
				m.check("frame")
				(&propertyRun{testDB: d, model: m}).checkCopy(saved)
				(&propertyRun{testDB: d, model: m}).checkCopy(d.opts.Path)
			}
		})
	}
}

// TestNothingInBetween: a crash while a database is founded leaves what the next
// start takes up.
func TestNothingInBetween(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY)`)
	d.close()
	for name, spoil := range map[string]func(path string){
		"no log yet": func(path string) { removeAll(t, logOf(path), path) },
		"log without facts": func(path string) {
			sqlite3(t, logOf(path), `DELETE FROM meta`, `DELETE FROM frame`, `DELETE FROM schema`)
			removeAll(t, path)
		},
		"log with its id": func(path string) {
			sqlite3(t, logOf(path), `DELETE FROM frame`, `DELETE FROM schema`)
			removeAll(t, path)
		},
		"tables only": func(path string) {
			sqlite3(t, logOf(path), `DELETE FROM frame`, `DELETE FROM schema`)
			sqlite3(t, path, `DELETE FROM _framehub_meta`)
		},
		"before the first entry": func(path string) {
			sqlite3(t, logOf(path), `DELETE FROM frame`, `DELETE FROM schema`)
			sqlite3(t, path, `UPDATE _framehub_meta SET value = 0 WHERE key = 'merged'`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			sub := *d
			sub.TB, sub.opts.Path = t, copyFiles(t, d.opts.Path, d.opts.Path)
			spoil(sub.opts.Path)
			sub.open()
			sub.do(put("a", "id", row(1)))
			sub.reopen()
			sub.wantRows("a", row(1))
			sub.close()
		})
	}
}

func removeAll(tb testing.TB, paths ...string) {
	tb.Helper()
	for _, p := range paths {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(p + suffix); err != nil && !os.IsNotExist(err) {
				tb.Fatal(err)
			}
		}
	}
}
