package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"framehub/session/wire"
)

const (
	helloTimeout = 5 * time.Second
	farewell     = time.Second // how long a peer may take to close after a goodbye
	maxControl   = 64          // answers of the read loop on their way; at that many it waits
	maxReason    = 123         // bytes of a close frame's reason (RFC 6455, 5.5)
)

// Options say what a session takes. The zero value of each field means its default.
type Options struct {
	Limits  wire.Limits
	Origins []string // host patterns of browsers' pages that may connect, beside the hub's own
}

// A Handler is what a session does its work for. Take and the methods after it
// are called by the read loop, one at a time; Next by the write loop. None may
// wait for the peer; a [wire.Error] that one returns ends the session with its
// code.
type Handler interface {
	// Write takes a transaction; refused is the reason why it can't be done
	// however it reads, or nil. size is the message's length.
	Write(w *wire.Write, refused *wire.Refusal, size int) error
	Subscribe(m *wire.Subscribe) error
	ReadPiece(m *wire.ReadPiece) error

	// Version returns the version that a clock message is answered with.
	Version() uint64

	// Next appends the messages to write now to dst; the bytes are not changed
	// after. None: it is asked again after a Wake.
	Next(dst [][]byte) [][]byte
}

// A Session is the hub's side of a device's connection.
type Session struct {
	// Set by Accept, never changed after.
	ID     uuid.UUID
	Since  time.Time
	Remote string // the peer's address

	ws     *websocket.Conn
	link   *link
	limits wire.Limits

	wake  chan struct{} // has one place
	done  chan struct{} // closed when the read loop has ended
	mute  chan struct{} // closed when the write loop has ended
	bye   atomic.Pointer[wire.Goodbye]
	pings sync.WaitGroup

	heard   atomic.Int64 // when the peer was last heard, ns since 1970
	pinging atomic.Bool
	stats   Stats

	mu      sync.Mutex
	control [][]byte      // guarded by mu
	room    chan struct{} // has one place; the write loop says that control has room
}

// Stats count a session's traffic.
type Stats struct {
	MessagesIn, MessagesOut atomic.Uint64
	BytesIn, BytesOut       atomic.Uint64
}

// Accept upgrades a request to a session. What it refuses it has answered.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (*Session, error) {
	s := &Session{
		ID: uuid.New(), Since: time.Now(), Remote: r.RemoteAddr, limits: o.Limits,
		wake: make(chan struct{}, 1), done: make(chan struct{}), mute: make(chan struct{}), room: make(chan struct{}, 1),
	}
	if s.limits.Message == 0 {
		s.limits.Message = wire.DefaultMessageLimit
	}
	h := &hijacker{ResponseWriter: w}
	heard := func() { s.heard.Store(time.Now().UnixNano()) }
	heard()
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:   []string{wire.Subprotocol},
		OriginPatterns: o.Origins,
		OnPingReceived: func(context.Context, []byte) bool { heard(); return true },
		OnPongReceived: func(context.Context, []byte) { heard() },
	})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(-1) // read counts itself, and can say why in words
	s.ws, s.link = ws, h.link
	return s, nil
}

// Stats returns the counters.
func (s *Session) Stats() *Stats { return &s.stats }

// Silent returns how long the peer has not been heard.
func (s *Session) Silent(now time.Time) time.Duration {
	return now.Sub(time.Unix(0, s.heard.Load()))
}

// Hello reads the peer's first message. It is called once, before Run.
func (s *Session) Hello() (wire.DeviceHello, error) {
	if s.ws.Subprotocol() != wire.Subprotocol {
		return wire.DeviceHello{}, &wire.Error{Code: wire.CloseProtocol, Reason: "the client must ask for the WebSocket subprotocol " + wire.Subprotocol}
	}
	if err := s.link.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return wire.DeviceHello{}, err
	}
	msg, err := s.read()
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			err = &wire.Error{Code: wire.CloseProtocol, Reason: fmt.Sprintf("no hello within %v", helloTimeout)}
		}
		return wire.DeviceHello{}, err
	}
	if err := s.link.SetReadDeadline(time.Time{}); err != nil {
		return wire.DeviceHello{}, err
	}
	switch kind, err := wire.TypeOf(msg); {
	case err != nil:
		return wire.DeviceHello{}, err
	case kind != wire.TypeHello:
		return wire.DeviceHello{}, &wire.Error{Code: wire.CloseProtocol, Reason: "the first message must be a hello"}
	}
	return wire.DecodeDeviceHello(msg, s.limits)
}

// Run is the session's life after the hello. It returns when the connection is
// closed and both loops have ended; the error is what ended it, nil for the
// peer's own close.
func (s *Session) Run(h Handler) error {
	var writer sync.WaitGroup
	writer.Go(func() { s.writeLoop(h) })
	s.Wake()
	err := s.readLoop(h)
	if e, ok := errors.AsType[*wire.Error](err); ok {
		s.End(wire.Goodbye{Code: e.Code, Text: e.Reason})
		s.drain()
	}
	close(s.done)
	writer.Wait()
	s.close()
	s.pings.Wait()
	if errors.Is(err, io.EOF) || websocket.CloseStatus(err) != -1 {
		return nil
	}
	return err
}

// Refuse ends a session that has not been Run, with a goodbye.
func (s *Session) Refuse(e *wire.Error) {
	s.End(wire.Goodbye{Code: e.Code, Text: e.Reason})
	s.sayGoodbye(nil)
	s.drain()
	s.close()
}

// Wake makes the write loop ask its handler for messages.
func (s *Session) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// End ends the session with a goodbye, after what the handler still has to say.
// The first call counts. It waits for nothing.
func (s *Session) End(g wire.Goodbye) {
	if s.bye.CompareAndSwap(nil, &g) {
		s.link.hurry(farewell)
		s.Wake()
	}
}

// Drop ends the session at once, without a word: its peer is not there.
func (s *Session) Drop() { _ = s.link.Close() }

// Ping asks the peer for a sign of life, unless it has just been asked. It waits
// for nothing.
func (s *Session) Ping() {
	if !s.pinging.CompareAndSwap(false, true) {
		return
	}
	s.pings.Go(func() {
		defer s.pinging.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
		defer cancel()
		_ = s.ws.Ping(ctx) // whether the peer is there shows in Silent
	})
}

// close closes the connection, with the goodbye's code if the peer has not closed.
func (s *Session) close() {
	if g := s.bye.Load(); g != nil {
		_ = s.link.SetDeadline(time.Now().Add(farewell / 10))
		text := g.Text
		if len(text) > maxReason {
			text = text[:maxReason]
		}
		_ = s.ws.Close(websocket.StatusCode(g.Code), text)
	}
	_ = s.ws.CloseNow()
}

// drainSoon lets the read loop go on for a farewell at most.
func (s *Session) drainSoon() { _ = s.link.SetReadDeadline(time.Now().Add(farewell)) }

// drain reads on until the peer closes, or its time is over.
func (s *Session) drain() {
	s.drainSoon()
	for {
		if _, err := s.read(); err != nil {
			return
		}
	}
}
