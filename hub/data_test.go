package hub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"framehub/hub"
	"framehub/session/wire"
)

// edit edits a row in the name of ann, closing frames until there is an answer.
func (w *world) edit(e hub.Edit) (uint64, *wire.Refusal) {
	w.Helper()
	type answer struct {
		version uint64
		refused *wire.Refusal
		err     error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		a.version, a.refused, a.err = w.hub.Data().Edit(w.Context(), "ann", &e)
		done <- a
	}()
	synctest.Wait()
	w.frame()
	a := <-done
	if a.err != nil {
		w.Fatal(a.err)
	}
	return a.version, a.refused
}

func key(values ...wire.Value) []wire.Value { return values }

// TestEdit: what an operator changes is a transaction that devices see, and that has his
// name in the log.
func TestEdit(t *testing.T) {
	bubble(t, func(w *world) {
		device := w.dial(watching(scoped(1)))
		await[*wire.SnapshotEnd](device)
		version, refused := w.edit(hub.Edit{Kind: wire.OpInsert, Table: "thing", Key: key(num(7)), Values: map[string]wire.Value{"zone": num(1), "b": wire.TextValue("new")}})
		if refused != nil || version != w.hub.Version() {
			w.Fatalf("version %d of %d, %v", version, w.hub.Version(), refused)
		}
		f := await[*wire.Frame](device)
		for len(f.Changed) == 0 {
			f = await[*wire.Frame](device)
		}
		if f.Version != version {
			w.Errorf("devices see it in version %d", f.Version)
		}
		if _, refused = w.edit(hub.Edit{Kind: wire.OpUpdate, Table: "thing", Key: key(num(7)), Values: map[string]wire.Value{"a": num(9)}}); refused != nil {
			w.Fatal(refused)
		}
		if _, refused = w.edit(hub.Edit{Kind: wire.OpDelete, Table: "thing", Key: key(num(7))}); refused != nil {
			w.Fatal(refused)
		}
		past, err := w.hub.Data().Past(w.Context(), "thing", key(num(7)), 0, false)
		if err != nil || len(past.Events) != 3 {
			w.Fatalf("%+v %v", past, err)
		}
		for _, e := range past.Events {
			if by := e.By[0]; by.User != hub.OperatorUser("ann") || by.Device != past.Events[0].By[0].Device || uuid.UUID(by.Device) == uuid.Nil {
				w.Errorf("it was %+v", by)
			}
		}
	})
}

// TestEditIsRefused by the rules, the schema and what is no edit.
func TestEditIsRefused(t *testing.T) {
	bubble(t, func(w *world) {
		w.rule("[tables.thing]\ninsert = [\"admin\"]\nread-only = [\"a\"]\n[tables.other]\ninsert = \"all\"\nupdate = \"all\"\ndelete = \"all\"\n")
		values := func(name string, v wire.Value) map[string]wire.Value { return map[string]wire.Value{name: v} }
		for name, tc := range map[string]struct {
			edit  hub.Edit
			code  wire.Code
			words string
		}{
			"no right":       {hub.Edit{Kind: wire.OpDelete, Table: "thing", Key: key(num(1))}, wire.CodeForbidden, `role "admin" may not delete`},
			"a column":       {hub.Edit{Kind: wire.OpInsert, Table: "thing", Key: key(num(1)), Values: values("a", num(1))}, wire.CodeReadOnly, `"a"`},
			"a CHECK":        {hub.Edit{Kind: wire.OpInsert, Table: "other", Key: key(wire.TextValue("x")), Values: values("n", num(-1))}, wire.CodeConstraint, "n >= 0"},
			"no row":         {hub.Edit{Kind: wire.OpUpdate, Table: "other", Key: key(wire.TextValue("x")), Values: values("n", num(1))}, wire.CodeMissing, ""},
			"no table":       {hub.Edit{Kind: wire.OpUpdate, Table: "_framehub_meta", Key: key(num(1))}, wire.CodeUnknownTable, "no table"},
			"the hub's":      {hub.Edit{Kind: wire.OpDelete, Table: "framehub_session", Key: key(wire.BlobValue([]byte("x")))}, wire.CodeUnknownTable, ""},
			"no column":      {hub.Edit{Kind: wire.OpInsert, Table: "other", Key: key(wire.TextValue("x")), Values: values("m", num(1))}, wire.CodeUnknownColumn, `no column "m"`},
			"a column twice": {hub.Edit{Kind: wire.OpInsert, Table: "other", Key: key(wire.TextValue("x")), Values: values("name", wire.TextValue("y"))}, wire.CodeType, "never changes"},
			"no key":         {hub.Edit{Kind: wire.OpDelete, Table: "other"}, wire.CodeType, "1 columns, not 0"},
			"another key":    {hub.Edit{Kind: wire.OpDelete, Table: "other", Key: key(num(1))}, wire.CodeType, "needs a TEXT"},
		} {
			if version, refused := w.edit(tc.edit); refused == nil || refused.Code != tc.code || !strings.Contains(refused.Text, tc.words) {
				w.Errorf("%s: version %d, %+v", name, version, refused)
			}
		}
		if w.scalar(`SELECT (SELECT count(*) FROM thing) + (SELECT count(*) FROM other)`) != 0 {
			w.Error("something was changed")
		}
	})
}

