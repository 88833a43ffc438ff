package wire_test

import (
	"testing"
	"time"

	"framehub/session/wire"
)

func TestPeek(t *testing.T) {
	at := time.UnixMicro(5).UTC()
	for _, test := range []struct {
		name string
		msg  interface{ Append(dst []byte) []byte }
		want wire.Head
	}{
		{"frame", &wire.Frame{Version: 7, Previous: 6, Time: at, All: true}, wire.Head{Type: wire.TypeFrame, Version: 7, Previous: 6, Time: at}},
		{"settled", &wire.Settled{Version: 7, Committed: []uint64{1}}, wire.Head{Type: wire.TypeSettled, Version: 7}},
		{"snapshot", &wire.Snapshot{ID: 3, Version: 7}, wire.Head{Type: wire.TypeSnapshot, ID: 3, Version: 7}},
		{"end", &wire.SnapshotEnd{ID: 3, Version: 7}, wire.Head{Type: wire.TypeSnapshotEnd, ID: 3, Version: 7}},
		{"refused", &wire.SnapshotEnd{ID: 3, Refused: wire.Refuse(wire.CodeMissing, "no")}, wire.Head{Type: wire.TypeSnapshotEnd, ID: 3}},
		{"goodbye", &wire.Goodbye{Code: wire.CloseKicked}, wire.Head{Type: wire.TypeGoodbye}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := wire.Peek(test.msg.Append(nil))
			if err != nil || got != test.want {
				t.Errorf("Peek: %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}

func TestPeekRefuses(t *testing.T) {
	for _, msg := range [][]byte{nil, {0x80}, {0x81, 4}, {0x82, 4, 0xf6}, {0x83, 2, 1, 0x60}} {
		if got, err := wire.Peek(msg); err == nil {
			t.Errorf("Peek(%x) = %+v, want an error", msg, got)
		}
	}
}
