package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/lxzan/gws"
)

// A relay is a server that keeps nothing: at each tick it sends what has come to
// everybody, as records of 18 bytes, which is what the hub's frames take for a
// row: its key in 16 bits and its floats.
type relay struct{ library string }

const record = 2 + 16

func (r *relay) start(hz float64) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startProcess("listening", exec.Command(self, "relay", r.library, strconv.FormatFloat(hz, 'g', -1, 64))) //nolint:gosec,noctx // this very program; kill ends it
}

func (r *relay) clear() error { return nil }

func (r *relay) join(ctx context.Context, p *process, number int) (client, error) {
	s, err := dial(ctx, p.at)
	return &relayClient{socket: s, number: number}, err
}

type relayClient struct {
	*socket
	number int
}

func (c *relayClient) send(ctx context.Context, p pose) error {
	c.out = p.append(binary.LittleEndian.AppendUint16(c.out[:0], uint16(c.number))) //nolint:gosec // below 1,024
	return c.write(ctx, c.out)
}

func (c *relayClient) read(ctx context.Context, see func(x float32)) ([]byte, error) {
	msg, err := c.message(ctx)
	if err != nil {
		return nil, err
	}
	for at := 0; at+record <= len(msg); at += record {
		see(floatAt(msg[at+2:]))
	}
	return msg, nil
}

// A room is what has come to a relay since the last tick.
type room struct {
	mu      sync.Mutex
	batch   []byte
	members map[chan<- []byte]bool
}

func (r *room) take(msg []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(msg) == record {
		r.batch = append(r.batch, msg...)
	}
}

func (r *room) enter(c chan<- []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[c] = true
}

func (r *room) leave(c chan<- []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, c)
}

// tick sends the batch to everybody. Who has not taken the last ones loses it.
func (r *room) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.batch) == 0 {
		return
	}
	for c := range r.members {
		select {
		case c <- r.batch:
		default:
		}
	}
	r.batch = make([]byte, 0, cap(r.batch))
}

func (r *room) run(hz float64) {
	for range time.Tick(time.Duration(float64(time.Second) / hz)) {
		r.tick()
	}
}

const mailbox = 16 // batches that a member of a room may be behind

// runRelay serves until it is killed.
func runRelay(args []string) int {
	if err := serveRelay(args); err != nil {
		fmt.Fprintln(os.Stderr, "peers relay:", err)
		return 1
	}
	return 0
}

func serveRelay(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: peers relay coder|gws HZ")
	}
	hz, err := strconv.ParseFloat(args[1], 64)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // the process ends with it
	if err != nil {
		return err
	}
	r := &room{members: map[chan<- []byte]bool{}}
	handler := http.HandlerFunc(r.serveCoder)
	if args[0] == "gws" {
		handler = r.serveGWS()
	}
	go r.run(hz) // as long as the process
	_, _ = fmt.Printf("listening ws://%s/\n", l.Addr())
	return http.Serve(l, handler) //nolint:gosec // loopback, without an end
}

func (r *room) serveCoder(w http.ResponseWriter, req *http.Request) {
	ws, err := websocket.Accept(w, req, nil)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	batches := make(chan []byte, mailbox)
	var writing sync.WaitGroup
	writing.Go(func() {
		for b := range batches {
			if ws.Write(ctx, websocket.MessageBinary, b) != nil {
				return
			}
		}
	})
	r.enter(batches)
	buf := make([]byte, 0, 64)
	for {
		_, body, err := ws.Reader(ctx)
		if err != nil {
			break
		}
		msg, err := readAll(body, &buf)
		if err != nil {
			break
		}
		r.take(msg)
	}
	r.leave(batches)
	cancel()
	close(batches)
	writing.Wait()
	_ = ws.CloseNow() // it has ended
}

// A gwsMember is a connection's side of gws.
type gwsMember struct {
	gws.BuiltinEventHandler
	room *room
}

func (m *gwsMember) OnMessage(_ *gws.Conn, msg *gws.Message) {
	m.room.take(msg.Bytes())
	_ = msg.Close() // never fails
}

func (r *room) serveGWS() http.HandlerFunc {
	up := gws.NewUpgrader(&gwsMember{room: r}, nil)
	return func(w http.ResponseWriter, req *http.Request) {
		ws, err := up.Upgrade(w, req)
		if err != nil {
			return
		}
		batches := make(chan []byte, mailbox)
		var writing sync.WaitGroup
		writing.Go(func() {
			for b := range batches {
				if ws.WriteMessage(gws.OpcodeBinary, b) != nil {
					return
				}
			}
		})
		r.enter(batches)
		ws.ReadLoop()
		r.leave(batches)
		close(batches)
		writing.Wait()
	}
}
