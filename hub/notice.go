package hub

import (
	"fmt"

	"github.com/google/uuid"

	"framehub/session/wire"
)

// NoticeEvent is the name of the event by which an operator speaks to players. It
// comes from no device.
const NoticeEvent = "framehub.notice"

// MaxNotice is how many bytes a notice has at most: with its head it fits the least
// message that a device may ask for.
const MaxNotice = 500

// Notified says what became of a notice.
type Notified struct {
	Sessions int // that it is on its way to
	Missed   int // that it has not reached, for they have fallen behind, or take no more events
}

// Notice sends an operator's words to sessions as an event: to one, or with the zero
// id to all, or all of a role. The text is UTF-8 of at most MaxNotice bytes. found is
// false where there is no session with the id.
func (h *Hub) Notice(id uuid.UUID, role, text string) (n Notified, found bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := wire.Event{From: make([]byte, wire.UUIDSize), Version: h.told.Load(), Name: NoticeEvent, Value: wire.One(wire.TextValue(text))}
	msg := e.Append(nil)
	for c := range h.clients {
		if id != uuid.Nil && c.sess.ID != id || role != "" && c.who.Role != role {
			continue
		}
		f, first := c.deliver(msg)
		if f != waits {
			h.metrics.lostEvents(f, 1)
			n.Missed++
			continue
		}
		if n.Sessions++; first {
			c.sess.Wake()
		}
	}
	return n, id == uuid.Nil || n.Sessions+n.Missed > 0
}

// String says it in words.
func (n Notified) String() string {
	if n.Missed == 0 {
		return fmt.Sprintf("sent to %d", n.Sessions)
	}
	return fmt.Sprintf("sent to %d, and missed by %d", n.Sessions, n.Missed)
}
