package session_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"framehub/session"
	"framehub/session/wire"
)

// Long messages come as they were sent, wherever their bytes are cut, and what stands
// behind one is read as ever.
func TestLongMessages(t *testing.T) {
	for _, size := range []int{1 << 10, 60_000, 70_000, 256 << 10, 700_000} {
		for name, piece := range map[string]int{"at once": 1 << 20, "in pieces": 16<<10 - 1, "in small pieces": 997} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, running := serveSessions(t, session.Options{})
					r, conn := dialRaw(t, l)
					v := <-running
					text := strings.Repeat("0123456789abcdefghijklmnopqrs", size/29)
					sent := maskedPiece(0x82, (&wire.SQL{ID: 1, Params: []wire.Value{wire.TextValue(text)}}).Append(nil))
					sent = append(sent, maskedPiece(0x82, (&wire.Clock{Echo: wire.IntegerValue(1)}).Append(nil))...)
					for len(sent) > 0 {
						n := min(piece, len(sent))
						if _, err := conn.Write(sent[:n]); err != nil {
							t.Fatal(err)
						}
						sent = sent[n:]
					}
					if a, err := wire.DecodeSQLAnswer(readFrame(t, r), wire.Limits{}); err != nil || a.ID != 1 {
						t.Fatalf("%+v, %v", a, err)
					}
					if _, err := wire.DecodeClockAnswer(readFrame(t, r), wire.Limits{}); err != nil {
						t.Error(err)
					}
					v.script.mu.Lock()
					if v.script.asked != text {
						t.Errorf("of %d characters came %d, not the same", len(text), len(v.script.asked))
					}
					v.script.mu.Unlock()
					_ = conn.Close()
					if err := <-v.ended; err != nil {
						t.Errorf("Run: %v", err)
					}
				})
			})
		}
	}
}

// A message that ends in its middle ends the session, as does one that is announced to
// be larger than may be.
func TestLongMessagesThatBreakOff(t *testing.T) {
	whole := maskedPiece(0x82, (&wire.SQL{ID: 1, Params: []wire.Value{wire.TextValue(strings.Repeat("x", 100_000))}}).Append(nil))
	for name, sent := range map[string][]byte{
		"in its head":                 whole[:7],
		"after its head":              whole[:14],
		"in its middle":               whole[:50_000],
		"of more than there is":       {0x82, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0, 1, 2, 3, 4},
		"of more than a number holds": {0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, running := serveSessions(t, session.Options{})
				_, conn := dialRaw(t, l)
				v := <-running
				if _, err := conn.Write(sent); err != nil {
					t.Fatal(err)
				}
				_ = conn.Close()
				if err := <-v.ended; err != nil {
					t.Logf("Run: %v", err)
				}
				if v.script.asked != "" {
					t.Errorf("a message came of it: %d bytes", len(v.script.asked))
				}
			})
		})
	}
}
