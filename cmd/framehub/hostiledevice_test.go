package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"framehub/session"
	"framehub/session/wire"
)

// hostileArgs is set for a process of the test that is to be a hostile device.
const hostileArgs = "FRAMEHUB_TEST_HOSTILE"

const unsettled = 64 // transactions that a device may have under way

// A hostility is what a hostile device does, as fast as the hub takes it.
type hostility struct {
	name string
	do   func(*hostile) error // for one connection
}

var hostilities = []hostility{
	{"own", func(h *hostile) error { return h.write(h.row("entity", wire.OpPut, 5, 9)) }},
	{"overrun", func(h *hostile) error { return h.overrun(h.row("entity", wire.OpPut, 5, 9)) }},
	{"forbidden", func(h *hostile) error { return h.write(h.row("sealed", wire.OpPut, 1, 1)) }},
	{"check", func(h *hostile) error { return h.write(h.row("account", wire.OpUpdate, 1, -1)) }},
	{"abort", func(h *hostile) error { return h.write(h.row("account", wire.OpUpdate, 1, 13)) }},
	{"rollback", func(h *hostile) error { return h.write(h.row("account", wire.OpUpdate, 1, 14)) }},
	{"large", func(h *hostile) error { return h.write(h.largeEntities(1), h.largeEntities(2)) }},
	{"large-sql", func(h *hostile) error { return h.write(h.largeAccounts(1), h.largeAccounts(2)) }},
	{"clock", func(h *hostile) error { return h.repeat(clock()) }},
	{"clock-read", func(h *hostile) error { go h.discard(); return h.repeat(clock()) }},
	{"packed", func(h *hostile) error { go h.discard(); return h.repeat(bomb()) }},
	{"pieces", func(h *hostile) error { go h.discard(); return h.repeat(h.piece()) }},
	{"subscribe", (*hostile).resubscribe},
	{"reconnect", func(h *hostile) error { return h.send(frameOf([]byte{0xff, 0xff})) }},
}

