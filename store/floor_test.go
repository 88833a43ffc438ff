package store_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"framehub/store"
)

// checkpointed is a store with its checkpointer, driven by hand.
type checkpointed struct {
	*testDB
	check *store.Checkpointer
	looks time.Duration
}

func openCheckpointed(t *testing.T, schema string, options ...func(*store.Options)) *checkpointed {
	t.Helper()
	d := openDB(t, schema, options...)
	c := &checkpointed{testDB: d}
	c.newCheckpointer()
	t.Cleanup(c.closeCheckpointer)
	return c
}

func (c *checkpointed) newCheckpointer() {
	c.Helper()
	check, err := store.NewCheckpointer(c.Store, c.now)
	if err != nil {
		c.Fatal(err)
	}
	c.check = check
}

func (c *checkpointed) closeCheckpointer() {
	if err := c.check.Close(); err != nil {
		c.Error(err)
	}
}

// look checkpoints, whenever it was done last.
func (c *checkpointed) look() {
	c.looks += time.Hour
	c.check.Look(c.now.Add(c.looks))
}

// frames commits frames, a step of time apart.
func (c *checkpointed) frames(n int, step time.Duration) {
	c.Helper()
	for i := range n {
		c.now = c.now.Add(step)
		c.do(put("a", "id n", row(i%100, i)))
	}
}

// TestFloorByAge: entries go when they are old and not needed any more, two with
// each frame at most, and are then [store.ErrGone].
func TestFloorByAge(t *testing.T) {
	c := openCheckpointed(t, tableA, func(o *store.Options) { o.LogAge = time.Minute })
	c.frames(100, time.Second)
	if c.LogFloor() != 1 || c.Durable() != 0 {
		t.Fatalf("floor %d, durable %d: entries went before a checkpoint", c.LogFloor(), c.Durable())
	}
	c.look()
	if c.Durable() != c.Version() {
		t.Fatalf("durable %d of %d", c.Durable(), c.Version())
	}
	before := c.LogFloor()
	c.frames(1, time.Second)
	if c.LogFloor() != before+2 {
		t.Errorf("floor %d, was %d: not two at a time", c.LogFloor(), before)
	}
	c.frames(40, time.Second)
	if floor := c.LogFloor(); floor < 70 || floor > 85 {
		t.Errorf("floor %d of %d", floor, c.Version())
	}
	c.wantGone()
	c.closeCheckpointer()
	c.reopen()
	c.newCheckpointer()
	c.wantGone()
	for v := c.LogFloor(); v <= c.Version(); v++ {
		if _, err := c.Entry(v); err != nil {
			t.Errorf("version %d of %d to %d: %v", v, c.LogFloor(), c.Version(), err)
		}
	}
	newModel(c.testDB).replay(put("a", "id", row(1000)))
}

// wantGone looks for entries below the floor; those in memory may be there still.
func (c *checkpointed) wantGone() {
	c.Helper()
	got := sqlite3(c, logOf(c.opts.Path), `SELECT min(version), max(version), count(*) FROM frame`)
	if want := fmt.Sprintf("%d|%d|%d", c.LogFloor(), c.Version(), c.Version()-c.LogFloor()+1); got != want {
		c.Errorf("the log has %s, want %s", got, want)
	}
	for _, v := range []uint64{0, c.LogFloor() - 1, c.Version() + 1} {
		if e, err := c.Entry(v); !errors.Is(err, store.ErrGone) && (e == nil || e.Version != v) {
			c.Errorf("version %d: %v, %v", v, e, err)
		}
	}
}

