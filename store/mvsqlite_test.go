package store_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framehub/store"
	"framehub/store/storetest"
)

// openSim opens a store on mvsim.
func openSim(s *storetest.Mvsim, schema string, options ...func(*store.Options)) *testDB {
	s.Helper()
	opts := store.Options{Path: "game", MVSQLite: true, VFS: storetest.VFS, Schema: schema, Log: quiet, DeviceAge: ages, MergeEvery: 5 * frameTime}
	for _, f := range options {
		f(&opts)
	}
	d := &testDB{TB: s.TB, opts: opts, now: epochStart, seq: map[store.Device]uint64{}}
	d.TB.Helper()
	d.open()
	s.Cleanup(func() {
		s.Plan()
		d.close()
		for _, name := range []string{opts.Path, opts.Path + ".frames"} {
			c := s.Open(name)
			c.Want(`PRAGMA integrity_check`, "ok")
			c.Want(`SELECT count(*) FROM pragma_foreign_key_check`, "0")
		}
	})
	return d
}

// abandon leaves the store as a process that ends does: nothing of it goes on.
func (d *testDB) abandon() {
	d.Helper()
	store.Abandon(d.Store)
	d.open()
}

// TestMVSQLite: frames, merges, crashes and starts, with all that SQL can do.
func TestMVSQLite(t *testing.T) {
	for i := range uint64(3) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			s := storetest.OpenMvsim(t, "game", "game.frames")
			d := openSim(s, propertySchema, func(o *store.Options) { o.Scopes = map[string]string{"plain": "n", "pair": "k"} })
			p := &propertyRun{testDB: d, random: random{rand.New(rand.NewPCG(seedOf(i), 77))}}
			r := runOf(p)
			for range 15 {
				for range 8 {
					if !r.frame() {
						t.Fatal("a frame failed, and nothing was wrong")
					}
				}
				switch p.random.IntN(3) {
				case 0:
					d.abandon()
				case 1:
					d.reopen()
				}
				r.model.check("so far")
			}
		})
	}
}

// TestMVSQLiteFaults lets each commit of either database meet what mvSQLite has in store
// for it: nothing that was told is lost, nothing comes twice.
func TestMVSQLiteFaults(t *testing.T) { mvsqliteFaults(t, 3) }

// TestSoakMVSQLiteFaults leaves fewer out.
func TestSoakMVSQLiteFaults(t *testing.T) {
	soakTime(t) // it ends by itself
	mvsqliteFaults(t, 1)
}

func mvsqliteFaults(t *testing.T, step uint64) {
	t.Helper()
	for _, namespace := range []string{"game", "game.frames"} {
		for _, action := range []string{"conflict", "untrue", "ioerr", "storeioerr", "full"} {
			for _, schema := range []string{"all", "plain"} {
				t.Run(fmt.Sprint(namespace, " ", action, " ", schema), func(t *testing.T) {
					rounds := 0
					for at := uint64(1); ; at += step {
						if !newSimRun(t, schema == "plain").run(namespace, at, action) {
							break
						}
						rounds++
					}
					if rounds == 0 {
						t.Error("it never happened")
					}
					t.Logf("%d times", rounds)
				})
			}
		}
	}
}

type simRun struct {
	*faultRun
	sim *storetest.Mvsim
}

const plainSchema = `
CREATE TABLE plain(id INTEGER PRIMARY KEY, s TEXT, u INTEGER) STRICT;
CREATE TABLE flat(id INTEGER PRIMARY KEY, a INTEGER, c TEXT NOT NULL DEFAULT 'd') STRICT;
CREATE TABLE flatkey(k TEXT, m INTEGER, n INTEGER NOT NULL, PRIMARY KEY(k, m)) STRICT, WITHOUT ROWID;`