// TestEditOfAStoppingHub gets an answer all the same.
func TestEditOfAStoppingHub(t *testing.T) {
	bubble(t, func(w *world) {
		w.end()
		_, refused, err := w.hub.Data().Edit(w.Context(), "ann", &hub.Edit{Kind: wire.OpInsert, Table: "thing", Key: key(num(1))})
		if err != nil || refused == nil || refused.Code != wire.CodeUnavailable {
			w.Errorf("%v, %v", refused, err)
		}
	})
}

// filtered returns the keys that a filter of the table thing leaves.
func (w *world) filtered(filter string) string {
	w.Helper()
	p, err := w.hub.Data().Page(w.Context(), &hub.PageQuery{Table: "thing", Filter: filter})
	if bad, ok := errors.AsType[*hub.BadQueryError](err); ok {
		return bad.Text
	}
	if err != nil {
		w.Fatal(err)
	}
	var ids []string
	for i := range p.Rows.Rows() {
		ids = append(ids, fmt.Sprint(p.Rows.Row(i)[0].Int64()))
	}
	return strings.Join(ids, " ")
}

func TestFilters(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.dial(nothing())
		for i, b := range []string{"red", "dark red", "x='1'", "null", `say "hi"`} {
			p.write(wire.OpPut, "thing", []string{"id", "zone", "b"}, num(int64(i)), num(int64(10*i)), wire.TextValue(b))
		}
		p.write(wire.OpPut, "thing", []string{"id", "big"}, num(9), wire.BlobValue([]byte{0, 0xff}))
		w.frame()
		w.frame()
		w.frame()
		for filter, want := range map[string]string{
			"":                        "0 1 2 3 4 9",
			"  red ":                  "0 1",
			"b=red":                   "0",
			"B=red zone=0":            "0",
			"zone>=10 zone<30":        "1 2",
			"zone!=10 id<3":           "0 2",
			"b=null":                  "9",
			"b=\"null\"":              "3",
			"b!=null zone=null":       "",
			"b='dark red'":            "1",
			"'dark red'":              "1",
			"b~dark":                  "1",
			"b~'k r'":                 "1",
			`"x='1'"`:                 "2",
			`'say "hi"'`:              "4",
			"big=x'00ff'":             "9",
			"zone=1.5":                "",
			"zone=nan":                `column "zone" is compared with a number, or null, not with "nan"`,
			"zone=red":                `column "zone" is compared with a number, or null, not with "red"`,
			"big=5x":                  `column "big" is compared with a blob, as x'00ff', or null, not with "5x"`,
			"big=x'0'":                `x'0' is no blob: write its bytes in hexadecimal, as x'00ff'`,
			"colour=red":              `table "thing" has no column "colour", it has id, zone, a, b, big`,
			"'red":                    "a ' is not closed",
			strings.Repeat("a ", 17):  "a filter has at most 16 terms, this has 17",
			"b~'; DROP TABLE thing--": "a ' is not closed",
			"b~\"'; DROP\"":           "",
		} {
			if got := w.filtered(filter); got != want {
				w.Errorf("%s: %s, not %s", filter, got, want)
			}
		}
	})
}

