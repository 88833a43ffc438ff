package session_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"

	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// greetThrough is greet through a connection of the caller's.
func greetThrough(t *testing.T, l *sessiontest.Listener, through *throttled) *websocket.Conn {
	t.Helper()
	client := sessiontest.HTTPClient(func(ctx context.Context, network, address string) (net.Conn, error) {
		var err error
		through.Conn, err = l.DialContext(ctx, network, address)
		return through, err
	})
	ws, _, err := websocket.Dial(t.Context(), sessiontest.URL, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{wire.Subprotocol}}) //nolint:bodyclose // closed by Dial
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { _ = ws.CloseNow() })
	send(t, ws, &wire.DeviceHello{})
	receive(t, ws)
	return ws
}

const upgrade = "GET /v1/sync HTTP/1.1\r\nHost: hub.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: " + wire.Subprotocol + "\r\n\r\n"

// dialRaw upgrades and says hello by bytes, with no library at all.
func dialRaw(t *testing.T, l *sessiontest.Listener) (*bufio.Reader, net.Conn) {
	t.Helper()
	conn, err := l.DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return upgradeRaw(t, conn), conn
}

// upgradeRaw is dialRaw on a connection that there is.
func upgradeRaw(tb testing.TB, conn net.Conn) *bufio.Reader {
	tb.Helper()
	msg := (&wire.DeviceHello{}).Append(nil)
	if _, err := io.WriteString(conn, upgrade); err != nil {
		tb.Fatal(err)
	}
	r := bufio.NewReaderSize(conn, 512)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		tb.Fatalf("%+v, %v", resp, err)
	}
	if _, err := conn.Write(maskedFrame(msg)); err != nil {
		tb.Fatal(err)
	}
	readFrame(tb, r) // the hub's hello
	return r
}

// maskedFrame is a short binary message of a client, masked with zeros.
func maskedFrame(msg []byte) []byte {
	return append([]byte{0x82, 0x80 | byte(len(msg)), 0, 0, 0, 0}, msg...)
}

// readFrame reads a frame of a server and returns its payload.
func readFrame(tb testing.TB, r *bufio.Reader) []byte {
	tb.Helper()
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		tb.Fatal(err)
	}
	n := int(head[1])
	if more := strings.IndexByte("\x7e\x7f", head[1]); more >= 0 {
		long := make([]byte, []int{2, 8}[more])
		if _, err := io.ReadFull(r, long); err != nil {
			tb.Fatal(err)
		}
		n = int(binary.BigEndian.Uint64(append(make([]byte, 8-len(long)), long...)))
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		tb.Fatal(err)
	}
	return payload
}

// TestClaimedLength: what a frame claims to be is not waited for. A byte above the
// limit is enough to say so.
func TestClaimedLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 1000
		l, running := serveSessions(t, session.Options{Limits: wire.Limits{Message: limit}})
		r, conn := dialRaw(t, l)
		v := <-running
		head := append(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 1<<62), 0, 0, 0, 0)
		if _, err := conn.Write(append(head, make([]byte, limit+1)...)); err != nil {
			t.Fatal(err)
		}
		g, err := wire.DecodeGoodbye(readFrame(t, r), wire.Limits{})
		if err != nil || g.Code != wire.CloseTooLarge {
			t.Errorf("%+v, %v", g, err)
		}
		_ = conn.Close()
		if e, ok := errors.AsType[*wire.Error](<-v.ended); !ok || e.Code != wire.CloseTooLarge {
			t.Errorf("Run: %v", e)
		}
	})
}

// TestBodyRefused: what comes with the request for a session could be read as a
// body by a proxy, and as messages by the hub.
func TestBodyRefused(t *testing.T) {
	l, _ := serveSessions(t, session.Options{})
	for name, body := range map[string]string{
		"of a length": "Content-Length: 5\r\n\r\nhello", "in chunks": "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"of a length and in chunks": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := l.DialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, strings.TrimSuffix(upgrade, "\r\n")+body); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s", resp.Status)
			}
		})
	}
}
