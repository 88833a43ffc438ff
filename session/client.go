package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"framehub/session/wire"
)

// Path is where a hub takes devices.
const Path = "/v1/sync"

// dialTimeout bounds a dial whose context doesn't.
const dialTimeout = 15 * time.Second

// ClientOptions say how a client connects. The zero value of each field means
// its default.
type ClientOptions struct {
	Hello wire.DeviceHello // what it says; the hub answers it before Dial returns

	// Limit is the largest message that is read, in bytes when unpacked; default
	// [wire.DefaultMessageLimit], or Hello.MaxMessage where that is more.
	Limit int

	Token string // who it is; sent in the Authorization header of the upgrade request

	HTTPClient *http.Client // makes the connection; default [http.DefaultClient]
	Header     http.Header  // sent with the upgrade request
}

// A Client is one connection to a hub, with nothing kept beside it: what a load
// test and a tool build on. [Device] is the client that reconnects and keeps a
// copy of the tables. A Client has no goroutines; pings are answered while it is
// read. One goroutine at a time may call Next or NextRaw, and any number the
// other methods beside it.
type Client struct {
	Hello wire.HubHello // the hub's answer; set by Dial, never changed after

	ws    *websocket.Conn
	conn  *ear // the connection under ws
	limit int
}

// A ClosedError is how a hub ended a connection: by its goodbye, or by the close
// frame alone, which has no retry time.
type ClosedError struct {
	wire.Goodbye
}

// Error returns the hub's words with their code.
func (e *ClosedError) Error() string {
	return fmt.Sprintf("the hub closed the connection: %s (%d)", e.Text, e.Code)
}

// Dial connects to the hub at address, a URL with the scheme ws, wss, http or
// https whose path is [Path] where it has none, says hello, and reads the
// answer. ctx bounds just that; without a deadline it has 15 s. A hub that says
// goodbye instead of hello is a [ClosedError].
func Dial(ctx context.Context, address string, o ClientOptions) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = Path
	}
	c := &Client{limit: o.Limit}
	if c.limit == 0 {
		c.limit = max(wire.DefaultMessageLimit, o.Hello.MaxMessage)
	}
	if err := c.dial(ctx, u.String(), &o); err != nil {
		return nil, fmt.Errorf("dial %s: %w", u.Redacted(), err)
	}
	if err := c.sayHello(ctx, &o.Hello); err != nil {
		c.Close()
		return nil, fmt.Errorf("hello to %s: %w", u.Redacted(), err)
	}
	return c, nil
}

func (c *Client) dial(ctx context.Context, url string, o *ClientOptions) error {
	var hc http.Client
	if o.HTTPClient != nil {
		hc = *o.HTTPClient
	}
	keep := &keeper{next: hc.Transport}
	if keep.next == nil {
		keep.next = http.DefaultTransport
	}
	hc.Transport = keep
	ws, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{ //nolint:bodyclose // closed by Dial
		HTTPClient: &hc, HTTPHeader: bearer(o.Header, o.Token), Subprotocols: []string{wire.Subprotocol},
	})
	if err != nil {
		return dialError(resp, err)
	}
	ws.SetReadLimit(-1) // the client counts itself
	c.ws, c.conn = ws, keep.conn
	if ws.Subprotocol() != wire.Subprotocol {
		c.Drop()
		return fmt.Errorf("the server does not speak %s", wire.Subprotocol)
	}
	return nil
}

// dialError adds what a server said that is no hub, or does not let us through.
func dialError(resp *http.Response, err error) error {
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return err
	}
	const most = 200
	text, _ := io.ReadAll(io.LimitReader(resp.Body, most))
	return fmt.Errorf("%w: %q", err, text)
}

// A keeper keeps the connection that a WebSocket is made on, since the library
// can't cut short a closing handshake, nor say when something was heard.
type keeper struct {
	next http.RoundTripper
	conn *ear
}

// RoundTrip implements [http.RoundTripper].
func (k *keeper) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := k.next.RoundTrip(r)
	if err != nil {
		return resp, err
	}
	if conn, ok := resp.Body.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		k.conn = &ear{ReadWriteCloser: conn, began: time.Now()}
		resp.Body = k.conn
	}
	return resp, err
}

// An ear is a connection that knows when something was last heard on it.
type ear struct {
	io.ReadWriteCloser
	began time.Time
	heard atomic.Int64 // ns since it began
}

// Read implements [io.Reader].
func (e *ear) Read(p []byte) (int, error) {
	n, err := e.ReadWriteCloser.Read(p)
	if n > 0 {
		e.heard.Store(int64(time.Since(e.began)))
	}
	return n, err
}

func (c *Client) sayHello(ctx context.Context, hello *wire.DeviceHello) error {
	if err := c.Send(ctx, hello); err != nil {
		return err
	}
	msg, err := c.read(ctx, nil)
	if err != nil {
		return err
	}
	switch kind, err := wire.TypeOf(msg); {
	case err != nil:
		return err
	case kind == wire.TypeGoodbye:
		g, err := wire.DecodeGoodbye(msg, wire.Limits{Message: c.limit})
		if err != nil {
			return err
		}
		return &ClosedError{g}
	}
	c.Hello, err = wire.DecodeHubHello(msg, wire.Limits{Message: c.limit})
	return err
}

