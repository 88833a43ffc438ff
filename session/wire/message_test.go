package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"framehub/session/wire"
)

// TestMessageRoundTrip: a message means the same after it was encoded and
// decoded, and is encoded to the same bytes.
func TestMessageRoundTrip(t *testing.T) {
	check := func(t *testing.T, from string, m message) {
		t.Helper()
		msg := m.Append(nil)
		got, err := decode(from, msg, limits)
		if err != nil {
			t.Fatalf("%x: %v", msg, err)
		}
		if got, want := marshal(t, meaning(got)), marshal(t, meaning(m)); got != want {
			t.Errorf("it means\n%s, want\n%s", got, want)
		}
		if again := got.Append(nil); !bytes.Equal(again, msg) {
			t.Errorf("encoded again it is %x, was %x", again, msg)
		}
	}
	t.Run("device", func(t *testing.T) {
		eachRandom(t, 2000, func(t *testing.T, r random) {
			t.Helper()
			check(t, fromDevice, r.deviceMessage())
		})
	})
	t.Run("hub", func(t *testing.T) {
		eachRandom(t, 2000, func(t *testing.T, r random) {
			t.Helper()
			check(t, fromHub, r.hubMessage())
		})
	})
}

// TestMessageCutShort: no beginning of a message is a message.
func TestMessageCutShort(t *testing.T) {
	for _, v := range readVectors(t, messagesFile) {
		msg := unhex(t, v.Hex)
		for n := range msg {
			if _, err := decode(v.Direction, msg[:n:n], limits); err == nil {
				t.Errorf("%s: %d of %d bytes were accepted", v.Name, n, len(msg))
			} else {
				checkError(t, err)
			}
		}
	}
}

// TestMessageDamaged: whatever comes, it is decoded or refused.
func TestMessageDamaged(t *testing.T) {
	vectors := readVectors(t, messagesFile)
	eachRandom(t, 20_000, func(t *testing.T, r random) {
		t.Helper()
		v := vectors[r.IntN(len(vectors))]
		msg := unhex(t, v.Hex)
		for range 1 + r.IntN(3) {
			msg[r.IntN(len(msg))] = byte(r.Uint32())
		}
		m, err := decode(v.Direction, msg, limits)
		if err != nil {
			checkError(t, err)
			return
		}
		meaning(m) // reads every value
	})
}

// TestWriteTooLarge: a transaction beyond a limit is known by its number, so
// that it can be refused and settled.
func TestWriteTooLarge(t *testing.T) {
	msg := (&wire.Write{Seq: 7, Base: 3, BaseSet: true, SchemaVersion: 2, Ops: everyOp()}).Append(nil)
	for _, test := range []struct {
		name string
		l    wire.Limits
		ok   bool
	}{
		{"no limit reached", wire.Limits{Ops: 7, Rows: 11}, true},
		{"one op too many", wire.Limits{Ops: 6}, false},
		{"one row too many", wire.Limits{Rows: 10}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, err := wire.DecodeWrite(msg, test.l)
			if w.Seq != 7 || w.Base != 3 || !w.BaseSet || w.SchemaVersion != 2 {
				t.Errorf("the transaction is %+v", w)
			}
			if test.ok {
				if err != nil || w.Rows() != 11 {
					t.Errorf("%d rows, error %v", w.Rows(), err)
				}
				return
			}
			r, ok := errors.AsType[*wire.Refusal](err)
			if !ok || r.Code != wire.CodeTooLarge || r.Op != -1 || len(w.Ops) != 0 {
				t.Errorf("error %v, with %d ops", err, len(w.Ops))
			}
			if code := wire.AsError(err).Code; code != wire.CloseTooLarge {
				t.Errorf("close code %d", code)
			}
		})
	}
}

func TestAsError(t *testing.T) {
	_, broken := wire.TypeOf(nil)
	for _, test := range []struct {
		name string
		err  error
		want wire.CloseCode
	}{
		{"a broken message", broken, wire.CloseProtocol},
		{"a broken message, wrapped", fmt.Errorf("read: %w", broken), wire.CloseProtocol},
		{"another refusal", wire.Refuse(wire.CodeStale, "old"), wire.CloseInternal},
		{"anything else", errors.New("disk"), wire.CloseInternal},
	} {
		if got := wire.AsError(test.err); got.Code != test.want || got.Reason == "" {
			t.Errorf("%s: %v, want code %d", test.name, got, test.want)
		}
	}
}

// TestCopies: only blocks point into a message.
func TestCopies(t *testing.T) {
	for _, v := range readVectors(t, messagesFile) {
		if slices.Contains([]wire.Type{wire.TypeSnapshot, wire.TypeFrame, wire.TypeWrite, wire.TypeWill, wire.TypePacked}, *v.Type) {
			continue
		}
		msg := unhex(t, v.Hex)
		m, err := decode(v.Direction, msg, limits)
		if err != nil {
			t.Fatal(err)
		}
		clear(msg)
		if got, want := marshal(t, meaning(m)), normal(t, v.Meaning); got != want {
			t.Errorf("%s: with the message gone it means\n%s, not\n%s", v.Name, got, want)
		}
	}
}

func TestDiagnoseRefuses(t *testing.T) {
	deep := bytes.Repeat([]byte{0x81}, 40)
	random := make([]byte, 40)
	for i := range random {
		random[i] = byte(rand.Uint32()) | 0x1c // reserved or indefinite heads
	}
	for _, msg := range [][]byte{nil, {0x82, 0x01}, deep, random} {
		if s, err := wire.Diagnose(msg); err == nil {
			t.Errorf("%x is %s", msg, s)
		}
	}
}

// TestDecodeOtherType: a decoder takes messages of its own type only.
func TestDecodeOtherType(t *testing.T) {
	for from, all := range decodes {
		for kind, decode := range all {
			if _, err := decode(encode(int(kind)+1, 1, 1, 1, "", ""), limits); kind < wire.TypeTick && err == nil {
				t.Errorf("the decoder of %s's messages of type %d took one of the next", from, kind)
			} else if err != nil {
				checkError(t, err)
			}
		}
	}
}
