package loadtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// silence is how long a device with a lasting connection hears nothing before it gives the
// connection up: a hub says something each second, or answers when it is asked.
const silence = 3 * time.Second

// A lasting connection comes back when it is lost: it is the Go client that others use, too,
// which resumes, and sends again what has no outcome. What the client is told is counted
// beside it, so that it is not believed in what it is to show.
type lasting struct {
	run    *run
	device *device
	client *session.Device
	line   *line // where it is flaky
	stop   context.CancelFunc

	met    chan struct{} // closed when the hub has first greeted the device
	failed chan error    // gets why a connection failed before

	// The reading goroutine's own.
	greeted   bool   // since the connection was last lost
	answering bool   // the hello's subscriptions are still to come
	coming    bool   // it was greeted again, and does not have everything yet
	until     uint64 // with coming: the version that it must come to
	fault     error  // what the hub must not say; the device ends by it

	mu     sync.Mutex // guards the following
	lostAt time.Time  // when its connection was lost; zero: it wasn't
}

// dialLasting connects a guest, and reads from then on. Before the load begins, a hub that
// can't be reached is an error; after that it is tried again for a while.
func (r *run) dialLasting(sessions context.Context, d *device, g *guest) error {
	hello := g.hello()
	l := &lasting{run: r, device: d, line: g.line, met: make(chan struct{}), failed: make(chan error, 1)}
	o := session.DeviceOptions{
		URL: r.opts.URL, Client: session.ClientOptions{Hello: wire.DeviceHello{Client: hello.Client}, Token: r.opts.Token},
		Strict: true, Silence: silence,
		OnRaw: l.onRaw, OnHello: l.onHello, OnLive: l.onLive, OnFrame: l.arrive, OnDown: l.onDown,
	}
	if hello.SubsSet {
		o.Subs = append([]wire.Sub{}, hello.Subs...) // none is nothing, and not everything
	}
	if d.observer != nil {
		o.OnRows = d.observer.onRows
	}
	if l.line != nil {
		o.Client.HTTPClient = l.line.client()
	}
	var err error
	if l.client, err = session.NewDevice(o); err != nil {
		return err
	}
	if d.observer != nil {
		d.observer.view = l.client
	}
	ctx, stop := context.WithCancel(sessions)
	l.stop, d.conn = stop, l
	r.attend(d, func() error {
		defer stop()
		err := l.client.Run(ctx)
		if l.line != nil {
			l.line.end()
		}
		l.found() // it is not away any more: it is gone
		return cmp.Or(l.fault, err)
	})
	return l.meet()
}

// meet waits for the first greeting.
func (l *lasting) meet() error {
	late := time.NewTimer(l.run.opts.Patience)
	defer late.Stop()
	for {
		var err error
		select {
		case <-l.met:
			return nil
		case <-l.device.over:
			return l.device.end
		case err = <-l.failed:
			if l.run.begun.Load() {
				continue // the hub may have been killed
			}
		case <-late.C:
			err = errors.New("the hub can't be reached")
		}
		l.device.leave()
		return err
	}
}

// onRaw counts a message. What the hub must not say ends the device.
func (l *lasting) onRaw(raw session.Raw) {
	if l.fault != nil {
		return
	}
	if err := l.device.take(&raw); err != nil {
		l.end(err)
	} else if raw.Type == wire.TypeSnapshotEnd && !l.answering {
		l.device.snapshotEnded()
	}
}

func (l *lasting) end(fault error) {
	l.fault = fault
	l.stop()
}

func (l *lasting) onHello(h *wire.HubHello) {
	d := l.device
	l.greeted, l.answering = true, true
	select {
	case <-l.met:
	default:
		d.hello = *h
		close(l.met)
		return
	}
	if err := l.recall(h); err != nil {
		l.end(err)
		return
	}
	l.coming, l.until = true, h.Version
	l.client.View(func(c *session.Copy) { d.told = c.Version })
	if d.watches {
		l.run.returns.resumes(h.Resumed, h.Version > d.told)
	}
	if !h.Resumed {
		d.frame = 0 // a snapshot may be older
	}
	l.run.returns.connects.Add(1)
}

// recall compares what the hub knows, now that it is there again, with what it has told.
func (l *lasting) recall(h *wire.HubHello) error {
	d := l.device
	switch {
	case !bytes.Equal(h.Epoch, d.hello.Epoch):
		return errors.New("the hub came back with another history")
	case h.Version < d.told:
		return fmt.Errorf("the hub came back at version %d, and had told of version %d", h.Version, d.told)
	}
	if w := d.writer.Load(); w != nil {
		return w.recall(h, time.Now())
	}
	return nil
}

// onLive is called when what the hello subscribes to is in place.
func (l *lasting) onLive() {
	l.answering = false
	select {
	case <-l.device.ready:
		if l.device.entered.Load() > 0 { // its new zone came with the hello
			l.device.snapshotEnded()
		}
	default:
		l.device.snapshotEnded()
	}
	l.arrive(l.device.told)
}

// arrive is called when a version is in place.
func (l *lasting) arrive(version uint64) {
	if !l.coming || l.answering || l.device.watches && version < l.until {
		return
	}
	l.coming = false
	if away := l.found(); away > 0 {
		l.run.returns.live.record(away)
	}
}

// found notes that the device is not away any more, and returns how long it was.
func (l *lasting) found() (away time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lostAt.IsZero() {
		return 0
	}
	away, l.lostAt = time.Since(l.lostAt), time.Time{}
	l.run.returns.away.Add(-1)
	return away
}

func (l *lasting) onDown(err error, _ time.Duration) {
	select {
	case <-l.met:
	default:
		select {
		case l.failed <- err:
		default:
		}
		return
	}
	l.lose()
	if w := l.device.writer.Load(); w != nil && l.greeted {
		w.interrupt()
	}
	l.greeted, l.coming = false, false
}

// lose notes that the connection is lost, if it was not before.
func (l *lasting) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lostAt.IsZero() {
		l.lostAt = time.Now()
		l.run.returns.lost.Add(1)
		l.run.returns.away.Add(1)
	}
}

func (l *lasting) write(_ context.Context, w *writer, i int) error {
	if w.compose != nil {
		return l.client.Submit(w.compose(i), nil)
	}
	kind, places := w.places(i)
	return l.client.Submit(w.layout.tx(kind, places, w.stamp(i)), nil)
}

// sendEvent sends an event; while nobody is connected it is lost, as events are.
func (l *lasting) sendEvent(_ context.Context, e *wire.SendEvent) error {
	if err := l.client.SendEvent(e); !errors.Is(err, session.ErrEventLost) {
		return err
	}
	return nil
}

func (l *lasting) subscribe(_ context.Context, add, remove wire.Sub) error {
	return l.client.Subscribe([]wire.Sub{add}, []wire.Sub{remove}, nil)
}

func (l *lasting) leave() { l.stop() }
func (l *lasting) drop()  { l.stop() }
