package session_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// A miniature hub has one table, score, with two rows, and commits whatever it
// is sent without looking. The real one is package hub.
type miniature struct {
	mu   sync.Mutex
	sess *session.Session
	out  [][]byte // guarded by mu: to be written
	last uint64   // the version; the read loop's
}

var miniatureSchema = wire.Schema{Version: 1, Tables: []wire.SchemaTable{{
	Number: 1, Name: "score", KeyLength: 1, Scope: -1, Rights: wire.RightRead | wire.RightInsert | wire.RightUpdate, Class: "durable",
	Columns: []wire.SchemaColumn{{Name: "player", Type: "TEXT"}, {Name: "points", Type: "INTEGER"}},
}}}

func (m *miniature) say(messages ...session.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, msg := range messages {
		m.out = append(m.out, msg.Append(nil))
	}
	m.sess.Wake()
}

// Tick implements session.Handler: every frame is closed already.
func (m *miniature) Tick(n uint64) (*wire.Refusal, error) {
	m.say(&wire.Tick{N: n, Answer: true, Version: m.last})
	return nil, nil
}

// Next implements session.Handler: what there is to write.
func (m *miniature) Next(dst [][]byte) [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	dst = append(dst, m.out...)
	m.out = nil
	return dst
}

// Write implements session.Handler.
func (m *miniature) Write(w *wire.Write, _ *wire.Refusal, _ int) error {
	version := w.Seq
	m.last = version
	changed := []wire.Block{w.Ops[0].Block}
	m.say(
		&wire.Frame{Version: version, Previous: version - 1, Changed: changed, All: true},
		&wire.Settled{Version: version, Committed: []uint64{w.Seq}},
	)
	return nil
}

func (*miniature) Subscribe(*wire.Subscribe) error { return nil }
func (*miniature) Admit(int) error                 { return nil }
func (*miniature) ReadPiece(*wire.ReadPiece) error { return nil }
func (*miniature) Will(*wire.Will, int) (*wire.Refusal, error) {
	return wire.Refuse(wire.CodeUnavailable, "there are no last wills"), nil
}
func (*miniature) Version() uint64 { return 0 }

// Event implements session.Handler.
func (m *miniature) Event(e *wire.SendEvent, refused *wire.Refusal) *wire.Refusal {
	m.say(&wire.Event{From: make([]byte, wire.UUIDSize), Version: 1, Name: e.Name, Value: e.Value})
	return refused
}

// serve answers the hello with the table and its rows, and runs the session.
func (m *miniature) serve(w http.ResponseWriter, r *http.Request) {
	s, err := session.Accept(w, r, session.Options{})
	if err != nil {
		return // Accept has answered
	}
	if _, err := s.Hello(); err != nil {
		s.Refuse(wire.AsError(err))
		return
	}
	m.sess = s
	rows := block(1, []int{0, 1}, session.Values("ada", 1), session.Values("grace", 2))
	m.say(
		&wire.HubHello{Device: make([]byte, wire.UUIDSize), Epoch: []byte("e"), SettledKnown: true, Schema: &miniatureSchema},
		&wire.Snapshot{Blocks: []wire.Block{rows}}, &wire.SnapshotEnd{},
	)
	_ = s.Run(m) // nil: the device has left
}

// startHub stands for the address of your hub.
func startHub() (url string, stop func()) {
	server := httptest.NewServer(http.HandlerFunc(new(miniature).serve))
	return server.URL, server.Close
}