// hostileMain is the process of a hostile device: it does its worst until its
// input ends, and then prints how many messages it has sent.
func hostileMain() {
	name, addr := os.Args[1], os.Args[2]
	sent := new(atomic.Int64)
	for _, kind := range hostilities {
		if kind.name != name {
			continue
		}
		go func() {
			for {
				h, err := dialHostile(addr, sent)
				if err != nil {
					fmt.Fprintln(os.Stderr, "hostile:", err)
					continue
				}
				_ = kind.do(h) // the hub ends it, and it comes again
				_ = h.conn.Close()
			}
		}()
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	fmt.Println(sent.Load())
}

// A hostile is one connection of a hostile device. It masks nothing and encodes
// next to nothing, so that it costs its machine as little as it can.
type hostile struct {
	conn   net.Conn
	in     *bufio.Reader
	schema *wire.Schema
	sent   *atomic.Int64
}

func dialHostile(addr string, sent *atomic.Int64) (*hostile, error) {
	c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	h := &hostile{conn: c, in: bufio.NewReaderSize(c, 64<<10), sent: sent}
	_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", session.Path, addr, wire.Subprotocol)
	for err == nil {
		var line string
		if line, err = h.in.ReadString('\n'); line == "\r\n" {
			break
		}
	}
	hello := wire.DeviceHello{SubsSet: true}
	if err == nil {
		err = h.send(frameOf(hello.Append(nil)))
	}
	var answer []byte
	if err == nil {
		answer, err = h.next()
	}
	if err == nil {
		var hub wire.HubHello
		hub, err = wire.DecodeHubHello(answer, wire.Limits{})
		h.schema = hub.Schema
	}
	return h, err
}

func (h *hostile) table(name string) int { return tableNumber(h.schema, name) }

// tableNumber returns the number of a table that there is.
func tableNumber(s *wire.Schema, name string) int {
	return s.Tables[slices.IndexFunc(s.Tables, func(t wire.SchemaTable) bool { return t.Name == name })].Number
}

// frameOf makes a WebSocket frame of a client, with a mask that changes nothing.
func frameOf(msg []byte) []byte {
	var f []byte
	switch n := len(msg); {
	case n < 126:
		f = []byte{0x82, 0x80 | byte(n)}
	case n <= 0xffff:
		f = binary.BigEndian.AppendUint16([]byte{0x82, 0x80 | 126}, uint16(n))
	default:
		f = binary.BigEndian.AppendUint64([]byte{0x82, 0x80 | 127}, uint64(n))
	}
	return append(append(f, 0, 0, 0, 0), msg...)
}

func (h *hostile) send(frames []byte) error {
	h.sent.Add(1)
	_, err := h.conn.Write(frames)
	return err
}

// next reads a message of the hub.
func (h *hostile) next() ([]byte, error) {
	var head [10]byte
	if _, err := io.ReadFull(h.in, head[:2]); err != nil {
		return nil, err
	}
	n := uint64(head[1])
	switch n {
	case 126:
		_, err := io.ReadFull(h.in, head[:2])
		if err != nil {
			return nil, err
		}
		n = uint64(binary.BigEndian.Uint16(head[:]))
	case 127:
		if _, err := io.ReadFull(h.in, head[:8]); err != nil {
			return nil, err
		}
		n = binary.BigEndian.Uint64(head[:])
	}
	msg := make([]byte, n)
	_, err := io.ReadFull(h.in, msg)
	return msg, err
}

func (h *hostile) discard() { _, _ = io.Copy(io.Discard, h.in) }

// repeat sends a message again and again, as many at a time as make a large write.
func (h *hostile) repeat(msg []byte) error {
	frame := frameOf(msg)
	n := 64<<10/len(frame) + 1
	frames := bytes.Repeat(frame, n)
	for {
		if err := h.send(frames); err != nil {
			return err
		}
		h.sent.Add(int64(n - 1))
	}
}

// firstSeq takes nine bytes, as do all after it: numbers are written into messages
// that are made once.
const firstSeq = 1 << 33

// transaction makes a frame of ops, and says where its number stands.
func (h *hostile) transaction(op []byte) (frame []byte, at int) {
	msg := wire.AppendWrite(nil, wire.WriteHeader{Seq: firstSeq, SchemaVersion: h.schema.Version}, [][]byte{op})
	frame = frameOf(msg)
	return frame, len(frame) - len(msg) + 3
}

// write writes ops in turn, as many under way as a device may have.
func (h *hostile) write(ops ...[]byte) error {
	room := make(chan struct{}, unsettled)
	for range unsettled {
		room <- struct{}{}
	}
	var reading sync.WaitGroup
	over := make(chan struct{})
	reading.Go(func() { defer close(over); _ = h.settle(room) })
	defer reading.Wait()
	defer func() { _ = h.conn.Close() }()
	frames, places := make([][]byte, len(ops)), make([]int, len(ops))
	for i := range ops {
		frames[i], places[i] = h.transaction(ops[i])
	}
	for seq := uint64(firstSeq); ; seq++ {
		select {
		case <-room:
		case <-over:
			return nil
		}
		i := int(seq) % len(frames)
		binary.BigEndian.PutUint64(frames[i][places[i]:], seq)
		if err := h.send(frames[i]); err != nil {
			return err
		}
	}
}

// settle makes room as transactions settle.
func (h *hostile) settle(room chan<- struct{}) error {
	for {
		msg, err := h.next()
		if err != nil {
			return err
		}
		if kind, err := wire.TypeOf(msg); err != nil || kind != wire.TypeSettled {
			continue
		}
		m, err := wire.DecodeSettled(msg, wire.Limits{})
		if err != nil {
			return err
		}
		for range len(m.Committed) + len(m.Rejected) {
			room <- struct{}{}
		}
	}
}

// overrun writes without waiting for anything, until the hub ends it.
func (h *hostile) overrun(op []byte) error {
	go h.discard()
	const batch = 512
	frame, at := h.transaction(op)
	frames := bytes.Repeat(frame, batch)
	for seq := uint64(firstSeq); ; seq += batch {
		for i := range batch {
			binary.BigEndian.PutUint64(frames[i*len(frame)+at:], seq+uint64(i))
		}
		if err := h.send(frames); err != nil {
			return err
		}
		h.sent.Add(batch - 1)
	}
}

// resubscribe takes a table's snapshot again and again.
func (h *hostile) resubscribe() error {
	go h.discard()
	table := []wire.Sub{{Name: "entity"}}
	for id := uint64(1); ; id += 2 {
		add, remove := wire.Subscribe{ID: id, Add: table}, wire.Subscribe{ID: id + 1, Remove: table}
		if err := h.send(append(frameOf(add.Append(nil)), frameOf(remove.Append(nil))...)); err != nil {
			return err
		}
	}
}

// row makes an op that writes one value.
func (h *hostile) row(table string, kind wire.OpKind, column int, v int64) []byte {
	g := wire.Grid{Stride: 2, Values: []wire.Value{wire.IntegerValue(9001), wire.IntegerValue(v)}}
	return wire.AppendOp(nil, kind, wire.AppendBlock(nil, h.table(table), []int{0, column}, nil, g, nil))
}

// largeEntities makes an op of as many rows and nearly as many bytes as a
// transaction may have, of rows that no honest device has.
func (h *hostile) largeEntities(turn int) []byte {
	g := wire.Grid{Stride: 8}
	for i := range wire.DefaultRowLimit {
		v := wire.RealValue(float64(i*turn) / 3)
		g.Values = append(g.Values, wire.IntegerValue(int64(1000+i)), v, v, v, v, wire.IntegerValue(9), wire.IntegerValue(int64(i*turn)), wire.TextValue(fmt.Sprint("hostile", turn, i)))
	}
	return wire.AppendOp(nil, wire.OpPut, wire.AppendBlock(nil, h.table("entity"), []int{0, 1, 2, 3, 4, 5, 6, 7}, nil, g, nil))
}

func (h *hostile) largeAccounts(turn int) []byte {
	g := wire.Grid{Stride: 2}
	for i := range wire.DefaultRowLimit {
		g.Values = append(g.Values, wire.IntegerValue(int64(1000+i)), wire.IntegerValue(int64(100+turn)))
	}
	return wire.AppendOp(nil, wire.OpUpdate, wire.AppendBlock(nil, h.table("account"), []int{0, 1}, nil, g, nil))
}

func clock() []byte {
	c := wire.Clock{Echo: wire.IntegerValue(1)}
	return c.Append(nil)
}

// bomb makes a small message that is as large as one may be when it is unpacked: a
// clock's, with more behind it than the hub knows.
func bomb() []byte {
	msg := []byte{0x83, byte(wire.TypeClock), 1, 0x5a}
	n := wire.DefaultMessageLimit - len(msg) - 4
	msg = append(binary.BigEndian.AppendUint32(msg, uint32(n)), make([]byte, n)...)
	return wire.Pack(nil, msg)
}

func (h *hostile) piece() []byte {
	p := wire.ReadPiece{ID: 1, Table: h.table("page"), Key: []wire.Value{wire.IntegerValue(1)}, Column: 1}
	return p.Append(nil)
}
