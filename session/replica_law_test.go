package session_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"framehub/session"
	"framehub/session/wire"
)

// A world is a table of entities in all its versions, and a hub that tells one
// session of it by the rules of the protocol.
type world struct {
	rng      *rand.Rand
	versions []map[int]being // by version
	born     int

	subs     []*worldSub
	sent     uint64
	changing *wire.Subscribe
	adding   []*worldSub
	snapshot uint64 // of adding
	torn     bool   // subscriptions were of different versions since the last frame
}

// A being is a row; born tells it from others that had or get its key.
type being struct {
	born, zone int
	x          float64
}

type worldSub struct {
	wire.Sub
	at   uint64
	live bool
}

func (s *worldSub) wants(zone int) bool {
	return !s.Scoped || slices.Contains(s.Scopes, wire.IntegerValue(int64(zone)))
}

func (w *world) now() uint64 { return uint64(len(w.versions) - 1) }

func (w *world) commit() {
	next := maps.Clone(w.versions[w.now()])
	for range 1 + w.rng.IntN(3) {
		id := w.rng.IntN(6)
		b, ok := next[id]
		switch k := w.rng.IntN(5); {
		case !ok || k == 0:
			w.born++
			next[id] = being{w.born, w.rng.IntN(4), 0}
		case k == 1:
			delete(next, id)
		case k == 2:
			b.zone = w.rng.IntN(4)
			next[id] = b
		default:
			b.x++
			next[id] = b
		}
	}
	w.versions = append(w.versions, next)
}

// frame is what the live subscriptions have missed.
func (w *world) frame() []session.Message {
	now := w.now()
	var live []*worldSub
	var complete []int
	mixed := w.torn // who has what is not known: rows come whole, and all that went is removed
	for i, s := range w.subs {
		if s.live {
			live, complete = append(live, s), append(complete, i)
		}
	}
	first := &wire.Frame{Version: now, Previous: w.sent, More: true}
	last := &wire.Frame{Version: now, Previous: w.sent, Complete: complete, All: len(complete) == len(w.subs)}
	for id := range 6 {
		w.frameRow(id, live, mixed, first, last)
	}
	for _, s := range live {
		s.at = max(s.at, now)
	}
	w.torn = false
	w.sent = max(w.sent, now)
	if len(first.Changed)+len(first.Removed) == 0 {
		return []session.Message{last}
	}
	return []session.Message{first, last}
}

func (w *world) frameRow(id int, live []*worldSub, mixed bool, parts ...*wire.Frame) {
	now := w.now()
	is, there := w.versions[now][id]
	had, has, from := false, false, now // had: by one of the subscriptions, at any time since
	for _, s := range live {
		was, ok := w.versions[s.at][id]
		had = had || ok && s.wants(was.zone)
		has = has || there && s.wants(is.zone)
		from = min(from, s.at)
	}
	left, changed := false, []int{0}
	zone, x := false, false
	for v := from; v < now; v++ {
		a, aok := w.versions[v][id]
		b, bok := w.versions[v+1][id]
		had = had || bok && slices.ContainsFunc(live, func(s *worldSub) bool { return s.wants(b.zone) })
		in := bok && slices.ContainsFunc(live, func(s *worldSub) bool { return s.wants(b.zone) })
		was := aok && slices.ContainsFunc(live, func(s *worldSub) bool { return s.wants(a.zone) })
		left = left || was != in || a.born != b.born
		zone, x = zone || a.zone != b.zone, x || a.x != b.x
	}
	if zone {
		changed = append(changed, 1)
	}
	if x {
		changed = append(changed, 2)
	}
	if mixed || left {
		changed = []int{0, 1, 2, 3}
	}
	part := parts[w.rng.IntN(len(parts))]
	switch {
	case had && !has:
		part.Removed = append(part.Removed, ids(id))
	case has && (left || zone || x || mixed && from < now):
		part.Changed = append(part.Changed, is.block(id, changed))
	}
}

func (b being) block(id int, columns []int) wire.Block {
	row := values(id, b.zone, b.x, fmt.Sprint(b.born))
	var some []wire.Value
	for _, c := range columns {
		some = append(some, row[c])
	}
	return block(entity, columns, some)
}

// rows is what SELECT gives for subscriptions at a version.
func (w *world) rows(subs []*worldSub, version uint64) (rows []string) {
	for id, b := range w.versions[version] {
		if slices.ContainsFunc(subs, func(s *worldSub) bool { return s.wants(b.zone) }) {
			rows = append(rows, fmt.Sprint(values(id, b.zone, b.x, fmt.Sprint(b.born))))
		}
	}
	slices.Sort(rows)
	return rows
}

func (w *world) anySub() *worldSub {
	if w.rng.IntN(4) == 0 {
		return &worldSub{Sub: whole("entity")}
	}
	return &worldSub{Sub: scoped(w.rng.IntN(4), w.rng.IntN(4))}
}

