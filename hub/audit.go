package hub

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"framehub/audit"
	"framehub/session/wire"
)

// auditRefused writes down a refused transaction, of a device whose present
// session is c, or nil.
func (h *Hub) auditRefused(c *client, o *outcome) {
	rec := audit.Record{
		Device: uuid.UUID(o.device.id), User: o.who.User, Code: string(o.refused.Code),
		Reason: fmt.Sprintf("transaction %d: %s", o.write.Seq, o.refused.Text),
	}
	if c != nil {
		rec.Session, rec.Remote = c.sess.ID, c.sess.Remote
	}
	h.opts.Audit.Add(audit.WriteRefused, rec)
}

// auditLogin writes down who has proved who he is.
func (h *Hub) auditLogin(c *client) {
	if h.opts.Gate == nil {
		return
	}
	h.opts.Audit.Add(audit.Login, audit.Record{
		Session: c.sess.ID, Device: uuid.UUID(c.device.id), User: c.identity.User, Remote: c.sess.Remote,
		Reason: fmt.Sprintf("role %s, token id %q", c.who.Role, c.identity.TokenID),
	})
}

// auditEnd writes down that the hub has ended a session, and why. That it stops
// is no such reason.
func (h *Hub) auditEnd(c *client, err error) {
	e, ok := errors.AsType[*wire.Error](err)
	if !ok || e.Code == wire.CloseStopping {
		return
	}
	event := audit.SessionEnded
	if e.Code == wire.CloseReplaced {
		event = audit.SessionReplaced
	}
	h.opts.Audit.Add(event, audit.Record{
		Session: c.sess.ID, Device: uuid.UUID(c.device.id), User: c.identity.User, Remote: c.sess.Remote, Code: fmt.Sprint(uint16(e.Code)), Reason: e.Reason,
	})
}