// TestFloorBySize: more entries than the log may hold go, however young.
func TestFloorBySize(t *testing.T) {
	const size = 1 << 20
	c := openCheckpointed(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n TEXT) STRICT`, func(o *store.Options) { o.LogSize = size })
	text := strings.Repeat("x", 10_000)
	most := int64(0)
	for i := range 1500 {
		c.now = c.now.Add(4 * frameTime)
		c.do(put("a", "id n", row(i%10, fmt.Sprint(i, text))))
		if i%25 == 0 {
			c.look()
		}
		most = max(most, int64(c.Version()-c.LogFloor())*int64(len(text)))
	}
	if held := int64(c.Version()-c.LogFloor()) * int64(len(text)); held > size*3/2 || held < size/2 {
		t.Errorf("%d bytes of entries are held, the most is %d", held, size)
	}
	t.Logf("at most %d bytes of entries were held, of %d", most, size)
}

// TestFloorStays: an entry stays as long as power loss could make it needed:
// until a checkpoint that began after its merge has come to its end.
func TestFloorStays(t *testing.T) {
	c := openCheckpointed(t, tableA, func(o *store.Options) { o.LogAge, o.MergeEvery, o.MergeBudget = time.Second, time.Hour, 1 })
	c.frames(10, time.Second)
	c.look()
	durable := c.Durable()
	c.commit(c.plain(alice, put("a", "id", row(500)))) // not merged
	c.look()
	if c.Durable() != durable {
		t.Errorf("durable %d, merged %d", c.Durable(), c.Merged())
	}
	c.merge()
	reading := make(chan struct{})
	done := make(chan error)
	go func() {
		done <- c.View(c.Context(), func(*store.View) error { reading <- struct{}{}; <-reading; return nil })
	}()
	<-reading // a reader holds this version in the WAL
	c.frames(10, time.Second)
	c.look()
	if c.Durable() >= c.Version() {
		t.Errorf("durable %d of %d beside a reader that holds the WAL", c.Durable(), c.Version())
	}
	for c.frames(50, time.Second); c.LogFloor() < durable; {
		t.Fatalf("floor %d, durable %d", c.LogFloor(), durable)
	}
	if c.LogFloor() > c.Durable() {
		t.Errorf("floor %d, durable %d", c.LogFloor(), c.Durable())
	}
	reading <- struct{}{}
	if err := <-done; err != nil {
		t.Error(err)
	}
	c.look()
	if c.Durable() != c.Version() {
		t.Errorf("durable %d of %d", c.Durable(), c.Version())
	}
}

// TestFloorDevices: an entry stays until what it settled is durable elsewhere.
func TestFloorDevices(t *testing.T) {
	c := openCheckpointed(t, tableA, func(o *store.Options) { o.LogAge = time.Nanosecond })
	c.frames(1, time.Second)
	c.frames(200, frameTime/16) // less than the second in which devices are written down
	c.look()
	c.now = c.now.Add(time.Second)
	c.commit(c.plain(alice, put("a", "id", row(500))))
	floor := c.LogFloor()
	c.close2()
	c.open()
	c.newCheckpointer()
	if state, ok, err := c.Device(alice); !ok || err != nil || state.Settled != c.seq[alice] {
		t.Errorf("settled %d of %d %v %v (floor %d)", state.Settled, c.seq[alice], ok, err, floor)
	}
}

// close2 goes on with a copy of the files, as a crash leaves them.
func (c *checkpointed) close2() {
	c.Helper()
	c.closeCheckpointer()
	c.copyTo(c.opts.Path)
}

// TestWALBounded measures both WALs under a steady load, with the checkpointer at
// any moment, and a reader that comes and goes.
func TestWALBounded(t *testing.T) { testWALBounded(t) }

// TestSoakWALBounded does so for longer.
func TestSoakWALBounded(t *testing.T) {
	soakTime(t) // it ends by itself
	testWALBounded(t)
}

func testWALBounded(t *testing.T) {
	t.Helper()
	frames := 100
	if os.Getenv("FRAMEHUB_SOAK") != "" {
		frames = 3000
	}
	c := openCheckpointed(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, s TEXT) STRICT`)
	text := strings.Repeat("y", 3000)
	var game, log int64
	for i := range frames {
		rows := make([][]any, 200)
		for j := range rows {
			rows[j] = row((i*7919+j*104729)%20000, i, text)
		}
		c.do(put("a", "id n s", rows...))
		if i%3 == 0 {
			c.look()
		}
		g, l := store.WALPages(c.Store)
		game, log = max(game, g), max(log, l)
	}
	t.Logf("%d frames of 200 rows: the WALs had %d and %d pages at most; %d checkpoints, %d in a frame",
		frames, game, log, c.Stats().Checkpoints.Load(), c.Stats().RestartWaits.Load())
	if game > 20000 || log > 20000 {
		t.Errorf("the WALs grew to %d and %d pages", game, log)
	}
}

// TestWALBoundedWithin: the same where each checkpoint comes while the frame loop's next
// transaction is open, and finds all copied that was there: frames are far apart.
func TestWALBoundedWithin(t *testing.T) {
	c := openCheckpointed(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, s TEXT) STRICT`)
	text := strings.Repeat("y", 3000)
	game := int64(0)
	for i := range 60 {
		rows := make([][]any, 1000)
		for j := range rows {
			rows[j] = row((i*7919+j*104729)%20000, i, text)
		}
		f, err := c.Begin()
		if err != nil {
			t.Fatal(err)
		}
		refusal, err := f.Apply(alice, c.write(alice, put("a", "id n s", rows...)), nil)
		if refusal != nil || err != nil {
			t.Fatal(refusal, err)
		}
		c.look()
		c.now = c.now.Add(frameTime)
		if _, err := f.Commit(c.now, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Merge(c.now, true); err != nil {
			t.Fatal(err)
		}
		now, _ := store.WALPages(c.Store)
		game = max(game, now)
	}
	if game > 2*store.RestartPages {
		t.Errorf("the WAL grew to %d pages; %d checkpoints, %d in a frame", game, c.Stats().Checkpoints.Load(), c.Stats().RestartWaits.Load())
	}
}

// TestWALRestart: a WAL that a reader has kept from being copied grows, and the
// frame loop copies the rest once the reader is gone, so that it begins anew.
func TestWALRestart(t *testing.T) {
	c := openCheckpointed(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER, s TEXT) STRICT`)
	text := strings.Repeat("z", 3500)
	write := func(frames int) {
		rows := make([][]any, 500)
		for i := range frames {
			for j := range rows {
				rows[j] = row(j, i, text)
			}
			c.do(put("a", "id n s", rows...))
		}
	}
	write(1)
	reading, done := make(chan struct{}), make(chan error)
	go func() {
		done <- c.View(c.Context(), func(*store.View) error { reading <- struct{}{}; <-reading; return nil })
	}()
	<-reading
	game := int64(0)
	for game <= store.RestartPages {
		write(4)
		c.look()
		game, _ = store.WALPages(c.Store)
	}
	reading <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	write(3) // one copies the rest, the next begins anew
	if now, _ := store.WALPages(c.Store); now > game/4 || c.Stats().RestartWaits.Load() == 0 {
		t.Errorf("the WAL has %d pages, had %d; %d checkpoints in a frame", now, game, c.Stats().RestartWaits.Load())
	}
}
