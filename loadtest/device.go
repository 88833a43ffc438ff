package loadtest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// A device is one session with the hub. Its reading goroutine is run's child.
type device struct {
	// Set by dial, never changed after.
	run      *run
	name     string
	began    time.Time // to dial
	client   *session.Client
	watches  bool          // what comes to it is counted
	observer *observer     // nil: it counts what comes
	ready    chan struct{} // closed once its snapshot has come whole
	over     chan struct{} // closed once it is read no more
	end      error         // with over: why

	writer  atomic.Pointer[writer] // nil: it only watches
	entered atomic.Int64           // when it last asked for another zone's rows, since the run's base; 0: it has them

	// The writing goroutine's own.
	zone    int64
	moves   uint64
	leaving atomic.Bool // its end is no failure

	// The reading goroutine's own.
	told  uint64          // the newest version that it was told
	frame uint64          // the version of the last frame
	came  time.Time       // when it came
	last  map[int64]int64 // by sender: the number of the last event
}

// dial connects a guest and begins to read. With an observer it decodes what comes.
func (r *run) dial(sessions context.Context, g *guest) (*device, error) {
	hello := wire.DeviceHello{SubsSet: !g.watches || len(g.subs) > 0, Subs: g.subs, Client: "framehub loadtest"}
	began := time.Now()
	c, err := session.Dial(sessions, r.opts.URL, session.ClientOptions{Hello: hello, Token: r.opts.Token})
	if err != nil {
		return nil, err
	}
	o := g.observer
	if o != nil {
		if err := o.begin(&hello, &c.Hello); err != nil {
			c.Drop()
			return nil, err
		}
	}
	d := &device{
		run: r, name: g.name, began: began, client: c, watches: g.watches, observer: o,
		ready: make(chan struct{}), over: make(chan struct{}), last: map[int64]int64{},
	}
	r.enter(d)
	r.readers.Go(func() {
		defer close(d.over)
		d.end = d.read(sessions)
		if o != nil {
			o.over.Store(true)
		}
		r.exit(d, d.end)
	})
	return d, nil
}

// read reads until the session ends.
func (d *device) read(sessions context.Context) error {
	var buf []byte
	if d.observer == nil {
		buf = make([]byte, 0, 4<<10) // an observer's copy may keep what it is given
	}
	for {
		raw, err := d.client.NextRaw(sessions, buf)
		if err != nil {
			return err
		}
		if buf != nil {
			buf = raw.Data
		}
		if err := d.take(&raw); err != nil {
			return err
		}
	}
}

func (d *device) take(raw *session.Raw) error {
	if d.watches {
		d.run.watched.Add(int64(len(raw.Data)))
	}
	switch raw.Type {
	case wire.TypeFrame:
		return d.takeFrame(raw)
	case wire.TypeSettled:
		return d.takeSettled(raw.Data, time.Now())
	case wire.TypeSnapshotEnd:
		return d.takeSnapshotEnd(raw)
	case wire.TypeEvent:
		return d.hear(raw.Data, time.Now())
	case wire.TypeGoodbye:
		m, err := wire.DecodeGoodbye(raw.Data, wire.Limits{})
		if err != nil {
			return err
		}
		return &session.ClosedError{Goodbye: m}
	default:
		return d.observe(raw)
	}
}

// takeFrame looks at the order of versions. Parts of one frame share both of
// theirs.
func (d *device) takeFrame(raw *session.Raw) error {
	if d.watches {
		d.run.frameBytes.Add(int64(len(raw.Data)))
	}
	if raw.Previous > d.told {
		d.run.gaps.Add(1)
	}
	if raw.Version < d.frame {
		d.run.reordered.Add(1)
	}
	if err := d.observe(raw); err != nil {
		return err
	}
	if d.observer != nil {
		d.run.decodedBytes.Add(int64(len(raw.Data)))
		d.pace(raw.Version, time.Now())
	}
	d.frame = raw.Version
	d.told = max(d.told, raw.Version)
	return nil
}

// pace takes the time from one version to the next.
func (d *device) pace(version uint64, now time.Time) {
	if version == d.frame {
		return // another part of the same
	}
	if version == d.frame+1 && d.run.measures(d.came.Sub(d.run.base)) {
		d.run.intervals.record(now.Sub(d.came))
	}
	d.came = now
}

func (d *device) takeSettled(msg []byte, now time.Time) error {
	m, err := wire.DecodeSettled(msg, wire.Limits{})
	if err != nil {
		return err
	}
	w := d.writer.Load()
	if w == nil {
		return fmt.Errorf("the hub settles transactions of a device that sent none")
	}
	return w.settle(&m, now)
}

func (d *device) takeSnapshotEnd(raw *session.Raw) error {
	m, err := wire.DecodeSnapshotEnd(raw.Data, wire.Limits{})
	switch {
	case err != nil:
		return err
	case m.Refused != nil:
		return fmt.Errorf("the hub refuses the subscription: %w", m.Refused)
	}
	if err := d.observe(raw); err != nil {
		return err
	}
	d.told = max(d.told, m.Version)
	select {
	case <-d.ready:
		if at := d.entered.Swap(0); at > 0 {
			d.run.enters.record(time.Since(d.run.base) - time.Duration(at))
		} else {
			d.run.resnapshots.Add(1)
		}
	default:
		d.run.joins.record(time.Since(d.began))
		close(d.ready)
	}
	return nil
}

func (d *device) observe(raw *session.Raw) error {
	if d.observer == nil {
		return nil
	}
	return d.observer.take(raw.Data)
}

// leave says goodbye and waits until the session is over.
func (d *device) leave() {
	d.leaving.Store(true)
	d.client.Close()
	<-d.over
}
