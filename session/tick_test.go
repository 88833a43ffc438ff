package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"framehub/session"
	"framehub/session/wire"
)

// readTick reads a tick, and returns its number.
func (p *peer) readTick() uint64 {
	p.t.Helper()
	t, err := wire.DecodeTick(p.read(), wire.Limits{})
	if err != nil {
		p.t.Fatal(err)
	}
	return t.N
}

// tickResult is what Device.Tick returned.
type tickResult struct {
	version uint64
	err     error
}

// tick lets the device tick in a goroutine of its own.
func tick(ctx context.Context, d *session.Device) <-chan tickResult {
	result := make(chan tickResult, 1)
	go func() {
		version, err := d.Tick(ctx)
		result <- tickResult{version, err}
	}()
	return result
}

func (p *peer) answerTick(n, version uint64) {
	p.t.Helper()
	p.send(&wire.Tick{N: n, Answer: true, Version: version})
}

// A tick goes out after what was submitted before it, and its answer is told when
// the frame before it is in place.
func TestDeviceTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, _ := f.run(t, session.DeviceOptions{})
		if _, err := d.Tick(t.Context()); !errors.Is(err, session.ErrNotConnected) {
			t.Errorf("before there is a connection: %v", err)
		}
		p := f.accept(t)
		p.start(known(10, 0))
		synctest.Wait()
		if err := d.Submit(new(session.Tx).Put("entity", []string{"id", "zone"}, values(2, 1)), nil); err != nil {
			t.Fatal(err)
		}
		result := tick(t.Context(), d)
		seq := p.readWrite().Seq
		n := p.readTick()
		p.send(&wire.Settled{Version: 11, Committed: []uint64{seq}}, frame(11, 10, blocks(entities(values(2, 1, nil, nil))), nil))
		p.answerTick(n, 11)
		got := <-result
		if got.version != 11 || got.err != nil {
			t.Errorf("the tick says %+v", got)
		}
		if rows := deviceRows(d, "entity"); len(rows) != 2 {
			t.Errorf("when the tick is answered the copy has %q", rows)
		}
	})
}

// Ticks are sent although transactions wait for room: only a frame makes it.
func TestDeviceTicksWhileTransactionsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, _ := f.run(t, session.DeviceOptions{})
		p := f.accept(t)
		h := known(10, 0)
		h.Limits.Unsettled = 1
		p.start(h)
		synctest.Wait()
		for range 2 {
			if err := d.Submit(new(session.Tx).Put("entity", []string{"id", "zone"}, values(2, 1)), nil); err != nil {
				t.Fatal(err)
			}
		}
		result := tick(t.Context(), d)
		first := p.readWrite().Seq
		n := p.readTick()
		p.send(&wire.Settled{Version: 11, Committed: []uint64{first}})
		p.answerTick(n, 11)
		if got := <-result; got.version != 11 || got.err != nil {
			t.Errorf("the tick says %+v", got)
		}
		if second := p.readWrite().Seq; second <= first {
			t.Errorf("%d came after %d", second, first)
		}
	})
}

func TestDeviceTicksThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, _ := f.run(t, session.DeviceOptions{})
		p := f.accept(t)
		p.start(known(10, 0))
		synctest.Wait()
		refused := tick(t.Context(), d)
		p.send(&wire.Tick{N: p.readTick(), Answer: true, Refused: wire.Refuse(wire.CodeClockHeld, "held")})
		r, ok := errors.AsType[*wire.Refusal]((<-refused).err)
		if !ok || r.Code != wire.CodeClockHeld {
			t.Errorf("refused with %v", r)
		}
		ctx, cancel := context.WithCancel(t.Context())
		given := tick(ctx, d)
		n := p.readTick()
		cancel()
		if got := <-given; !errors.Is(got.err, context.Canceled) {
			t.Errorf("with a context that ends: %v", got.err)
		}
		p.answerTick(n, 11)
		synctest.Wait() // until then it is under way
		var waiting []<-chan tickResult
		for range 64 {
			waiting = append(waiting, tick(t.Context(), d))
			p.readTick()
		}
		if _, err := d.Tick(t.Context()); !errors.Is(err, session.ErrTicking) {
			t.Errorf("the 65th: %v", err)
		}
		p.drop()
		for _, w := range waiting {
			if got := <-w; !errors.Is(got.err, session.ErrNotConnected) {
				t.Errorf("when the connection ends: %v", got.err)
			}
		}
	})
}

func TestDeviceHearsOfTheHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var holders []string
		f.run(t, session.DeviceOptions{OnHolder: func(device []byte) { holders = append(holders, fmt.Sprintf("%x", device)) }})
		p := f.accept(t)
		p.start(known(10, 0))
		p.send(&wire.Holder{Device: make([]byte, 16)}, &wire.Holder{})
		synctest.Wait()
		if want := []string{"00000000000000000000000000000000", ""}; !slices.Equal(holders, want) {
			t.Errorf("told of %q", holders)
		}
	})
}

// Authors come with the rows of their table, whichever part of the frame they
// were in.
func TestRowsHaveTheirAuthors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var all []session.Rows
		f.run(t, session.DeviceOptions{Strict: true, OnRows: func(r session.Rows) { all = append(all, r) }})
		p := f.accept(t)
		p.start(known(10, 0))
		author := func(device byte, seq uint64, ids ...any) wire.Author {
			a := wire.Author{Device: make([]byte, 16), Seq: seq, Table: entity, Keys: wire.Grid{Stride: 1, Values: values(ids...)}}
			a.Device[0] = device
			return a
		}
		other := wire.Author{Device: make([]byte, 16), Seq: 1, Table: entity + 1, Keys: wire.Grid{Stride: 2, Values: values(2, 1)}}
		p.send(
			&wire.Frame{Version: 11, Previous: 10, Changed: blocks(entities(values(2, 1, nil, nil))), More: true, Authors: []wire.Author{author(1, 5, 1, 2), other}},
			&wire.Frame{Version: 11, Previous: 10, Removed: blocks(ids(1)), Authors: []wire.Author{author(2, 6, 2)}, All: true},
		)
		synctest.Wait()
		rows := all[len(all)-1]
		if len(rows.Authors) != 2 {
			t.Fatalf("authors %+v", rows.Authors)
		}
		for _, want := range []struct {
			id, seq uint64
			device  byte
			ok      bool
		}{{1, 5, 1, true}, {2, 6, 2, true}, {3, 0, 0, false}} {
			device, seq, ok := rows.Author(values(int(want.id))...)
			if ok != want.ok || seq != want.seq || ok && device[0] != want.device {
				t.Errorf("of row %d: %x %d %t", want.id, device, seq, ok)
			}
		}
	})
}
