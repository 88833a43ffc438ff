package hub

import (
	"context"
	"slices"
	"sync"
	"time"

	"framehub/rules"
	"framehub/session/wire"
	"framehub/store"
)

// Bounds of what has been read and is not yet committed, in bytes. Beyond them read
// loops wait, so that devices feel it as a slower connection: all beyond the first,
// those of one owner beyond the second, and one message.
const (
	maxPendingBytes = 64 << 20
	maxOwnerBytes   = 2 << 20

	itemSize = 256 // what a transaction takes beside its message
)

// An item is a transaction on its way to a frame.
type item struct {
	device  *device
	write   *wire.Write
	who     *rules.Who    // whom it is written for
	owner   owner         // whose part of the inbox it takes
	share   *share        // his
	refused *wire.Refusal // decided before SQL was asked
	will    *bequest      // it is a last will to be kept, not to be run now; nil: it is none
	ask     *ask          // it is SQL; nil: it is none
	edit    *edit         // it is an operator's; nil: it is none
	size    int
}

// An outcome is what became of it.
type outcome struct {
	item
	refused *wire.Refusal // nil: committed
}

// numbered says whether the item settles a number of its device.
func (it *item) numbered() bool { return it.will == nil && it.ask == nil && it.edit == nil }

// A device is a device with a session, or with transactions under way.
type device struct {
	id   store.Device
	user string // whose it is

	// Guarded by inbox.mu.
	client  *client // its present session's, or nil
	last    uint64  // the highest number it has sent
	waits   bool    // its read loop waits for room
	pending []uint64
	unsaid  []wire.Rejected // refusals that the store has yet to write down, the last ones
}

// inbox is where read loops leave transactions for the next frame.
type inbox struct {
	mu      sync.Mutex
	room    *sync.Cond // bytes has gone down, or closed
	items   []item
	bytes   int
	of      map[owner]int // bytes of each who has some
	closed  bool
	devices map[store.Device]*device

	moved func(*move) // is told who comes and goes, with mu held
}

func (b *inbox) init() {
	b.room = sync.NewCond(&b.mu)
	b.of, b.devices = map[owner]int{}, map[store.Device]*device{}
}

// attach makes c the device's session, and returns the session that c replaces, if
// any. state says what the device has settled, where some refusals may not be written
// down: under the same lock that outcomes are delivered under, so that none falls between.
func (b *inbox) attach(c *client, id store.Device, state func(unsaid []wire.Rejected) (uint64, error)) (replaced *client, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.devices[id]
	if d != nil && !owns(d, c.identity.User) {
		return nil, notYours()
	}
	var unsaid []wire.Rejected
	if d != nil {
		unsaid = d.unsaid
	}
	settled, err := state(unsaid)
	if err != nil {
		return nil, err
	}
	if d == nil {
		d = &device{id: id, user: c.identity.User}
		b.devices[id] = d
	}
	d.last = max(d.last, settled)
	replaced, d.client = d.client, c
	c.device = d
	if !c.unseen {
		b.moved(&move{device: id, user: c.identity.User, role: c.who.Role, at: time.Now(), here: true})
	}
	return replaced, nil
}

// owns says whether a device that is in use belongs to a user. The store knows
// whose those are that have settled something.
func owns(d *device, user string) bool { return d.user == user }

func notYours() *wire.Error {
	return &wire.Error{Code: wire.CloseForbidden, Reason: "this device id belongs to another user: leave it out of the hello to be given one"}
}

// detach forgets c, and its device when nothing of it is under way.
func (b *inbox) detach(c *client) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := c.device; d != nil && d.client == c {
		d.client = nil
		if !c.unseen {
			b.moved(&move{device: d.id, at: time.Now(), left: c.sess.Left()})
		}
		b.forget(d)
	}
}

func (b *inbox) forget(d *device) {
	if d.client == nil && len(d.pending)+len(d.unsaid) == 0 {
		delete(b.devices, d.id)
	}
}

// put takes a transaction in, unless its number was taken before, or too many
// are under way.
func (b *inbox) put(it item) (known bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := it.device
	b.awaitRoom(context.Background(), &it)
	switch {
	case b.closed:
		return false, nil // not accepted: the device will send it again
	case it.write.Seq <= d.last:
		return true, nil
	case len(d.pending) >= store.Unsettled:
		return false, &wire.Error{Code: wire.CloseRate, Reason: "more than 64 transactions are under way"}
	}
	d.last = it.write.Seq
	d.pending = append(d.pending, it.write.Seq)
	b.items = append(b.items, it)
	b.count(&it, 1)
	return false, nil
}

// putUnnumbered takes in what has no number: a last will, SQL, or an operator's edit. It
// says whether it has: not where the hub is stopping, or ctx ends before there is room.
func (b *inbox) putUnnumbered(ctx context.Context, it item) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.room.Broadcast()
	})
	defer stop()
	b.awaitRoom(ctx, &it)
	if b.closed || ctx.Err() != nil {
		return false
	}
	b.items = append(b.items, it)
	b.count(&it, 1)
	return true
}

// awaitRoom waits until there is room for an item. mu is held; who ends ctx wakes it by room.
func (b *inbox) awaitRoom(ctx context.Context, it *item) {
	for (b.bytes > maxPendingBytes || b.of[it.owner] > maxOwnerBytes) && !b.closed && ctx.Err() == nil {
		it.device.waits = true
		b.room.Wait()
		it.device.waits = false
	}
}

// load returns how many transactions wait for a frame, and their bytes.
func (b *inbox) load() (n, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items), b.bytes
}

// held returns the devices of which there is something that no frame has run.
func (b *inbox) held() map[store.Device]struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	devices := map[store.Device]struct{}{}
	for i := range b.items {
		devices[b.items[i].device.id] = struct{}{}
	}
	return devices
}

func (b *inbox) count(it *item, sign int) {
	b.bytes += sign * it.size
	if b.of[it.owner] += sign * it.size; b.of[it.owner] == 0 {
		delete(b.of, it.owner)
	}
}

// take takes the items for a frame: all but those that hold says have to wait.
func (b *inbox) take(hold func(*item) bool) (items []item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	items = make([]item, 0, len(b.items))
	held := make([]item, 0, len(b.items)) // the next frame's may well be as many
	waits := waiting{}
	for i := range b.items {
		it := &b.items[i]
		if waits.add(it, hold(it)) {
			held = append(held, *it)
			continue
		}
		b.count(it, -1)
		items = append(items, *it)
	}
	b.items = held
	b.room.Broadcast()
	return items
}

// waiting is the devices whose transactions wait for a later frame.
type waiting map[*device]struct{}

// add says whether an item waits: because it has to, or because one of its device
// does that came before it.
func (w waiting) add(it *item, hold bool) bool {
	if _, ok := w[it.device]; ok || !hold {
		return ok
	}
	w[it.device] = struct{}{}
	return true
}

// putBack puts a frame that could not begin in front of what has come since.
func (b *inbox) putBack(items []item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = append(items, b.items...)
	for i := range items {
		b.count(&items[i], 1)
	}
}

// close lets nothing more in.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.room.Broadcast()
}

// settle takes a device's number off what is under way, and returns its present
// session.
func (b *inbox) settle(o *outcome) *client {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := o.device
	if i := slices.Index(d.pending, o.write.Seq); i >= 0 {
		d.pending = slices.Delete(d.pending, i, i+1)
	}
	b.forget(d)
	return d.client
}
