package hub

import (
	"time"

	"github.com/google/uuid"

	"framehub/session/wire"
)

// A Kick says how an operator ends a session.
type Kick struct {
	Reason string        // what the device is told, in words; may be empty
	Retry  time.Duration // from when on it may come again by itself; 0: only when its player wants to
}

// Kick ends a session, and returns what is known of it; ok is false where there is
// none with that id. The device is told [wire.CloseKicked]. It is no ban: what keeps
// somebody out is the end of his token.
func (h *Hub) Kick(id uuid.UUID, k Kick) (who SessionInfo, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.session(id)
	if c == nil {
		return SessionInfo{}, false
	}
	text := "an operator ended the session"
	if k.Reason != "" {
		text += ": " + k.Reason
	}
	c.sess.End(wire.Goodbye{Code: wire.CloseKicked, Text: text, Retry: k.Retry, RetrySet: k.Retry > 0})
	return c.sight().info(time.Now()), true
}
