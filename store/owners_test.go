package store_test

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// own says in each transaction's frame whose its device is, until the test is
// over, and that this is so.
func (d *testDB) own(user func(store.Device) string) {
	d.apply = func(f *store.Frame, tx written) (*wire.Refusal, error) {
		if theirs, err := f.Own(tx.dev, user(tx.dev)); err != nil || !theirs {
			d.Errorf("device %x is not %q's (%v)", tx.dev, user(tx.dev), err)
		}
		return f.Apply(tx.dev, tx.w, nil)
	}
}

// wantOwner compares whose a device is.
func (d *testDB) wantOwner(when string, dev store.Device, user string) {
	d.Helper()
	state, ok, err := d.Device(dev)
	if err != nil || state.Owner != user || !ok && user != "" {
		d.Errorf("%s: device %x is %q's, want %q (%v %v)", when, dev, state.Owner, user, ok, err)
	}
}

// TestOwn: a device belongs to who used it first, from the frame on that says so.
func TestOwn(t *testing.T) {
	d := openDB(t, raiseSchema)
	type claim struct {
		dev    store.Device
		user   string
		theirs bool
	}
	frame := func(claims []claim, txs ...written) *store.Entry {
		t.Helper()
		d.now = d.now.Add(frameTime)
		f, err := d.Begin()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range claims {
			if theirs, err := f.Own(c.dev, c.user); theirs != c.theirs || err != nil {
				t.Errorf("device %x: %q's is %v (%v)", c.dev, c.user, theirs, err)
			}
		}
		for _, tx := range txs {
			if _, err := f.Apply(tx.dev, tx.w, nil); err != nil {
				t.Fatal(err)
			}
		}
		d.wantOwner("before the commit", carol, "")
		e, err := f.Commit(d.now, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Own(carol, "C"); err == nil {
			t.Error("a frame that is over takes an owner")
		}
		return e
	}
	if e := frame([]claim{{alice, "", true}}); e != nil {
		t.Errorf("nothing was to commit: %+v", e)
	}
	d.frame(d.plain(bob, put("a", "id n", row(1, 1)))) // nobody's
	d.wantOwner("nobody's", bob, "")
	e := frame([]claim{{alice, "A", true}, {alice, "B", false}, {alice, "A", true}, {alice, "", false}, {bob, "B\x00ü\xff", true}},
		d.plain(alice, put("a", "id n", row(2, 2))), d.plain(bob, put("a", "id n", row(3, -4)))) // RAISE(ROLLBACK)
	if len(e.Owners) != 2 || len(e.Writers) != 1 {
		t.Errorf("%+v", e)
	}
	e = frame([]claim{{alice, "A", true}, {alice, "B", false}, {bob, "B\x00ü\xff", true}, {bob, "B", false}}, d.plain(alice, put("a", "id n", row(4, 4))))
	if len(e.Owners) != 0 {
		t.Errorf("what is known is written down again: %+v", e)
	}
	dave := store.Device{'d'}
	if e := frame([]claim{{dave, "D", true}}); e == nil || len(e.Owners) != 1 { // alone
		t.Errorf("%+v", e)
	}
	for _, when := range []string{"at once", "after a crash", "reopened"} {
		d.wantOwner(when, alice, "A")
		d.wantOwner(when, bob, "B\x00ü\xff")
		d.wantOwner(when, dave, "D")
		d.wantOwner(when, carol, "")
		if when == "at once" {
			d.crash(d.opts.Path)
		} else {
			d.reopen()
		}
	}
	frame([]claim{{alice, "B", false}, {alice, "A", true}, {dave, "D", true}, {bob, "", false}, {carol, "", true}})
}

// TestOwnUnknownAppend: an owner is one if the frame took place.
func TestOwnUnknownAppend(t *testing.T) {
	for name, there := range map[string]bool{"took place": true, "did not": false} {
		t.Run(name, func(t *testing.T) {
			d := openDB(t, tableA)
			f, err := d.Begin()
			if err != nil {
				t.Fatal(err)
			}
			if theirs, err := f.Own(alice, "A"); !theirs || err != nil {
				t.Fatal(theirs, err)
			}
			if err := store.CommitUnknown(f, d.now, there); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Recover(); err != nil {
				t.Fatal(err)
			}
			want := map[bool]string{true: "A", false: "Z"}[there]
			d.own(func(store.Device) string { return want })
			d.do(put("a", "id", row(1)))
			d.wantOwner("recovered", alice, want)
		})
	}
}

// TestOwnersLast: owners are there after restarts, crashes and power loss,
// however many there are, and however far what is written down of them lags.
func TestOwnersLast(t *testing.T) {
	restore := store.KeepDevices(5)
	defer restore()
	d := openDB(t, tableA)
	user := func(dev store.Device) string { return fmt.Sprintf("user %d", dev[1]) }
	saved := filepath.Join(t.TempDir(), "saved.db")
	d.close()
	copyFile(t, d.opts.Path, saved)
	d.open()
	for i := range 120 {
		d.own(user)
		dev := func(i int) store.Device { return store.Device{3, byte(i)} }
		d.now = d.now.Add(time.Duration(i%7) * time.Second / 10)
		txs := []written{d.plain(dev(i), put("a", "id n", row(i, i))), d.plain(dev(i/2), insert("a", "id", row(0)))}
		if d.commit(txs...); i%3 > 0 {
			d.merge()
		}
		switch i % 10 {
		case 2, 3:
			d.crash(d.opts.Path)
		case 5:
			d.reopen()
		case 8:
			d.crash(saved) // the file as it was at first: power loss before any checkpoint
		}
		for j := range i + 1 {
			d.wantOwner(fmt.Sprint(i), dev(j), user(dev(j)))
		}
		d.wantOwner(fmt.Sprint(i), dev(i+1), "")
	}
}

// TestOwnerForgotten: with an old device its owner is forgotten.
func TestOwnerForgotten(t *testing.T) {
	d := openDB(t, tableA)
	d.own(func(dev store.Device) string { return string(dev[:1]) })
	d.do(put("a", "id n", row(1, 1)))
	d.now = d.now.Add(time.Hour)
	d.frame(d.plain(bob, put("a", "id n", row(2, 1))))
	d.opts.DeviceAge = time.Since(epochStart) - 30*time.Minute
	d.reopen()
	d.wantOwner("old", alice, "")
	d.wantOwner("young", bob, "b")
	d.own(func(store.Device) string { return "new" })
	d.do(put("a", "id n", row(1, 2)))
	d.wantOwner("again", alice, "new")
}

// oldDevices is how the table of devices was before they had owners.
const oldDevices = `CREATE TABLE old(id BLOB PRIMARY KEY, settled INTEGER NOT NULL, refused BLOB, seen INTEGER NOT NULL) STRICT, WITHOUT ROWID;
	INSERT INTO old SELECT id, settled, refused, seen FROM _framehub_device; DROP TABLE _framehub_device; ALTER TABLE old RENAME TO _framehub_device`

// TestOwnersOldDatabase: a database from before there were owners gets room for them.
func TestOwnersOldDatabase(t *testing.T) {
	d := openDB(t, tableA)
	d.do(put("a", "id n", row(1, 1)))
	schema := d.Schema().Version
	for _, crash := range []bool{false, true} {
		d.apply = nil
		d.commit(d.plain(bob, put("a", "id n", row(2, 2)))) // of which, after a crash, only the log knows
		if crash {
			d.copyTo(d.opts.Path)
		} else {
			d.close()
		}
		sqlite3(t, d.opts.Path, oldDevices)
		d.open()
		for _, dev := range []store.Device{alice, bob} {
			if state, ok, err := d.Device(dev); !ok || err != nil || state.Settled != d.seq[dev] || state.Owner != "" {
				t.Errorf("%+v %v %v", state, ok, err)
			}
		}
		d.own(func(store.Device) string { return "A" })
		d.do(put("a", "id n", row(1, 3)))
		d.reopen()
		d.wantOwner("reopened", alice, "A")
		d.wantOwner("reopened", bob, "")
	}
	if d.Schema().Version != schema {
		t.Error("the hub's own table made a version of the schema")
	}
}

// oldEntry is the second entry of a log from before there were owners, of tableA.
const oldEntry = "881b000647484620811a01f48250610100000000000000000000000000005062020000000000000000000000000000818200018186010166657869737473782a7461626c6520226122" +
	"20686173206120726f77207769746820746865206b6579203120616c72656164790000818901820001015686008300010202d840420202d84842ffffd840420000814e850182000102d840420102" +
	"8205f6f6f6f6f6f6"

// TestOldEntry: entries without owners are as they always were, byte for byte.
func TestOldEntry(t *testing.T) {
	d := openDB(t, tableA)
	made, _ := d.frame(d.plain(alice, put("a", "id n", row(1, 5), row(2, nil))), d.plain(bob, insert("a", "id", row(1))))
	b, err := store.LoggedBytes(d.Store, made.Version)
	if err != nil || hex.EncodeToString(b) != oldEntry {
		t.Errorf("%x (%v)", b, err)
	}
	old, err := hex.DecodeString(oldEntry)
	if err != nil {
		t.Fatal(err)
	}
	read, err := store.DecodeEntry(old, d.Schema())
	if err != nil {
		t.Fatal(err)
	}
	read.Version = made.Version
	sameEntry(t, made, read)
}
