package loadtest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// A device is one session with the hub, or with a [lasting] connection those that
// follow one another.
type device struct {
	// Set by dial, never changed after.
	run      *run
	name     string
	began    time.Time // to dial
	conn     connection
	hello    wire.HubHello // the hub's first
	watches  bool          // what comes to it is counted
	observer *observer     // nil: nobody keeps a copy
	ready    chan struct{} // closed once its snapshot has come whole
	over     chan struct{} // closed once it is read no more
	end      error         // with over: why

	writer  atomic.Pointer[writer] // nil: it only watches
	entered atomic.Int64           // when it last asked for another zone's rows, since the run's base; 0: it has them

	// The writing goroutine's own.
	zone    int64
	leaving atomic.Bool // its end is no failure

	// The reading goroutine's own.
	told  uint64          // the newest version that it was told
	frame uint64          // the version of the last frame
	came  time.Time       // when it came
	last  map[int64]int64 // by sender: the number of the last event
}

// dial connects a guest and begins to read.
func (r *run) dial(sessions context.Context, g *guest) (*device, error) {
	d := &device{
		run: r, name: g.name, began: time.Now(), watches: g.watches, observer: g.observer,
		ready: make(chan struct{}), over: make(chan struct{}), last: map[int64]int64{},
	}
	connect := r.dialSingle
	if r.opts.lasts() {
		connect = r.dialLasting
	}
	return d, connect(sessions, d, g)
}

// attend takes a connected device in, and reads until its connection is over.
func (r *run) attend(d *device, read func() error) {
	r.enter(d)
	r.readers.Go(func() {
		defer close(d.over)
		d.end = read()
		if d.observer != nil {
			d.observer.over.Store(true)
		}
		r.exit(d, d.end)
	})
}

// take counts a message, before it is put in place.
func (d *device) take(raw *session.Raw) error {
	if d.watches {
		d.run.watched.Add(int64(len(raw.Data)))
	}
	switch raw.Type {
	case wire.TypeFrame:
		d.takeFrame(raw, time.Now())
		return nil
	case wire.TypeSettled:
		return d.takeSettled(raw.Data, time.Now())
	case wire.TypeSnapshotEnd:
		return d.takeSnapshotEnd(raw.Data)
	case wire.TypeEvent:
		return d.hear(raw.Data, time.Now())
	default:
		return nil
	}
}

// takeFrame looks at the order of versions. Parts of one frame share both of
// theirs.
func (d *device) takeFrame(raw *session.Raw, now time.Time) {
	if d.watches {
		d.run.frameBytes.Add(int64(len(raw.Data)))
	}
	if raw.Previous > d.told {
		d.run.gaps.Add(1)
	}
	if raw.Version < d.frame {
		d.run.reordered.Add(1)
	}
	if d.observer != nil {
		d.run.decodedBytes.Add(int64(len(raw.Data)))
		d.pace(raw.Version, now)
	}
	d.frame = raw.Version
	d.told = max(d.told, raw.Version)
}

// pace takes the time from one version to the next.
func (d *device) pace(version uint64, now time.Time) {
	if version == d.frame {
		return // another part of the same
	}
	if version == d.frame+1 && d.observer.times && d.run.measures(d.came.Sub(d.run.base)) {
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
		return errors.New("the hub settles transactions of a device that sent none")
	}
	return w.settle(&m, now)
}

func (d *device) takeSnapshotEnd(msg []byte) error {
	m, err := wire.DecodeSnapshotEnd(msg, wire.Limits{})
	switch {
	case err != nil:
		return err
	case m.Refused != nil:
		return fmt.Errorf("the hub refuses the subscription: %w", m.Refused)
	}
	d.told = max(d.told, m.Version)
	return nil
}

// snapshotEnded is called when what the device subscribes to is in place.
func (d *device) snapshotEnded() {
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
}

// leave says goodbye and waits until the session is over.
func (d *device) leave() {
	d.leaving.Store(true)
	d.conn.leave()
	<-d.over
}
