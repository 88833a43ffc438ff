package hub

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"framehub/rules"
	"framehub/session/wire"
	"framehub/store"
)

const (
	// Events that have come since the last frame boundary: so many and so large in
	// all and of one owner, what is more is refused.
	maxEvents          = 1 << 16
	maxEventBytes      = 16 << 20
	maxOwnerEvents     = 1 << 12
	maxOwnerEventBytes = 1 << 20
)

// ownEvents begins the names of events that only the hub itself sends.
const ownEvents = "framehub."

// An event is on its way to the next frame boundary.
type event struct {
	from   *client
	last   uint64 // the highest number that its device had sent
	to     wire.TargetKind
	device store.Device // with TargetDevice
	role   string       // with TargetRole
	place  place        // with TargetScope
	bytes  []byte       // [wire.EventOverhead] free ones for its head, then its name and its payload
}

// A place is a scope of a table, as canonical returns it.
type place struct {
	table int
	scope wire.Value
}

// message returns the event as it is sent on. It is called once.
func (e *event) message(version uint64) []byte {
	var free [wire.EventOverhead]byte
	head := wire.AppendEventHead(free[:0], e.from.device.id[:], version)
	msg := e.bytes[wire.EventOverhead-len(head):]
	copy(msg, head)
	return msg
}

// Event implements session.Handler.
func (c *client) Event(m *wire.SendEvent, refused *wire.Refusal) *wire.Refusal {
	if refused == nil {
		refused = c.sendEvent(m)
	}
	if refused != nil {
		c.hub.metrics.eventsRefused.WithLabelValues(string(refused.Code)).Inc()
		return refused
	}
	c.hub.metrics.events.Inc()
	return nil
}

// sendEvent leaves an event for the next frame boundary, or says why not.
func (c *client) sendEvent(m *wire.SendEvent) *wire.Refusal {
	if strings.HasPrefix(m.Name, ownEvents) {
		return wire.Refuse(wire.CodeForbidden, "events whose names begin with %s are the hub's own: give this one another name", ownEvents)
	}
	book := c.hub.book()
	e := event{from: c, to: m.To.Kind(), role: m.To.Role}
	e.last, _ = c.hub.in.lastOf(c.device)
	switch e.to {
	case wire.TargetDevice:
		e.device = store.Device(m.To.Device) // its length is the decoder's to check
	case wire.TargetScope:
		var refused *wire.Refusal
		if e.place, refused = book.place(&m.To); refused != nil {
			return refused
		}
	case wire.TargetRole: // the rules know which there are
	}
	e.bytes = wire.AppendEventName(make([]byte, wire.EventOverhead, 2*wire.EventOverhead+len(m.Name)), m.Name)
	named := len(e.bytes)
	e.bytes = m.Value.Append(e.bytes)
	often, refused := book.CheckEvent(&c.who, &rules.Event{
		Name: m.Name, To: e.to, Role: e.role, Table: e.place.table, Scope: e.place.scope, Size: len(e.bytes) - named,
	})
	if refused == nil {
		refused = c.limiter().Event(book.Limits(c.who.Role), time.Now(), m.Name, often)
	}
	if refused == nil {
		refused = c.hub.events.put(&e)
	}
	return refused
}

// place returns the scope that an event is for, or why there is none.
func (b *book) place(to *wire.Target) (place, *wire.Refusal) {
	t := findTable(b.schema, to.Table, to.Number)
	if t == nil {
		name := wire.TextValue(to.Table).String() // cut, if it is long
		if to.Table == "" {
			name = strconv.Itoa(to.Number)
		}
		return place{}, wire.Refuse(wire.CodeUnknownTable, "there is no table %s to send an event to a scope of", name)
	}
	if t.Scope < 0 {
		return place{}, wire.Refuse(wire.CodeUnknownColumn, "table %q has no scope column: send the event to a device or a role", t.Name)
	}
	if col := &t.Columns[t.Scope]; !fits(to.Scope, col.Type) {
		return place{}, wire.Refuse(wire.CodeType, "the scopes of table %q are values of its column %q, %s, not %s", t.Name, col.Name, col.Type, to.Scope)
	}
	return place{t.ID, canonical(to.Scope)}, nil
}

// eventQueue is where read loops leave events for the next frame boundary.
type eventQueue struct {
	mu    sync.Mutex // guards the following
	list  []event
	spare []event // what list was made of before, to be used again
	bytes int
	of    map[owner]load
}

// A load is what waits of one owner.
type load struct{ events, bytes int }

// put takes an event in, or says that there is no room for it.
func (q *eventQueue) put(e *event) *wire.Refusal {
	q.mu.Lock()
	defer q.mu.Unlock()
	mine := q.of[e.from.owner]
	if len(q.list) >= maxEvents || q.bytes+len(e.bytes) > maxEventBytes {
		return wire.Refuse(wire.CodeRate, "as many events wait for the next frame as the hub takes: send fewer")
	}
	if mine.events >= maxOwnerEvents || mine.bytes+len(e.bytes) > maxOwnerEventBytes {
		return wire.Refuse(wire.CodeRate, "as many events of this device, or of others of its user, wait for the next frame as the hub takes: send fewer, or send them later")
	}
	q.add(e)
	return nil
}

// add appends an event. mu is held.
func (q *eventQueue) add(e *event) {
	q.list = append(q.list, *e)
	q.bytes += len(e.bytes)
	if q.of == nil {
		q.of = map[owner]load{}
	}
	l := q.of[e.from.owner]
	q.of[e.from.owner] = load{l.events + 1, l.bytes + len(e.bytes)}
}

// waiting returns how many events wait.
func (q *eventQueue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.list)
}

// begin returns the first n events, which stay where they are until end.
func (q *eventQueue) begin(n int) []event {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.list[:n:n]
}

// end takes the first n events out, but for those that are kept in their stead.
func (q *eventQueue) end(n int, kept []event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	const most = 4096 // places that are kept for the next time
	was := q.list
	q.list, q.bytes = q.spare, 0
	clear(q.of)
	for _, some := range [2][]event{kept, was[n:]} {
		for i := range some {
			q.add(&some[i])
		}
	}
	if q.spare = nil; cap(was) <= most {
		clear(was)
		q.spare = was[:0]
	}
}
