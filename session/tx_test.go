package session_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"framehub/session"
	"framehub/session/wire"
)

// setX sets x of an entity.
func setX(id int, x float64) *session.Tx {
	return new(session.Tx).Put("entity", []string{"x", "id"}, values(x, id))
}

// outcomes collects what becomes of transactions, as text.
type outcomes []string

func (o *outcomes) add(name string) func(session.Outcome) {
	return func(out session.Outcome) {
		*o = append(*o, fmt.Sprintf("%s %d: %d %v", name, out.Seq, out.Version, out.Err))
	}
}

func (o *outcomes) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if !slices.Equal(*o, want) {
		t.Errorf("outcomes\n%s\nwant\n%s", strings.Join(*o, "\n"), strings.Join(want, "\n"))
	}
	*o = nil
}

func submit(t *testing.T, d *session.Device, tx *session.Tx, done func(session.Outcome)) {
	t.Helper()
	if err := d.Submit(tx, done); err != nil {
		t.Fatal(err)
	}
}

func TestTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var all, each outcomes
		d, _ := f.run(t, session.DeviceOptions{OnSettled: all.add("any")})
		tx := new(session.Tx).Base(9).
			Expect("pair", []string{"b", "v", "a"}, session.Values(1, []byte{5}, "k")).
			Insert("entity", []string{"name", "id"}, session.Values("a", 1), session.Values(nil, uint8(2))).
			Update("entity", []string{"id", "x"}, session.Values(3, float32(0.5))).
			Add("entity", []string{"id", "x"}, session.Values(3, 1)).
			Touch("entity", []string{"id", "zone"}, session.Values(4, true)).
			Delete("pair", []string{"a", "b"}, session.Values("k", 1))
		submit(t, d, tx, each.add("tx"))
		p := f.accept(t)
		p.start(known(10, 4))
		w := p.readWrite()
		if w.Seq != 5 || w.Base != 9 || !w.BaseSet || w.SchemaVersion != 1 || len(w.Ops) != 6 {
			t.Errorf("%+v", w)
		}
		var got []string
		for _, op := range w.Ops {
			got = append(got, fmt.Sprint(uint8(op.Kind), op.Block.Table, op.Block.Columns, op.Block.Grid().Values))
		}
		want := []string{
			`6 2 [0 1 2] ["k" 1 x'05']`, `1 1 [0 3] [1 "a" 2 NULL]`, `2 1 [0 2] [3 0.5]`,
			`4 1 [0 2] [3 1]`, `5 1 [0 1] [4 1]`, `3 2 [0 1] ["k" 1]`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("ops\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		submit(t, d, setX(1, 1), each.add("second"))
		p.readWrite()
		p.send(&wire.Settled{Version: 11, Committed: []uint64{6}, Rejected: []wire.Rejected{{Seq: 5, Refusal: *wire.Refuse(wire.CodeConflict, "no")}}})
		each.want(t, "tx 5: 11 conflict: no", "second 6: 11 <nil>")
		all.want(t, "any 5: 11 conflict: no", "any 6: 11 <nil>")
	})
}