// newSimRun makes a run with random transactions; plain: with such that SQL never sees.
func newSimRun(t *testing.T, plain bool) *simRun {
	t.Helper()
	s := storetest.OpenMvsim(t, "game", "game.frames")
	rng := random{rand.New(rand.NewPCG(seedOf(9), 5))}
	if !plain {
		return &simRun{runOf(&propertyRun{testDB: openSim(s, propertySchema), random: rng}), s}
	}
	d := openSim(s, plainSchema)
	r := &simRun{runOf(&propertyRun{testDB: d, random: rng}), s}
	r.next = func() written {
		id, n := rng.IntN(40), rng.IntN(1000)
		return written{bob, d.write(bob, []testOp{
			put("flat", "id a c", row(id, n, "c"), row(id+1, n, "d")), remove("flat", "id", row(id)), put("flatkey", "k m n", row("k", id, n)),
			put("flatkey", "k m n", row("k", id, n)), remove("flatkey", "k m", row("k", id)),
		}[rng.IntN(5)])}
	}
	return r
}

// run commits frames, of whose commits one fails, and says whether it came to that.
func (r *simRun) run(namespace string, at uint64, action string) bool {
	r.Helper()
	for range 2 {
		r.frame()
	}
	if err := store.EndMerge(r.Store); err != nil {
		r.Fatal(err)
	}
	r.sim.Plan(fmt.Sprintf("commit %s %d %s", namespace, at, action))
	for range 14 {
		r.frame()
	}
	_ = store.EndMerge(r.Store)
	_, _ = r.Merge(r.now.Add(time.Minute), true)
	_ = store.EndMerge(r.Store)
	if _ = r.recover(); !r.recover() {
		r.Errorf("commit %d of %s: %s: the store does not recover", at, namespace, action)
	}
	hit := len(r.sim.Fired()) > 0
	r.sim.Plan()
	r.merge()
	what := fmt.Sprintf("commit %d of %s: %s", at, namespace, action)
	if action == "conflict" && namespace == "game.frames" && r.failed > 0 || action == "untrue" && namespace == "game.frames" && r.failed > 0 {
		r.Errorf("%s: a frame failed", what)
	}
	r.model.check(what)
	r.abandon()
	r.model.check(what + ", after a crash")
	for v, hash := range r.told {
		if e, err := r.Entry(v); err != nil || hashOf(e) != hash {
			r.Errorf("%s: version %d was told, and is another now: %v", what, v, err)
		}
	}
	if !r.frame() {
		r.Errorf("%s: a frame failed after all was well again", what)
	}
	return hit
}

// TestMVSQLiteFence: of two hubs on one database the later goes on, and the earlier can
// neither log nor merge any more, and says why.
func TestMVSQLiteFence(t *testing.T) {
	for name, c := range map[string]func(d *testDB) error{
		"by its next frame": func(d *testDB) error {
			f, err := d.Begin()
			if err == nil {
				_, err = f.Apply(bob, d.write(bob, put("flat", "id n", row(1, 7))), nil)
			}
			if err == nil {
				_, err = f.Commit(d.now, nil)
			}
			return err
		},
		"by its merge": func(d *testDB) error {
			_, err := d.Merge(d.now.Add(time.Hour), true)
			return errors.Join(err, store.EndMerge(d.Store))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := storetest.OpenMvsim(t, "game", "game.frames")
			d := openSim(s, `CREATE TABLE flat(id INTEGER PRIMARY KEY, n INTEGER) STRICT`)
			d.commit(written{alice, d.write(alice, put("flat", "id n", row(1, 1)))})
			later, err := store.Open(d.opts)
			if err != nil {
				t.Fatal(err)
			}
			err = c(d)
			if !errors.Is(err, store.ErrFenced) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
				t.Errorf("the earlier says %v", err)
			}
			if _, err := d.Recover(); !errors.Is(err, store.ErrFenced) {
				t.Errorf("recovering, it says %v", err)
			}
			store.Abandon(d.Store)
			d.Store = later
			d.do(add("flat", "id n", row(1, 1)))
			d.wantRows("flat", row(1, 2))
		})
	}
}