// TestFilterOfAnOddColumn: a quote may end in the value that began in the column's name.
func TestFilterOfAnOddColumn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, `CREATE TABLE thing(id INTEGER PRIMARY KEY, zone INTEGER, "b'" BLOB) STRICT`, hub.Options{})
		if got, want := w.filtered("b'=x'"), `column "b'" is compared with a blob, as x'00ff', or null, not with "x'"`; got != want {
			t.Errorf("%s, not %s", got, want)
		}
	})
}

// TestDataThatIsPrivate is told to those alone who may see it.
func TestDataThatIsPrivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, schema+"CREATE TABLE _secret(x);", hub.Options{})
		d := w.hub.Data()
		for _, private := range []bool{false, true} {
			tables, err := d.Tables(w.Context(), private)
			if err != nil {
				t.Fatal(err)
			}
			names := ""
			for i := range tables {
				names += tables[i].Table.Name + " "
			}
			if want := map[bool]string{false: "other thing ", true: "_secret other thing "}[private]; names != want {
				t.Errorf("private %v: %s", private, names)
			}
			_, err = d.Page(w.Context(), &hub.PageQuery{Table: "_secret", Private: private})
			if private != (err == nil) {
				t.Errorf("private %v: %v", private, err)
			}
			_, _, refused, err := d.Ask(w.Context(), "SELECT * FROM _secret", private)
			if err != nil || private != (refused == nil) {
				t.Errorf("private %v: %v, %v", private, refused, err)
			}
		}
		if _, _, refused, err := d.Ask(w.Context(), "DELETE FROM thing", true); err != nil || refused == nil || !strings.Contains(refused.Text, "only reads") {
			t.Errorf("%v, %v", refused, err)
		}
	})
}

// TestFollow tells of the rows that are followed, and how much happens beside them.
func TestFollow(t *testing.T) {
	bubble(t, func(w *world) {
		p := w.dial(nothing())
		p.put(1, 1)
		p.put(2, 1)
		w.frame()
		next, err := w.hub.Data().Follow("thing", [][]wire.Value{key(num(1)), key(num(5))}, w.hub.Version(), false)
		if err != nil {
			t.Fatal(err)
		}
		p.put(1, 7)
		p.put(2, 7)
		p.put(3, 7)
		w.frame()
		if l := next(); l.Rows[0].Image[2] != num(7) || l.Rows[1] != nil || l.Came != 1 || l.Changed != 2 || l.Version != w.hub.Version() {
			t.Errorf("%+v", l)
		}
		if l := next(); l.Rows[0] != nil || l.Came+l.Changed > 0 {
			t.Errorf("nothing has happened: %+v", l)
		}
		for _, bad := range []string{"_framehub_meta", "nothing"} {
			if _, err := w.hub.Data().Follow(bad, nil, 0, true); !errors.Is(err, hub.ErrNoTable) {
				t.Error(bad, err)
			}
		}
		if _, err := w.hub.Data().Follow("thing", [][]wire.Value{key()}, 0, true); err == nil {
			t.Error("a key of no columns is taken")
		}
		w.pass(time.Second)
	})
}

// TestEditWithoutRoom: where frames don't come, an edit waits for room no longer than for
// its frame, and what found none is not run later.
func TestEditWithoutRoom(t *testing.T) {
	bubble(t, func(w *world) {
		edit := func(id int64, size int) (refused *wire.Refusal, err error) {
			_, refused, err = w.hub.Data().Edit(w.Context(), "ann", &hub.Edit{
				Kind: wire.OpInsert, Table: "thing", Key: key(num(id)), Values: map[string]wire.Value{"big": wire.BlobValue(make([]byte, size))},
			})
			return refused, err
		}
		large := make(chan error)
		go func() {
			_, err := edit(1, 3<<20) // all the room that one has
			large <- err
		}()
		synctest.Wait()
		began := time.Now()
		refused, err := edit(2, 1)
		if err != nil || refused == nil || refused.Code != wire.CodeUnavailable || time.Since(began) > 11*time.Second {
			t.Errorf("after %v: %v, %v", time.Since(began), refused, err)
		}
		if err := <-large; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the edit whose frame does not come: %v", err)
		}
		w.frame()
		if n := w.scalar(`SELECT sum(id) FROM thing`); n != 1 {
			t.Errorf("rows with the sum %d are there", n)
		}
	})
}
