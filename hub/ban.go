package hub

import (
	"time"

	"github.com/google/uuid"

	"framehub/auth"
	"framehub/session/wire"
)

// banned says why a device with an identity is kept out, nil: it is not.
func (h *Hub) banned(id *auth.Identity, device uuid.UUID, now time.Time) *wire.Error {
	ban := h.opts.Bans.Find(id, device, now)
	switch {
	case ban == nil:
		return nil
	case ban.Kind == auth.BanToken:
		return &wire.Error{Code: wire.CloseUnauthorized, Reason: auth.ErrRevoked.Error()}
	default:
		return &wire.Error{Code: wire.CloseForbidden, Reason: ban.String()}
	}
}

// Ban keeps somebody out from now on, and returns the sessions that this ends. They
// are told [wire.CloseForbidden] and the reason, those of a revoked token
// [wire.CloseUnauthorized]. When it returns, the ban is on the disk.
func (h *Hub) Ban(b auth.Ban) ([]SessionInfo, error) {
	if err := h.opts.Bans.Add(b); err != nil {
		return nil, err
	}
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	var ended []SessionInfo
	for c := range h.clients {
		if e := h.banned(&c.identity, uuid.UUID(c.device.id), now); e != nil {
			c.sess.End(wire.Goodbye{Code: e.Code, Text: e.Reason}) // unless recheck was faster
			ended = append(ended, c.sight().info(now))
		}
	}
	return ended, nil
}
