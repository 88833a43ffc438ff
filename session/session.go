package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"framehub/session/wire"
)

const (
	helloTimeout = 5 * time.Second
	farewell     = time.Second // how long a peer may take to close after a goodbye
	maxAnswers   = 64          // answers of the read loop on their way; at that many it waits
	maxReason    = 123         // bytes of a close frame's reason (RFC 6455, 5.5)
)

// Options say what a session takes. The zero value of each field means its default.
type Options struct {
	Limits  wire.Limits
	Origins []string // host patterns of browsers' pages that may connect, beside the hub's own
}

// A Handler is what a session does its work for. Admit and the methods after it
// are called by the read loop, one at a time; Next by the write loop. None may
// wait for the peer, but the former may for Next to be called, until
// [Session.Muted]: then a peer that asks faster than it takes answers is read no
// faster. A [wire.Error] that one returns ends the session with its code.
type Handler interface {
	// Admit is asked before each message is done, and may wait. size is the message's
	// length when unpacked.
	Admit(size int) error

	// Write takes a transaction; refused is the reason why it can't be done
	// however it reads, or nil. size is the message's length.
	Write(w *wire.Write, refused *wire.Refusal, size int) error
	Subscribe(m *wire.Subscribe) error

	// Will takes a last will, or says why it doesn't. size is the message's length.
	Will(w *wire.Will, size int) (*wire.Refusal, error)
	ReadPiece(m *wire.ReadPiece) error

	// SQL takes a statement, which it answers in its turn, or says why it doesn't. size
	// is the message's length.
	SQL(q *wire.SQL, size int) *wire.Refusal

	// Tick takes a tick of the game server's clock, which it answers in its turn, or
	// says why it doesn't.
	Tick(n uint64) (*wire.Refusal, error)

	// Event takes an event, and returns why it is refused; refused is the reason why
	// it is however it reads, or nil.
	Event(e *wire.SendEvent, refused *wire.Refusal) *wire.Refusal

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
	in     *bufio.Reader // the read loop's: ws reads frames from it too
	limits wire.Limits
	cred   credential // until Hello
	zstd   bool       // from Hello on: the peer knows packed messages

	wake chan struct{} // has one place
	mute chan struct{} // closed when the write loop has ended
	room chan struct{} // has one place; the write loop says that answers has room

	bye   atomic.Pointer[wire.Goodbye]
	over  atomic.Bool // the read loop has ended
	left  bool        // set by Run at its end
	stats Stats
	tap   atomic.Pointer[Tap]
	trip  roundTrip

	rest io.Reader // the read loop's: a message that it has not read to its end

	failed error // the write loop's, and anybody's after mute: what ended it

	mu      sync.Mutex // guards the following
	answers [][]byte   // of the read loop
	pong    []byte     // a frame that answers the last ping, or empty
	ping    bool       // one is to be sent
}

// Stats count a session's traffic.
type Stats struct {
	MessagesIn, MessagesOut atomic.Uint64
	BytesIn, BytesOut       atomic.Uint64
}

// Accept upgrades a request to a session. What it refuses it has answered. The
// HTTP handler may return and the session be Run in a goroutine of its own, which
// spares the 11 KiB that net/http keeps for a handler.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (*Session, error) {
	s := &Session{
		ID: uuid.New(), Since: time.Now(), Remote: r.RemoteAddr, limits: o.Limits, cred: credentialOf(r),
		wake: make(chan struct{}, 1), mute: make(chan struct{}), room: make(chan struct{}, 1),
	}
	if s.limits.Message == 0 {
		s.limits.Message = wire.DefaultMessageLimit
	}
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		// What one takes for a body another takes for messages.
		http.Error(w, errBody.Error(), http.StatusBadRequest)
		return nil, errBody
	}
	h := &hijacker{ResponseWriter: w}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:   []string{wire.Subprotocol},
		OriginPatterns: o.Origins,
		OnPingReceived: s.pinged,
		OnPongReceived: func(context.Context, []byte) { s.trip.ends(time.Now()) },
	})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(-1) // read counts itself, and can say why in words
	s.ws, s.link, s.in = ws, h.link, h.in
	return s, nil
}

var errBody = errors.New("a request for a session has no body")

