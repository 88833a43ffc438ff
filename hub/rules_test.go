package hub_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"framehub/rules"
	"framehub/session/wire"
)

// rule puts rules in force.
func (w *world) rule(file string) {
	w.Helper()
	set, mistakes := rules.Parse([]byte(file), nil)
	if err := mistakes.Err(); err != nil {
		w.Fatal(err)
	}
	if err := w.hub.SetRules(set); err != nil {
		w.Fatal(err)
	}
}

func TestRulesRefuseAndMend(t *testing.T) {
	bubble(t, func(w *world) {
		w.rule("[tables.thing]\nscope = \"zone\"\ninsert = \"all\"\nupdate = \"all\"\nserver-only = [\"a\"]\ntext.b = { trim = true }\nblob.big.max = 3")
		device, server := w.dial(nothing()), w.dial(wire.DeviceHello{SubsSet: true, Role: "server"})
		await[*wire.SnapshotEnd](device)
		await[*wire.SnapshotEnd](server)
		put := func(p *peer, columns []string, values ...wire.Value) {
			p.write(wire.OpPut, "thing", append([]string{"id"}, columns...), append([]wire.Value{num(1)}, values...)...)
		}
		put(device, []string{"b"}, wire.TextValue("  x "))
		put(device, []string{"a"}, num(7))
		put(device, []string{"b"}, wire.TextValue("\u202e"))
		put(device, []string{"big"}, wire.BlobValue([]byte("1234")))
		device.write(wire.OpDelete, "thing", []string{"id"}, num(1))
		device.write(wire.OpPut, "other", []string{"name"}, wire.TextValue("x"))
		put(server, []string{"a"}, num(9))
		w.frame()
		s := await[*wire.Settled](device)
		var codes []wire.Code
		for _, r := range s.Rejected {
			codes = append(codes, r.Code)
			if r.Op != 0 {
				w.Errorf("the refusal %+v does not say its op", r)
			}
		}
		want := []wire.Code{wire.CodeReadOnly, wire.CodeConstraint, wire.CodeTooLarge, wire.CodeForbidden, wire.CodeForbidden}
		if !slices.Equal(codes, want) || !slices.Equal(s.Committed, []uint64{1}) {
			w.Fatalf("settled is %+v", s)
		}
		if w.scalar(`SELECT count(*) FROM thing WHERE b = 'x' AND a = 9 AND big IS NULL`) != 1 {
			w.Fatal("SQL has another row")
		}
	})
}

func TestRightsShowInTheSchema(t *testing.T) {
	bubble(t, func(w *world) {
		w.rule("[tables.thing]\nscope = \"zone\"\nupdate = [\"device\"]\nread-only = [\"a\"]\nserver-only = [\"b\"]\n[tables.other]\nread = [\"server\"]\ndelete = [\"server\"]")
		for role, want := range map[string]struct {
			tables   int
			rights   wire.Rights
			readOnly []string
		}{
			"device":   {1, wire.RightRead | wire.RightUpdate, []string{"a", "b"}},
			"server":   {2, wire.RightRead, []string{"id", "zone", "a", "b", "big"}},
			"observer": {1, wire.RightRead, []string{"id", "zone", "a", "b", "big"}},
		} {
			p := w.dial(wire.DeviceHello{Role: role})
			var readOnly []string
			tables := p.Hello.Schema.Tables
			thing := tables[slices.IndexFunc(tables, func(t wire.SchemaTable) bool { return t.Name == "thing" })]
			for _, c := range thing.Columns {
				if c.Flags&wire.FlagReadOnly != 0 {
					readOnly = append(readOnly, c.Name)
				}
			}
			if len(tables) != want.tables || thing.Rights != want.rights || !slices.Equal(readOnly, want.readOnly) {
				w.Errorf("the role %s has %d tables, the rights %d, read-only %v", role, len(tables), thing.Rights, readOnly)
			}
		}
	})
}

