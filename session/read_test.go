package session_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"

	"framehub/session"
	"framehub/session/wire"
)

func TestMessageRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		kind websocket.MessageType
		msg  []byte
		code wire.CloseCode
		text string
	}{
		{"text", websocket.MessageText, []byte("[8, 1]"), wire.CloseProtocol, "this one was text"},
		{"too large", websocket.MessageBinary, make([]byte, 300<<10), wire.CloseTooLarge, "larger than 1000 bytes"},
		{"unknown type", websocket.MessageBinary, []byte{0x81, 0x18, 99}, wire.CloseProtocol, "99"},
		{"a hub's", websocket.MessageBinary, frame(1, 0, nil, nil).Append(nil), wire.CloseProtocol, "does not send messages of type 4"},
		{"packed, but not agreed on", websocket.MessageBinary, wire.Pack(nil, (&wire.Clock{Echo: wire.IntegerValue(1)}).Append(nil)), wire.CloseProtocol, "hello has zstd"},
		{"hello again", websocket.MessageBinary, (&wire.DeviceHello{}).Append(nil), wire.CloseProtocol, "type 0"},
		{"by the handler", websocket.MessageBinary, (&wire.Subscribe{ID: 1}).Append(nil), wire.CloseKicked, "out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, running := serveSessions(t, session.Options{Limits: wire.Limits{Message: 1000}})
				ws := greet(t, l)
				v := <-running
				v.script.fail = &wire.Error{Code: wire.CloseKicked, Reason: "out"}
				if err := ws.Write(t.Context(), test.kind, test.msg); err != nil {
					t.Fatal(err)
				}
				wantGoodbye(t, ws, test.code, test.text)
				err := <-v.ended
				if e, ok := errors.AsType[*wire.Error](err); !ok || e.Code != test.code {
					t.Errorf("Run: %v, want %d", err, test.code)
				}
			})
		})
	}
}

func TestMessagesTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, running := serveSessions(t, session.Options{Limits: wire.Limits{Rows: 1}})
		ws := connect(t, l, wire.Subprotocol)
		send(t, ws, &wire.DeviceHello{Zstd: true})
		receive(t, ws)
		v := <-running
		tx := func(rows int) raw {
			block := wire.AppendBlock(nil, 1, []int{0}, nil, wire.Grid{Stride: 1, Values: make([]wire.Value, rows)}, nil)
			return wire.AppendWrite(nil, wire.WriteHeader{Seq: 1}, [][]byte{wire.AppendOp(nil, wire.OpPut, block)})
		}
		send(t, ws, tx(1))
		send(t, ws, raw(wire.Pack(nil, tx(1))))
		send(t, ws, tx(2)) // too many, which is the hub's to settle
		synctest.Wait()
		if n, refused := v.script.writes.Load(), v.script.refused.Load(); n != 3 || refused != 1 {
			t.Errorf("%d transactions, %d refused", n, refused)
		}
		send(t, ws, &wire.Tick{N: 5})
		tick, _, err := wire.DecodeTickAnswer(receive(t, ws), wire.Limits{})
		if err != nil || tick.N != 5 || tick.Refused == nil || tick.Refused.Code != wire.CodeForbidden {
			t.Errorf("%+v, %v", tick, err)
		}
		for id, text := range []string{"SELECT 1", strings.Repeat("x", wire.MaxSQL+1)} {
			send(t, ws, &wire.SQL{ID: uint64(id), Text: text})
			a, err := wire.DecodeSQLAnswer(receive(t, ws), wire.Limits{})
			if err != nil || a.ID != uint64(id) || a.Refused == nil || a.Refused.Code != []wire.Code{wire.CodeForbidden, wire.CodeTooLarge}[id] {
				t.Errorf("%+v, %v", a, err)
			}
		}
		ask := func(name string, values int) {
			send(t, ws, &wire.SendEvent{To: wire.ToRole("server"), Name: name, Value: wire.List(make([]wire.Value, values)...)})
		}
		ask("ask", 1)
		for _, refused := range []struct {
			name   string
			values int
			code   wire.Code
		}{{"forbidden", 1, wire.CodeForbidden}, {"many", wire.MaxEventValues + 1, wire.CodeTooLarge}} {
			ask(refused.name, refused.values)
			e, err := wire.DecodeEvent(receive(t, ws), wire.Limits{})
			if err != nil || e.Refused == nil || e.Refused.Code != refused.code || e.Name != refused.name {
				t.Errorf("%+v, %v", e, err)
			}
		}
		if n := v.script.events.Load(); n != 3 {
			t.Errorf("%d events", n)
		}
		send(t, ws, raw{0x82, byte(wire.TypeWrite), 0x61})
		wantGoodbye(t, ws, wire.CloseProtocol, "")
	})
}
