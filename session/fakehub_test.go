package session_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// A fake is a hub that does what a test says, message by message.
type fake struct {
	listener *sessiontest.Listener
	peers    chan *peer
	refuse   func() bool // if set and true, the upgrade is refused
}

// A peer is one device's connection to it.
type peer struct {
	t    *testing.T
	ws   *websocket.Conn
	auth string // its Authorization header
	said wire.DeviceHello
	over chan struct{}
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{peers: make(chan *peer)}
	f.listener = sessiontest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.refuse != nil && f.refuse() {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
		if err != nil {
			t.Error(err)
			return
		}
		ws.SetReadLimit(-1)
		p := &peer{t: t, ws: ws, auth: r.Header.Get("Authorization"), over: make(chan struct{})}
		select {
		case f.peers <- p:
			<-p.over
		case <-t.Context().Done():
		}
		_ = ws.CloseNow()
	}))
	return f
}

// accept waits for a device and reads its hello.
func (f *fake) accept(t *testing.T) *peer {
	t.Helper()
	p := <-f.peers
	t.Cleanup(p.drop)
	h, err := wire.DecodeDeviceHello(p.read(), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	p.said = h
	return p
}

// drop ends the connection without a word.
func (p *peer) drop() {
	select {
	case <-p.over:
	default:
		close(p.over)
	}
}

func (p *peer) send(messages ...session.Message) {
	p.t.Helper()
	for _, m := range messages {
		if err := p.ws.Write(context.Background(), websocket.MessageBinary, m.Append(nil)); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *peer) read() []byte {
	p.t.Helper()
	_, msg, err := p.ws.Read(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	return msg
}

// wantClose reads until the device closes, which it must do with 1000.
func (p *peer) wantClose() {
	p.t.Helper()
	for {
		_, _, err := p.ws.Read(context.Background())
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			p.t.Errorf("the device left with %v", err)
		}
		return
	}
}

// goodbye says one in band and waits for the device to close.
func (p *peer) goodbye(g wire.Goodbye) {
	p.t.Helper()
	p.send(&g)
	p.wantClose()
	p.drop()
}

// readWrite reads a transaction.
func (p *peer) readWrite() wire.Write {
	p.t.Helper()
	w, err := wire.DecodeWrite(p.read(), wire.Limits{})
	if err != nil {
		p.t.Fatal(err)
	}
	return w
}

// quiet fails the test if the device sends anything now.
func (p *peer) quiet() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, msg, err := p.ws.Read(ctx); err == nil {
		p.t.Errorf("the device sent %x", msg)
	}
}

// start greets the device and puts a snapshot in place: entity 1 in zone 1.
func (p *peer) start(h *wire.HubHello) {
	p.t.Helper()
	p.send(h,
		&wire.Snapshot{Version: h.Version, Blocks: blocks(entities(values(1, 1, 0.5, "one")))},
		&wire.SnapshotEnd{Version: h.Version})
}

// known is a hello to a device of which the hub has settled a number.
func known(version, settled uint64) *wire.HubHello {
	h := hello(version)
	h.Settled, h.SettledKnown = settled, true
	h.Device[15] = 1
	return h
}

// resuming is a hello that resumes.
func resuming(version, settled uint64) *wire.HubHello {
	h := known(version, settled)
	h.Resumed = true
	return h
}

// run runs a device against the fake until the test ends, or stop is called,
// which returns what Run returned.
func (f *fake) run(t *testing.T, o session.DeviceOptions) (d *session.Device, stop func() error) {
	t.Helper()
	o.URL = sessiontest.URL
	o.Client.HTTPClient = f.listener.HTTPClient()
	d, err := session.NewDevice(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var ran error
	go func() {
		defer close(ended)
		ran = d.Run(ctx)
	}()
	stop = func() error {
		cancel()
		<-ended
		return ran
	}
	t.Cleanup(func() { _ = stop() })
	return d, stop
}