// A device keeps a copy of its tables, for as long as Run runs.
func ExampleDevice() {
	url, stop := startHub()
	defer stop()

	live := make(chan struct{})
	device, err := session.NewDevice(session.DeviceOptions{
		URL:    url, // ws://127.0.0.1:8080, say
		OnLive: func() { close(live) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := device.Run(ctx); err != nil {
			fmt.Println(err)
		}
	})

	<-live
	device.View(func(c *session.Copy) {
		row, _ := c.Table("score").Get(session.Values("grace")...)
		fmt.Println("grace has", row.Get("points"))
	})

	cancel()
	running.Wait()
	// Output:
	// grace has 2
}

// A transaction names tables and columns, and is applied once, whatever happens
// to the connection meanwhile.
func ExampleDevice_Do() {
	url, stop := startHub()
	defer stop()
	device, _ := session.NewDevice(session.DeviceOptions{URL: url})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	var running sync.WaitGroup
	running.Go(func() { _ = device.Run(ctx) })

	tx := new(session.Tx).Put("score", []string{"player", "points"}, session.Values("ada", 100), session.Values("alan", 5))
	outcome, err := device.Do(ctx, tx)
	switch {
	case err != nil:
		fmt.Println("not known:", err)
	case outcome.Err != nil:
		fmt.Println("refused:", outcome.Err)
	default:
		fmt.Println("committed in version", outcome.Version)
	}

	cancel()
	running.Wait()
	// Output:
	// committed in version 1
}

// A game server makes the hub's frames those of its own physics: it looks at the
// world, decides, writes, and closes the frame. When Tick returns, the copy has
// what came of it, and what all others wrote until then.
func ExampleDevice_Tick() {
	url, stop := startHub()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	live := make(chan struct{})
	server, _ := session.NewDevice(session.DeviceOptions{
		URL:    url,
		Client: session.ClientOptions{Hello: wire.DeviceHello{Role: "server"}},
		OnLive: func() { close(live) },
	})
	var running sync.WaitGroup
	running.Go(func() { _ = server.Run(ctx) })
	<-live

	step := time.NewTicker(time.Second / 60)
	for range 3 {
		<-step.C
		var points int64
		server.View(func(c *session.Copy) {
			row, _ := c.Table("score").Get(session.Values("ada")...)
			points = row.Get("points").Int64()
		})
		_ = server.Submit(new(session.Tx).Put("score", []string{"player", "points"}, session.Values("ada", 2*points)), nil)
		version, err := server.Tick(ctx)
		fmt.Println("version", version, err, "began with", points)
	}

	cancel()
	running.Wait()
	// Output:
	// version 1 <nil> began with 1
	// version 2 <nil> began with 2
	// version 3 <nil> began with 4
}

// What changes is told table by table, when all of a frame is in place.
func ExampleDeviceOptions_watch() {
	url, stop := startHub()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var device *session.Device
	device, _ = session.NewDevice(session.DeviceOptions{
		URL:  url,
		Subs: []wire.Sub{{Name: "score"}},
		OnLive: func() {
			_ = device.Submit(new(session.Tx).Put("score", []string{"player", "points"}, session.Values("ada", 100)), nil)
		},
		OnRows: func(rows session.Rows) {
			for _, row := range rows.Changed {
				fmt.Println(rows.Version, rows.Table.Name, row.Get("player"), row.Get("points"))
			}
		},
		OnSettled: func(session.Outcome) { cancel() },
	})
	_ = device.Run(ctx)
	// Output:
	// 0 score "ada" 1
	// 0 score "grace" 2
	// 1 score "ada" 100
}

// An event is told to who is there, and kept by nobody.
func ExampleDevice_SendEvent() {
	url, stop := startHub()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var device *session.Device
	device, _ = session.NewDevice(session.DeviceOptions{
		URL: url,
		OnLive: func() {
			_ = device.SendEvent(&wire.SendEvent{To: wire.ToRole("server"), Name: "ask", Value: wire.One(wire.TextValue("what time is it?"))})
		},
		OnEvent: func(e *wire.Event) { // the hub of these examples sends everything back
			fmt.Println(e.Name, e.Value.Values)
			cancel()
		},
	})
	_ = device.Run(ctx)
	// Output:
	// ask ["what time is it?"]
}

// Dial is one connection and nothing else: messages come as the hub sends them.
func (m *miniature) SQL(*wire.SQL, int) *wire.Refusal {
	return wire.Refuse(wire.CodeForbidden, "no SQL here")
}

func ExampleDial() {
	url, stop := startHub()
	defer stop()
	ctx := context.Background()
	client, err := session.Dial(ctx, url, session.ClientOptions{Hello: wire.DeviceHello{Client: "example"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	for _, table := range client.Hello.Schema.Tables {
		fmt.Println("table", table.Number, table.Name)
	}
	for {
		m, err := client.Next(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		switch m := m.(type) {
		case *wire.Snapshot:
			for _, b := range m.Blocks {
				for row := range b.N {
					fmt.Println(b.Row(nil, row))
				}
			}
		case *wire.SnapshotEnd:
			return
		}
	}
	// Output:
	// table 1 score
	// ["ada" 1]
	// ["grace" 2]
}
