package hub

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"framehub/session/wire"
	"framehub/store"
)

// Bounds of what an [Inspection] keeps between two looks, and of how many there are.
const (
	maxSeenMessages     = 64
	maxSeenBytes        = 256 << 10
	maxSeenTransactions = 256
	maxInspections      = 16 // of one session
)

// An Inspection keeps what goes to and from one session while an operator looks at
// it: nothing is kept before and after. Its methods may be called at any time.
type Inspection struct {
	hub    *Hub
	client *client

	mu   sync.Mutex // guards the following
	seen Seen
	size int // bytes of the messages
}

// Seen is what went to and from a session since the look before.
type Seen struct {
	Messages     []SeenMessage     // the last ones, in order
	Transactions []SeenTransaction // that have settled, the last ones
	LeftOut      int               // messages that there were more
}

// SeenMessage is a message as it went over the connection.
type SeenMessage struct {
	At    time.Time
	Out   bool // to the device
	Size  int
	Bytes []byte // nil: it was too large to keep
}

// SeenTransaction is a transaction and what became of it.
type SeenTransaction struct {
	At      time.Time
	Seq     uint64
	Version uint64        // in which it was committed, or when it was refused
	Size    int           // bytes
	Ops     []string      // what it does to which table: "put 3 rows of entity"; nil: it was refused unread
	Refused *wire.Refusal // nil: it was committed
}

// Inspect begins to keep what goes to and from a session, until Close. The error says
// in words why it can't.
func (h *Hub) Inspect(id uuid.UUID) (*Inspection, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.session(id)
	if c == nil {
		return nil, fmt.Errorf("there is no session %s: it may have ended", id)
	}
	var all []*Inspection
	if now := c.inspections.Load(); now != nil {
		all = slices.Clone(*now)
	}
	if len(all) >= maxInspections {
		return nil, fmt.Errorf("%d operators look at the session %s already", len(all), id)
	}
	i := &Inspection{hub: h, client: c}
	all = append(all, i)
	c.inspections.Store(&all)
	c.sess.SetTap(c.passed)
	return i, nil
}

// Close ends it. It may be called once.
func (i *Inspection) Close() {
	i.hub.mu.Lock()
	defer i.hub.mu.Unlock()
	c := i.client
	all := slices.DeleteFunc(slices.Clone(*c.inspections.Load()), func(o *Inspection) bool { return o == i })
	if len(all) > 0 {
		c.inspections.Store(&all)
		return
	}
	c.sess.SetTap(nil)
	c.inspections.Store(nil)
}

// Info returns what is known of the session; there is false when it has ended.
func (i *Inspection) Info() (info SessionInfo, there bool) {
	i.hub.mu.Lock()
	_, there = i.hub.clients[i.client]
	s := i.client.sight()
	i.hub.mu.Unlock()
	return s.info(time.Now()), there
}

// Look returns what there was since the last call.
func (i *Inspection) Look() Seen {
	i.mu.Lock()
	defer i.mu.Unlock()
	seen := i.seen
	i.seen, i.size = Seen{}, 0
	return seen
}

// RefusedBefore returns the refusals among the last numbers that the session's device
// has settled, as the store remembers them.
func (i *Inspection) RefusedBefore() ([]wire.Rejected, error) {
	look, err := i.hub.store.LookUp(i.client.device.id)
	return look.Rejected, err
}

// passed is the session's tap.
func (c *client) passed(out bool, msg []byte) {
	all := c.inspections.Load()
	if all == nil {
		return
	}
	m := SeenMessage{At: time.Now(), Out: out, Size: len(msg), Bytes: msg}
	if len(msg) > maxSeenBytes {
		m.Bytes = nil
	}
	for _, i := range *all {
		i.message(m)
	}
}

func (i *Inspection) message(m SeenMessage) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := &i.seen
	s.Messages = append(s.Messages, m)
	i.size += len(m.Bytes)
	for len(s.Messages) > maxSeenMessages || i.size > maxSeenBytes {
		i.size -= len(s.Messages[0].Bytes)
		s.Messages[0] = SeenMessage{}
		s.Messages, s.LeftOut = s.Messages[1:], s.LeftOut+1
	}
}

// inspected shows a transaction that has settled to who looks.
func (c *client) inspected(version uint64, o *outcome) {
	all := c.inspections.Load()
	if all == nil {
		return
	}
	t := SeenTransaction{
		At: time.Now(), Seq: o.write.Seq, Version: version, Size: max(0, o.size-itemSize),
		Ops: opsOf(o.write, c.hub.store.Schema()), Refused: o.refused,
	}
	for _, i := range *all {
		i.transaction(t)
	}
}

func (i *Inspection) transaction(t SeenTransaction) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if s := &i.seen; len(s.Transactions) >= maxSeenTransactions {
		s.Transactions = append(s.Transactions[1:], t)
	} else {
		s.Transactions = append(s.Transactions, t)
	}
}

// opsOf says in words what a transaction does, of at most eight ops.
func opsOf(w *wire.Write, schema *store.Schema) []string {
	const most = 8
	var ops []string
	for i := range w.Ops {
		if i == most {
			return append(ops, fmt.Sprintf("%d more", len(w.Ops)-most))
		}
		op := &w.Ops[i]
		name := fmt.Sprintf("table %d", op.Block.Table)
		if t := schema.ByID(op.Block.Table); t != nil {
			name = t.Name
		}
		rows := "1 row"
		if op.Block.N != 1 {
			rows = fmt.Sprintf("%d rows", op.Block.N)
		}
		ops = append(ops, fmt.Sprintf("%s %s of %s", op.Kind, rows, name))
	}
	return ops
}
