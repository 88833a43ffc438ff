package main_test

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"framehub/session/wire"
)

// list and dict are CBOR's array and map.
type (
	list = []any
	dict = map[any]any
)

// undefined is CBOR's.
const undefined = cbor.SimpleValue(23)

// raw is CBOR in hex.
func raw(text string) cbor.RawMessage {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// encode is by a library that is not ours; raw CBOR goes as it stands.
func encode(v any) []byte {
	if b, ok := v.(cbor.RawMessage); ok {
		return b
	}
	b, err := cbor.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// The first byte of a WebSocket frame: FIN, and its opcode.
const (
	frameContinued = 0x00
	frameText      = 0x81
	frameBinary    = 0x82
	frameClose     = 0x88
	framePing      = 0x89
)

// maskedFrame is a WebSocket frame as a client sends it.
func maskedFrame(first byte, payload []byte) []byte {
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b := append(frameHead(first, 0x80, uint64(len(payload))), mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

// frameHead is the head of a WebSocket frame that says so many bytes.
func frameHead(first, masked byte, n uint64) []byte {
	switch {
	case n < 126:
		return []byte{first, masked | byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{first, masked | 126}, uint16(n))
	default:
		return binary.BigEndian.AppendUint64([]byte{first, masked | 127}, n)
	}
}

const goodUpgrade = "GET /v1/sync HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: " + wire.Subprotocol + "\r\n\r\n"

// An intruder sends whatever it likes: bytes on a socket, with no library of ours
// that could keep it from a mistake. What it is sent must be well-formed.
type intruder struct {
	t    *testing.T
	w    *hostileWorld
	conn net.Conn
	r    *bufio.Reader

	to     string      // the address; default: of devices
	header http.Header // of the last answer to a request
	hello  list        // the hub's
	text   string      // the last words of the hub's
	seq    uint64
}

// connect opens a new connection; the one before is left.
func (i *intruder) connect() {
	i.t.Helper()
	i.leave()
	conn, err := (&net.Dialer{}).DialContext(i.t.Context(), "tcp", cmp.Or(i.to, i.w.addr))
	if err != nil {
		i.t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		i.t.Fatal(err)
	}
	i.conn, i.r, i.hello, i.seq = conn, bufio.NewReader(conn), nil, 0
}

func (i *intruder) leave() {
	if i.conn != nil {
		_ = i.conn.Close()
	}
}

// send writes bytes. The hub may have hung up already: what came of it shows.
func (i *intruder) send(b ...[]byte) { _, _ = i.conn.Write(slices.Concat(b...)) }

// sendMessage writes messages, each in a frame of its own, in one go.
func (i *intruder) sendMessage(messages ...any) {
	var b []byte
	for _, m := range messages {
		b = append(b, maskedFrame(frameBinary, encode(m))...)
	}
	i.send(b)
}

// request sends a request, and returns "http" and the status that answers it.
func (i *intruder) request(text string) string {
	i.connect()
	i.send([]byte(text))
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(i.r, &http.Request{Method: method}) // to HEAD there is an answer without a body
	if err != nil {
		return "cut"
	}
	i.w.requests.Add(1)
	i.header = resp.Header
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(resp.Body)
		i.text = string(body)
	}
	_ = resp.Body.Close()
	return fmt.Sprintf("http %d", resp.StatusCode)
}

// upgrade connects a WebSocket that says nothing yet.
func (i *intruder) upgrade() {
	i.t.Helper()
	if got := i.request(goodUpgrade); got != "http 101" {
		i.t.Fatalf("the upgrade is answered %s %s", got, i.text)
	}
}

// greet connects a session that has said a hello of these options, and returns
// what came of it.
func (i *intruder) greet(options dict) string {
	i.t.Helper()
	i.upgrade()
	i.sendMessage(list{0, options})
	return i.outcome()
}

// as connects a session of somebody who has a good token.
func (i *intruder) as(user string, options dict) {
	i.t.Helper()
	all := dict{"token": i.w.tokens[user], "subs": list{}}
	maps.Copy(all, options)
	if got := i.greet(all); got != "hello" {
		i.t.Fatalf("the hello of %s came to %s %s", user, got, i.text)
	}
}

// device is the id of its device, after a hello.
func (i *intruder) device() []byte { return i.said("device").([]byte) }

// said is what the hub's hello says.
func (i *intruder) said(key string) any { return i.hello[1].(map[any]any)[key] }

// write sends a transaction, and returns what came of it.
func (i *intruder) write(ops ...any) string {
	i.t.Helper()
	i.seq++
	i.sendMessage(list{5, i.seq, nil, i.w.schema.Version, ops})
	return i.outcome()
}

// readFrame reads a frame of the hub's: unmasked, whole, and nothing reserved.
func (i *intruder) readFrame() (opcode byte, payload []byte, err error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(i.r, head); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1])
	if more := map[uint64]int{126: 2, 127: 8}[n]; more > 0 {
		long := make([]byte, 8)
		if _, err := io.ReadFull(i.r, long[8-more:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(long)
	}
	if head[0]&0xf0 != 0x80 || head[1]&0x80 != 0 || n > 60<<10 {
		return 0, nil, fmt.Errorf("the hub sends a frame of %d bytes that begins with % x", n, head)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(i.r, payload)
	return head[0], payload, err
}

// outcome reads until something has come of what was sent, and returns it in short:
//
//	hello                        the hub's hello
//	goodbye CODE                 a goodbye, and nothing after it but the end
//	close CODE                   a close frame without a goodbye
//	cut                          the connection's end without either
//	committed, refused CODE      message 6
//	subscribed, sub CODE         message 3, but the one that follows a hello
//	piece, piece CODE            message 13
//	clock, pong                  the answer to 8, and to a ping
//	answer TYPE CODE             the refusal of a message of another type
func (i *intruder) outcome() string {
	i.t.Helper()
	for {
		opcode, payload, err := i.readFrame()
		switch {
		case err != nil && (errors.Is(err, io.EOF) || isReset(err)):
			return "cut"
		case err != nil:
			return err.Error()
		case opcode == frameClose:
			return i.closed(payload)
		case opcode == 0x8a:
			return "pong"
		case opcode == framePing:
			i.send(maskedFrame(0x8a, payload))
			continue
		}
		var m list
		if err := cbor.Unmarshal(payload, &m); err != nil || opcode != frameBinary || len(m) < 2 {
			return fmt.Sprintf("the hub sends %.100x, no message: %v", payload, err)
		}
		if got := i.message(m); got != "" {
			return got
		}
	}
}

func isReset(err error) bool {
	var e *net.OpError
	return errors.As(err, &e) && !e.Timeout()
}

func (i *intruder) closed(payload []byte) string {
	i.send(maskedFrame(frameClose, payload))
	if len(payload) < 2 {
		return "close"
	}
	i.text = string(payload[2:])
	return fmt.Sprintf("close %d", binary.BigEndian.Uint16(payload))
}

// message returns what a message means, "" for one that answers nothing.
func (i *intruder) message(m list) string {
	switch kind := m[0].(uint64); kind {
	case 0:
		i.hello = m
		return "hello"
	case 12:
		i.words(m[2])
		code, text := m[1].(uint64), i.text
		i.send(maskedFrame(frameClose, binary.BigEndian.AppendUint16(nil, uint16(code))))
		came := fmt.Sprintf("goodbye %d", code)
		if got := i.outcome(); got != "cut" && got != fmt.Sprintf("close %d", code) {
			came += ", then " + got
		}
		i.text = text
		return came
	case 6:
		if refused := m[3].(list); len(refused) > 0 {
			i.words(refused[0].(list)[2])
			return fmt.Sprintf("refused %s", refused[0].(list)[1])
		}
		return "committed"
	case 8:
		return "clock"
	case 3:
		if m[1] == uint64(0) && m[2] != nil {
			return ""
		}
		return i.answer("subscribed", "sub", m)
	case 13:
		return i.answer("piece", "piece", m)
	case 2, 4:
		return ""
	default:
		return i.answer("", fmt.Sprintf("answer %d", kind), m)
	}
}

// answer reads [type, id, version, …] or [type, id, null, code, text].
func (i *intruder) answer(done, refused string, m list) string {
	if len(m) > 2 && m[2] != nil {
		return done
	}
	i.words(m[4])
	return fmt.Sprintf("%s %s", refused, m[3])
}

// words takes down what the hub says, which must be for people, and short.
func (i *intruder) words(text any) {
	i.t.Helper()
	var ok bool
	if i.text, ok = text.(string); !ok || len(i.text) < 6 || len(i.text) > 1024 || !utf8.ValidString(i.text) {
		i.t.Errorf("these are no words for people: %d bytes, %.200q", len(i.text), text)
	}
}

// last returns the first outcome that is another.
func (i *intruder) last(than string) string {
	i.t.Helper()
	for {
		if got := i.outcome(); got != than {
			return got
		}
	}
}

// goesOn sends a clock message, which must be answered.
func (i *intruder) goesOn(came string) string {
	i.t.Helper()
	i.sendMessage(list{8, 424242})
	if got := i.outcome(); got != "clock" {
		return came + ", then " + got
	}
	return came
}