// Next reads the next message. When ctx ends before it has come whole, the
// connection is over. The error is a [ClosedError] when the hub ended the
// connection, [net.ErrClosed] after Close or Drop, and a [wire.Error] for a
// message that breaks the protocol. After a [wire.Goodbye] the client closes.
func (c *Client) Next(ctx context.Context) (Message, error) {
	msg, err := c.read(ctx, nil)
	if err != nil {
		return nil, err
	}
	return DecodeMessage(msg, c.limit)
}

// A Raw is a message that has been looked at from outside.
type Raw struct {
	wire.Head        // with [wire.TypePacked], nothing more is known
	Data      []byte // the message as it came
}

// NextRaw is Next for those who count: it reads the message into buf, or a
// larger one, and does not decode it ([DecodeMessage] does).
func (c *Client) NextRaw(ctx context.Context, buf []byte) (Raw, error) {
	msg, err := c.read(ctx, buf)
	if err != nil {
		return Raw{}, err
	}
	head, err := wire.Peek(msg)
	return Raw{head, msg}, err
}

// read reads a message into buf, or into one of its own where buf is nil.
func (c *Client) read(ctx context.Context, buf []byte) ([]byte, error) {
	kind, r, err := c.ws.Reader(ctx)
	if err != nil {
		return nil, closedError(err)
	}
	if kind != websocket.MessageBinary {
		return nil, protocolErrorf("messages are binary, this one was text")
	}
	if buf == nil {
		buf, err = readOwn(r, c.limit)
	} else {
		buf, err = fill(r, buf, c.limit)
	}
	if err != nil {
		return nil, closedError(err)
	}
	return buf, nil
}

func closedError(err error) error {
	if e, ok := errors.AsType[websocket.CloseError](err); ok {
		return &ClosedError{wire.Goodbye{Code: wire.CloseCode(e.Code), Text: e.Reason}}
	}
	return err
}

var encoded = sync.Pool{New: func() any { b := make([]byte, 0, 1<<10); return &b }}

// Send sends a message. When ctx ends before it is on its way, the connection is
// over.
func (c *Client) Send(ctx context.Context, m Message) error {
	return c.sendAppended(ctx, m.Append)
}

func (c *Client) sendAppended(ctx context.Context, appendTo func([]byte) []byte) error {
	buf := encoded.Get().(*[]byte)
	defer encoded.Put(buf)
	*buf = appendTo((*buf)[:0])
	return c.SendRaw(ctx, *buf)
}

// SendRaw sends an encoded message.
func (c *Client) SendRaw(ctx context.Context, msg []byte) error {
	return c.ws.Write(ctx, websocket.MessageBinary, msg)
}

// Write sends a transaction, its ops as [wire.AppendOp] encoded them.
func (c *Client) Write(ctx context.Context, h wire.WriteHeader, ops [][]byte) error {
	return c.sendAppended(ctx, func(dst []byte) []byte { return wire.AppendWrite(dst, h, ops) })
}

// Subscribe asks for other subscriptions; a [wire.SnapshotEnd] with its ID answers.
func (c *Client) Subscribe(ctx context.Context, s *wire.Subscribe) error { return c.Send(ctx, s) }

// ReadPiece asks for a part of a large value; a [wire.Piece] with its ID answers.
func (c *Client) ReadPiece(ctx context.Context, p *wire.ReadPiece) error { return c.Send(ctx, p) }

// SQL runs a statement, for the roles server, editor and admin; a [wire.SQLAnswer] with
// its ID answers.
func (c *Client) SQL(ctx context.Context, q *wire.SQL) error { return c.Send(ctx, q) }

// Will sets, replaces or clears the device's last will; a [wire.WillAnswer] with its
// ID answers.
func (c *Client) Will(ctx context.Context, w *wire.Will) error { return c.Send(ctx, w) }

// SendEvent sends an event, of which nothing more is heard, unless the hub refuses
// it: then a [wire.Event] with its name comes back.
func (c *Client) SendEvent(ctx context.Context, e *wire.SendEvent) error { return c.Send(ctx, e) }

// Clock asks for the hub's time; a [wire.Clock] with the same echo answers.
func (c *Client) Clock(ctx context.Context, echo int64) error {
	return c.Send(ctx, &wire.Clock{Echo: wire.IntegerValue(echo)})
}

// Tick closes a frame, for the role server; a [wire.Tick] with the same number
// answers, and a [wire.Holder] tells whenever who holds the clock changes.
func (c *Client) Tick(ctx context.Context, n uint64) error {
	return c.Send(ctx, &wire.Tick{N: n})
}

// Ping asks the hub for a sign of life and waits for it, for which another
// goroutine must be reading.
func (c *Client) Ping(ctx context.Context) error { return c.ws.Ping(ctx) }

// Silent returns how long nothing was heard of the hub, as far as the client was read.
func (c *Client) Silent(now time.Time) time.Duration {
	return now.Sub(c.conn.began) - time.Duration(c.conn.heard.Load())
}

// Close leaves: it says so to the hub and gives it a second to agree. What
// comes meanwhile and is not read is lost.
func (c *Client) Close() {
	cut := time.AfterFunc(farewell, c.Drop)
	defer cut.Stop()
	_ = c.ws.Close(websocket.StatusNormalClosure, "")
}

// Drop ends the connection at once, without a word.
func (c *Client) Drop() {
	_ = c.conn.Close() // first: the library's waits where it is closing already
	_ = c.ws.CloseNow()
}
