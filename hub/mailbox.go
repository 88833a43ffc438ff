package hub

const (
	// A session's mailbox holds this many events and bytes that it has not taken;
	// what is more is lost.
	maxMail      = 1024
	maxMailBytes = 256 << 10

	keptMail = 16 // places that an empty mailbox keeps
)

// A mailbox holds the events that a session has not taken. They wait for its
// frames, and are lost when it falls behind.
type mailbox struct {
	events [][]byte
	bytes  int
	behind bool // the session has fallen behind: what comes is lost
}

// A fate is what became of an event at one session.
type fate uint8

const (
	waits    fate = iota // in the mailbox
	behind               // the session has fallen behind
	full                 // the mailbox is full
	tooLarge             // the session does not take messages so large
	gone                 // the session ended before it took it
	nobody               // there is no session that it is for
	fates
)

// String returns the fate as metrics call it.
func (f fate) String() string {
	return [...]string{"waits", "behind", "full", "too_large", "gone", "nobody"}[f]
}

// deliver puts an event into the session's mailbox, and says whether it is the
// first one there, of which the session does not know yet.
func (c *client) deliver(msg []byte) (f fate, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := &c.mail
	switch {
	case m.behind:
		return behind, false
	case len(msg) > c.form.max:
		return tooLarge, false
	case len(m.events) >= maxMail, m.bytes+len(msg) > maxMailBytes:
		return full, false
	}
	m.events, m.bytes = append(m.events, msg), m.bytes+len(msg)
	return waits, len(m.events) == 1
}

// fallBehind loses what waits and what comes, until the session is in step again.
// It returns how many events were lost. client.mu is held.
func (m *mailbox) fallBehind() int {
	lost := len(m.events)
	*m = mailbox{behind: true}
	return lost
}

// take empties the mailbox; spare is what it uses next, the last that take gave
// and that is done with. client.mu is held.
func (m *mailbox) take(spare [][]byte) [][]byte {
	clear(spare)
	if cap(spare) > keptMail {
		spare = nil
	}
	events := m.events
	m.events, m.bytes = spare[:0], 0
	return events
}
