package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

func TestSmoke(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	open := func() *store.Store {
		s, err := store.Open(store.Options{Path: path, Schema: `
			CREATE TABLE entity(id INTEGER PRIMARY KEY, x REAL, y REAL, zone INTEGER, owner TEXT) STRICT;
			CREATE TABLE tag(name TEXT COLLATE NOCASE, kind INTEGER, note TEXT DEFAULT 'none', PRIMARY KEY(name, kind)) WITHOUT ROWID;
			CREATE TABLE _audit(what TEXT);
			CREATE TRIGGER a AFTER INSERT ON tag BEGIN INSERT INTO _audit VALUES (new.name); END;`, Scopes: map[string]string{"entity": "zone"}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	f, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	ent, tag := s.Schema().Table("entity"), s.Schema().Table("tag")
	put := func(table int, cols []int, kind wire.OpKind, vals ...wire.Value) *wire.Write {
		b, err := wire.DecodeBlock(wire.AppendBlock(nil, table, cols, nil, wire.Grid{Stride: len(cols), Values: vals}, nil), 100)
		if err != nil {
			t.Fatal(err)
		}
		return &wire.Write{Seq: 1, SchemaVersion: s.Schema().Version, Ops: []wire.Op{{Kind: kind, Block: b}}}
	}
	for i, w := range []*wire.Write{
		put(ent.ID, []int{0, 1, 3}, wire.OpPut, wire.IntegerValue(7), wire.RealValue(1.5), wire.IntegerValue(3)),
		put(ent.ID, []int{0, 2}, wire.OpUpdate, wire.IntegerValue(7), wire.RealValue(2.5)),
		put(ent.ID, []int{0, 2}, wire.OpUpdate, wire.IntegerValue(8), wire.RealValue(2.5)),
		put(tag.ID, []int{0, 1}, wire.OpInsert, wire.TextValue("Abc"), wire.IntegerValue(2)),
		put(tag.ID, []int{0, 1}, wire.OpInsert, wire.TextValue("aBC"), wire.IntegerValue(2)),
		put(ent.ID, []int{0, 2}, wire.OpPut, wire.IntegerValue(7), wire.TextValue("x")),
	} {
		r, err := f.Apply(store.Device{1}, w)
		t.Log(i, r, err)
	}
	e, err := f.Commit(time.Now(), nil)
	t.Logf("%+v %v", e, err)
	for _, c := range e.Tables {
		t.Log(c.Table, c.Rows, c.Images.Values)
	}
	left, err := s.Merge(time.Now(), false)
	t.Log(left, err)
	t.Log(s.Close())
	s = open()
	e2, err := s.Entry(e.Version)
	t.Logf("%+v %v", e2, err)
	for _, c := range e2.Tables {
		t.Log(c.Table, c.Rows, c.Images.Values)
	}
	st, ok, err := s.Device(store.Device{1})
	t.Log(st, ok, err)
	t.Log(s.Close())
}
