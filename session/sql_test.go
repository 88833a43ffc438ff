package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"framehub/session"
	"framehub/session/wire"
)

// TestDeviceSQL: statements go out in order and find their answers, whatever comes
// first; those without one when the connection ends are told so, and not sent again.
func TestDeviceSQL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type result struct {
			answer *wire.SQLAnswer
			err    error
		}
		f := newFake(t)
		d, _ := f.run(t, session.DeviceOptions{})
		if _, err := d.SQL(t.Context(), "SELECT 1"); !errors.Is(err, session.ErrNotConnected) {
			t.Errorf("before there is a connection: %v", err)
		}
		p := f.accept(t)
		p.start(known(10, 0))
		synctest.Wait()
		ask := func(ctx context.Context, text string, params ...wire.Value) <-chan result {
			c := make(chan result, 1)
			go func() {
				a, err := d.SQL(ctx, text, params...)
				c <- result{a, err}
			}()
			return c
		}
		read := func() wire.SQL {
			q, err := wire.DecodeSQL(p.read(), wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			return q
		}
		first := ask(t.Context(), "SELECT ?", wire.IntegerValue(5))
		one := read()
		second := ask(t.Context(), "DELETE FROM entity")
		two := read()
		if one.Text != "SELECT ?" || one.Params[0] != wire.IntegerValue(5) || two.Text != "DELETE FROM entity" || two.ID <= one.ID {
			t.Errorf("%+v, %+v", one, two)
		}
		p.send(&wire.SQLAnswer{ID: two.ID, Refused: wire.Refuse(wire.CodeForbidden, "no")})
		p.send(&wire.SQLAnswer{ID: one.ID, Version: 11, Columns: []string{"n"}, Rows: wire.Grid{Stride: 1, Values: []wire.Value{wire.IntegerValue(5)}}})
		if r := <-second; r.err == nil || r.answer != nil {
			t.Errorf("%+v", r)
		} else if refused, ok := errors.AsType[*wire.Refusal](r.err); !ok || refused.Code != wire.CodeForbidden {
			t.Error(r.err)
		}
		if r := <-first; r.err != nil || r.answer.Version != 11 || r.answer.Rows.Rows() != 1 {
			t.Errorf("%+v", r)
		}
		ctx, cancel := context.WithCancel(t.Context())
		given := ask(ctx, "SELECT 2")
		up := read()
		cancel()
		if r := <-given; !errors.Is(r.err, context.Canceled) {
			t.Error(r.err)
		}
		p.send(&wire.SQLAnswer{ID: up.ID, Version: 11})
		synctest.Wait()
		var waiting []<-chan result
		for range 8 {
			waiting = append(waiting, ask(t.Context(), "SELECT 3"))
			read()
		}
		if _, err := d.SQL(t.Context(), "SELECT 4"); !errors.Is(err, session.ErrAsking) {
			t.Errorf("the ninth: %v", err)
		}
		p.drop()
		for _, w := range waiting {
			if r := <-w; !errors.Is(r.err, session.ErrNotConnected) {
				t.Error(r.err)
			}
		}
	})
}
