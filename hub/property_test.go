package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"framehub/hub"
	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
	"framehub/store/storetest"
)

// TestProperty lets devices with changing subscriptions watch a table whose rows
// come, go and move, while connections are cut, resumed, and now and then not read
// for a while. Whatever happens: no promise of the protocol is broken, and each
// copy that is complete to the version SQL has equals what SQL has.
func TestProperty(t *testing.T) { property(t, "alone") }

// TestPropertyBesideOthers does so while another program writes the same tables with
// SQL, and changes the schema.
func TestPropertyBesideOthers(t *testing.T) { property(t, "beside others") }

// TestPropertyMVSQLite does so on mvSQLite, with all that its commits can meet: what
// was acknowledged is there, and was done once.
func TestPropertyMVSQLite(t *testing.T) { property(t, "mvSQLite") }

func property(t *testing.T, how string) {
	t.Helper()
	rounds := 12
	if text := os.Getenv("FRAMEHUB_ROUNDS"); text != "" {
		rounds, _ = strconv.Atoi(text)
	}
	for i := range rounds {
		seed := uint64(time.Now().UnixNano()) + uint64(i)
		if text := os.Getenv("FRAMEHUB_SEED"); text != "" {
			seed, _ = strconv.ParseUint(text, 10, 64)
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var sim *storetest.Mvsim
			if how == "mvSQLite" {
				sim = storetest.OpenMvsim(t, "game", "game.frames")
				defer loosen(sim)()
			}
			synctest.Test(t, func(t *testing.T) {
				p := &propertyRun{world: newWorldOn(t, sim, schema, hub.Options{}), rng: rand.New(rand.NewPCG(seed, 0))}
				if how == "beside others" {
					p.others = p.outsider()
					p.others.rng = p.rng
				}
				p.run(300)
			})
		})
	}
}

type propertyRun struct {
	*world
	rng      *rand.Rand
	writer   *peer
	watchers []*watcher
	others   *outsider // nil: nobody

	adding map[uint64]bool // the writer's transactions that each count one
	added  int64           // those of them that were acknowledged
}

// A watcher is a device that keeps a copy.
type watcher struct {
	p       *propertyRun
	replica *session.Replica
	client  *session.Client
	reader  *reader
	device  []byte
	lastID  uint64
	asleep  int // frames during which it does not read
	gone    int // frames during which it is not connected
	max     int

	left    bool   // the hub has said goodbye
	heard   int64  // the number of the last event
	heardAt uint64 // its version; 0: a snapshot has come since
}

func (p *propertyRun) run(frames int) {
	p.writer = p.dial(nothing())
	acks := newReader(p.writer.Client)
	defer close(acks.done)
	for range 5 {
		w := &watcher{p: p, replica: session.NewReplica(session.ReplicaOptions{Strict: true}), max: []int{0, 2048}[p.rng.IntN(2)]}
		p.watchers = append(p.watchers, w)
		w.connect()
	}
	p.adding = map[uint64]bool{}
	p.adding[p.writer.write(wire.OpPut, "other", []string{"name", "n"}, wire.TextValue("added"), num(1))] = true
	for i := range frames {
		for range p.rng.IntN(5) {
			p.writeRandom()
		}
		if p.sim != nil && i%5 == 0 {
			p.adding[p.writer.write(wire.OpAdd, "other", []string{"name", "n"}, wire.TextValue("added"), num(1))] = true
			if i > 0 { // when there is something to add to
				p.trouble()
			}
		}
		if p.sim != nil {
			p.pass(20 * time.Millisecond)
		}
		p.writer.send(wire.ToRole("device"), "tick", int64(i))
		synctest.Wait()
		if p.others != nil {
			p.others.write()
		}
		p.frame()
		if i%20 == 19 {
			p.pass(time.Duration(p.rng.IntN(1500)) * time.Millisecond)
			p.hub.Sweep(time.Now())
			_ = acks.take(p.count)
		}
		for _, w := range p.watchers {
			w.step()
		}
	}
	for _, w := range p.watchers {
		w.asleep = 0
		w.read()
		if w.client == nil || w.left {
			w.connect()
		}
	}
	p.pass(1100 * time.Millisecond)
	if p.sim != nil { // merges go on beside the frames
		p.sim.Plan()
		for range 3 {
			p.frame()
			p.pass(time.Second)
		}
	}
	p.hub.Sweep(time.Now())
	synctest.Wait()
	_ = acks.take(p.count)
	if p.sim != nil {
		p.Logf("%d additions acknowledged of %d, %d recoveries, %d merges", p.added, len(p.adding), p.store.Stats().Recoveries.Load(), p.store.Stats().Merges.Load())
	}
	if n := p.scalar("SELECT ifnull(max(n), 0) FROM other WHERE name = 'added'"); p.sim != nil && n != p.added {
		p.Errorf("%d of %d additions were acknowledged, %d are there", p.added, len(p.adding), n)
	}
	for i, w := range p.watchers {
		w.read()
		if w.heard == 0 {
			p.Errorf("watcher %d heard no event", i)
		}
		if !w.compare() {
			p.Errorf("watcher %d is not complete to version %d at the end: %+v", i, p.hub.Version(), w.subs())
		}
		w.drop()
	}
}

