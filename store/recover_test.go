package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"framehub/store"
	"framehub/store/storetest"
)

// TestFaults lets each call on each file fail in turn, once or from then on,
// before or after its work, while frames are committed, merged and checkpointed:
// nothing acknowledged is lost, and Recover brings the store back.
func TestFaults(t *testing.T) { testFaults(t, func(skip int) int { return 2 + 5*skip }) }

// TestSoakFaults leaves fewer calls out.
func TestSoakFaults(t *testing.T) {
	soakTime(t) // it ends by itself
	testFaults(t, func(skip int) int { return 1 + skip + skip/8 })
}

func testFaults(t *testing.T, next func(skip int) int) {
	t.Helper()
	f := storetest.OpenFaults(t)
	for _, file := range []string{"world.frames.db-wal", "world.frames.db", "world.db-wal", "world.db"} {
		for _, c := range []struct {
			name      string
			ops, code int
			done      bool
		}{
			{"write", storetest.FaultWrite, storetest.IOErrWrite, false}, {"full", storetest.FaultWrite, storetest.DiskFull, false}, {"sync", storetest.FaultSync, storetest.IOErrFsync, false},
			{"sync after", storetest.FaultSync, storetest.IOErrFsync, true}, {"write after", storetest.FaultWrite, storetest.IOErrWrite, true}, {"read", storetest.FaultRead, storetest.IOErrRead, false},
			{"truncate", storetest.FaultTruncate, storetest.IOErrWrite, false},
		} {
			for _, sticky := range []bool{false, true} {
				if sticky && (c.done || c.ops != storetest.FaultWrite) {
					continue // as once: nothing tries again by itself
				}
				name := fmt.Sprint(file, " ", c.name, " sticky ", sticky)
				t.Run(name, func(t *testing.T) {
					rounds := 0
					for skip := 0; ; skip = next(skip) {
						r := newFaultRun(t, f)
						p := storetest.FaultPlan{Path: strings.TrimSuffix(r.opts.Path, "world.db") + file, Ops: c.ops, Skip: skip, Sticky: sticky, Done: c.done, Code: c.code}
						if hits := r.run(p); hits == 0 {
							break
						}
						rounds++
					}
					t.Logf("%d times", rounds)
				})
			}
		}
	}
}

type faultRun struct {
	*testDB
	f      *storetest.Faults
	model  *model
	random *propertyRun
	told   map[uint64]uint64 // hashes of the entries told, by version
	check  *store.Checkpointer
	failed int
	next   func() written // what a frame has three of
}

func newFaultRun(t *testing.T, f *storetest.Faults) *faultRun {
	t.Helper()
	d := openDB(t, propertySchema, func(o *store.Options) { *o = killOptions(o.Path); o.MergeEvery = 5 * frameTime; o.MergeBudget = 1 })
	check, err := store.NewCheckpointer(d.Store, d.now)
	if err != nil {
		t.Fatal(err)
	}
	p := &propertyRun{testDB: d, random: random{rand.New(rand.NewPCG(seedOf(9), 5))}}
	r := runOf(p)
	r.f, r.check = f, check
	return r
}

func runOf(p *propertyRun) *faultRun {
	p.Helper()
	return &faultRun{testDB: p.testDB, model: newModel(p.testDB), random: p, told: map[uint64]uint64{},
		next: func() written { tx, _ := p.transaction(); return tx }}
}

// run commits frames under a plan, and returns how often it made a call fail.
func (r *faultRun) run(p storetest.FaultPlan) (hits int) {
	r.Helper()
	for range 3 {
		r.frame()
	}
	r.f.Set(p)
	for i := range 12 {
		r.frame()
		if i == 8 || !p.Sticky {
			r.check.Look(r.now.Add(time.Duration(i+1) * time.Hour))
		}
	}
	hits = r.f.Clear()
	for !r.recover() {
	}
	for range 3 {
		if !r.frame() {
			r.Fatalf("plan %+v: a frame failed after all was well again", p)
		}
	}
	if p.Ops == storetest.FaultWrite && p.Sticky && hits > 2 && strings.HasSuffix(p.Path, "-wal") && r.failed == 0 {
		r.Errorf("plan %+v: no frame failed", p)
	}
	if err := r.check.Close(); err != nil {
		r.Errorf("plan %+v: close the checkpointer: %v", p, err)
	}
	r.merge()
	r.model.check(fmt.Sprintf("plan %+v", p))
	r.crash(r.opts.Path)
	r.model.check(fmt.Sprintf("plan %+v, after a crash", p))
	for v, hash := range r.told {
		if e, err := r.Entry(v); err != nil || hashOf(e) != hash {
			r.Errorf("plan %+v: version %d was told, and is another now: %v", p, v, err)
		}
	}
	r.close()
	return hits
}

