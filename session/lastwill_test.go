package session_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"framehub/session"
	"framehub/session/wire"
)

// readWill reads a last will.
func (p *peer) readWill() wire.Will {
	p.t.Helper()
	w, err := wire.DecodeWill(p.read(), wire.Limits{})
	if err != nil {
		p.t.Fatal(err)
	}
	return w
}

func TestDeviceWill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, _ := f.run(t, session.DeviceOptions{Strict: true})
		var told []error
		set := func(tx *session.Tx) {
			if err := d.SetWill(tx, func(err error) { told = append(told, err) }); err != nil {
				t.Fatal(err)
			}
		}
		set(new(session.Tx).Delete("entity", []string{"id"}, session.Values(1))) // before it is connected
		p := f.accept(t)
		p.start(known(10, 0))
		w := p.readWill()
		if !w.Set || len(w.Ops) != 1 || w.Ops[0].Kind != wire.OpDelete || w.Ops[0].Block.N != 1 {
			t.Errorf("the will is %+v", w)
		}
		p.send(&wire.WillAnswer{ID: w.ID, Version: 11})
		synctest.Wait()
		if len(told) != 1 || told[0] != nil {
			t.Errorf("told %v", told)
		}
		p.drop()
		p = f.accept(t) // which may be another hub
		p.start(resuming(10, 0))
		again := p.readWill()
		p.send(&wire.WillAnswer{ID: again.ID, Version: 12})

		set(new(session.Tx).Delete("entity", []string{"id"}, session.Values(2)))
		w = p.readWill()
		p.send(&wire.WillAnswer{ID: w.ID, Refused: wire.Refuse(wire.CodeForbidden, "no")})
		synctest.Wait()
		var refused *wire.Refusal
		if len(told) != 2 || !errors.As(told[1], &refused) || refused.Code != wire.CodeForbidden {
			t.Errorf("told %v", told)
		}
		p.drop()
		p = f.accept(t) // the hub has kept the one before, and another would have to be told it
		p.start(resuming(10, 0))
		if w = p.readWill(); w.Ops[0].Block.Value(0, 0).Int64() != 1 {
			t.Errorf("the will is %+v", w)
		}
		p.send(&wire.WillAnswer{ID: w.ID, Version: 12})
		set(new(session.Tx).Delete("entity", []string{"id"}, session.Values(3)))
		p.readWill()
		p.drop() // before it is answered: both are told again, and one that is refused once more is told nobody
		p = f.accept(t)
		p.start(resuming(10, 0))
		first, second := p.readWill(), p.readWill()
		p.send(&wire.WillAnswer{ID: first.ID, Refused: wire.Refuse(wire.CodeForbidden, "no more")})
		p.send(&wire.WillAnswer{ID: second.ID, Version: 13})
		synctest.Wait()
		if len(told) != 3 || told[2] != nil {
			t.Errorf("told %v", told)
		}
		set(nil)
		if w = p.readWill(); w.Set {
			t.Errorf("the will is %+v", w)
		}
		p.send(&wire.WillAnswer{ID: w.ID, Version: 13})
		synctest.Wait()
		set(new(session.Tx).Delete("nowhere", []string{"id"}, session.Values(2)))
		synctest.Wait()
		if len(told) != 5 || told[3] != nil || !errors.As(told[4], &refused) || refused.Code != wire.CodeUnknownTable {
			t.Errorf("told %v", told)
		}
		p.quiet()
		p.drop()
		p = f.accept(t)
		p.start(resuming(10, 0))
		synctest.Wait()
		p.quiet()
	})
}
