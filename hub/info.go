package hub

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// SessionInfo is what an operator is told of a session.
type SessionInfo struct {
	ID, Device        uuid.UUID
	User, TokenID     string // "": nothing checks who connects, or the token has no id
	Role, Remote      string
	Since             time.Time
	Silent            time.Duration
	InStep            bool // it takes every frame as it comes; false: it is catching up
	MessagesIn        uint64
	MessagesOut       uint64
	BytesIn, BytesOut uint64
}

// SessionCount returns the number of sessions.
func (h *Hub) SessionCount() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients)
}

// Sessions lists the sessions, oldest first.
func (h *Hub) Sessions() []SessionInfo {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]SessionInfo, 0, len(h.clients))
	for c := range h.clients {
		list = append(list, c.info(now))
	}
	slices.SortFunc(list, func(a, b SessionInfo) int {
		return cmp.Or(a.Since.Compare(b.Since), slices.Compare(a.ID[:], b.ID[:]))
	})
	return list
}

// info describes the session. Called with Hub.mu held.
func (c *client) info(now time.Time) SessionInfo {
	st := c.sess.Stats()
	return SessionInfo{
		ID: c.sess.ID, Device: uuid.UUID(c.device.id), User: c.identity.User, TokenID: c.identity.TokenID,
		Role: c.who.Role, Remote: c.sess.Remote, Since: c.sess.Since,
		Silent: c.sess.Silent(now), InStep: c.audience != nil,
		MessagesIn: st.MessagesIn.Load(), MessagesOut: st.MessagesOut.Load(),
		BytesIn: st.BytesIn.Load(), BytesOut: st.BytesOut.Load(),
	}
}
