package session_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"framehub/session"
	"framehub/session/wire"
)

// fetching is a device that fetches the name of entity 1, which was too large to come.
func fetching(t *testing.T) (f *fake, p *peer, d *session.Device, result chan error) {
	t.Helper()
	f = newFake(t)
	d, _ = f.run(t, session.DeviceOptions{Strict: true})
	p = f.accept(t)
	p.send(known(10, 0), &wire.Snapshot{Version: 10, Blocks: blocks(entities(values(1, 1, 0.5, wire.UndefinedValue())))}, &wire.SnapshotEnd{Version: 10})
	result = make(chan error, 1)
	go func() {
		v, err := d.Fetch(t.Context(), "entity", values(1), "name")
		if err == nil && v != wire.TextValue("a large value") {
			t.Errorf("%s", v)
		}
		result <- err
	}()
	return f, p, d, result
}

// piece reads a question for a piece and answers it with that of a text.
func (p *peer) piece(t *testing.T, version uint64, text string, n int) {
	t.Helper()
	m, err := wire.DecodeReadPiece(p.read(), wire.Limits{})
	if err != nil || m.Table != entity || m.Column != 3 || !slices.Equal(m.Key, values(1)) {
		t.Fatalf("%+v, %v", m, err)
	}
	rest := text[m.Offset:]
	p.send(&wire.Piece{ID: m.ID, Version: version, Size: uint64(len(text)), Data: []byte(rest[:min(n, len(rest))])})
}

func TestFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, d, result := fetching(t)
		p.piece(t, 10, "a large value", 5)
		p.piece(t, 11, "a large value", 5)
		p.piece(t, 11, "a large value", 5)
		synctest.Wait()
		if len(result) > 0 {
			t.Error("the value came before the copy was as new")
		}
		p.send(frame(11, 10, nil, nil))
		if err := <-result; err != nil {
			t.Error(err)
		}
		if got := deviceRows(d, "entity"); !slices.Equal(got, []string{`[1 1 0.5 "a large value"]`}) {
			t.Errorf("%q", got)
		}
	})
}

// A value that changes while its pieces come is read anew.
func TestFetchOfWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, _, result := fetching(t)
		p.piece(t, 10, "a small value", 7)
		p.send(frame(11, 10, blocks(block(entity, []int{0, 3}, values(1, wire.UndefinedValue()))), nil))
		p.piece(t, 11, "a large value", 7)
		p.piece(t, 11, "a large value", 7)
		p.piece(t, 11, "a large value", 7)
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
}

func TestFetchOfAnotherSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, _, result := fetching(t)
		p.piece(t, 10, "a largish value", 7)
		p.piece(t, 10, "a large value", 7)
		p.piece(t, 10, "a large value", 7)
		p.piece(t, 10, "a large value", 7)
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
}

func TestFetchGoesOnAfterAReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p, _, result := fetching(t)
		p.piece(t, 10, "a large value", 7)
		p.read()
		p.drop()
		p = f.accept(t)
		p.send(resuming(10, 0), &wire.SnapshotEnd{Version: 10})
		p.piece(t, 10, "a large value", 7)
		p.piece(t, 10, "a large value", 7)
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
}

func TestFetchRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, d, result := fetching(t)
		m, err := wire.DecodeReadPiece(p.read(), wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		p.send(&wire.Piece{ID: m.ID, Refused: wire.Refuse(wire.CodeMissing, "gone")})
		if r, ok := errors.AsType[*wire.Refusal](<-result); !ok || r.Code != wire.CodeMissing {
			t.Errorf("%v", r)
		}
		if _, err := d.Fetch(t.Context(), "entity", values(1), "none"); err == nil || !strings.Contains(err.Error(), "no table") {
			t.Error(err)
		}
	})
}