// trouble lets one of the next commits meet something, now and then.
func (p *propertyRun) trouble() {
	namespace := []string{"game", "game.frames"}[p.rng.IntN(2)]
	hang, err := os.CreateTemp(p.sim.Dir, hanging)
	if err != nil {
		p.Fatal(err)
	}
	_ = hang.Close()
	actions := []string{"conflict", "untrue", "ioerr", "storeioerr", "full", "slow 10", "hang " + hang.Name(), "hangfail " + hang.Name()}
	action := actions[p.rng.IntN(len(actions))]
	p.sim.Plan(fmt.Sprintf("commit %s %d %s", namespace, 1+p.rng.IntN(3), action), fmt.Sprintf("commit %s %d %s", namespace, 1+p.rng.IntN(6), action))
}

// hanging is what the names of files begin with for as long as which calls hang.
const hanging = "hanging"

// loosen removes them by the machine's clock, which goes on while a call hangs, as that of
// the test does not. What it returns ends that.
func loosen(sim *storetest.Mvsim) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var loosening sync.WaitGroup
	loosening.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			files, _ := filepath.Glob(filepath.Join(sim.Dir, hanging+"*"))
			for _, f := range files {
				_ = os.Remove(f) // the test may have done so
			}
		}
	})
	return func() {
		cancel()
		loosening.Wait()
	}
}

// count counts what was acknowledged.
func (p *propertyRun) count(m session.Message) error {
	if s, ok := m.(*wire.Settled); ok {
		for _, seq := range s.Committed {
			if p.adding[seq] {
				p.added++
			}
		}
	}
	return nil
}

func (p *propertyRun) writeRandom() {
	if p.store.Schema().Table("thing") == nil {
		return // others have dropped it
	}
	id, zone, a := p.rng.Int64N(12), p.rng.Int64N(4), p.rng.Int64N(5)
	switch p.rng.IntN(6) {
	case 0:
		p.writer.write(wire.OpDelete, "thing", []string{"id"}, num(id))
	case 1:
		p.writer.write(wire.OpTouch, "thing", []string{"id", "zone"}, num(id), num(zone))
	case 2:
		p.writer.write(wire.OpTouch, "thing", []string{"id", "a"}, num(id), num(a))
	case 3:
		p.writer.write(wire.OpPut, "thing", []string{"id", "b"}, num(id), wire.TextValue(strings.Repeat("b", p.rng.IntN(500))))
	default:
		p.writer.write(wire.OpPut, "thing", []string{"id", "zone", "a"}, num(id), num(zone), num(a))
	}
}

func (w *watcher) step() {
	switch {
	case w.gone > 0:
		if w.gone--; w.gone == 0 {
			w.connect()
		}
		return
	case w.asleep > 0:
		w.asleep--
		return
	}
	w.read()
	if w.left {
		w.drop()
		w.client, w.gone = nil, 1
		return
	}
	w.compare()
	switch w.p.rng.IntN(30) {
	case 0:
		w.drop()
		w.client, w.gone = nil, w.p.rng.IntN(20)+1
	case 1:
		w.asleep = w.p.rng.IntN(40)
	case 2, 3, 4:
		w.resubscribe()
	}
}

func (w *watcher) drop() {
	if w.client != nil {
		close(w.reader.done)
		w.client.Drop()
	}
}

func (w *watcher) randomSub() wire.Sub {
	s := wire.Sub{Name: "thing"}
	if w.p.rng.IntN(5) > 0 {
		s.Scoped = true
		for range w.p.rng.IntN(3) {
			s.Scopes = append(s.Scopes, num(w.p.rng.Int64N(4)))
		}
	}
	return s
}

func (w *watcher) connect() {
	hello := wire.DeviceHello{Device: w.device, SubsSet: true, MaxMessage: w.max}
	w.replica.View(func(c *session.Copy) { hello.Epoch, hello.Subs = c.Epoch, c.Subs() })
	if hello.Epoch == nil {
		for range w.p.rng.IntN(3) {
			hello.Subs = append(hello.Subs, w.randomSub())
		}
	}
	c, err := session.Dial(w.p.Context(), sessiontest.URL, session.ClientOptions{Hello: hello, HTTPClient: w.p.net.HTTPClient()})
	if err != nil {
		w.p.Fatal(err)
	}
	w.left = false
	w.client, w.reader, w.device, w.lastID, w.heardAt = c, newReader(c), c.Hello.Device, 0, 0
	if err := w.replica.Hello(&hello, &c.Hello); err != nil {
		w.p.Fatal(err)
	}
}

