package session_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// The tables of most tests.
const (
	entity = 1 // id | zone (scope), x, name
	pair   = 2 // a, b | v
)

func testSchema() *wire.Schema {
	column := func(name, kind string) wire.SchemaColumn { return wire.SchemaColumn{Name: name, Type: kind} }
	const all = wire.RightRead | wire.RightInsert | wire.RightUpdate | wire.RightDelete
	return &wire.Schema{Version: 1, Tables: []wire.SchemaTable{
		{Number: entity, Name: "entity", KeyLength: 1, Scope: 1, Rights: all, Class: "durable", Columns: []wire.SchemaColumn{
			column("id", "INTEGER"), column("zone", "INTEGER"), column("x", "REAL"), column("name", "TEXT"),
		}},
		{Number: pair, Name: "pair", KeyLength: 2, Scope: -1, Rights: all, Class: "durable", Columns: []wire.SchemaColumn{
			column("a", "TEXT"), column("b", "INTEGER"), column("v", "ANY"),
		}},
	}}
}

// values makes values of Go's: nil, int, float64, string, []byte.
func values(vs ...any) []wire.Value {
	out := make([]wire.Value, len(vs))
	for i, v := range vs {
		switch v := v.(type) {
		case nil:
		case int:
			out[i] = wire.IntegerValue(int64(v))
		case float64:
			out[i] = wire.RealValue(v)
		case string:
			out[i] = wire.TextValue(v)
		case []byte:
			out[i] = wire.BlobValue(v)
		case wire.Value:
			out[i] = v
		default:
			panic(fmt.Sprintf("no value: %T", v))
		}
	}
	return out
}

// block makes a block as it comes from a message.
func block(table int, columns []int, rows ...[]wire.Value) wire.Block {
	b, err := wire.DecodeBlock(wire.AppendBlock(nil, table, columns, nil, wire.Grid{Stride: len(columns), Values: slices.Concat(rows...)}, nil), 1<<20)
	if err != nil {
		panic(err)
	}
	return b
}

var (
	wholeEntity = []int{0, 1, 2, 3}
	wholePair   = []int{0, 1, 2}
)

func entities(rows ...[]wire.Value) wire.Block { return block(entity, wholeEntity, rows...) }

func ids(ids ...int) wire.Block {
	var rows [][]wire.Value
	for _, id := range ids {
		rows = append(rows, values(id))
	}
	return block(entity, []int{0}, rows...)
}

func blocks(b ...wire.Block) []wire.Block { return b }

// frame is a frame that completes everything.
func frame(version, previous uint64, changed, removed []wire.Block) *wire.Frame {
	return &wire.Frame{Version: version, Previous: previous, Time: time.UnixMicro(int64(version)), Changed: changed, Removed: removed, All: true}
}

func hello(version uint64) *wire.HubHello {
	return &wire.HubHello{Device: make([]byte, wire.UUIDSize), Epoch: []byte("first"), Version: version, Schema: testSchema()}
}

func whole(table string) wire.Sub { return wire.Sub{Name: table} }

// scoped is a subscription of entities in zones.
func scoped(scopes ...any) wire.Sub {
	return wire.Sub{Name: "entity", Scoped: true, Scopes: values(scopes...)}
}

func saying(subs ...wire.Sub) *wire.DeviceHello {
	return &wire.DeviceHello{Epoch: []byte("first"), Subs: subs, SubsSet: true}
}

// contents returns the rows of a table as text, sorted.
func contents(r *session.Replica, table string) (rows []string) {
	r.View(func(c *session.Copy) {
		if t := c.Table(table); t != nil {
			for row := range t.Rows() {
				rows = append(rows, fmt.Sprint(row.Values))
			}
		}
	})
	slices.Sort(rows)
	return rows
}

