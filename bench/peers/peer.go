package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/coder/websocket"
)

// A peer is a server that is measured.
type peer interface {
	// start starts it, new or where the last one that was killed left off.
	start(hz float64) (*process, error)
	// join connects a device.
	join(ctx context.Context, p *process, number int) (client, error)
	// clear removes what it keeps.
	clear() error
}

// A client is a device's connection. One goroutine sends, another reads.
type client interface {
	send(ctx context.Context, p pose) error
	// read reads a message and calls see for the first float of each entity's
	// update in it, if there are any; it returns the message too.
	read(ctx context.Context, see func(x float32)) ([]byte, error)
	close()
}

// places say where the programs are.
type places struct{ framehub, node, colyseus string }

func newPeer(name string, at *places) (peer, error) {
	switch name {
	case "framehub":
		return &framehub{program: at.framehub}, nil
	case "colyseus":
		return &colyseus{node: at.node, server: at.colyseus}, nil
	case "coder", "gws":
		return &relay{library: name}, nil
	}
	return nil, fmt.Errorf("nobody is called %q: framehub, colyseus, coder, gws", name)
}

// A pose is an entity's four floats. The first says which write of which device
// it is: all four change with every write.
type pose [4]float32

const stampBits = 10 // of the device's number

func newPose(device, write int) pose {
	sin, cos := math.Sincos(float64(write)/20 + float64(device))
	return pose{float32(write<<stampBits | device), float32(500 + 100*cos), float32(500 + 100*sin), float32(math.Mod(float64(write)/20, 1)) + 0.3}
}

// stamped returns whose write x tells of, and which.
func stamped(x float32) (device, write int) {
	n := int(x)
	return n & (1<<stampBits - 1), n >> stampBits
}

// append appends the floats, little endian.
func (p pose) append(dst []byte) []byte {
	for _, f := range p {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(f))
	}
	return dst
}

func floatAt(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }

// A socket is what the clients share: a connection that is read into one buffer.
type socket struct {
	ws  *websocket.Conn
	buf []byte
	out []byte
}

func dial(ctx context.Context, url string, protocols ...string) (*socket, error) {
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: protocols}) //nolint:bodyclose // Dial closes it
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(16 << 20)
	return &socket{ws: ws, buf: make([]byte, 16<<10)}, nil
}

// message reads a message, valid until the next one.
func (s *socket) message(ctx context.Context) ([]byte, error) {
	_, r, err := s.ws.Reader(ctx)
	if err != nil {
		return nil, err
	}
	return readAll(r, &s.buf)
}

func (s *socket) write(ctx context.Context, msg []byte) error {
	return s.ws.Write(ctx, websocket.MessageBinary, msg)
}

func (s *socket) close() { _ = s.ws.CloseNow() } // there is nobody to tell
