package session_test

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"testing"
	"time"

	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// Over TCP a session reads and writes the socket by itself: what the network makes of
// that, a pipe in memory does not show.
func TestOverTCP(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcde"), 1<<20) // more than the socket takes
	for name, test := range map[string]struct {
		do   func(t *testing.T, v *served, conn net.Conn, r *bufio.Reader)
		ends func(err error) bool
	}{
		"a peer that asks and leaves": {func(t *testing.T, _ *served, conn net.Conn, r *bufio.Reader) {
			for i := range int64(10) {
				if _, err := conn.Write(maskedFrame((&wire.Clock{Echo: wire.IntegerValue(i)}).Append(nil))); err != nil {
					t.Fatal(err)
				}
				if clock, err := wire.DecodeClockAnswer(readFrame(t, r), wire.Limits{}); err != nil || clock.Echo != wire.IntegerValue(i) {
					t.Errorf("%+v, %v", clock, err)
				}
			}
			_ = conn.Close()
		}, func(err error) bool { return err == nil }},
		"a peer that takes a large message late": {func(t *testing.T, v *served, conn net.Conn, r *bufio.Reader) {
			v.script.say(large, []byte("the last"))
			v.Wake()
			if got := readFrame(t, r); !bytes.Equal(got, large) {
				t.Error("the message came broken")
			}
			if got := readFrame(t, r); string(got) != "the last" {
				t.Errorf("then %q", got)
			}
			_ = conn.Close()
		}, func(err error) bool { return err == nil }},
		"a peer that takes nothing, and has a second": {func(_ *testing.T, v *served, _ net.Conn, _ *bufio.Reader) {
			v.script.say(large)
			v.End(wire.Goodbye{Code: wire.CloseKicked, Text: "out"})
		}, func(err error) bool {
			e, ok := errors.AsType[*wire.Error](err)
			return ok && e.Code == wire.CloseKicked
		}},
		"a peer that takes nothing, and is dropped": {func(_ *testing.T, v *served, _ net.Conn, _ *bufio.Reader) {
			v.script.say(large)
			v.Wake()
			v.Drop()
		}, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
			if err != nil {
				t.Fatal(err)
			}
			running := make(chan *served, 1)
			sessiontest.ServeOn(t, l, serving(session.Options{}, running))
			conn, err := net.Dial("tcp", l.Addr().String()) //nolint:noctx // at once
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			r := upgradeRaw(t, conn)
			v := <-running
			test.do(t, v, conn, r)
			select {
			case err := <-v.ended:
				if !test.ends(err) {
					t.Errorf("Run: %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the session goes on")
			}
		})
	}
}