func (w *watcher) resubscribe() {
	w.lastID++
	m := wire.Subscribe{ID: w.lastID}
	if subs := w.subs(); len(subs) > 0 && w.p.rng.IntN(2) == 0 {
		s := subs[w.p.rng.IntN(len(subs))]
		s.Since, s.SinceSet = 0, false
		m.Remove = append(m.Remove, s)
	}
	if len(m.Remove) == 0 || w.p.rng.IntN(2) == 0 {
		m.Add = append(m.Add, w.randomSub())
	}
	w.replica.Subscribing(&m)
	if err := w.client.Subscribe(w.p.Context(), &m); err != nil {
		w.p.Fatal(err)
	}
}

func (w *watcher) subs() (subs []wire.Sub) {
	w.replica.View(func(c *session.Copy) { subs = c.Subs() })
	return subs
}

// read takes every message that has come.
func (w *watcher) read() {
	if err := w.reader.take(w.take); err != nil {
		w.p.Fatalf("%v; subscriptions %+v", err, w.subs())
	}
}

// take takes a message. Events come in the order in which they were sent, and
// after every row of their version; but what a new subscription brings may be older.
func (w *watcher) take(m session.Message) error {
	switch m := m.(type) {
	case *wire.Goodbye:
		if w.p.others == nil || !strings.Contains(m.Text, "schema changed") {
			return fmt.Errorf("goodbye: %+v", m)
		}
		w.left = true
	case *wire.SnapshotEnd:
		w.heardAt = 0
	case *wire.Frame:
		if len(m.Changed)+len(m.Removed) > 0 && m.Version <= w.heardAt {
			return fmt.Errorf("after an event of version %d come rows of version %d", w.heardAt, m.Version)
		}
	case *wire.Event:
		n := m.Value.Values[0].Int64()
		if n <= w.heard && w.heard > 0 || m.Version < w.heardAt {
			return fmt.Errorf("event %d of version %d comes after event %d of version %d", n, m.Version, w.heard, w.heardAt)
		}
		w.heard, w.heardAt = n, m.Version
	}
	return w.replica.Take(m)
}

// A reader reads one message ahead, so that who does not take any is slow.
type reader struct {
	messages chan session.Message
	done     chan struct{}
}

func newReader(c *session.Client) *reader {
	r := &reader{messages: make(chan session.Message), done: make(chan struct{})}
	go func() {
		defer close(r.messages)
		for {
			m, err := c.Next(context.Background())
			if err != nil {
				return
			}
			select {
			case r.messages <- m:
			case <-r.done:
				return
			}
		}
	}()
	return r
}

// take hands on every message that has come.
func (r *reader) take(take func(session.Message) error) error {
	for {
		synctest.Wait()
		select {
		case m, ok := <-r.messages:
			if !ok {
				return nil
			}
			if err := take(m); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// compare compares the copy with SQL where that has the same version, and says
// whether it had.
func (w *watcher) compare() bool {
	merged := uint64(w.p.scalar("SELECT value FROM _framehub_meta WHERE key = 'merged'"))
	same := true
	var have, columns []string
	var subs []wire.Sub
	w.replica.View(func(c *session.Copy) {
		subs = c.Subs()
		for _, s := range subs {
			same = same && s.SinceSet && s.Since == merged
		}
		if t := c.Table("thing"); t != nil {
			for i := range t.Columns {
				columns = append(columns, t.Columns[i].Name)
			}
			for r := range t.Rows() {
				have = append(have, fmt.Sprint(r.Values))
			}
		}
	})
	if !same {
		return false
	}
	want := w.p.rows(subs, columns)
	slices.Sort(have)
	if !slices.Equal(have, want) {
		w.p.Fatalf("at version %d, with %+v, the copy has\n%v\nSQL has\n%v", merged, subs, strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	return true
}

// rows returns what SQL has for subscriptions.
func (p *propertyRun) rows(subs []wire.Sub, columns []string) []string {
	var where []string
	for _, s := range subs {
		if !s.Scoped {
			where = append(where, "1")
		}
		for _, v := range s.Scopes {
			where = append(where, fmt.Sprintf("zone = %d", v.Int64()))
		}
	}
	if len(where) == 0 || len(columns) == 0 && p.scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'thing'") == 0 {
		return nil
	}
	rows, err := p.db().QueryContext(p.Context(), "SELECT "+strings.Join(columns, ", ")+" FROM thing WHERE "+strings.Join(where, " OR "))
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range into {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			p.Fatal(err)
		}
		all = append(all, fmt.Sprint(session.Values(values...)))
	}
	if err := rows.Err(); err != nil {
		p.Fatal(err)
	}
	slices.Sort(all)
	return all
}
