package session

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/coder/websocket"

	"framehub/session/wire"
)

// reader waits for the next message. Its context never ends: then the library
// would close the connection, and the goodbye could not be said. Deadlines end it.
//
//nolint:contextcheck,nolintlint // as above; contextcheck obeys, and nolintlint does not see it
func (s *Session) reader() (websocket.MessageType, io.Reader, error) {
	return s.ws.Reader(context.Background())
}

// read reads one message. The bytes are the caller's.
func (s *Session) read() ([]byte, error) {
	msg := readShort(s.in, s.limits.Message)
	var err error
	if msg == nil {
		msg, err = s.readLong()
	}
	if msg == nil && err == nil {
		msg, err = s.readAny()
	}
	if err != nil {
		return nil, err
	}
	s.stats.MessagesIn.Add(1)
	s.stats.BytesIn.Add(uint64(len(msg)))
	s.tapped(false, msg)
	return msg, nil
}

// readAny reads a message as the library does.
func (s *Session) readAny() ([]byte, error) {
	kind, r, err := s.reader()
	if err != nil {
		return nil, err
	}
	s.rest = r
	if kind != websocket.MessageBinary {
		return nil, protocolErrorf("messages are binary, this one was text")
	}
	msg, err := readOwn(r, s.limits.Message)
	if err != nil {
		return nil, err
	}
	s.rest = nil
	return msg, nil
}

// drain reads on, whatever it is, until the peer closes or its time is over: what
// is left unread when a connection is closed takes the goodbye away from the peer.
func (s *Session) drain() {
	s.drainSoon()
	s.link.draining = true
	for {
		if s.rest != nil {
			if _, err := io.Copy(io.Discard, s.rest); err != nil {
				return
			}
		}
		var err error
		if _, s.rest, err = s.reader(); err != nil {
			return
		}
	}
}

// drainSoon lets the read loop go on for a farewell at most.
func (s *Session) drainSoon() { _ = s.link.SetReadDeadline(time.Now().Add(farewell)) }

// readLoop reads and hands on until the connection or the session ends.
func (s *Session) readLoop(h Handler) error {
	for {
		msg, err := s.read()
		if err != nil {
			return err
		}
		if s.bye.Load() != nil {
			s.drain() // it has been told to go; only its close matters
			return nil
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
		if !s.zstd {
			return protocolErrorf("a packed message comes only from a device whose hello has zstd")
		}
		if msg, err = wire.Unpack(msg, s.limits.Message); err != nil {
			return err
		}
		if kind, err = wire.TypeOf(msg); err != nil {
			return err
		}
	}
	if err := h.Admit(len(msg)); err != nil {
		return err
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
	case wire.TypeTick:
		return s.tick(h, msg)
	case wire.TypeClock:
		m, err := wire.DecodeClock(msg, s.limits)
		if err != nil {
			return err
		}
		m.Answer, m.Time, m.Version = true, time.Now(), h.Version()
		return s.answer(m.Append(nil))
	case wire.TypeGoodbye:
		if _, err := wire.DecodeGoodbye(msg, s.limits); err != nil {
			return err
		}
		return &wire.Error{Code: wire.CloseNormal, Reason: "goodbye"}
	case wire.TypeWill:
		return s.will(h, msg)
	case wire.TypeEvent:
		return s.event(h, msg)
	case wire.TypeSQL:
		return s.sql(h, msg)
	default:
		return protocolErrorf("a device does not send messages of type %d here", kind)
	}
}

func (s *Session) write(h Handler, msg []byte, size int) error {
	w, err := wire.DecodeWrite(msg, s.limits)
	refused, err := asRefusal(err)
	if err != nil {
		return err
	}
	return h.Write(&w, refused, size)
}

// will answers a will that is refused; one that is taken is answered by the handler
// when it is durable.
func (s *Session) will(h Handler, msg []byte) error {
	w, err := wire.DecodeWill(msg, s.limits)
	refused, err := asRefusal(err)
	if refused == nil && err == nil {
		refused, err = h.Will(&w, len(msg))
	}
	if refused == nil || err != nil {
		return err
	}
	return s.answer((&wire.WillAnswer{ID: w.ID, Refused: refused}).Append(nil))
}

// sql answers a statement that is refused; one that is taken is answered by the
// handler when it has run.
func (s *Session) sql(h Handler, msg []byte) error {
	q, err := wire.DecodeSQL(msg, s.limits)
	refused, err := asRefusal(err)
	if err != nil {
		return err
	}
	if refused == nil {
		refused = h.SQL(&q, len(msg))
	}
	if refused == nil {
		return nil
	}
	return s.answer((&wire.SQLAnswer{ID: q.ID, Refused: refused}).Append(nil))
}

// asRefusal tells the refusal of a transaction, with which its session goes on, from
// an error.
func asRefusal(err error) (*wire.Refusal, error) {
	if refused, ok := err.(*wire.Refusal); ok { //nolint:errorlint // as the decoders' contract has it
		return refused, nil
	}
	return nil, err
}

func (s *Session) tick(h Handler, msg []byte) error {
	t, err := wire.DecodeTick(msg, s.limits)
	if err != nil {
		return err
	}
	if t.Refused, err = h.Tick(t.N); t.Refused == nil || err != nil {
		return err
	}
	return s.answer(t.Append(nil))
}

func (s *Session) event(h Handler, msg []byte) error {
	e, err := wire.DecodeSendEvent(msg, s.limits)
	refused, err := asRefusal(err)
	if err != nil {
		return err
	}
	if refused = h.Event(&e, refused); refused == nil {
		return nil
	}
	return s.answer((&wire.Event{Name: e.Name, Refused: refused}).Append(nil))
}

// answer puts an answer of the read loop's own on its way. When the peer asks
// faster than it takes answers, the read loop waits, and with it only that peer.
func (s *Session) answer(msg []byte) error {
	for {
		s.mu.Lock()
		full := len(s.answers) >= maxAnswers
		if !full {
			s.answers = append(s.answers, msg)
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
