package session_test

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"framehub/session"
	"framehub/session/wire"
)

// maskedPiece is a frame of a client, masked with a key that changes every byte.
func maskedPiece(first byte, payload []byte) []byte {
	key := [4]byte{0x9b, 0x01, 0x7f, 0xe3}
	frame := []byte{first}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	case n <= 0xffff:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	frame = append(frame, key[:]...)
	for i, b := range payload {
		frame = append(frame, b^key[i%4])
	}
	return frame
}

// Short messages are not read by the library. Nothing else may come out than if they
// were, whatever their length, however they arrive and whatever stands around them.
func TestShortMessages(t *testing.T) {
	const whole, begin, end, ping = 0x82, 0x02, 0x80, 0x89
	var texts []string
	for n := range 20 {
		texts = append(texts, strings.Repeat("x", n+1))
	}
	for n := 100; n < 140; n++ {
		texts = append(texts, strings.Repeat("y", n))
	}
	for n := 980; n < 1040; n++ { // about what the buffer holds
		texts = append(texts, strings.Repeat("z", n))
	}
	texts = append(texts, strings.Repeat("l", 60_000))
	for name, write := range map[string]func(conn net.Conn, msg []byte) error{
		"whole": func(conn net.Conn, msg []byte) error {
			_, err := conn.Write(maskedPiece(whole, msg))
			return err
		},
		"byte by byte": func(conn net.Conn, msg []byte) error {
			for _, b := range maskedPiece(whole, msg) {
				if _, err := conn.Write([]byte{b}); err != nil {
					return err
				}
			}
			return nil
		},
		"in two frames with a ping between": func(conn net.Conn, msg []byte) error {
			half := len(msg) / 2
			all := append(maskedPiece(begin, msg[:half]), maskedPiece(ping, []byte("?"))...)
			_, err := conn.Write(append(all, maskedPiece(end, msg[half:])...))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, running := serveSessions(t, session.Options{})
				r, conn := dialRaw(t, l)
				v := <-running
				for _, text := range texts {
					if name == "byte by byte" && len(text) > 2000 {
						continue
					}
					if err := write(conn, (&wire.SQL{ID: uint64(len(text)), Text: text}).Append(nil)); err != nil {
						t.Fatal(err)
					}
					answer := readFrame(t, r)
					if string(answer) == "?" {
						answer = readFrame(t, r)
					}
					if a, err := wire.DecodeSQLAnswer(answer, wire.Limits{}); err != nil || a.ID != uint64(len(text)) {
						t.Fatalf("of %d characters: %+v, %v", len(text), a, err)
					}
					v.script.mu.Lock()
					if v.script.asked != text {
						t.Errorf("of %d characters came %q", len(text), v.script.asked)
					}
					v.script.mu.Unlock()
				}
				_ = conn.Close()
				if err := <-v.ended; err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

// Two messages in one packet, and what is no message, are what they are with the library.
func TestShortMessagesAtTheEdge(t *testing.T) {
	clock := (&wire.Clock{Echo: wire.IntegerValue(1)}).Append(nil)
	for _, test := range []struct {
		name    string
		bytes   []byte
		answers int
	}{
		{"two at once, and half of a third", append(append(maskedPiece(0x82, clock), maskedPiece(0x82, clock)...), 0x82), 2},
		{"unmasked", append([]byte{0x82, byte(len(clock))}, clock...), 0},
		{"a bit that nobody agreed on", maskedPiece(0xc2, clock), 0},
		{"the middle of nothing", maskedPiece(0x80, clock), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, running := serveSessions(t, session.Options{})
				r, conn := dialRaw(t, l)
				v := <-running
				if _, err := conn.Write(test.bytes); err != nil {
					t.Fatal(err)
				}
				for range test.answers {
					if _, err := wire.DecodeClockAnswer(readFrame(t, r), wire.Limits{}); err != nil {
						t.Error(err)
					}
				}
				_ = conn.Close()
				if err := <-v.ended; err != nil {
					t.Logf("Run: %v", err) // which is the library's to say
				}
				if n := v.script.versions.Load(); n != int64(test.answers) {
					t.Errorf("%d messages were taken, want %d", n, test.answers)
				}
			})
		})
	}
}
