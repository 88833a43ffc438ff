package session

import (
	"framehub/session/wire"
)

// A Message is what a hub sends after its hello: a pointer to one of
// [wire.Schema], [wire.Snapshot], [wire.SnapshotEnd], [wire.Frame],
// [wire.Settled], [wire.Tick], [wire.Holder], [wire.Clock], [wire.Piece],
// [wire.WillAnswer], [wire.Event], [wire.SQLAnswer] and [wire.Goodbye], to be told
// apart by a type switch.
type Message interface {
	Append(dst []byte) []byte
}

// DecodeMessage reads a hub's message of at most limit bytes, which comes after
// its hello, and unpacks it first where it is packed. Blocks of the result point
// into msg, or into what was unpacked. The error is a [wire.Error].
func DecodeMessage(msg []byte, limit int) (Message, error) {
	kind, err := wire.TypeOf(msg)
	if err == nil && kind == wire.TypePacked {
		if msg, err = wire.Unpack(msg, limit); err == nil {
			kind, err = wire.TypeOf(msg)
		}
	}
	if err != nil {
		return nil, err
	}
	l := wire.Limits{Message: limit}
	switch kind {
	case wire.TypeSchema:
		return message(wire.DecodeSchema(msg, l))
	case wire.TypeSnapshot:
		return message(wire.DecodeSnapshot(msg, l))
	case wire.TypeSnapshotEnd:
		return message(wire.DecodeSnapshotEnd(msg, l))
	case wire.TypeFrame:
		return message(wire.DecodeFrame(msg, l))
	case wire.TypeSettled:
		return message(wire.DecodeSettled(msg, l))
	case wire.TypeClock:
		return message(wire.DecodeClockAnswer(msg, l))
	case wire.TypeReadPiece:
		return message(wire.DecodePiece(msg, l))
	case wire.TypeGoodbye:
		return message(wire.DecodeGoodbye(msg, l))
	case wire.TypeWill:
		return message(wire.DecodeWillAnswer(msg, l))
	case wire.TypeTick:
		t, holder, err := wire.DecodeTickAnswer(msg, l)
		if holder != nil {
			return holder, err
		}
		return message(t, err)
	case wire.TypeEvent:
		return message(wire.DecodeEvent(msg, l))
	case wire.TypeSQL:
		return message(wire.DecodeSQLAnswer(msg, l))
	default:
		return nil, protocolErrorf("a hub does not send messages of type %d here", kind)
	}
}

// message makes a Message of what a decoder returned.
func message[M any, P interface {
	*M
	Message
}](m M, err error) (Message, error) {
	if err != nil {
		return nil, err
	}
	return P(&m), nil
}