// pinged leaves the pong to the write loop: the library would write it from the
// read loop, and end the connection when that took five seconds. Only the last
// ping needs an answer (RFC 6455, 5.5.3).
func (s *Session) pinged(_ context.Context, payload []byte) (answer bool) {
	s.mu.Lock()
	s.pong = appendFrame(s.pong[:0], finalPong, payload)
	s.mu.Unlock()
	s.Wake()
	return false
}

// Stats returns the counters.
func (s *Session) Stats() *Stats { return &s.stats }

// Left says, once Run has returned, whether the peer has said goodbye, in band or
// by its close frame, and does not mean to come back.
func (s *Session) Left() bool { return s.left }

// Silent returns how long the peer has not been heard, not even with a part of a
// message.
func (s *Session) Silent(now time.Time) time.Duration {
	return s.link.silent(now)
}

// Hello reads the peer's first message. Its token is that of the Authorization
// header where the upgrade request had one. It is called once, before Run.
func (s *Session) Hello() (wire.DeviceHello, error) {
	if s.ws.Subprotocol() != wire.Subprotocol {
		return wire.DeviceHello{}, protocolErrorf("the client must ask for the WebSocket subprotocol %s", wire.Subprotocol)
	}
	if err := s.link.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return wire.DeviceHello{}, err
	}
	msg, err := s.read()
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			err = protocolErrorf("no hello within %v", helloTimeout)
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
		return wire.DeviceHello{}, protocolErrorf("the first message must be a hello")
	}
	hello, err := wire.DecodeDeviceHello(msg, s.limits)
	if err == nil {
		err = s.cred.complete(&hello)
	}
	s.cred, s.zstd = credential{}, hello.Zstd
	if err != nil {
		return wire.DeviceHello{}, err
	}
	return hello, nil
}

// Run is the session's life after the hello. It returns when the connection is
// closed and both loops have ended. The error is what ended it: a [wire.Error]
// for a goodbye of ours, nil for the peer's own close or goodbye.
func (s *Session) Run(h Handler) error {
	var writer sync.WaitGroup
	writer.Go(func() { s.writeLoop(h) })
	s.Wake()
	err := s.readLoop(h)
	if e, ok := errors.AsType[*wire.Error](err); ok {
		s.End(wire.Goodbye{Code: e.Code, Text: e.Reason})
		s.drain()
	}
	if s.bye.Load() == nil {
		s.Drop() // wakes the write loop: what it still has would reach nobody
	}
	s.over.Store(true)
	s.Wake()
	writer.Wait()
	s.close()
	g := s.bye.Load()
	s.left = g == nil && websocket.CloseStatus(err) == websocket.StatusNormalClosure || g != nil && g.Code == wire.CloseNormal
	return s.reason(err)
}

// reason returns what ended the session, going by what ended the read loop.
func (s *Session) reason(err error) error {
	switch g := s.bye.Load(); {
	case g != nil && g.Code == wire.CloseNormal: // it answers the peer's
		return nil
	case g != nil:
		return &wire.Error{Code: g.Code, Reason: g.Text}
	case s.failed != nil && errors.Is(err, net.ErrClosed):
		return fmt.Errorf("write: %w", s.failed)
	case errors.Is(err, io.EOF), websocket.CloseStatus(err) != -1:
		return nil
	default:
		return err
	}
}

// Refuse ends a session that has not been Run, with a goodbye.
func (s *Session) Refuse(e *wire.Error) {
	s.End(wire.Goodbye{Code: e.Code, Text: e.Reason})
	if s.sayGoodbye(nil) == nil {
		s.drain()
	}
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

// Muted is closed when the write loop has ended: Next is not called again.
func (s *Session) Muted() <-chan struct{} { return s.mute }

// Drop ends the session at once, without a word: its peer is not there.
func (s *Session) Drop() { _ = s.link.Close() }

// Ping asks the peer for a sign of life, which shows in Silent and in RoundTrip. It
// waits for nothing.
func (s *Session) Ping() {
	s.mu.Lock()
	s.ping = true
	s.mu.Unlock()
	s.Wake()
}

// close closes the connection, with the goodbye's code if the peer has not closed.
func (s *Session) close() {
	if g := s.bye.Load(); g != nil {
		_ = s.link.SetDeadline(time.Now().Add(farewell / 10))
		_ = s.ws.Close(websocket.StatusCode(g.Code), cut(g.Text, maxReason))
	}
	_ = s.ws.CloseNow()
}

// cut returns as much of a text as fits n bytes and is still UTF-8.
func cut(text string, n int) string {
	for n < len(text) && n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:min(n, len(text))]
}
