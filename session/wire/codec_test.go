package wire_test

import (
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"framehub/session/wire"
)

// The directions of a message: who sends it.
const (
	fromDevice = "device"
	fromHub    = "hub"
)

// limits are those of every test that does not test them.
var limits = wire.Limits{}

// message is what every message struct does.
type message interface{ Append(dst []byte) []byte }

type decodeFunc func(msg []byte, l wire.Limits) (message, error)

// decodes lists the decoders by direction and type.
var decodes = map[string]map[wire.Type]decodeFunc{
	fromDevice: {
		wire.TypeHello:     decoding(wire.DecodeDeviceHello),
		wire.TypeWrite:     decoding(wire.DecodeWrite),
		wire.TypeTick:      decoding(wire.DecodeTick),
		wire.TypeClock:     decoding(wire.DecodeClock),
		wire.TypeSubscribe: decoding(wire.DecodeSubscribe),
		wire.TypeSQL:       decoding(wire.DecodeSQL),
		wire.TypeGoodbye:   decoding(wire.DecodeGoodbye),
		wire.TypeReadPiece: decoding(wire.DecodeReadPiece),
		wire.TypeWill:      decoding(wire.DecodeWill),
		wire.TypeEvent:     decoding(wire.DecodeSendEvent),
	},
	fromHub: {
		wire.TypeHello:       decoding(wire.DecodeHubHello),
		wire.TypeSchema:      decoding(wire.DecodeSchema),
		wire.TypeSnapshot:    decoding(wire.DecodeSnapshot),
		wire.TypeSnapshotEnd: decoding(wire.DecodeSnapshotEnd),
		wire.TypeFrame:       decoding(wire.DecodeFrame),
		wire.TypeSettled:     decoding(wire.DecodeSettled),
		wire.TypeTick:        tickAnswer,
		wire.TypeClock:       decoding(wire.DecodeClockAnswer),
		wire.TypeSQL:         decoding(wire.DecodeSQLAnswer),
		wire.TypeGoodbye:     decoding(wire.DecodeGoodbye),
		wire.TypeReadPiece:   decoding(wire.DecodePiece),
		wire.TypeWill:        decoding(wire.DecodeWillAnswer),
		wire.TypeEvent:       decoding(wire.DecodeEvent),
	},
}

func decoding[T any, P interface {
	*T
	message
}](decode func([]byte, wire.Limits) (T, error)) decodeFunc {
	return func(msg []byte, l wire.Limits) (message, error) {
		m, err := decode(msg, l)
		return P(&m), err
	}
}

func tickAnswer(msg []byte, l wire.Limits) (message, error) {
	t, holder, err := wire.DecodeTickAnswer(msg, l)
	if holder != nil {
		return holder, err
	}
	return &t, err
}

// A packed is a packed message, and what it holds.
type packed struct{ inner, bytes []byte }

func (p *packed) Append(dst []byte) []byte { return append(dst, p.bytes...) }

// errNotSent is for a type that the other side never sends: whose message is
// refused as of an unknown type.
var errNotSent = &wire.Error{Code: wire.CloseProtocol, Reason: "this side does not send messages of that type"}

// decode decodes any message that comes from the given side, as the hub's and
// the client's read loops do.
func decode(from string, msg []byte, l wire.Limits) (message, error) {
	t, err := wire.TypeOf(msg)
	if err != nil {
		return nil, err
	}
	if t == wire.TypePacked {
		limit := l.Message
		if limit == 0 {
			limit = wire.DefaultMessageLimit
		}
		inner, err := wire.Unpack(msg, limit)
		return &packed{inner, msg}, err
	}
	decode, ok := decodes[from][t]
	if !ok {
		return nil, errNotSent
	}
	return decode(msg, l)
}

// checkError says that err is one a session may end with, or a transaction be
// refused with.
func checkError(tb testing.TB, err error) {
	tb.Helper()
	if r, ok := errors.AsType[*wire.Refusal](err); ok {
		if r.Code != wire.CodeTooLarge || r.Text == "" {
			tb.Errorf("decoding refused with %q: %q", r.Code, r.Text)
		}
		return
	}
	e, ok := errors.AsType[*wire.Error](err)
	if !ok {
		tb.Fatalf("the error is %T, not *wire.Error: %v", err, err)
	}
	if !slices.Contains([]wire.CloseCode{wire.CloseProtocol, wire.CloseTooLarge}, e.Code) || e.Reason == "" {
		tb.Errorf("the error has code %d and reason %q", e.Code, e.Reason)
	}
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
