package hub_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"framehub/hub"
	"framehub/session/wire"
)

// TestReshapeThatFailsOnce: a schema that could not be written to the log at first is
// told to sessions when it could, also where rules have been asked in between; and no
// frame has held it before.
func TestReshapeThatFailsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		server := w.dial(wire.DeviceHello{SubsSet: true, Role: "server", Subs: []wire.Sub{{Name: "other"}}})
		device := w.dial(watching(wire.Sub{Name: "thing"}))
		await[*wire.SnapshotEnd](device)
		w.frame()
		log, err := sql.Open("sqlite3", "file:"+strings.TrimSuffix(w.path, ".db")+".frames.db")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = log.Close() }()
		log.SetMaxOpenConns(1)
		exec := func(statement string) {
			t.Helper()
			if _, err := log.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		exec(`BEGIN IMMEDIATE`)
		w.outsider().do(`ALTER TABLE thing ADD COLUMN extra INTEGER DEFAULT 7`, `INSERT INTO thing(id, zone) VALUES (1, 1)`)
		w.frame()
		server.put(2, 2) // its rules are asked
		w.frame()
		exec(`ROLLBACK`)
		for range 5 {
			w.pass(time.Second)
			w.frame()
		}
		for _, p := range []*peer{server, device} {
			schema := await[*wire.Schema](p)
			at := slices.IndexFunc(schema.Tables, func(s wire.SchemaTable) bool { return s.Name == "thing" })
			if n := len(schema.Tables[at].Columns); n != 6 {
				t.Errorf("the schema that is told has %d columns", n)
			}
		}
		s := await[*wire.Snapshot](device)
		if b := s.Blocks[0]; b.N != 1 || len(b.Columns) != 6 || b.Value(5, 0) != num(7) {
			t.Errorf("the snapshot is %+v", b)
		}
		if schema, err := w.store.SchemaAt(w.store.Schema().Version); err != nil || schema == nil {
			t.Error(err)
		}
		if n := w.scalar("SELECT count(*) FROM thing WHERE id = 1 AND extra = 7"); n != 1 {
			t.Errorf("%d rows", n)
		}
	})
}

// TestSQLWithoutReading: who does not take his answers is not answered without end.
func TestSQLWithoutReading(t *testing.T) {
	bubble(t, func(w *world) {
		server := w.dial(wire.DeviceHello{SubsSet: true, Role: "server", MaxMessage: 1 << 20})
		const asked = 200
		for id := range uint64(asked) {
			server.ask(id, `SELECT hex(zeroblob(100000))`)
			synctest.Wait()
		}
		answered := 0
		for range asked {
			if a := await[*wire.SQLAnswer](server); a.Refused == nil {
				answered++
			} else if a.Refused.Code != wire.CodeRate {
				w.Error(a.Refused)
			}
		}
		if answered == 0 || answered > 30 {
			w.Errorf("%d answers waited to be read", answered)
		}
	})
}