func TestOnDemand(t *testing.T) {
	bubble(t, func(w *world) {
		w.rule("[tables.thing]\non-demand = true\nread = [\"device\"]\ninsert = [\"device\"]\nupdate = [\"device\"]\n[tables.other]\non-demand = false")
		p := w.dial(wire.DeviceHello{})
		if r := p.Hello.Schema.Tables; r[0].Rights != wire.RightRead && r[1].Rights != wire.RightRead {
			w.Errorf("the schema has the tables %+v", r)
		}
		expect[*wire.SnapshotEnd](p)
		p.put(1, 1)
		w.frame()
		await[*wire.Settled](p)
		if err := p.Subscribe(w.Context(), &wire.Subscribe{ID: 1, Add: []wire.Sub{{Name: "thing"}}}); err != nil {
			w.Fatal(err)
		}
		if s := await[*wire.Snapshot](p); len(s.Blocks) != 1 || s.Blocks[0].N != 1 {
			w.Errorf("who asks is sent %+v", s)
		}
		p = w.dial(wire.DeviceHello{})
		expect[*wire.SnapshotEnd](p) // of the other table, which is empty
		if !slices.ContainsFunc(p.Hello.Schema.Tables, func(t wire.SchemaTable) bool {
			return t.Name == "thing" && t.Rights == wire.RightRead|wire.RightInsert|wire.RightUpdate|wire.OnDemand && t.Columns[2].Flags&wire.FlagReadOnly == 0
		}) {
			w.Errorf("the schema has the tables %+v", p.Hello.Schema.Tables)
		}
		w.rule("[tables.thing]\non-demand = true")
		if news := await[*wire.Schema](p); news.Tables[slices.IndexFunc(news.Tables, func(t wire.SchemaTable) bool { return t.Name == "thing" })].Columns[2].Flags&wire.FlagReadOnly == 0 {
			w.Error("a table that is only read does not say so")
		}
	})
}

func TestWhatMayNotBeRead(t *testing.T) {
	bubble(t, func(w *world) {
		writer := w.dial(nothing())
		expect[*wire.SnapshotEnd](writer)
		writer.write(wire.OpPut, "other", []string{"name"}, wire.TextValue("x"))
		writer.put(1, 1)
		w.frame()
		w.rule("[tables.other]\nread = \"none\"")

		p := w.dial(wire.DeviceHello{})
		if s := expect[*wire.Snapshot](p); len(s.Blocks) != 1 {
			w.Errorf("by default %d tables are sent", len(s.Blocks))
		}
		expect[*wire.SnapshotEnd](p)
		if err := p.Subscribe(w.Context(), &wire.Subscribe{ID: 1, Add: []wire.Sub{{Name: "other"}}}); err != nil {
			w.Fatal(err)
		}
		if e := await[*wire.SnapshotEnd](p); e.Refused == nil || e.Refused.Code != wire.CodeForbidden || !strings.Contains(e.Refused.Text, `"other"`) {
			w.Errorf("the subscription is answered %+v", e)
		}
		number := w.store.Schema().Table("other").ID
		if err := p.ReadPiece(w.Context(), &wire.ReadPiece{ID: 1, Table: number, Key: []wire.Value{wire.TextValue("x")}, Column: 0}); err != nil {
			w.Fatal(err)
		}
		if e := await[*wire.Piece](p); e.Refused == nil || e.Refused.Code != wire.CodeForbidden {
			w.Errorf("the piece is %+v", e)
		}
		p = w.dial(watching(wire.Sub{Name: "other"}))
		if e := await[*wire.SnapshotEnd](p); e.Refused == nil || e.Refused.Code != wire.CodeForbidden {
			w.Errorf("the hello's subscription is answered %+v", e)
		}
	})
}

// New rules hold at once; who loses what he reads is told so.
func TestRulesChange(t *testing.T) {
	bubble(t, func(w *world) {
		w.rule("[tables.thing]\nscope = \"zone\"\ninsert = \"all\"\nupdate = \"all\"")
		device, server := w.dial(wire.DeviceHello{}), w.dial(wire.DeviceHello{Role: "server"})
		await[*wire.SnapshotEnd](device)
		await[*wire.SnapshotEnd](server)
		w.rule("[tables.thing]\nscope = \"zone\"\n")
		device.put(1, 1)
		w.frame()
		if s := await[*wire.Settled](device); len(s.Rejected) != 1 || s.Rejected[0].Code != wire.CodeForbidden {
			w.Errorf("settled is %+v", s)
		}
		w.rule("[tables.thing]\nscope = \"zone\"\nread = [\"server\"]\n")
		if g := await[*wire.Goodbye](device); g.Code != wire.CloseForbidden || !strings.Contains(g.Text, `"thing"`) {
			w.Errorf("the goodbye is %+v", g)
		}
		set, _ := rules.Parse([]byte("[tables.thing]\nscope = \"nowhere\"\nread = \"none\""), nil)
		if err := w.hub.SetRules(set); err == nil || !strings.Contains(err.Error(), "line 2") {
			w.Errorf("rules that do not fit: %v", err)
		}
		server.put(1, 1)
		w.frame()
		if s := await[*wire.Settled](server); len(s.Rejected) != 1 {
			w.Errorf("the server goes on, and is told %+v", s)
		}
	})
}

