package hub_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"framehub/hub"
	"framehub/session/wire"
)

// sql sends a statement, and returns what became of it after a frame.
func (p *peer) sql(id uint64, text string, params ...wire.Value) *wire.SQLAnswer {
	p.w.Helper()
	p.ask(id, text, params...)
	p.w.frame()
	p.w.frame() // that what was committed is merged, for who reads
	a := await[*wire.SQLAnswer](p)
	if a.ID != id {
		p.w.Fatalf("the answer is of statement %d, not %d", a.ID, id)
	}
	return a
}

func (p *peer) ask(id uint64, text string, params ...wire.Value) {
	p.w.Helper()
	if err := p.SQL(p.w.Context(), &wire.SQL{ID: id, Text: text, Params: params}); err != nil {
		p.w.Fatal(err)
	}
}

// TestSQL: what a server does with SQL is seen by devices as part of a version, which
// its answer names; and what it reads is at least what it has been told.
func TestSQL(t *testing.T) {
	bubble(t, func(w *world) {
		server := w.dial(wire.DeviceHello{SubsSet: true, Role: "server"})
		device := w.dial(watching(scoped(1)))
		await[*wire.SnapshotEnd](device)
		if !slices.Contains(server.Hello.Capabilities, "sql") {
			w.Error("the hello does not say that the hub does SQL")
		}
		a := server.sql(1, `INSERT INTO thing(id, zone, a) VALUES (1, ?1, 5), (2, 2, 6) RETURNING id, a + 1 AS more`, num(1))
		if a.Refused != nil || !slices.Equal(a.Columns, []string{"id", "more"}) || a.Rows.Rows() != 2 || a.Rows.Row(1)[1] != num(7) {
			w.Fatalf("%+v", a)
		}
		f := await[*wire.Frame](device)
		for len(f.Changed) == 0 {
			f = await[*wire.Frame](device)
		}
		if f.Version != a.Version || f.Changed[0].N != 1 {
			w.Errorf("the device is told %+v, the answer says version %d", f, a.Version)
		}
		if a = server.sql(2, `UPDATE thing SET zone = 2 WHERE id = 1`); a.Refused != nil || len(a.Columns) != 0 {
			w.Errorf("%+v", a)
		}
		for f = await[*wire.Frame](device); len(f.Removed) == 0; f = await[*wire.Frame](device) {
		}
		if a = server.sql(3, `SELECT count(*), sum(a) FROM thing WHERE zone = 2`); a.Refused != nil || a.Version < f.Version || a.Rows.Row(0)[0] != num(2) || a.Rows.Row(0)[1] != num(11) {
			w.Errorf("%+v", a)
		}
	})
}

// TestSQLThatIsRefused: by role, by rules, by SQL, and by how many are under way; what
// was refused has done nothing.
func TestSQLThatIsRefused(t *testing.T) {
	bubble(t, func(w *world) {
		w.rule("[tables.thing]\nscope = \"zone\"\ninsert = [\"server\"]\n")
		refused := func(p *peer, id uint64, text string, code wire.Code, words string) {
			w.Helper()
			if a := p.sql(id, text); a.Refused == nil || a.Refused.Code != code || !strings.Contains(a.Refused.Text, words) {
				w.Errorf("%s: %+v", text, a)
			}
		}
		device, server := w.dial(nothing()), w.dial(wire.DeviceHello{SubsSet: true, Role: "server"})
		refused(device, 1, `SELECT 1`, wire.CodeForbidden, "roles server, editor and admin")
		refused(server, 1, `UPDATE thing SET a = 1`, wire.CodeForbidden, `may not update table "thing"`)
		refused(server, 2, `INSERT INTO other(name) VALUES ('x')`, wire.CodeForbidden, `may not insert into table "other"`)
		refused(server, 3, `PRAGMA user_version = 5`, wire.CodeForbidden, "nothing else")
		refused(server, 4, `INSERT INTO thing(id, a) VALUES (1, 'x')`, wire.CodeType, "cannot store TEXT")
		refused(server, 5, `SELECT hex(zeroblob(50000))`, wire.CodeTooLarge, "bytes")
		if a := server.sql(6, `INSERT INTO thing(id, a) VALUES (1, 1)`); a.Refused != nil {
			w.Error(a.Refused)
		}
		for id := range uint64(9) {
			server.ask(10+id, `INSERT INTO thing(id) VALUES (?)`, num(int64(10+id)))
		}
		synctest.Wait()
		w.frame()
		many := 0
		for range 9 {
			if a := await[*wire.SQLAnswer](server); a.Refused != nil {
				if a.ID != 18 || a.Refused.Code != wire.CodeRate {
					w.Errorf("%+v", a)
				}
				many++
			}
		}
		if n := w.scalar("SELECT count(*) FROM thing"); n != 9 || many != 1 {
			w.Errorf("%d rows are there, %d were too many", n, many)
		}
	})
}

// TestSQLWhileTheStoreIsDown: it is refused in words, and not run later.
func TestSQLWhileTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		server := w.dial(wire.DeviceHello{SubsSet: true, Role: "server"})
		o := w.outsider()
		if _, err := o.conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
			t.Fatal(err)
		}
		server.ask(1, `INSERT INTO thing(id) VALUES (1)`)
		w.frame()
		w.pass(2 * time.Second)
		w.frame()
		if a := await[*wire.SQLAnswer](server); a.Refused == nil || a.Refused.Code != wire.CodeUnavailable {
			t.Errorf("%+v", a)
		}
		if _, err := o.conn.ExecContext(t.Context(), "COMMIT"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.frame()
		if n := w.scalar("SELECT count(*) FROM thing"); n != 0 {
			t.Errorf("%d rows are there", n)
		}
	})
}