func TestTransactionThatCannotBe(t *testing.T) {
	d, err := session.NewDevice(session.DeviceOptions{MaxPending: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, tx := range map[string]*session.Tx{
		"short row":      new(session.Tx).Put("entity", []string{"id", "x"}, values(1)),
		"column twice":   new(session.Tx).Put("entity", []string{"id", "id"}, values(1, 1)),
		"no column":      new(session.Tx).Delete("entity", nil),
		"NaN":            setX(1, math.NaN()),
		"no value":       new(session.Tx).Put("entity", []string{"id"}, session.Values(struct{}{})),
		"too large":      new(session.Tx).Put("entity", []string{"id"}, session.Values(uint64(math.MaxUint64))),
		"no UTF-8":       new(session.Tx).Put("entity", []string{"id"}, session.Values("\xff")),
		"undefined":      new(session.Tx).Put("entity", []string{"id"}, values(wire.UndefinedValue())),
		"an error first": setX(1, math.Inf(1)).Put("entity", []string{"id"}, values(1)),
	} {
		if err := d.Submit(tx, nil); err == nil || errors.Is(err, session.ErrFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
	submit(t, d, setX(1, 1), nil)
	if err := d.Submit(setX(1, 1), nil); !errors.Is(err, session.ErrFull) {
		t.Errorf("%v, want ErrFull", err)
	}
}

// What the schema does not have is refused here, and the next transaction goes on.
func TestTransactionRefusedHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var out outcomes
		d, _ := f.run(t, session.DeviceOptions{})
		p := f.accept(t)
		h := known(10, 0)
		h.Limits.Message = 500
		p.start(h)
		for name, tx := range map[string]*session.Tx{
			"table":  new(session.Tx).Put("none", []string{"id"}, values(1)),
			"column": new(session.Tx).Put("entity", []string{"id", "none"}, values(1, 1)),
			"key":    new(session.Tx).Put("entity", []string{"x"}, values(1.0)),
			"size":   new(session.Tx).Put("entity", []string{"id", "name"}, values(1, strings.Repeat("x", 500))),
		} {
			submit(t, d, tx, out.add(name))
		}
		submit(t, d, setX(1, 1), nil)
		if w := p.readWrite(); w.Seq != 1 {
			t.Errorf("number %d, want 1: what is not sent takes none", w.Seq)
		}
		synctest.Wait()
		slices.Sort(out)
		out.want(t,
			`column 0: 0 unknown_column: table "entity" has no column "none"`,
			`key 0: 0 unknown_column: table "entity": the key column "id" is missing`,
			`size 0: 0 too_large: the transaction has 522 bytes, the hub takes 500`,
			`table 0: 0 unknown_table: there is no table "none"`)
	})
}

func TestTransactionsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, _ := f.run(t, session.DeviceOptions{})
		p := f.accept(t)
		h := known(10, 0)
		h.Limits.Unsettled = 2
		p.start(h)
		for i := range 4 {
			submit(t, d, setX(i, 1), nil)
		}
		p.readWrite()
		p.readWrite()
		synctest.Wait()
		p.send(&wire.Settled{Version: 11, Committed: []uint64{1}})
		if w := p.readWrite(); w.Seq != 3 {
			t.Errorf("number %d, want 3", w.Seq)
		}
		p.send(&wire.Settled{Version: 12, Committed: []uint64{2, 3}})
		if w := p.readWrite(); w.Seq != 4 {
			t.Errorf("number %d, want 4", w.Seq)
		}
		p.quiet()
	})
}

// After a reconnect what has settled has its outcome, what has not is sent again,
// once, with its number, before anything newer.
func TestTransactionsAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var out outcomes
		d, _ := f.run(t, session.DeviceOptions{})
		p := f.accept(t)
		p.start(known(10, 0))
		for i := range 4 {
			submit(t, d, setX(i, float64(i)), out.add(fmt.Sprint("tx", i)))
			p.readWrite()
		}
		p.drop()
		synctest.Wait()
		submit(t, d, setX(9, 9), out.add("later"))
		p = f.accept(t)
		h := resuming(12, 2)
		h.Rejected = []wire.Rejected{{Seq: 2, Refusal: *wire.Refuse(wire.CodeMissing, "no")}}
		p.send(h, &wire.SnapshotEnd{Version: 12})
		for _, want := range []uint64{3, 4, 5} {
			if w := p.readWrite(); w.Seq != want {
				t.Errorf("number %d, want %d", w.Seq, want)
			}
		}
		p.send(&wire.Settled{Version: 13, Committed: []uint64{3, 4, 5}}, &wire.Settled{Version: 13, Committed: []uint64{5}})
		out.want(t, "tx0 1: 12 <nil>", "tx1 2: 12 missing: no", "tx2 3: 13 <nil>", "tx3 4: 13 <nil>", "later 5: 13 <nil>")
		p.drop()
		p = f.accept(t)
		p.send(resuming(13, 5), &wire.SnapshotEnd{Version: 13})
		p.quiet()
	})
}

func TestTransactionsInAnotherEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var out outcomes
		d, _ := f.run(t, session.DeviceOptions{})
		p := f.accept(t)
		p.start(known(10, 0))
		submit(t, d, setX(1, 1), out.add("plain"))
		submit(t, d, setX(2, 1).Base(10), out.add("based"))
		p.readWrite()
		p.readWrite()
		p.drop()
		synctest.Wait()
		submit(t, d, setX(3, 1).Base(10), out.add("unsent"))
		p = f.accept(t)
		h := known(3, 0)
		h.Epoch = []byte("second")
		p.start(h)
		if w := p.readWrite(); w.Seq != 1 || w.BaseSet {
			t.Errorf("%+v", w)
		}
		const stale = "stale: the hub's history is another one than that of version 10"
		out.want(t, "based 2: 3 "+stale, "unsent 0: 3 "+stale)
		submit(t, d, setX(4, 1), nil)
		if w := p.readWrite(); w.Seq <= 2 {
			t.Errorf("number %d was given out twice", w.Seq)
		}
	})
}

func TestTransactionsOfAForgottenDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var out outcomes
		d, _ := f.run(t, session.DeviceOptions{})
		p := f.accept(t)
		p.start(hello(10)) // of a device that no hub has seen
		submit(t, d, setX(1, 1), out.add("first"))
		p.readWrite()
		p.drop()
		p = f.accept(t)
		p.send(hello(10), &wire.SnapshotEnd{Version: 10})
		if w := p.readWrite(); w.Seq != 1 {
			t.Errorf("number %d, want 1: the hub has never known the device", w.Seq)
		}
		p.send(&wire.Settled{Version: 11, Committed: []uint64{1}})
		synctest.Wait()
		submit(t, d, setX(1, 2), out.add("second"))
		p.readWrite()
		p.drop()
		synctest.Wait()
		submit(t, d, setX(1, 3), out.add("third"))
		p = f.accept(t)
		p.send(hello(12), &wire.SnapshotEnd{Version: 12})
		if w := p.readWrite(); w.Seq != 3 {
			t.Errorf("number %d, want 3", w.Seq)
		}
		out.want(t, "first 1: 11 <nil>", "second 2: 12 "+session.ErrForgotten.Error())
	})
}

// A transaction is in the numbers of the schema that the hub has when it is sent.
func TestTransactionAfterASchemaChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var out outcomes
		d, _ := f.run(t, session.DeviceOptions{})
		p := f.accept(t)
		p.start(known(10, 0))
		submit(t, d, setX(1, 1), nil)
		submit(t, d, new(session.Tx).Put("pair", []string{"a", "b"}, values("k", 1)), out.add("gone"))
		p.readWrite()
		p.readWrite()
		p.drop()
		p = f.accept(t)
		h := known(10, 0)
		h.Schema.Version = 2
		e := h.Schema.Tables[0]
		e.Number = 7
		e.Columns = slices.Insert(e.Columns, 2, wire.SchemaColumn{Name: "hp", Type: "INTEGER"})
		h.Schema.Tables = []wire.SchemaTable{e}
		p.send(h, &wire.SnapshotEnd{Version: 10})
		w := p.readWrite()
		if b := w.Ops[0].Block; w.Seq != 1 || w.SchemaVersion != 2 || b.Table != 7 || !slices.Equal(b.Columns, []int{0, 3}) {
			t.Errorf("%+v", w)
		}
		out.want(t, `gone 2: 0 unknown_table: there is no table "pair"`)
	})
}

func TestDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, _ := f.run(t, session.DeviceOptions{})
		p := f.accept(t)
		p.start(known(10, 0))
		go func() {
			w := p.readWrite()
			p.send(&wire.Settled{Version: 11, Committed: []uint64{w.Seq}})
		}()
		if out, err := d.Do(t.Context(), setX(1, 1)); err != nil || out.Err != nil || out.Version != 11 {
			t.Errorf("%+v, %v", out, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.Do(ctx, setX(1, 1)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := d.Do(t.Context(), setX(1, math.NaN())); err == nil {
			t.Error("NaN was taken")
		}
	})
}
