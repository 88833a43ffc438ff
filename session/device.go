package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"framehub/session/wire"
)

const (
	defaultMinWait    = 250 * time.Millisecond
	defaultMaxWait    = 30 * time.Second
	defaultSilence    = 30 * time.Second
	defaultMaxPending = 1024

	// steady is how long a connection must have lasted for the next waits to begin
	// with the shortest again.
	steady = 10 * time.Second
)

var (
	// ErrForgotten is the outcome of a transaction that was sent to a hub that no
	// longer knows the device: nobody knows whether it was committed.
	ErrForgotten = errors.New("the hub has forgotten the device, and what became of its transactions")

	// ErrFull means that as many transactions are waiting as DeviceOptions.MaxPending says.
	ErrFull = errors.New("too many transactions are waiting for the hub")
)

// DeviceOptions say what a device does. The zero value of each field but URL
// means its default. Callbacks are called by Run, one at a time; they may read the
// copy that they are given and call Submit, SendEvent, Subscribe and View, and must
// not wait for the device.
type DeviceOptions struct {
	URL    string        // of the hub, as [Dial] takes it
	Client ClientOptions // Hello.Device, Epoch and Subs are the device's own to set

	// Subs are what it sees, by the names of tables; nil: every table that it may
	// read, empty: nothing. They count where State has none.
	Subs  []wire.Sub
	State *State // what another process's device left

	Strict     bool          // a broken promise of the hub's ends Run; default: it is counted
	MinWait    time.Duration // before the first try to connect again; default 250 ms
	MaxWait    time.Duration // to which the wait doubles; default 30 s
	Silence    time.Duration // after which a silent hub is left; default 30 s
	MaxPending int           // transactions that have no outcome; default 1024

	OnRaw     func(Raw)                            // a message came, of which nothing was made yet; for those who count
	OnHello   func(*wire.HubHello)                 // connected
	OnLive    func()                               // the copy is up to date, for the first time since OnHello
	OnDown    func(err error, again time.Duration) // the connection ended; when it is tried again
	OnRows    func(Rows)                           // a message changed rows of a table
	OnFrame   func(version uint64)                 // all that a frame changed is in place
	OnSettled func(Outcome)                        // of any transaction, after its own callback
	OnRefused func(*wire.Refusal)                  // the subscriptions of the hello were refused: nothing is seen
	OnHolder  func(device []byte)                  // for the role server: whose ticks close frames from now on; nil: the hub's own clock

	OnEvent        func(*wire.Event)                    // an event came; what was in place when it was sent is in the copy
	OnEventRefused func(name string, why *wire.Refusal) // an event was refused
}

// An Outcome is what became of a transaction.
type Outcome struct {
	Seq uint64 // 0: it was never sent

	// Version is at least that of the commit: what the transaction changed is in the
	// copy once its subscription is complete to it.
	Version uint64

	// Err is nil when it was committed, a [wire.Refusal] when it was refused, here or
	// by the hub, and ErrForgotten when nobody knows.
	Err error
}

// A Device is a client that keeps a copy of what it subscribes to, connects again
// when the connection is lost, and sees to it that each transaction is applied
// once. Its methods may be called from any goroutine, before, beside and after Run.
type Device struct {
	// Set by NewDevice, never changed after.
	opts    DeviceOptions
	replica *Replica
	wake    chan struct{} // has one place: there may be something to send

	live bool // Run's own: OnLive was called for this connection

	calling sync.Mutex // held while a callback is called; before any other

	mu      sync.Mutex // guards the following; taken before the replica's
	token   string
	id      []byte
	epoch   []byte
	known   bool   // a hub has settled something of the device
	seq     uint64 // the last number given to a transaction
	pending []*pendingTx
	online  bool // connected, and greeted

	submitted uint64 // transactions
	events    []pendingEvent

	limits  wire.HubLimits
	subs    []wire.Sub // in force, or to be asked for
	all     bool       // subs are every table
	changes []*subChange
	lastID  uint64 // given to a change or a read
	fetches map[uint64]*fetch
	wills   lastWills

	ticks    []*tick
	lastTick uint64
	asks     []*ask
}

