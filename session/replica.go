package session

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"framehub/session/wire"
)

// ErrGap means that the hub's frames do not join on to what the copy has: the
// device connects again and resumes.
var ErrGap = errors.New("frames are missing between the copy and what the hub sent")

// A BreachError is a promise of the protocol that a hub did not keep.
type BreachError struct {
	What string
}

// Error says what was promised and what came.
func (e *BreachError) Error() string { return "the hub broke the protocol: " + e.What }

// ReplicaOptions say what a replica does beside keeping its copy.
type ReplicaOptions struct {
	// Strict makes an error of whatever breaks a promise of the protocol;
	// otherwise it is counted, and what can't be understood is left out.
	Strict bool

	// OnRows, if set, is called with what each message changed, table by table,
	// once all of it is in place. It is called by whoever feeds the replica, and may
	// read the copy, but not feed or View it.
	OnRows func(Rows)
}

// A Replica keeps a [Copy] from the messages of a hub. One goroutine feeds it;
// View may be called from any. After an error in strict mode, and after [ErrGap],
// it takes nothing more before the next Hello.
type Replica struct {
	opts     ReplicaOptions
	breaches atomic.Uint64

	mu    sync.RWMutex // the feeder writes the following with it, others read
	copy  Copy
	asked map[uint64]*wire.Subscribe // guarded by mu: changes of subscriptions that were sent

	// The feeder's own.
	told      uint64 // the newest version of a frame or a snapshot in this session, or resumed at
	frame     uint64 // the version of the last frame in this session
	parts     []*wire.Frame
	snapshots map[uint64]*setAside // by id: under way
	stamp     uint32
	err       error // since it came, nothing is taken
}

// setAside is a snapshot that is not yet in place.
type setAside struct {
	version uint64
	blocks  []wire.Block
	subs    []*replicaSub
}

// NewReplica returns an empty replica.
func NewReplica(o ReplicaOptions) *Replica {
	return &Replica{
		opts: o, asked: map[uint64]*wire.Subscribe{}, snapshots: map[uint64]*setAside{},
		err: &BreachError{"a session begins with a hello"},
	}
}

// View calls f with the copy, which does not change meanwhile. f must be short, as
// frames wait for it, and call no method of the replica.
func (r *Replica) View(f func(*Copy)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	f(&r.copy)
}

// Breaches returns how many times a promise of the protocol was broken.
func (r *Replica) Breaches() uint64 { return r.breaches.Load() }

// breach counts, and returns an error in strict mode.
func (r *Replica) breach(format string, args ...any) error {
	r.breaches.Add(1)
	if !r.opts.Strict {
		return nil
	}
	return &BreachError{fmt.Sprintf(format, args...)}
}

// Hello begins a session: said is what the device sent, h what the hub answered.
func (r *Replica) Hello(said *wire.DeviceHello, h *wire.HubHello) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = r.hello(said, h)
	return r.err
}

func (r *Replica) hello(said *wire.DeviceHello, h *wire.HubHello) error {
	r.told, r.frame, r.parts = 0, 0, nil
	clear(r.snapshots)
	clear(r.asked)
	if h.Schema == nil {
		return &BreachError{"a hello has a schema"}
	}
	if h.Resumed && !bytes.Equal(h.Epoch, said.Epoch) {
		return &BreachError{"a device can't resume in another epoch"}
	}
	subs := said.Subs
	if !said.SubsSet {
		subs = everything(h.Schema)
	}
	touched, err := r.setSchema(h.Schema)
	if err != nil {
		return err
	}
	r.copy.Epoch = h.Epoch
	r.copy.subs = nil
	wait := &setAside{}
	for _, s := range subs {
		sub := r.bind(s)
		if sub.has && h.Resumed && sub.table != nil && !touched[sub.table] {
			r.told = max(r.told, sub.version)
		} else {
			sub.has, sub.pending = false, true
			wait.subs = append(wait.subs, sub)
		}
		r.copy.subs = append(r.copy.subs, sub)
	}
	r.copy.Version = r.told
	r.snapshots[0] = wait
	r.bindTables()
	return nil
}

// everything is what a hello without subs subscribes to.
func everything(s *wire.Schema) []wire.Sub {
	var subs []wire.Sub
	for i := range s.Tables {
		if t := &s.Tables[i]; wire.ByDefault(t.Name, t.Rights) {
			subs = append(subs, wire.Sub{Name: t.Name})
		}
	}
	return subs
}

// bind returns a subscription that knows its table, by name.
func (r *Replica) bind(s wire.Sub) *replicaSub {
	sub := newReplicaSub(s)
	if sub.Name == "" {
		if t := r.copy.number[sub.Table]; t != nil {
			sub.Name, sub.Table = t.Name, 0
		}
	}
	sub.table = r.copy.Table(sub.Name)
	return sub
}

