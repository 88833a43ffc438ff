package hub

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"framehub/auth"
	"framehub/session/wire"
	"framehub/store"
)

// The states of a device in the table of sessions. One that has gone has no row.
const (
	stateHere = "here" // it has a session
	stateAway = "away" // it had one, and may come back
)

// presence keeps the table of sessions: who is here, and who was and may come back.
// A device that has been away for the grace, or has said goodbye, goes: in one
// frame its last will runs, what goes with its user is deleted, and its own row is.
// All that lasts is rows, so that after a kill the hub begins with everybody away.
type presence struct {
	// Set by New, never changed after.
	kept  bool // the store keeps them
	grace time.Duration

	mu    sync.Mutex
	moves []move // guarded by mu: what no frame has taken up

	// Owned by the frame loop.
	sessions, wills *store.Table

	people map[store.Device]*person // nil: not yet read
	users  map[string]int           // how many people each has
	dirty  map[*person]struct{}     // whose rows are other than they should be
	away   []leave                  // in the order in which they are due
	going  []leave                  // are due
}

// A move is a session that began or ended.
type move struct {
	device store.Device
	user   string
	role   string
	at     time.Time
	here   bool
	left   bool // with a goodbye
}

// A person is a device that has a row in the table, or is to have one.
type person struct {
	device store.Device
	user   string
	role   string
	since  time.Time
	here   bool
	moves  int  // so far: what was noted of an earlier one is over
	known  bool // there is a row of it, or may be
}

// A leave is a person who was away after so many moves, and when he is due to go.
type leave struct {
	*person
	after int
	due   time.Time
}

func (l *leave) over() bool { return l.person.moves != l.after }

// init finds the tables, if the store keeps them.
func (p *presence) init(s *store.Store, grace time.Duration) {
	p.sessions, p.wills = s.Schema().Table(store.SessionTable), s.Schema().Table(store.WillTable)
	p.kept, p.grace = p.sessions != nil && p.wills != nil, grace
}

// reshape takes up another schema. Where another program has made the table of
// sessions anew, it is filled again.
func (p *presence) reshape(s *store.Store) {
	if !p.on() {
		return
	}
	was := p.sessions
	p.sessions, p.wills = s.Schema().Table(store.SessionTable), s.Schema().Table(store.WillTable)
	if was.ID != p.sessions.ID || was.Since != p.sessions.Since {
		for _, one := range p.people {
			p.dirty[one] = struct{}{}
		}
	}
}

func (p *presence) on() bool { return p.kept }

