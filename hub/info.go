package hub

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/google/uuid"

	"framehub/session/wire"
)

// SessionInfo is what an operator is told of a session.
type SessionInfo struct {
	ID, Device           uuid.UUID
	User, TokenID        string // "": nothing checks who connects, or the token has no id
	Role, Client, Remote string // Client is how the program calls itself, cut to 64 bytes
	Since                time.Time
	Silent               time.Duration
	RoundTrip            time.Duration // of the last ping; 0: not yet known
	State                SessionState
	Version, Behind      uint64 // up to which it was sent what it is subscribed to, and how many are newer
	Queued               int    // frames that it has not taken
	SubsChanged          uint64 // rises when what Subs returns changes
	Committed, Refused   uint64 // its transactions
	MessagesIn           uint64
	MessagesOut          uint64
	BytesIn, BytesOut    uint64

	wants map[int]*interest // never changed
}

// SubInfo is what a session is subscribed to of a table.
type SubInfo struct {
	Table  string
	Whole  bool         // all of it
	Scopes []wire.Value // else these, sorted
}

// SessionState says how a session gets what it is subscribed to.
type SessionState uint8

// The states.
const (
	StateLive       SessionState = iota // each frame as it comes
	StateCatchingUp                     // it has fallen behind, and is brought forward from the log
	StateSnapshot                       // something that it is subscribed to is sent to it whole
)

// String returns the state as the admin API calls it.
func (s SessionState) String() string {
	return [...]string{"live", "catching_up", "snapshot"}[s]
}

const (
	maxClientName = 64 // bytes of how a client calls itself that are kept

	// While an operator looks, each session is pinged so often, and the one that he
	// looks at closely at every sweep.
	pingLooked  = 10 * time.Second
	lookingEnds = 3 * time.Second // after the last look
)

// counts are what a session's transactions have come to.
type counts struct {
	committed, refused atomic.Uint64
}

func (n *counts) add(o *outcome) {
	if o.refused == nil {
		n.committed.Add(1)
	} else {
		n.refused.Add(1)
	}
}

// SessionCount returns the number of sessions.
func (h *Hub) SessionCount() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients)
}

// Sessions lists the sessions, oldest first. While it is called now and then, as by
// an operator who looks, the hub also measures round trips.
func (h *Hub) Sessions() []SessionInfo {
	now := time.Now()
	h.looked.Store(&now)
	seen := h.look()
	list := make([]SessionInfo, len(seen))
	for i := range seen {
		list[i] = seen[i].info(now)
	}
	slices.SortFunc(list, func(a, b SessionInfo) int {
		return cmp.Or(a.Since.Compare(b.Since), slices.Compare(a.ID[:], b.ID[:]))
	})
	return list
}

// A sight is a session with what only Hub.mu lets one see of it.
type sight struct {
	*client
	wants   map[int]*interest // never changed
	changes uint64
}

// look returns all sessions: what there is to say of them is found without holding
// anybody up.
func (h *Hub) look() []sight {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := make([]sight, 0, len(h.clients))
	for c := range h.clients {
		seen = append(seen, c.sight())
	}
	return seen
}

// sight is called with Hub.mu held.
func (c *client) sight() sight { return sight{c, c.wants, c.changes} }

// session finds a session. Hub.mu is held.
func (h *Hub) session(id uuid.UUID) *client {
	for c := range h.clients {
		if c.sess.ID == id {
			return c
		}
	}
	return nil
}

// info describes the session.
func (s sight) info(now time.Time) SessionInfo {
	c := s.client
	st := c.sess.Stats()
	i := SessionInfo{
		ID: c.sess.ID, Device: uuid.UUID(c.device.id), User: c.identity.User, TokenID: c.identity.TokenID,
		Role: c.who.Role, Client: c.program, Remote: c.sess.Remote, Since: c.sess.Since,
		Silent: c.sess.Silent(now), RoundTrip: c.sess.RoundTrip(),
		wants: s.wants, SubsChanged: s.changes, Committed: c.counts.committed.Load(), Refused: c.counts.refused.Load(),
		MessagesIn: st.MessagesIn.Load(), MessagesOut: st.MessagesOut.Load(),
		BytesIn: st.BytesIn.Load(), BytesOut: st.BytesOut.Load(),
	}
	told := c.hub.told.Load() // before its queue is looked at: what comes later is no lag
	i.State, i.Queued = c.state()
	if i.Version = c.reached.Load(); i.State == StateLive && i.Queued == 0 {
		i.Version = max(i.Version, told) // there was nothing for it in between
	}
	i.Behind = max(told, i.Version) - i.Version
	return i
}

// state says how the session gets its frames, and how many it has not taken.
func (c *client) state() (state SessionState, queued int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.snapshotting.Load():
		return StateSnapshot, len(c.queue)
	case c.live:
		return StateLive, len(c.queue)
	default:
		return StateCatchingUp, 0
	}
}

// Subs lists what the session is subscribed to, by the names of tables.
func (i *SessionInfo) Subs() []SubInfo {
	subs := make([]SubInfo, 0, len(i.wants))
	for _, n := range i.wants {
		s := SubInfo{Table: n.table.Name, Whole: n.all}
		if !n.all {
			for v := range n.scopes {
				s.Scopes = append(s.Scopes, v)
			}
			slices.SortFunc(s.Scopes, func(a, b wire.Value) int { return strings.Compare(scopeText(a), scopeText(b)) })
		}
		subs = append(subs, s)
	}
	slices.SortFunc(subs, func(a, b SubInfo) int { return strings.Compare(a.Table, b.Table) })
	return subs
}

// nameOf returns how a client calls itself, for operators: cut, and without what does
// not print.
func nameOf(client string) string {
	shown := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, client[:min(len(client), maxClientName)])
	return strings.ToValidUTF8(shown, "")
}

// watched says whether a session is to be pinged now, because an operator looks.
// Those of a list take turns. Hub.mu is held.
func (h *Hub) watched(c *client, now time.Time) bool {
	if c.inspections.Load() != nil {
		return true
	}
	const turns = uint64(pingLooked / sweepEvery)
	looked := h.looked.Load()
	return looked != nil && now.Sub(*looked) < lookingEnds && uint64(c.sess.ID[15])%turns == h.sweeps%turns
}
