package store_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

func keepsPresence(o *store.Options) { o.Presence = true }

// inFrame runs f in a frame, and commits it.
func (d *testDB) inFrame(f func(*store.Frame) (*wire.Refusal, error)) *store.Entry {
	d.Helper()
	frame, err := d.Begin()
	if err != nil {
		d.Fatal(err)
	}
	if refused, err := f(frame); refused != nil || err != nil {
		d.Fatal(refused, err)
	}
	d.now = d.now.Add(frameTime)
	e, err := frame.Commit(d.now, nil)
	if err != nil {
		d.Fatal(err)
	}
	return e
}

// keep puts rows of the table of sessions and deletes those of gone.
func (d *testDB) keep(rows, gone string) *store.Entry {
	d.Helper()
	t := d.table(store.SessionTable)
	put, keys := wire.Grid{Stride: len(t.Columns)}, wire.Grid{Stride: t.Key}
	for r := range strings.FieldsSeq(rows) {
		put.Values = append(put.Values, wire.BlobValue([]byte(r)), wire.Value{}, wire.TextValue("device"), wire.IntegerValue(1), wire.TextValue("here"))
	}
	for r := range strings.FieldsSeq(gone) {
		keys.Values = append(keys.Values, wire.BlobValue([]byte(r)))
	}
	return d.inFrame(func(f *store.Frame) (*wire.Refusal, error) { return f.Keep(t, put, keys) })
}

func (d *testDB) wantSessions(when, want string) {
	d.Helper()
	if _, err := d.Merge(d.now, true); err != nil {
		d.Fatal(err)
	}
	var got []string
	err := d.View(d.Context(), func(v *store.View) error {
		return v.Scan(v.Schema.Table(store.SessionTable), false, nil, func(g wire.Grid) error {
			for i := range g.Rows() {
				got = append(got, g.Row(i)[0].Bytes())
			}
			return nil
		})
	})
	if err != nil || strings.Join(got, " ") != want {
		d.Errorf("%s the sessions are %q, want %q, %v", when, got, want, err)
	}
}

// The hub's own rows are in versions, survive a crash, and settle nobody's numbers.
func TestOwnRows(t *testing.T) {
	d := openDB(t, `CREATE TABLE thing(id INTEGER PRIMARY KEY) STRICT;`, keepsPresence)
	e := d.keep("a b c", "")
	if len(e.Tables) != 1 || e.Tables[0].Table.Name != store.SessionTable || len(e.Writers) != 1 || e.Writers[0] != (store.Writer{}) {
		t.Errorf("the entry is %+v", e)
	}
	if _, known, err := d.Device(store.Device{}); known || err != nil {
		t.Errorf("the hub has settled something: %v", err)
	}
	d.keep("d", "b")
	d.crash(d.opts.Path)
	d.wantSessions("after a crash", "a c d")
	d.keep("", "a x")
	d.wantSessions("after the end of one", "c d")
	d.reopen()
	d.wantSessions("reopened", "c d")
}

// Devices write neither table, whatever a guard says.
func TestOwnTablesAreTheHubs(t *testing.T) {
	d := openDB(t, `CREATE TABLE thing(id INTEGER PRIMARY KEY) STRICT;`, keepsPresence)
	d.keep("a", "")
	for name, c := range map[string]struct {
		op   testOp
		want wire.Code
	}{
		"the table of sessions": {remove(store.SessionTable, "device", row([]byte("a"))), wire.CodeReadOnly},
		"an expectation of it":  {expect(store.SessionTable, "device state", row([]byte("a"), "here")), ""},
		"the table of wills":    {remove(store.WillTable, "device", row([]byte("a"))), wire.CodeUnknownTable},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := d.Begin()
			if err != nil {
				t.Fatal(err)
			}
			refused, err := f.Apply(store.Device{1}, d.write(store.Device{1}, c.op), nil)
			if err != nil || (refused == nil) != (c.want == "") || refused != nil && refused.Code != c.want {
				t.Errorf("%v, %v, want %q", refused, err, c.want)
			}
			if _, err := f.Commit(d.now, nil); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What the frame has done so far is found, in plain tables and in others.
func TestFindAndDelete(t *testing.T) {
	for name, schema := range map[string]string{
		"plain":  `CREATE TABLE thing(id INTEGER PRIMARY KEY, who TEXT) STRICT;`,
		"by SQL": `CREATE TABLE thing(id INTEGER PRIMARY KEY, who TEXT CHECK (who <> 'nobody')) STRICT;`,
	} {
		t.Run(name, func(t *testing.T) {
			d := openDB(t, schema)
			dev := store.Device{1}
			w := d.write(dev, put("thing", "id who", row(1, "alice"), row(2, "bob"), row(3, "alice")))
			e := d.inFrame(func(f *store.Frame) (*wire.Refusal, error) {
				if refused, err := f.Apply(dev, w, nil); refused != nil || err != nil {
					return refused, err
				}
				thing := d.table("thing")
				rows, err := f.Find(thing, wire.Grid{Stride: 1, Values: []wire.Value{wire.IntegerValue(3), wire.IntegerValue(4)}})
				if err != nil || len(rows) != 2 || rows[0] == nil || rows[0][1].Bytes() != "alice" || rows[1] != nil {
					t.Errorf("found %v, %v", rows, err)
				}
				keys, err := f.KeysWhere(thing, 1, wire.TextValue("alice"))
				if got := fmt.Sprint(keys.Values); err != nil || got != "[1 3]" {
					t.Errorf("the keys are %s, %v", got, err)
				}
				return f.Delete(dev, thing, keys)
			})
			if len(e.Writers) != 2 || e.Writers[1] != (store.Writer{Device: dev}) {
				t.Errorf("the writers are %v", e.Writers)
			}
			if s, _, err := d.Device(dev); err != nil || s.Settled != 1 {
				t.Errorf("%d is settled, %v", s.Settled, err)
			}
			if _, err := d.Merge(d.now.Add(time.Second), true); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Somebody else's table under the hub's name is not taken over.
func TestOwnNameIsTaken(t *testing.T) {
	_, err := store.Open(store.Options{
		Path: filepath.Join(t.TempDir(), "world.db"), Log: quiet, Presence: true,
		Schema: `CREATE TABLE framehub_session(id INTEGER PRIMARY KEY) STRICT;`,
	})
	if err == nil || !strings.Contains(err.Error(), "rename the table") {
		t.Errorf("%v", err)
	}
}

// The hub's own tables don't make an empty database one that has a schema.
func TestOwnTablesAreNoSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	for _, schema := range []string{"", `CREATE TABLE thing(id INTEGER PRIMARY KEY) STRICT;`} {
		s, err := store.Open(store.Options{Path: path, Log: quiet, Presence: true, Schema: schema})
		if err != nil {
			t.Fatal(err)
		}
		if (s.Schema().Table("thing") != nil) != (schema != "") {
			t.Errorf("with %q the tables are %v", schema, s.Schema().Tables)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A store that does not keep presence any longer says nothing of who is here.
func TestPresenceIsTakenAway(t *testing.T) {
	d := openDB(t, `CREATE TABLE thing(id INTEGER PRIMARY KEY) STRICT;`, keepsPresence)
	d.keep("a b", "")
	d.opts.Presence = false
	d.reopen()
	if d.Schema().Table(store.SessionTable) != nil || d.Schema().Table(store.WillTable) != nil {
		t.Error("the tables are still there")
	}
	d.opts.Presence = true
	d.reopen()
	d.wantSessions("kept again", "")
}