// begin takes a snapshot of what is added, of now or a little before.
func (w *world) begin(id uint64, adding []*worldSub) (messages []session.Message) {
	w.adding = adding
	w.snapshot = w.now() - min(w.now(), w.rng.Uint64N(3))
	for id2, b := range w.versions[w.snapshot] {
		if slices.ContainsFunc(adding, func(s *worldSub) bool { return s.wants(b.zone) }) {
			messages = append(messages, &wire.Snapshot{ID: id, Version: w.snapshot, Blocks: blocks(b.block(id2, wholeEntity))})
		}
	}
	return messages
}

func (w *world) end(id uint64) session.Message {
	for _, s := range w.adding {
		s.at, s.live = w.snapshot, true
	}
	if w.changing != nil {
		w.subs = slices.Delete(w.subs, 0, len(w.changing.Remove)) // always the first
		w.subs = append(w.subs, w.adding...)
	}
	w.sent = max(w.sent, w.snapshot)
	w.changing, w.adding = nil, nil
	return &wire.SnapshotEnd{ID: id, Version: w.snapshot}
}

func TestReplicaLaw(t *testing.T) {
	for seed := range uint64(400) {
		if !testReplicaLaw(t, seed) {
			t.Fatalf("seed %d", seed)
		}
	}
}

func testReplicaLaw(t *testing.T, seed uint64) bool {
	t.Helper()
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), versions: []map[int]being{{}}}
	for range 5 {
		w.commit()
	}
	r := session.NewReplica(session.ReplicaOptions{Strict: true, OnRows: func(rows session.Rows) {
		for _, key := range rows.Removed {
			if _, ok := rows.Table.Get(key...); ok {
				t.Errorf("removed and still there: %v", key)
			}
		}
	}})
	var id uint64
	for step := range 80 {
		var messages []session.Message
		switch k := w.rng.IntN(12); {
		case step == 0 || k == 0:
			messages = w.connect(t, r)
		case k == 1 && w.adding == nil && w.changing == nil:
			id++
			w.changing = &wire.Subscribe{ID: id}
			adding := []*worldSub{w.anySub()}
			w.changing.Add = []wire.Sub{adding[0].Sub}
			if len(w.subs) > 1 && w.subs[0].live {
				w.changing.Remove = []wire.Sub{w.subs[0].Sub}
			}
			r.Subscribing(w.changing)
			messages = w.begin(id, adding)
		case k < 4 && w.changing != nil:
			messages = []session.Message{w.end(id)}
		case k < 4 && w.adding != nil:
			messages = []session.Message{w.end(0)}
		case k < 8:
			w.commit()
		default:
			if slices.ContainsFunc(w.subs, func(s *worldSub) bool { return s.live }) {
				messages = w.frame()
			}
		}
		for _, m := range messages {
			if err := r.Take(m); err != nil {
				t.Errorf("step %d: %T: %v", step, m, err)
				return false
			}
		}
		if !w.check(t, r) {
			t.Errorf("step %d", step)
			return false
		}
	}
	return true
}

// connect begins a session: what the copy has is resumed, or not.
func (w *world) connect(t *testing.T, r *session.Replica) []session.Message {
	t.Helper()
	h := hello(w.now())
	h.Resumed = w.rng.IntN(3) > 0
	said := saying(copySubs(r)...)
	if len(said.Subs) == 0 {
		said.Subs = []wire.Sub{w.anySub().Sub, w.anySub().Sub}
	}
	if err := r.Hello(said, h); err != nil {
		t.Fatal(err)
	}
	w.subs, w.changing, w.sent = nil, nil, 0
	var adding []*worldSub
	for _, s := range said.Subs {
		sub := &worldSub{Sub: s, at: s.Since, live: s.SinceSet && h.Resumed}
		w.subs = append(w.subs, sub)
		if !sub.live {
			adding = append(adding, sub)
		} else if w.sent == 0 || s.Since < w.sent {
			w.sent = s.Since
		}
	}
	messages := w.begin(0, adding)
	if w.adding == nil {
		w.adding = []*worldSub{}
	}
	return messages
}

// check compares the copy with what SELECT gives, where all of it is of one version.
func (w *world) check(t *testing.T, r *session.Replica) bool {
	t.Helper()
	subs := copySubs(r)
	if len(subs) != len(w.subs) || len(subs) == 0 {
		t.Errorf("%d subscriptions, want %d", len(subs), len(w.subs))
		return false
	}
	for i, s := range subs {
		if s.SinceSet != w.subs[i].live || s.SinceSet && s.Since != w.subs[i].at {
			t.Errorf("subscription %d: %v at %d, want %v at %d", i, s.SinceSet, s.Since, w.subs[i].live, w.subs[i].at)
			return false
		}
		w.torn = w.torn || s.SinceSet && subs[0].SinceSet && s.Since != subs[0].Since
	}
	if w.torn || slices.ContainsFunc(subs, func(s wire.Sub) bool { return !s.SinceSet }) {
		return true
	}
	got, want := contents(r, "entity"), w.rows(w.subs, subs[0].Since)
	if !slices.Equal(got, want) {
		t.Errorf("at %d the copy holds\n%s\nwant\n%s", subs[0].Since, strings.Join(got, "\n"), strings.Join(want, "\n"))
		return false
	}
	return true
}