// started returns a strict replica whose snapshot of version 10 holds the
// entities 1 and 2 in zone 1, and 3 in zone 2.
func started(t *testing.T, o session.ReplicaOptions, subs ...wire.Sub) *session.Replica {
	t.Helper()
	o.Strict = true
	r := session.NewReplica(o)
	rows := [][]wire.Value{values(1, 1, 0.5, "one"), values(2, 1, 0.5, "two")}
	if subs == nil {
		subs = []wire.Sub{whole("entity")}
		rows = append(rows, values(3, 2, 0.5, "three"))
	}
	if err := r.Hello(saying(subs...), hello(10)); err != nil {
		t.Fatal(err)
	}
	feed(t, r, &wire.Snapshot{Version: 10, Blocks: blocks(entities(rows...))}, &wire.SnapshotEnd{Version: 10})
	return r
}

func feed(t *testing.T, r *session.Replica, messages ...session.Message) {
	t.Helper()
	for _, m := range messages {
		if err := r.Take(m); err != nil {
			t.Fatalf("%T: %v", m, err)
		}
	}
}

func wantRows(t *testing.T, r *session.Replica, table string, want ...string) {
	t.Helper()
	if got := contents(r, table); !slices.Equal(got, want) {
		t.Errorf("%s holds\n%s\nwant\n%s", table, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestReplicaSnapshot(t *testing.T) {
	r := session.NewReplica(session.ReplicaOptions{Strict: true})
	if err := r.Hello(&wire.DeviceHello{}, hello(10)); err != nil {
		t.Fatal(err)
	}
	feed(t, r, &wire.Snapshot{Version: 10, Blocks: blocks(entities(values(1, 1, 0.5, "one")))})
	wantRows(t, r, "entity")
	feed(t, r, &wire.Snapshot{Version: 10, Blocks: blocks(block(pair, wholePair, values("a", 1, nil), values("a", 2, []byte{1})))})
	wantRows(t, r, "pair")
	feed(t, r, &wire.SnapshotEnd{Version: 10})
	wantRows(t, r, "entity", `[1 1 0.5 "one"]`)
	wantRows(t, r, "pair", `["a" 1 NULL]`, `["a" 2 x'01']`)
	r.View(func(c *session.Copy) {
		subs := c.Subs()
		if len(subs) != 2 || subs[0].Name != "entity" || subs[0].Since != 10 || !subs[1].SinceSet {
			t.Errorf("subs: %+v", subs)
		}
		row, ok := c.Table("pair").Get(values("a", 2.0)...)
		if !ok || row.Get("v") != wire.BlobValue([]byte{1}) || !row.Get("none").IsNull() {
			t.Errorf("row: %v %v", row, ok)
		}
		if c.Table("none") != nil {
			t.Error("there is a table of any name")
		}
	})
}

func TestReplicaFrame(t *testing.T) {
	var told []string
	r := started(t, session.ReplicaOptions{OnRows: func(rows session.Rows) {
		line := fmt.Sprintf("%s %d:", rows.Table.Name, rows.Version)
		for _, row := range rows.Changed {
			line += fmt.Sprint(" ", row.Values)
		}
		told = append(told, fmt.Sprint(line, " removed ", rows.Removed))
	}})
	told = nil
	feed(t, r,
		frame(11, 10, blocks(block(entity, []int{0, 2}, values(1, 7.0)), entities(values(4, 2, nil, "four"))), blocks(ids(2))),
		frame(12, 11, blocks(entities(values(4, 3, 1.0, "again"))), blocks(ids(4))), // a replacement
		frame(12, 12, nil, nil),
	)
	wantRows(t, r, "entity", `[1 1 7 "one"]`, `[3 2 0.5 "three"]`, `[4 3 1 "again"]`)
	want := []string{
		`entity 11: [1 1 7 "one"] [4 2 NULL "four"] removed [[2]]`,
		`entity 12: [4 3 1 "again"] removed []`,
	}
	if !slices.Equal(told, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}

func TestReplicaPartsOfAFrame(t *testing.T) {
	r := started(t, session.ReplicaOptions{})
	first := frame(11, 10, blocks(entities(values(2, 5, 1.0, "new"))), nil)
	first.More = true
	feed(t, r, first)
	wantRows(t, r, "entity", `[1 1 0.5 "one"]`, `[2 1 0.5 "two"]`, `[3 2 0.5 "three"]`)
	// What is removed goes first, in whichever part it comes.
	feed(t, r, frame(11, 10, nil, blocks(ids(2, 3))))
	wantRows(t, r, "entity", `[1 1 0.5 "one"]`, `[2 5 1 "new"]`)
}

func TestReplicaOverlap(t *testing.T) {
	r := started(t, session.ReplicaOptions{}, scoped(1, 2))
	feed(t, r, frame(11, 10, blocks(block(entity, []int{0, 2}, values(1, 9.0)), entities(values(5, 2, 0.0, "five"))), blocks(ids(2))))
	change := &wire.Subscribe{ID: 1, Add: []wire.Sub{scoped(1, 3)}}
	r.Subscribing(change)
	feed(t, r, &wire.Snapshot{ID: 1, Version: 10, Blocks: blocks(entities(
		values(1, 1, 0.5, "one"), // older than what is there
		values(2, 1, 0.5, "two"), // gone since
		values(6, 3, 0.5, "six"),
	))}, &wire.SnapshotEnd{ID: 1, Version: 10})
	wantRows(t, r, "entity", `[1 1 9 "one"]`, `[5 2 0 "five"]`, `[6 3 0.5 "six"]`)

	// What only the removed subscription covers goes with it.
	r.Subscribing(&wire.Subscribe{ID: 2, Remove: []wire.Sub{scoped(2, 1.0)}})
	feed(t, r, frame(12, 11, blocks(block(entity, []int{0, 2}, values(6, 1.0))), nil), &wire.SnapshotEnd{ID: 2, Version: 12})
	wantRows(t, r, "entity", `[1 1 9 "one"]`, `[6 3 1 "six"]`)
	r.View(func(c *session.Copy) {
		if subs := c.Subs(); len(subs) != 1 || subs[0].Since != 12 {
			t.Errorf("subs: %+v", subs)
		}
	})
}

func TestReplicaNewerSnapshot(t *testing.T) {
	r := started(t, session.ReplicaOptions{}, scoped(1, 2))
	r.Subscribing(&wire.Subscribe{ID: 1, Add: []wire.Sub{whole("entity")}})
	feed(t, r,
		&wire.Snapshot{ID: 1, Version: 20, Blocks: blocks(entities(values(1, 1, 2.0, "one"), values(7, 2, 2.0, "seven")))},
		&wire.SnapshotEnd{ID: 1, Version: 20})
	wantRows(t, r, "entity", `[1 1 2 "one"]`, `[7 2 2 "seven"]`)
	// A frame of before leaves alone what is newer.
	feed(t, r, frame(15, 10, blocks(entities(values(1, 1, 1.0, "one"))), blocks(ids(2, 7))))
	wantRows(t, r, "entity", `[1 1 2 "one"]`, `[7 2 2 "seven"]`)
}

func TestReplicaRefusedChange(t *testing.T) {
	r := started(t, session.ReplicaOptions{})
	r.Subscribing(&wire.Subscribe{ID: 1, Add: []wire.Sub{whole("none")}})
	feed(t, r, &wire.SnapshotEnd{ID: 1, Refused: wire.Refuse(wire.CodeUnknownTable, "no")})
	if got := len(contents(r, "entity")); got != 3 {
		t.Errorf("%d rows", got)
	}
}

func TestReplicaRefusedHello(t *testing.T) {
	r := started(t, session.ReplicaOptions{})
	if err := r.Hello(saying(whole("none")), hello(11)); err != nil {
		t.Fatal(err)
	}
	feed(t, r, &wire.SnapshotEnd{Refused: wire.Refuse(wire.CodeUnknownTable, "no")})
	wantRows(t, r, "entity")
}

// copySubs returns the subscriptions for a hello.
func copySubs(r *session.Replica) (subs []wire.Sub) {
	r.View(func(c *session.Copy) { subs = c.Subs() })
	return subs
}

func TestReplicaResumes(t *testing.T) {
	r := started(t, session.ReplicaOptions{})
	subs := append(copySubs(r), whole("pair"))
	h := hello(30)
	h.Resumed = true
	if err := r.Hello(saying(subs...), h); err != nil {
		t.Fatal(err)
	}
	feed(t, r,
		&wire.Snapshot{Version: 29, Blocks: blocks(block(pair, wholePair, values("a", 1, nil)))}, &wire.SnapshotEnd{Version: 29},
		frame(30, 29, blocks(block(entity, []int{0, 3}, values(1, "ONE"))), nil))
	wantRows(t, r, "entity", `[1 1 0.5 "ONE"]`, `[2 1 0.5 "two"]`, `[3 2 0.5 "three"]`)
	wantRows(t, r, "pair", `["a" 1 NULL]`)
}

func TestReplicaResumesInPart(t *testing.T) {
	r := started(t, session.ReplicaOptions{})
	h := hello(30)
	h.Resumed = true
	if err := r.Hello(saying(copySubs(r)...), h); err != nil {
		t.Fatal(err)
	}
	// The hub can't bring the subscription forward, and snapshots it.
	feed(t, r, &wire.Snapshot{Version: 29, Blocks: blocks(entities(values(9, 1, nil, nil)))}, &wire.SnapshotEnd{Version: 29})
	wantRows(t, r, "entity", `[9 1 NULL NULL]`)
}

func TestReplicaStartsAnew(t *testing.T) {
	r := started(t, session.ReplicaOptions{})
	h := hello(3)
	h.Epoch = []byte("second")
	if err := r.Hello(saying(copySubs(r)...), h); err != nil {
		t.Fatal(err)
	}
	if subs := copySubs(r); subs[0].SinceSet {
		t.Error("a copy of another epoch can be resumed")
	}
	feed(t, r, &wire.SnapshotEnd{Version: 3})
	wantRows(t, r, "entity")
}

func TestReplicaFallsBehind(t *testing.T) {
	r := started(t, session.ReplicaOptions{})
	feed(t, r, &wire.Snapshot{Version: 99, Blocks: blocks(entities(values(1, 1, 8.0, "one")))})
	wantRows(t, r, "entity", `[1 1 0.5 "one"]`, `[2 1 0.5 "two"]`, `[3 2 0.5 "three"]`)
	if subs := copySubs(r); subs[0].Since != 10 || !subs[0].SinceSet {
		t.Errorf("%+v", subs)
	}
	feed(t, r, &wire.SnapshotEnd{Version: 99}, frame(100, 99, nil, nil))
	wantRows(t, r, "entity", `[1 1 8 "one"]`)
}

func TestReplicaSchemaChange(t *testing.T) {
	r := started(t, session.ReplicaOptions{}, whole("entity"), whole("pair"))
	next := testSchema()
	next.Version = 2
	e, p := next.Tables[0], next.Tables[1]
	e.Number = 8
	e.Columns = []wire.SchemaColumn{e.Columns[0], {Name: "hp", Type: "INTEGER"}, e.Columns[3], e.Columns[1]}
	e.Scope = 3
	p.Number = 9
	next.Tables = []wire.SchemaTable{p, e}
	feed(t, r, next)
	wantRows(t, r, "entity", `[1 NULL "one" 1]`, `[2 NULL "two" 1]`)
	feed(t, r,
		&wire.Frame{Version: 11, Previous: 10, Complete: []int{1}, Changed: blocks(block(9, wholePair, values("a", 1, 5)))},
		&wire.Snapshot{Version: 12, Blocks: blocks(block(8, wholeEntity, values(1, 100, "one", 1)))},
		&wire.SnapshotEnd{Version: 12})
	wantRows(t, r, "entity", `[1 100 "one" 1]`)
	wantRows(t, r, "pair", `["a" 1 5]`)
	feed(t, r, frame(13, 12, blocks(block(8, []int{0, 1}, values(1, 99))), nil))
	wantRows(t, r, "entity", `[1 99 "one" 1]`)
}

func TestReplicaGap(t *testing.T) {
	r := started(t, session.ReplicaOptions{})
	err := r.Frame(frame(13, 12, nil, nil))
	if !errors.Is(err, session.ErrGap) {
		t.Errorf("%v, want a gap", err)
	}
	if err := r.Frame(frame(11, 10, nil, nil)); !errors.Is(err, session.ErrGap) {
		t.Errorf("after a gap: %v, want it again", err)
	}
}
