package hub

import (
	"time"

	"framehub/session/wire"
	"framehub/store"
)

const (
	// At a frame boundary no more deliveries are begun, of all and of one owner: the
	// rest waits for the next, so that a flood delays nobody's frames, and its
	// own events before others'.
	maxDeliveries      = 1 << 16
	maxOwnerDeliveries = 1 << 14
)

// routes are the sessions that a batch of events is for, found once for all of
// them.
type routes struct {
	devices map[store.Device][]*client
	roles   map[string][]*client
	whole   map[int][]*client                // by table: who is subscribed to all of it
	scopes  map[int]map[wire.Value][]*client // by table and scope: who is subscribed to that, but not to all
}

// routesOf finds the sessions that a batch is for. It takes as long as there are
// sessions, and no longer for each that has more scopes than the batch names. mu is held.
func (h *Hub) routesOf(batch []event) *routes {
	r := &routes{devices: map[store.Device][]*client{}, roles: map[string][]*client{}, whole: map[int][]*client{}, scopes: map[int]map[wire.Value][]*client{}}
	for i := range batch {
		switch e := &batch[i]; e.to {
		case wire.TargetDevice:
			r.devices[e.device] = nil
		case wire.TargetRole:
			r.roles[e.role] = nil
		case wire.TargetScope:
			if r.scopes[e.place.table] == nil {
				r.scopes[e.place.table] = map[wire.Value][]*client{}
			}
			r.scopes[e.place.table][e.place.scope] = nil
		}
	}
	h.in.sessions(r.devices)
	if len(r.roles)+len(r.scopes) == 0 {
		return r
	}
	for c := range h.clients {
		if clients, asked := r.roles[c.who.Role]; asked {
			r.roles[c.who.Role] = append(clients, c)
		}
		for table, scopes := range r.scopes {
			if n := c.wants[table]; n != nil {
				r.add(table, scopes, n, c)
			}
		}
	}
	return r
}

// add adds a session to the scopes of a table that it wants.
func (r *routes) add(table int, scopes map[wire.Value][]*client, n *interest, c *client) {
	switch {
	case n.all:
		r.whole[table] = append(r.whole[table], c)
	case len(n.scopes) < len(scopes):
		for s := range n.scopes {
			if clients, asked := scopes[s]; asked {
				scopes[s] = append(clients, c)
			}
		}
	default:
		for s, clients := range scopes {
			if _, wanted := n.scopes[s]; wanted {
				scopes[s] = append(clients, c)
			}
		}
	}
}

// sessions finds the present sessions of devices.
func (b *inbox) sessions(of map[store.Device][]*client) {
	if len(of) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range of {
		if d := b.devices[id]; d != nil && d.client != nil {
			of[id] = []*client{d.client}
		}
	}
}

// route sends the first n events on, which came before the frame that has just
// been closed did: whoever is in step has been given that. While transactions
// wait for a store that can't commit, events wait with them; once those are
// refused, events go on.
func (h *Hub) route(n int, now time.Time) {
	if n == 0 || !h.trouble.since.IsZero() && now.Sub(h.trouble.since) < patience {
		return
	}
	batch := h.events.begin(n)
	kept, woken := h.routeAll(batch)
	h.events.end(n, kept)
	for _, c := range woken {
		c.sess.Wake()
	}
}

// routeAll puts events into mailboxes. It returns those that must wait for the
// next boundary, and the sessions whose mailboxes were empty.
func (h *Hub) routeAll(batch []event) (kept []event, woken []*client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.routesOf(batch)
	version := h.told.Load()
	all, spent := 0, map[owner]int{}
	var fate [fates]int
	for i := range batch {
		e := &batch[i]
		if all >= maxDeliveries || spent[e.from.owner] >= maxOwnerDeliveries || h.overtakes(e) {
			kept = append(kept, *e)
			continue
		}
		msg, reached := e.message(version), 0
		for _, clients := range r.to(e) {
			for _, c := range clients {
				if c == e.from {
					continue
				}
				f, first := c.deliver(msg)
				if first {
					woken = append(woken, c)
				}
				fate[f]++
				reached++
			}
		}
		if reached == 0 {
			fate[nobody]++
		}
		all += 1 + reached
		spent[e.from.owner] += 1 + reached
	}
	for f := behind; f < fates; f++ {
		h.metrics.lostEvents(f, fate[f])
	}
	return kept, woken
}

// overtakes says whether something that its device sent before an event waits for a
// later frame, because the device has had its share. What a store that can't commit
// makes wait holds up no event.
func (h *Hub) overtakes(e *event) bool {
	return h.trouble.since.IsZero() && !h.in.settledTo(e.from.device, e.last)
}

// to returns the sessions that an event is for, in lists that share none.
func (r *routes) to(e *event) [2][]*client {
	switch e.to {
	case wire.TargetDevice:
		return [2][]*client{r.devices[e.device]}
	case wire.TargetRole:
		return [2][]*client{r.roles[e.role]}
	default:
		return [2][]*client{r.whole[e.place.table], r.scopes[e.place.table][e.place.scope]}
	}
}