// frame commits a frame, or fails to; then it tries to recover.
func (r *faultRun) frame() bool {
	r.Helper()
	r.now = r.now.Add(frameTime)
	if err := r.tryFrame(); err != nil {
		r.failed++
		r.recover()
		return false
	}
	return true
}

func (r *faultRun) tryFrame() error {
	f, err := r.Begin()
	if err != nil {
		return err
	}
	for range 3 {
		tx := r.next()
		if _, err := f.Apply(tx.dev, tx.w, nil); err != nil {
			return err
		}
	}
	tx := written{alice, r.write(alice, put("plain", "id s u", row(1, "a", nil), row(2, "b", nil)))} // something always
	if _, err := f.Apply(tx.dev, tx.w, nil); err != nil {
		return err
	}
	e, err := f.Commit(r.now, nil)
	if err != nil {
		return err
	}
	r.tell(e)
	_, err = r.Merge(r.now, false)
	return err
}

// recover tries once, and says whether it worked.
func (r *faultRun) recover() bool {
	r.Helper()
	late, err := r.Recover()
	if late != nil {
		r.tell(late)
	}
	return err == nil
}

func (r *faultRun) tell(e *store.Entry) {
	r.Helper()
	if _, twice := r.told[e.Version]; twice || e.Version != uint64(len(r.told))+2 { // 1 is the schema's
		r.Fatalf("version %d is told after %d others", e.Version, len(r.told))
	}
	r.told[e.Version] = hashOf(e)
	r.model.apply(e)
}

// TestUnknownAppend: an append whose outcome is unknown is neither told nor
// taken back: Recover looks.
func TestUnknownAppend(t *testing.T) {
	for name, there := range map[string]bool{"took place": true, "did not": false} {
		t.Run(name, func(t *testing.T) {
			d := openDB(t, propertySchema)
			d.do(put("plain", "id n", row(1, 1)))
			before := d.Version()
			for range 2 {
				m := newModel(d)
				f, err := d.Begin()
				if err != nil {
					t.Fatal(err)
				}
				w := d.write(alice, add("plain", "id n", row(1, 1)))
				if r, err := f.Apply(alice, w, nil); r != nil || err != nil {
					t.Fatal(r, err)
				}
				d.now = d.now.Add(frameTime)
				if err := store.CommitUnknown(f, d.now, there); err != nil {
					t.Fatal(err)
				}
				if _, err := d.Begin(); err == nil {
					t.Error("a frame began in a store that has failed")
				}
				if _, err := f.Apply(alice, w, nil); err == nil {
					t.Error("a frame went on in a store that has failed")
				}
				if d.Version() != before {
					t.Error("the version is told before it is known")
				}
				e, err := d.Recover()
				if err != nil || (e != nil) != there {
					t.Fatalf("Recover: %+v, %v", e, err)
				}
				if there {
					before++
					m.apply(e)
				}
				state, _, err := d.Device(alice)
				if d.Version() != before || err != nil || (state.Settled == w.Seq) != there {
					t.Errorf("version %d, want %d; settled %d (%v), the transaction was %d", d.Version(), before, state.Settled, err, w.Seq)
				}
				m.check("recovered")
				m.replay(put("plain", "id s", row(1, "after")))
				before = d.Version()
			}
			if n := d.Stats().Recoveries.Load(); n != 0 { // of the last reopened store
				t.Errorf("%d recoveries", n)
			}
		})
	}
}

// TestFullDisk: a full disk refuses frames until there is room, and says so.
func TestFullDisk(t *testing.T) {
	f := storetest.OpenFaults(t)
	d := openDB(t, propertySchema)
	m := newModel(d)
	for _, file := range []string{"world.frames.db", "world.db"} {
		m.apply(d.do(put("plain", "id n", row(1, 1))))
		f.Set(storetest.FaultPlan{Path: d.opts.Path[:len(d.opts.Path)-len("world.db")] + file, Ops: storetest.FaultWrite, Sticky: true, Code: storetest.DiskFull})
		frame, err := d.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := frame.Apply(bob, d.write(bob, add("plain", "id n", row(1, 1))), nil); err != nil {
			t.Fatal(err)
		}
		e, err := frame.Commit(d.now, nil)
		if err == nil {
			m.apply(e)
			_, err = d.Merge(d.now, true)
		}
		wantWords(t, err, file, "the disk is full", "free some space")
		for range 3 {
			late, err := d.Recover()
			if late != nil {
				t.Error("an entry that was not appended:", late)
			}
			wantWords(t, err, file, "the disk is full", "free some space")
		}
		f.Clear()
		if late, err := d.Recover(); late != nil || err != nil {
			t.Error(late, err)
		}
		m.check("room again")
		m.replay(put("plain", "id n", row(2, 1)))
	}
}
