package loadtest

import (
	"context"

	"framehub/session"
	"framehub/session/wire"
)

// A connection is what a device reaches the hub by.
type connection interface {
	// write sends a write of a writer's, by its place in the script. The error ends the device.
	write(ctx context.Context, w *writer, i int) error

	sendEvent(ctx context.Context, e *wire.SendEvent) error
	subscribe(ctx context.Context, add, remove wire.Sub) error

	leave() // ends it with a goodbye
	drop()  // ends it at once
}

// A single connection is lost for good when the network or the hub ends it. What comes is
// counted, and decoded for an observer alone.
type single struct {
	*session.Client
	moves   uint64           // changes of subscriptions
	scratch scratch          // the writing goroutine's own
	replica *session.Replica // nil: nobody keeps a copy
}

// dialSingle connects a guest and begins to read.
func (r *run) dialSingle(sessions context.Context, d *device, g *guest) error {
	hello := g.hello()
	c, err := session.Dial(sessions, r.opts.URL, session.ClientOptions{Hello: hello, Token: r.opts.Token})
	if err != nil {
		return err
	}
	s := &single{Client: c}
	if o := g.observer; o != nil {
		s.replica = session.NewReplica(session.ReplicaOptions{Strict: true, OnRows: o.onRows})
		o.view = s.replica
		if err := s.replica.Hello(&hello, &c.Hello); err != nil {
			c.Drop()
			return err
		}
	}
	d.conn, d.hello = s, c.Hello
	r.attend(d, func() error { return s.read(sessions, d) })
	return nil
}

// read reads until the session ends.
func (s *single) read(ctx context.Context, d *device) error {
	var buf []byte
	if s.replica == nil {
		buf = make([]byte, 0, 4<<10) // a copy may keep what it is given
	}
	for {
		raw, err := s.NextRaw(ctx, buf)
		if err != nil {
			return err
		}
		if buf != nil {
			buf = raw.Data
		}
		if err := s.take(d, &raw); err != nil {
			return err
		}
	}
}

func (s *single) take(d *device, raw *session.Raw) error {
	if raw.Type == wire.TypeGoodbye {
		m, err := wire.DecodeGoodbye(raw.Data, wire.Limits{})
		if err != nil {
			return err
		}
		return &session.ClosedError{Goodbye: m}
	}
	if err := d.take(raw); err != nil {
		return err
	}
	if err := s.place(raw.Data); err != nil {
		return err
	}
	if raw.Type == wire.TypeSnapshotEnd {
		d.snapshotEnded()
	}
	return nil
}

func (s *single) place(msg []byte) error {
	if s.replica == nil {
		return nil
	}
	m, err := session.DecodeMessage(msg, wire.DefaultMessageLimit)
	if err != nil {
		return err
	}
	return s.replica.Take(m)
}

func (s *single) write(ctx context.Context, w *writer, i int) error {
	kind, places := w.places(i)
	op := w.layout.op(&s.scratch, kind, places, w.stamp(i))
	return s.Write(ctx, wire.WriteHeader{Seq: w.seq + uint64(i), SchemaVersion: w.layout.schema}, [][]byte{op})
}

func (s *single) sendEvent(ctx context.Context, e *wire.SendEvent) error { return s.SendEvent(ctx, e) }

func (s *single) subscribe(ctx context.Context, add, remove wire.Sub) error {
	s.moves++
	return s.Subscribe(ctx, &wire.Subscribe{ID: s.moves, Add: []wire.Sub{add}, Remove: []wire.Sub{remove}})
}

func (s *single) leave() { s.Close() }
func (s *single) drop()  { s.Drop() }