// TestMVSQLiteCosts: a frame on plain tables is one commit of the log, of no more pages
// than its entry needs, and reads nothing; and merges come about once in a while.
func TestMVSQLiteCosts(t *testing.T) {
	s := storetest.OpenMvsim(t, "game", "game.frames")
	d := openSim(s, `CREATE TABLE flat(id INTEGER PRIMARY KEY, x REAL, y REAL, s TEXT) STRICT;`, func(o *store.Options) { o.MergeEvery = time.Hour })
	rows := make([][]any, 200)
	frame := func(n int) {
		for i := range rows {
			rows[i] = row(i*37%2000, float64(n), 0.5, strings.Repeat("x", 40))
		}
		d.commit(written{alice, d.write(alice, put("flat", "id x y s", rows...))})
		if _, err := d.Merge(d.now, false); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 5 {
		frame(n)
	}
	if err := store.EndMerge(d.Store); err != nil { // the first begins at once
		t.Fatal(err)
	}
	frame(5)
	game, log := s.Stats("game"), s.Stats("game.frames")
	const frames = 100
	for n := range frames {
		frame(n)
	}
	gameNow, logNow := s.Stats("game"), s.Stats("game.frames")
	if n := logNow.Commits - log.Commits; n != frames {
		t.Errorf("%d frames are %d commits of the log", frames, n)
	}
	e, err := d.Entry(d.Version())
	if err != nil {
		t.Fatal(err)
	}
	entry, err := store.EncodeEntry(e)
	if err != nil {
		t.Fatal(err)
	}
	size := len(entry)
	least := uint64(size/8192 + 1)
	if n := logNow.PagesWritten - log.PagesWritten; n > frames*(least+2) {
		t.Errorf("%d frames, of entries of %d bytes, wrote %d pages: more than %d each", frames, size, n, least+2)
	}
	if n := logNow.PagesFetched - log.PagesFetched; n > 2 {
		t.Errorf("%d frames read %d pages of the log", frames, n)
	}
	if gameNow.Commits != game.Commits || gameNow.PagesFetched != game.PagesFetched {
		t.Errorf("of the game database they read %d pages, and committed %d times", gameNow.PagesFetched-game.PagesFetched, gameNow.Commits-game.Commits)
	}
	t.Logf("an entry of %d bytes is %.1f pages", size, float64(logNow.PagesWritten-log.PagesWritten)/frames)
}

// TestMVSQLiteMergesBeside: frames go on while a merge hangs, until memory has grown to
// its bound; then they wait for it. All of it is merged in the end.
func TestMVSQLiteMergesBeside(t *testing.T) {
	s := storetest.OpenMvsim(t, "game", "game.frames")
	store.LagAtMost(t, 100_000)
	d := openSim(s, `CREATE TABLE flat(id INTEGER PRIMARY KEY, n INTEGER, s TEXT) STRICT;`)
	gate := filepath.Join(s.Dir, "gate")
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.do(put("flat", "id n", row(0, 0)))
	m := newModel(d)
	s.Plan("commit game * hang " + gate)
	frames := 0
	waited := make(chan struct{})
	for {
		begun := make(chan *store.Frame, 1)
		go func() {
			f, err := d.Begin()
			if err != nil {
				t.Error(err)
			}
			begun <- f
		}()
		var f *store.Frame
		select {
		case f = <-begun:
		case <-time.After(time.Second): // it waits
			s.Plan()
			if err := os.Remove(gate); err != nil {
				t.Error(err)
			}
			f = <-begun
			close(waited)
		}
		d.now = d.now.Add(frameTime)
		frames++
		if _, err := f.Apply(alice, d.write(alice, put("flat", "id n s", row(frames%300, frames, strings.Repeat("s", 400)))), nil); err != nil {
			t.Fatal(err)
		}
		e, err := f.Commit(d.now, nil)
		if err != nil {
			t.Fatal(err)
		}
		m.apply(e)
		if _, err := d.Merge(d.now, false); err != nil {
			t.Fatal(err)
		}
		select {
		case <-waited:
		default:
			if frames < 10_000 {
				continue
			}
			t.Error("frames never waited")
		}
		break
	}
	if frames < 100 {
		t.Errorf("they waited after %d frames", frames)
	}
	m.check("afterwards")
	d.abandon()
	m.check("after a crash")
}

// TestMVSQLiteForeign: what another program changes is found and reported, and goes
// neither into a version nor over what the hub has in memory.
func TestMVSQLiteForeign(t *testing.T) {
	s := storetest.OpenMvsim(t, "game", "game.frames")
	var log strings.Builder
	d := openSim(s, `CREATE TABLE flat(id INTEGER PRIMARY KEY, n INTEGER) STRICT; CREATE TABLE one(id INTEGER PRIMARY KEY, u INTEGER UNIQUE) STRICT;`,
		func(o *store.Options) {
			o.Log, o.MergeEvery = slog.New(slog.NewTextHandler(&log, nil)), time.Nanosecond
		})
	d.do(put("flat", "id n", row(1, 1), row(2, 2)), put("one", "id u", row(1, 1)))
	o := s.Open("game")
	o.Do(`BEGIN IMMEDIATE; UPDATE flat SET n = 50 WHERE id = 2; UPDATE one SET u = 5; COMMIT`)
	d.written(true)
	if e, _ := d.frame(); e != nil && len(e.Tables) > 0 {
		t.Errorf("it is told: %q", told(e))
	}
	for _, table := range []string{"flat", "one"} {
		if strings.Count(log.String(), "table="+table) != 1 {
			t.Errorf("table %s is not reported once: %s", table, log.String())
		}
	}
	d.do(add("flat", "id n", row(1, 1), row(2, 1)))
	d.merge()
	o.Want(`SELECT group_concat(n) FROM flat`, "2,51")
	o.Want(`SELECT count(*) FROM _framehub_change`, "1") // the last stays
	o.Do(`BEGIN IMMEDIATE; ALTER TABLE flat ADD COLUMN more INTEGER; COMMIT`)
	if _, err := d.Begin(); !errors.Is(err, store.ErrSchemaChanged) {
		t.Fatal(err)
	}
	if e, err := d.Reshape(); err != nil || e == nil {
		t.Fatal(e, err)
	}
	d.do(put("flat", "id more", row(1, 5)))
	d.merge()
	o.Want(`SELECT n || more FROM flat WHERE id = 1`, "25")
}

// TestMVSQLiteTakenOverInAnAppend: an append that is on its way while another hub takes
// over is refused, or the other finds that it has to start again.
func TestMVSQLiteTakenOverInAnAppend(t *testing.T) {
	s := storetest.OpenMvsim(t, "game", "game.frames")
	d := openSim(s, `CREATE TABLE flat(id INTEGER PRIMARY KEY, n INTEGER) STRICT`)
	d.do(put("flat", "id n", row(1, 1)))
	f, err := d.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Apply(bob, d.write(bob, add("flat", "id n", row(1, 1))), nil); err != nil {
		t.Fatal(err)
	}
	file, resume := s.Hang()
	s.Plan("commit game.frames 1 hang " + file)
	committed := make(chan error)
	go func() {
		_, err := f.Commit(d.now, nil)
		committed <- err
	}()
	s.Await(1)
	later, err := store.Open(d.opts)
	if err != nil {
		t.Fatal(err)
	}
	resume()
	err = <-committed
	store.Abandon(d.Store)
	d.Store = later
	d.now = d.now.Add(frameTime)
	w := d.write(carol, add("flat", "id n", row(1, 10)))
	f, e := d.Begin()
	if e == nil {
		_, e = f.Apply(carol, w, nil)
	}
	if e == nil {
		_, e = f.Commit(d.now, nil)
	}
	if err != nil {
		if !errors.Is(err, store.ErrFenced) || e != nil {
			t.Fatalf("the earlier says %v, the later %v", err, e)
		}
		d.merge()
		d.wantRows("flat", row(1, 11))
		return
	}
	if !errors.Is(e, store.ErrStale) {
		t.Fatalf("the later says %v", e)
	}
	if _, e := d.Recover(); !errors.Is(e, store.ErrStale) {
		t.Errorf("recovering, it says %v", e)
	}
	d.abandon()
	d.do(add("flat", "id n", row(1, 10)))
	d.wantRows("flat", row(1, 12))
}