// Who goes on is told what he may from now on, and nobody else is told anything.
func TestRightsThatChangeAreTold(t *testing.T) {
	bubble(t, func(w *world) {
		w.rule("[tables.thing]\nscope = \"zone\"\n[tables.other]\nread = [\"server\"]")
		device, observer, server := w.dial(wire.DeviceHello{}), w.dial(wire.DeviceHello{Role: "observer"}), w.dial(wire.DeviceHello{Role: "server"})
		for _, p := range []*peer{device, observer, server} {
			await[*wire.SnapshotEnd](p)
		}
		w.rule("[tables.thing]\nscope = \"zone\"\nupdate = [\"device\"]\nread-only = [\"a\"]\n[tables.other]\nread = [\"server\", \"device\"]")
		s := expect[*wire.Schema](device)
		at := slices.IndexFunc(s.Tables, func(t wire.SchemaTable) bool { return t.Name == "thing" })
		if s.Version != device.Hello.Schema.Version || len(s.Tables) != 2 || s.Tables[at].Number != device.Hello.Schema.Tables[0].Number {
			w.Fatalf("the schema is %+v", s)
		}
		if thing := s.Tables[at]; thing.Rights != wire.RightRead|wire.RightUpdate || thing.Columns[2].Flags&wire.FlagReadOnly == 0 || thing.Columns[3].Flags&wire.FlagReadOnly != 0 {
			w.Errorf("the table is %+v", thing)
		}
		for _, p := range []*peer{observer, server} { // the next that they hear is this
			if err := p.Clock(w.Context(), 1); err != nil {
				w.Fatal(err)
			}
			expect[*wire.Clock](p)
		}
		if err := device.Subscribe(w.Context(), &wire.Subscribe{ID: 1, Add: []wire.Sub{{Name: "other"}}}); err != nil {
			w.Fatal(err)
		}
		if e := await[*wire.SnapshotEnd](device); e.Refused != nil {
			w.Errorf("what may be read now is answered %+v", e.Refused)
		}
	})
}

// A device that sends too fast is slowed, then ended; another is not.
func TestTooManyMessages(t *testing.T) {
	bubble(t, func(w *world) {
		w.rule("[limits]\nmessages = { rate = 10, burst = 5 }")
		p, server := w.dial(nothing()), w.dial(wire.DeviceHello{SubsSet: true, Role: "server"})
		expect[*wire.SnapshotEnd](p)
		expect[*wire.SnapshotEnd](server)
		begun := time.Now()
		for range 30 {
			if err := p.Clock(w.Context(), 1); err != nil {
				break
			}
			if err := server.Clock(w.Context(), 1); err != nil {
				w.Fatal(err)
			}
		}
		if g := await[*wire.Goodbye](p); g.Code != wire.CloseRate || time.Since(begun) != time.Second {
			w.Errorf("after %v the goodbye is %+v", time.Since(begun), g)
		}
		for range 30 {
			await[*wire.Clock](server)
		}
		// It is the device that is slowed, not its connection.
		hello := nothing()
		hello.Device = p.Hello.Device
		p = w.dial(hello)
		expect[*wire.SnapshotEnd](p)
		again := time.Now()
		if err := p.Clock(w.Context(), 1); err != nil {
			w.Fatal(err)
		}
		await[*wire.Clock](p)
		if time.Since(again) == 0 {
			w.Error("a new connection gave a new burst")
		}
	})
}

func TestTooManyRows(t *testing.T) {
	bubble(t, func(w *world) {
		w.rule("[limits]\nrows = 2\n[tables.thing]\nscope = \"zone\"\ninsert = \"all\"\nupdate = \"all\"")
		p := w.dial(nothing())
		expect[*wire.SnapshotEnd](p)
		for i := range int64(3) {
			p.put(i, 1)
		}
		w.frame()
		s := expect[*wire.Settled](p)
		if len(s.Committed) != 2 || len(s.Rejected) != 1 || s.Rejected[0].Code != wire.CodeRate {
			w.Fatalf("settled is %+v", s)
		}
		w.pass(time.Second)
		p.put(9, 1)
		w.frame()
		w.hub.Sweep(time.Now().Add(time.Second))
		if s := await[*wire.Settled](p); len(s.Committed) != 1 {
			w.Fatalf("after a pause settled is %+v", s)
		}
	})
}
