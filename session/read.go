package session

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/coder/websocket"

	"framehub/session/wire"
)

// read reads one message. The bytes are the caller's.
func (s *Session) read() ([]byte, error) {
	// Not the session's context: when one ends during a read, the library
	// closes the connection, and the goodbye could not be said.
	kind, r, err := s.ws.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	if kind != websocket.MessageBinary {
		return nil, protocolErrorf("messages are binary, this one was text")
	}
	msg, err := readOwn(r, s.limits.Message)
	if err != nil {
		return nil, err
	}
	s.heard.Store(time.Now().UnixNano())
	s.stats.MessagesIn.Add(1)
	s.stats.BytesIn.Add(uint64(len(msg)))
	return msg, nil
}

// readLoop reads and hands on until the connection or the session ends.
func (s *Session) readLoop(h Handler) error {
	for {
		msg, err := s.read()
		if err != nil {
			return err
		}
		if s.bye.Load() != nil {
			continue // it has been told to go; only its close matters
		}
		if err := s.dispatch(h, msg); err != nil {
			return err
		}
	}
}

func (s *Session) dispatch(h Handler, msg []byte) error {
	kind, err := wire.TypeOf(msg)
	if err != nil {
		return err
	}
	size := len(msg)
	if kind == wire.TypePacked {
		if msg, err = wire.Unpack(msg, s.limits.Message); err != nil {
			return err
		}
		if kind, err = wire.TypeOf(msg); err != nil {
			return err
		}
	}
	switch kind {
	case wire.TypeWrite:
		return s.write(h, msg, size)
	case wire.TypeSubscribe:
		m, err := wire.DecodeSubscribe(msg, s.limits)
		if err != nil {
			return err
		}
		return h.Subscribe(&m)
	case wire.TypeReadPiece:
		m, err := wire.DecodeReadPiece(msg, s.limits)
		if err != nil {
			return err
		}
		return h.ReadPiece(&m)
	case wire.TypeClock:
		m, err := wire.DecodeClock(msg, s.limits)
		if err != nil {
			return err
		}
		m.Answer, m.Time, m.Version = true, time.Now(), h.Version()
		return s.answer(m.Append(nil))
	case wire.TypeTick, wire.TypeSQL, wire.TypeWill, wire.TypeEvent:
		m, err := wire.UnavailableFor(msg, fmt.Sprintf("this hub does not do messages of type %d: its hello lists what it does", kind))
		if err != nil {
			return err
		}
		return s.answer(m.Append(nil))
	default:
		return &wire.Error{Code: wire.CloseProtocol, Reason: fmt.Sprintf("a device does not send messages of type %d here", kind)}
	}
}

func (s *Session) write(h Handler, msg []byte, size int) error {
	w, err := wire.DecodeWrite(msg, s.limits)
	var refused *wire.Refusal
	if err != nil {
		var ok bool
		if refused, ok = err.(*wire.Refusal); !ok { //nolint:errorlint // as DecodeWrite's contract has it
			return err
		}
	}
	return h.Write(&w, refused, size)
}

// answer puts an answer of the read loop's own on its way. When the peer asks
// faster than it takes answers, the read loop waits, and with it only that peer.
func (s *Session) answer(msg []byte) error {
	for {
		s.mu.Lock()
		full := len(s.control) >= maxControl
		if !full {
			s.control = append(s.control, msg)
		}
		s.mu.Unlock()
		s.Wake()
		if !full {
			return nil
		}
		select {
		case <-s.room:
		case <-s.mute:
			return net.ErrClosed
		}
	}
}
