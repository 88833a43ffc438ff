package session_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"framehub/session"
	"framehub/session/wire"
)

// A device outlives its process: its copy, its subscriptions and its transactions
// go on in another.
func TestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, stop := f.run(t, session.DeviceOptions{Subs: []wire.Sub{scoped(1), whole("pair")}})
		p := f.accept(t)
		p.send(known(10, 0), &wire.Snapshot{Version: 10, Blocks: blocks(
			entities(values(1, 1, 0.5, wire.UndefinedValue())), block(pair, wholePair, values("a", 1, nil), values("b", 2, 0.5)),
		)}, &wire.SnapshotEnd{Version: 10})
		submit(t, d, setX(1, 1), nil)
		p.readWrite()
		synctest.Wait()
		p.drop()
		_ = stop()
		submit(t, d, new(session.Tx).Base(10).Insert("pair", []string{"v", "b", "a"}, values([]byte{7}, 1, "c")), nil)
		if err := d.Subscribe([]wire.Sub{scoped(2)}, nil, nil); err != nil {
			t.Fatal(err)
		}

		data, err := d.State().MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var state session.State
		if err := state.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		var out outcomes
		again, _ := f.run(t, session.DeviceOptions{State: &state, OnSettled: out.add("tx")})
		for _, table := range []string{"entity", "pair"} {
			if got, want := deviceRows(again, table), deviceRows(d, table); !slices.Equal(got, want) || len(got) == 0 {
				t.Errorf("%s: %q, want %q", table, got, want)
			}
		}
		p = f.accept(t)
		said := fmt.Sprintf("%x %s", p.said.Device[15], p.said.Epoch)
		for _, s := range p.said.Subs {
			said += fmt.Sprintf(" %s %v %d", s.Name, s.Scopes, s.Since)
		}
		if want := "1 first entity [1] 10 pair [] 10 entity [2] 0"; said != want {
			t.Errorf("said %s, want %s", said, want)
		}
		p.send(resuming(11, 0), &wire.SnapshotEnd{Version: 11})
		w := p.readWrite()
		if w.Seq != 1 {
			t.Errorf("%+v", w)
		}
		w = p.readWrite()
		if b := w.Ops[0].Block; w.Seq < 1000 || w.Base != 10 || fmt.Sprint(b.Columns, b.Row(nil, 0)) != `[0 1 2] ["c" 1 x'07']` {
			t.Errorf("%+v", w)
		}
		p.send(&wire.Settled{Version: 12, Committed: []uint64{1, w.Seq}})
		out.want(t, "tx 1: 12 <nil>", fmt.Sprintf("tx %d: 12 <nil>", w.Seq))
	})
}

func TestStateOfNothing(t *testing.T) {
	d, err := session.NewDevice(session.DeviceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := d.State().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var state session.State
	if err := state.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if _, err := session.NewDevice(session.DeviceOptions{State: &state}); err != nil {
		t.Error(err)
	}
}

func TestStateRefused(t *testing.T) {
	for _, data := range [][]byte{nil, {0xff}, {0xa0}, []byte("a file of another kind")} {
		var state session.State
		if err := state.UnmarshalBinary(data); err == nil {
			t.Errorf("%x was taken", data)
		}
	}
}

// FuzzState: no file makes a device panic.
func FuzzState(f *testing.F) {
	d, err := session.NewDevice(session.DeviceOptions{Subs: []wire.Sub{whole("entity")}})
	if err != nil {
		f.Fatal(err)
	}
	if err := d.Submit(setX(1, 1), nil); err != nil {
		f.Fatal(err)
	}
	data, err := d.State().MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		var state session.State
		if state.UnmarshalBinary(data) != nil {
			return
		}
		d, err := session.NewDevice(session.DeviceOptions{State: &state})
		if err != nil {
			return
		}
		if _, err := d.State().MarshalBinary(); err != nil {
			t.Error(err)
		}
	})
}