// read takes up who was here when the last hub ended: all are away since now. A
// will whose device has no row counts as one of a device that was.
//
//nolint:contextcheck,nolintlint // the first frame reads it, which is nobody's request; contextcheck obeys, and nolintlint does not see it
func (p *presence) read(s *store.Store, now time.Time) error {
	people := map[store.Device]*person{}
	lost := func(device, user, role wire.Value) {
		var d store.Device
		copy(d[:], device.Bytes())
		if people[d] == nil {
			people[d] = &person{device: d, user: user.Bytes(), role: role.Bytes(), known: true}
		}
	}
	err := s.View(context.Background(), func(v *store.View) error {
		err := v.Scan(p.sessions, false, nil, func(g wire.Grid) error {
			for i := range g.Rows() {
				row := g.Row(i)
				lost(row[0], row[1], row[2])
			}
			return nil
		})
		if err != nil {
			return err
		}
		return v.Scan(p.wills, false, nil, func(g wire.Grid) error {
			for i := range g.Rows() {
				lost(g.Row(i)[0], wire.Value{}, wire.TextValue(auth.RoleDevice))
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	p.people, p.users, p.dirty = people, map[string]int{}, map[*person]struct{}{}
	for _, one := range people {
		p.users[one.user]++
		p.leave(one, now, p.grace)
	}
	return nil
}

// moved is told by the goroutines of sessions, in the order in which a device's
// sessions begin and end.
func (p *presence) moved(m *move) {
	if !p.on() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moves = append(p.moves, *m)
}

// look takes up what has happened, and says whether there is something to write.
// It comes after a frame's transactions were taken: whoever wrote one has a row.
func (p *presence) look(s *store.Store, now time.Time) (news bool, err error) {
	if !p.on() {
		return false, nil
	}
	if p.people == nil {
		if err := p.read(s, now); err != nil {
			return false, err
		}
	}
	p.mu.Lock()
	moves := p.moves
	p.moves = nil
	p.mu.Unlock()
	for i := range moves {
		p.take(&moves[i])
	}
	due := 0
	for due < len(p.away) && !p.away[due].due.After(now) {
		due++
	}
	p.going = append(p.going, p.away[:due]...)
	p.away = p.away[due:]
	p.going = slices.DeleteFunc(p.going, func(l leave) bool { return l.over() })
	return len(p.dirty)+len(p.going) > 0, nil
}

func (p *presence) take(m *move) {
	one := p.people[m.device]
	switch {
	case m.here && one == nil:
		one = &person{device: m.device, user: m.user, role: m.role, since: m.at, here: true}
		p.people[m.device] = one
		p.users[m.user]++
		p.dirty[one] = struct{}{}
	case m.here:
		if !one.here {
			one.since = m.at
		}
		p.users[one.user]--
		p.users[m.user]++
		one.user, one.role, one.here = m.user, m.role, true
		one.moves++
		p.dirty[one] = struct{}{}
	case one == nil || !one.here: // of a session whose hello was refused
	case m.left:
		p.leave(one, m.at, 0)
	default:
		p.leave(one, m.at, p.grace)
	}
}

// leave makes somebody away, until he is due to go.
func (p *presence) leave(one *person, now time.Time, grace time.Duration) {
	one.here, one.since = false, now
	one.moves++
	p.dirty[one] = struct{}{}
	due := now.Add(grace)
	at, _ := slices.BinarySearchFunc(p.away, due, func(l leave, due time.Time) int { return cmp.Or(l.due.Compare(due), -1) })
	p.away = slices.Insert(p.away, at, leave{one, one.moves, due})
}

// An attendance is what one frame writes of presence.
type attendance struct {
	put  []leave // whose rows are as they are after so many moves
	gone map[*person]struct{}
}

// write writes who is here and who is away, and deletes the rows of those who have
// gone, their wills too. What a trigger of the game's refuses is not tried again.
func (p *presence) write(f *store.Frame, gone []*person) (a attendance, refused *wire.Refusal, err error) {
	a.gone = map[*person]struct{}{}
	rows, keys := wire.Grid{Stride: len(p.sessions.Columns)}, wire.Grid{Stride: p.sessions.Key}
	for _, one := range gone {
		a.gone[one] = struct{}{}
		keys.Values = append(keys.Values, wire.BlobValue(one.device[:]))
	}
	for one := range p.dirty {
		one.known = true
		if _, gone := a.gone[one]; !gone {
			a.put = append(a.put, leave{person: one, after: one.moves})
			rows.Values = append(rows.Values, one.row()...)
		}
	}
	if refused, err = f.Keep(p.sessions, rows, keys); err != nil {
		return a, nil, err
	}
	also, err := f.Keep(p.wills, wire.Grid{Stride: len(p.wills.Columns)}, keys)
	return a, cmp.Or(refused, also), err
}

// row is a person as the table has him.
func (one *person) row() []wire.Value {
	user, state := wire.Value{}, stateAway
	if one.user != "" {
		user = wire.TextValue(one.user)
	}
	if one.here {
		state = stateHere
	}
	return []wire.Value{
		wire.BlobValue(one.device[:]), user, wire.TextValue(one.role), wire.IntegerValue(one.since.UnixMicro()), wire.TextValue(state),
	}
}

// written takes note that a frame is durable; nil: it wrote nothing of presence.
func (p *presence) written(a *attendance) {
	if a == nil {
		return
	}
	for i := range a.put {
		if !a.put[i].over() {
			delete(p.dirty, a.put[i].person)
		}
	}
	for one := range a.gone {
		p.remove(one)
	}
	p.going = slices.DeleteFunc(p.going, func(l leave) bool { _, gone := a.gone[l.person]; return gone })
}

func (p *presence) remove(one *person) {
	delete(p.dirty, one)
	delete(p.people, one.device)
	if p.users[one.user]--; p.users[one.user] == 0 {
		delete(p.users, one.user)
	}
}

// forget drops those who are due to go and of whom nothing was written, nor waits.
// While nothing can be written, devices that come and go would otherwise add up.
func (p *presence) forget(waits map[store.Device]struct{}) {
	p.going = slices.DeleteFunc(p.going, func(l leave) bool {
		_, has := waits[l.device]
		if l.known || has {
			return false
		}
		p.remove(l.person)
		return true
	})
}