// bindTables tells each table its subscriptions.
func (r *Replica) bindTables() {
	for _, t := range r.copy.Tables {
		t.subs = nil
	}
	for _, s := range r.copy.subs {
		if s.table = r.copy.Table(s.Name); s.table != nil {
			s.table.subs = append(s.table.subs, s)
		}
	}
}

// Subscribing notes a change of subscriptions before it is sent; it is in force
// from the [wire.SnapshotEnd] with its id. It may be called beside the feeder.
func (r *Replica) Subscribing(s *wire.Subscribe) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked[s.ID] = s
}

// Take takes any message; those that are not about the copy change nothing.
func (r *Replica) Take(m Message) error {
	switch m := m.(type) {
	case *wire.Schema:
		return r.Schema(m)
	case *wire.Snapshot:
		return r.Snapshot(m)
	case *wire.SnapshotEnd:
		return r.SnapshotEnd(m)
	case *wire.Frame:
		return r.Frame(m)
	default:
		return nil
	}
}

// Schema takes another schema. Rows of tables that stay are kept; snapshots of
// what it touched follow.
func (r *Replica) Schema(s *wire.Schema) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = r.schema(s)
	}
	return r.err
}

func (r *Replica) schema(s *wire.Schema) error {
	if len(r.parts) > 0 {
		if err := r.breach("another schema came in the middle of a frame"); err != nil {
			return err
		}
		r.parts = nil
	}
	touched, err := r.setSchema(s)
	if err != nil {
		return err
	}
	r.bindTables()
	for _, s := range r.copy.subs {
		if s.table == nil || touched[s.table] {
			s.has, s.pending = false, true
		}
	}
	return nil
}

// setSchema makes the tables those of a schema, and returns the ones that are
// other than they were.
func (r *Replica) setSchema(s *wire.Schema) (touched map[*Table]bool, err error) {
	var tables []*Table
	number, names := map[int]*Table{}, map[string]bool{}
	touched = map[*Table]bool{}
	for i := range s.Tables {
		new := &s.Tables[i]
		if n := len(new.Columns); new.KeyLength <= 0 || new.KeyLength > n || new.Scope >= n || number[new.Number] != nil || names[new.Name] {
			return nil, &BreachError{fmt.Sprintf("table %q has no key or no such scope column, or shares its name or number %d with another", new.Name, new.Number)}
		}
		t, changed := r.adopt(new)
		if changed {
			touched[t] = true
		}
		tables = append(tables, t)
		number[t.Number], names[t.Name] = t, true
	}
	r.copy.Schema, r.copy.Tables, r.copy.number = s, tables, number
	return touched, nil
}

// adopt returns a table as a new schema has it, with the rows that the copy has
// of it, and whether it is another than it was.
func (r *Replica) adopt(s *wire.SchemaTable) (t *Table, touched bool) {
	t = newTable(*s)
	old := r.copy.Table(s.Name)
	if old == nil {
		return t, true
	}
	touched = old.Scope != s.Scope || len(old.Columns) != len(s.Columns)
	from := make([]int, len(s.Columns))
	for i, c := range s.Columns {
		from[i] = old.Column(c.Name)
		touched = touched || from[i] != i || old.Columns[i].Type != c.Type
	}
	if !touched && old.KeyLength == s.KeyLength {
		t.values, t.index, t.stamps = old.values, old.index, old.stamps
		return t, false
	}
	if sameKey(old.KeyLength, from[:s.KeyLength]) {
		t.convert(old, from)
	}
	return t, true
}

func sameKey(length int, from []int) bool {
	for i, c := range from {
		if i != c {
			return false
		}
	}
	return length == len(from)
}

// convert takes over a table's rows with columns in other places; new columns
// are NULL until their snapshot has come.
func (t *Table) convert(old *Table, from []int) {
	t.index, t.stamps = old.index, old.stamps
	t.values = make([]wire.Value, len(t.stamps)*len(t.Columns))
	for i := range t.stamps {
		was, is := old.at(int32(i)), t.at(int32(i))
		for c, f := range from {
			if f >= 0 {
				is[c] = was[f]
			}
		}
	}
}

// report tells what a message has changed, once it is in place.
func (r *Replica) report(version uint64, snapshot bool, authors []wire.Author) {
	for _, t := range r.copy.Tables {
		if len(t.changes.changed)+len(t.changes.removed) == 0 {
			continue
		}
		if r.opts.OnRows == nil {
			t.changes = changes{changed: t.changes.changed[:0]}
			continue
		}
		rows := t.takeRows()
		rows.Version, rows.Snapshot = version, snapshot
		for i := range authors {
			if authors[i].Table == t.Number {
				rows.Authors = append(rows.Authors, authors[i])
			}
		}
		if len(rows.Changed)+len(rows.Removed) > 0 {
			r.opts.OnRows(rows)
		}
	}
}
