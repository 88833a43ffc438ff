package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
)

// colyseus is server.mjs. Its clients speak what @colyseus/sdk 0.18 speaks, and
// decode the patches of this one schema; what it keeps ends with it.
type colyseus struct{ node, server string }

// The messages of Colyseus (@colyseus/shared-types, Protocol).
const (
	joinRoom      = 10
	roomStatePart = 15
	roomDataBytes = 17
)

// The bytes of @colyseus/schema 5 (spec.ts): a change names the object by 255 and
// its number, then its fields, each an operation with the field's index in its
// low bits; the map of players is the first object after the root.
const (
	switchTo  = 255
	addBit    = 128
	deleteBit = 64
	indexBits = 63
	playerMap = 1
)

func (c *colyseus) start(hz float64) (*process, error) {
	cmd := exec.Command(c.node, c.server, strconv.FormatFloat(hz, 'g', -1, 64)) //nolint:gosec,noctx // what the flags name; kill ends it
	cmd.Env = append(os.Environ(), "NODE_ENV=production")
	return startProcess("listening", cmd)
}

func (c *colyseus) clear() error { return nil }

// A seat is what the matchmaker answers.
type seat struct {
	SessionID string `json:"sessionId"`
	RoomID    string `json:"roomId"`
	ProcessID string `json:"processId"`
}

func (c *colyseus) join(ctx context.Context, p *process, _ int) (client, error) {
	at, err := reserve(ctx, p.at)
	if err != nil {
		return nil, err
	}
	s, err := dial(ctx, fmt.Sprintf("ws://127.0.0.1:%s/%s/%s?sessionId=%s", p.at, at.ProcessID, at.RoomID, at.SessionID))
	if err != nil {
		return nil, err
	}
	for {
		msg, err := s.message(ctx)
		if err != nil {
			s.close()
			return nil, err
		}
		if len(msg) > 0 && msg[0] == joinRoom {
			return &colyseusClient{s}, s.write(ctx, []byte{joinRoom})
		}
	}
}

func reserve(ctx context.Context, port string) (*seat, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:"+port+"/matchmake/joinOrCreate/mesh", bytes.NewReader([]byte("{}")))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	var at seat
	if err := json.NewDecoder(resp.Body).Decode(&at); err != nil || at.SessionID == "" {
		return nil, fmt.Errorf("no seat in the room: %s: %w", resp.Status, err)
	}
	return &at, nil
}

type colyseusClient struct{ *socket }

func (c *colyseusClient) send(ctx context.Context, p pose) error {
	c.out = p.append(append(c.out[:0], roomDataBytes, 0xa1, 'p'))
	return c.write(ctx, c.out)
}

func (c *colyseusClient) read(ctx context.Context, see func(x float32)) ([]byte, error) {
	msg, err := c.message(ctx)
	if err != nil || len(msg) == 0 || msg[0] != roomStatePart {
		return msg, err
	}
	return msg, readPatch(msg[1:], see)
}

var errPatch = errors.New("a patch that this schema does not have")

// readPatch reads a patch of a map of players.
func readPatch(b []byte, see func(x float32)) error {
	ref, err := uint64(0), error(nil)
	for len(b) > 0 && err == nil {
		switch {
		case b[0] == switchTo:
			ref, b, err = number(b[1:])
		case ref == 0:
			_, b, err = number(b[1:]) // the root's one field: the map's number
		case ref == playerMap:
			b, err = skipPlayer(b)
		case len(b) < 5 || b[0]&indexBits > 3 || b[0]&deleteBit != 0:
			err = errPatch
		default:
			if b[0]&indexBits == 0 {
				see(floatAt(b[1:]))
			}
			b = b[5:]
		}
	}
	return err
}

// skipPlayer skips a player who comes, [operation, index, key, number], or goes,
// [operation, index].
func skipPlayer(b []byte) ([]byte, error) {
	op := b[0]
	_, b, err := number(b[1:])
	if err != nil || op&addBit == 0 {
		return b, err
	}
	if len(b) == 0 || b[0]&0xe0 != 0xa0 || len(b) < 1+int(b[0]&0x1f) {
		return nil, errPatch
	}
	_, b, err = number(b[1+int(b[0]&0x1f):])
	return b, err
}

// number reads a number as msgpack has it.
func number(b []byte) (uint64, []byte, error) {
	switch {
	case len(b) >= 1 && b[0] < 0x80:
		return uint64(b[0]), b[1:], nil
	case len(b) >= 2 && b[0] == 0xcc:
		return uint64(b[1]), b[2:], nil
	case len(b) >= 3 && b[0] == 0xcd:
		return uint64(binary.LittleEndian.Uint16(b[1:])), b[3:], nil
	}
	return 0, nil, errPatch
}