// NewDevice returns a device, which does nothing before Run.
func NewDevice(o DeviceOptions) (*Device, error) {
	defaults(&o.MinWait, defaultMinWait)
	defaults(&o.MaxWait, defaultMaxWait)
	defaults(&o.Silence, defaultSilence)
	defaults(&o.MaxPending, defaultMaxPending)
	d := &Device{opts: o, wake: make(chan struct{}, 1), token: o.Client.Token, subs: slices.Clone(o.Subs), all: o.Subs == nil, fetches: map[uint64]*fetch{}}
	for i := range o.Subs {
		if o.Subs[i].Name == "" {
			return nil, fmt.Errorf("subscription %d: a device names tables", i)
		}
	}
	d.replica = NewReplica(ReplicaOptions{Strict: o.Strict, OnRows: d.rows})
	if o.State != nil {
		if err := d.restore(o.State); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func defaults[T comparable](field *T, byDefault T) {
	var zero T
	if *field == zero {
		*field = byDefault
	}
}

// Run keeps the device connected until ctx ends, then says goodbye and returns
// nil. It returns an error when the hub has ended the device in a way that a
// device does not answer by connecting again: a [ClosedError] with
// [wire.CloseReplaced], [wire.CloseUnauthorized] or [wire.CloseForbidden], or with
// [wire.CloseKicked] and no time to come back; and with Strict a [BreachError]. It
// may be called again, not twice at a time.
func (d *Device) Run(ctx context.Context) error {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		start := time.Now()
		err := d.connection(ctx)
		if d.final(err) {
			return err
		}
		if time.Since(start) > steady {
			attempt = 0
		}
		d.rest(ctx, err, d.pause(attempt, err))
	}
	return nil
}

// rest waits before the next try, unless ctx ends.
func (d *Device) rest(ctx context.Context, why error, wait time.Duration) {
	if ctx.Err() != nil {
		return
	}
	if d.opts.OnDown != nil {
		d.call(func() { d.opts.OnDown(why, wait) })
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// final says whether an error ends Run.
func (d *Device) final(err error) bool {
	if _, ok := errors.AsType[*BreachError](err); ok {
		return d.opts.Strict
	}
	e, ok := errors.AsType[*ClosedError](err)
	if !ok {
		return false
	}
	switch e.Code {
	case wire.CloseReplaced, wire.CloseUnauthorized, wire.CloseForbidden:
		return true
	case wire.CloseKicked:
		return !e.RetrySet
	default:
		return false
	}
}

// pause returns how long to wait before the next try: doubling, no less than half
// and no more than all of that, so that devices which a hub lost together don't
// all come back together; and no less than the hub's goodbye asked for.
func (d *Device) pause(attempt int, err error) time.Duration {
	const most = 20 // doublings
	wait := min(d.opts.MinWait<<min(attempt, most), d.opts.MaxWait)
	wait = wait/2 + rand.N(wait/2+1)
	if e, ok := errors.AsType[*ClosedError](err); ok && e.RetrySet {
		wait = max(wait, e.Retry+rand.N(e.Retry/2+1))
	}
	return wait
}

// connection is the life of one connection. ctx ends it with a goodbye.
func (d *Device) connection(ctx context.Context) error {
	o := d.opts.Client
	o.Token = d.nextToken()
	d.sayHello(&o.Hello)
	c, err := Dial(ctx, d.opts.URL, o)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := d.greet(&o.Hello, &c.Hello); err != nil {
		return err
	}
	defer d.disconnect()
	gone := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() { d.writeLoop(ctx, c, gone) })
	err = d.readLoop(context.WithoutCancel(ctx), c)
	close(gone)
	writer.Wait()
	return err
}

// View calls f with the copy, which does not change meanwhile. f must be short, as
// frames wait for it, and call no method of the device.
func (d *Device) View(f func(*Copy)) { d.replica.View(f) }

// Breaches returns how many times the hub broke a promise of the protocol.
func (d *Device) Breaches() uint64 { return d.replica.Breaches() }

// SetToken gives the device another token, for its next connection. When Run has
// returned because the last one was good no longer ([wire.CloseUnauthorized]), it
// is called again after this, and goes on where it was.
func (d *Device) SetToken(token string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.token = token
}

func (d *Device) nextToken() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.token
}

// ID returns the device's identity, nil before a hub has given one.
func (d *Device) ID() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.id
}

// rows hands on what a message changed.
func (d *Device) rows(r Rows) {
	d.touch(&r)
	if d.opts.OnRows != nil {
		d.call(func() { d.opts.OnRows(r) })
	}
}

// call calls a callback. Both of Run's goroutines may.
func (d *Device) call(f func()) {
	d.calling.Lock()
	defer d.calling.Unlock()
	f()
}
