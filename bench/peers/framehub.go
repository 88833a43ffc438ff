package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"framehub/session/wire"
)

// framehub is the hub, durable for every frame.
type framehub struct{ program, folder string }

const framehubSchema = `CREATE TABLE entity (id INTEGER PRIMARY KEY, x REAL, y REAL, z REAL, w REAL) STRICT;`

// create makes a folder with the schema, unless there is one.
func (f *framehub) create() (err error) {
	if f.folder != "" {
		return nil
	}
	if f.folder, err = os.MkdirTemp("", "framehub-peers-"); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.folder, "schema.sql"), []byte(framehubSchema), 0o600)
}

func (f *framehub) start(hz float64) (*process, error) {
	if err := f.create(); err != nil {
		return nil, err
	}
	return startProcess("devices", exec.Command(f.program, "--log-level", "warn", "serve", //nolint:gosec,noctx // what --framehub names; kill ends it
		"--db", filepath.Join(f.folder, "world.db"), "--schema", filepath.Join(f.folder, "schema.sql"),
		"--frame-hz", strconv.FormatFloat(hz, 'g', -1, 64), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"))
}

// clear removes the folder with the database.
func (f *framehub) clear() error {
	folder := f.folder
	f.folder = ""
	return os.RemoveAll(folder)
}

func (f *framehub) join(ctx context.Context, p *process, number int) (client, error) {
	s, err := dial(ctx, p.at, wire.Subprotocol)
	if err != nil {
		return nil, err
	}
	c := &framehubClient{socket: s, number: number}
	if err := c.greet(ctx); err != nil {
		s.close()
		return nil, err
	}
	return c, nil
}

type framehubClient struct {
	*socket
	number      int
	schema, seq uint64
	table       int
	op, block   []byte
	values      []wire.Value
}

func (c *framehubClient) greet(ctx context.Context) error {
	hello := wire.DeviceHello{SubsSet: true, Subs: []wire.Sub{{Name: "entity"}}, MaxMessage: 1 << 20, Client: "framehub bench/peers"}
	if err := c.write(ctx, hello.Append(nil)); err != nil {
		return err
	}
	msg, err := c.message(ctx)
	if err != nil {
		return err
	}
	answer, err := wire.DecodeHubHello(msg, wire.Limits{})
	if err != nil {
		return err
	}
	for _, t := range answer.Schema.Tables {
		if t.Name == "entity" {
			c.table, c.schema = t.Number, answer.Schema.Version
			return nil
		}
	}
	return fmt.Errorf("the hub has no table entity")
}

func (c *framehubClient) send(ctx context.Context, p pose) error {
	c.values = append(c.values[:0], wire.IntegerValue(int64(c.number)))
	for _, f := range p {
		c.values = append(c.values, wire.RealValue(float64(f)))
	}
	c.block = wire.AppendBlock(c.block[:0], c.table, []int{0, 1, 2, 3, 4}, nil, wire.Grid{Stride: 5, Values: c.values}, nil)
	c.op = wire.AppendOp(c.op[:0], wire.OpPut, c.block)
	c.seq++
	c.out = wire.AppendWrite(c.out[:0], wire.WriteHeader{Seq: c.seq, SchemaVersion: c.schema}, [][]byte{c.op})
	return c.write(ctx, c.out)
}

func (c *framehubClient) read(ctx context.Context, see func(x float32)) ([]byte, error) {
	msg, err := c.message(ctx)
	if err != nil {
		return nil, err
	}
	switch kind, err := wire.TypeOf(msg); {
	case err != nil:
		return nil, err
	case kind == wire.TypeGoodbye:
		bye, err := wire.DecodeGoodbye(msg, wire.Limits{})
		return nil, fmt.Errorf("the hub ends the session: %s (%w)", bye.Text, err)
	case kind == wire.TypeSettled:
		return msg, refused(msg)
	case kind != wire.TypeFrame:
		return msg, nil
	}
	frame, err := wire.DecodeFrame(msg, wire.Limits{Message: len(msg)})
	if err != nil {
		return nil, err
	}
	for i := range frame.Changed {
		b := &frame.Changed[i]
		for row := range b.N {
			if x := b.Value(1, row); x.Finite() && !x.IsNull() {
				see(float32(x.Float64()))
			}
		}
	}
	return msg, nil
}

// refused is an error where the hub has refused a write: this load is all legal.
func refused(msg []byte) error {
	m, err := wire.DecodeSettled(msg, wire.Limits{})
	if err == nil && len(m.Rejected) > 0 {
		err = fmt.Errorf("the hub refuses a write: %v", m.Rejected[0])
	}
	return err
}
