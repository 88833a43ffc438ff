package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"framehub/auth"
	"framehub/session"
	"framehub/session/wire"
	"framehub/store"
)

const (
	defaultMaxMessage = 60 << 10 // Godot's default buffers are 64 KiB
	leastMaxMessage   = 1 << 10
	mostMaxMessage    = 16 << 20
)

// capabilities lists the optional parts of the protocol that this hub does.
func (h *Hub) capabilities() []string {
	list := []string{"zstd", "clock", "events", "sql"}
	if h.presence.on() {
		list = append(list, "presence", "wills")
	}
	return list
}

// Serve takes over a session: it reads the hello, and then lets the session run in
// a goroutine of its own, whose small stack is all that an idle one keeps. It
// returns after the hello, with the reason when that was refused. [Hub.Run] waits
// for the session to end.
func (h *Hub) Serve(sess *session.Session) error {
	return h.serve(sess, h.admit, func() {})
}

// ServeObserver is Serve for a session of a user of the operators' listener, who has
// been let in there: it is an observer, is not among those who are here, and rules
// about scopes of tokens do not hold for it. done is closed when it has ended.
func (h *Hub) ServeObserver(sess *session.Session, user string) (done <-chan struct{}, err error) {
	ended := make(chan struct{})
	return ended, h.serve(sess, observing(user), func() { close(ended) })
}

// serve takes over a session of somebody whom admit lets in. It calls ended when it
// has ended, if there was no error.
func (h *Hub) serve(sess *session.Session, admit admission, ended func()) error {
	if !h.enter(sess) {
		sess.End(goodbyeStopping)
		sess.Refuse(&wire.Error{Code: goodbyeStopping.Code, Reason: goodbyeStopping.Text})
		ended()
		return nil
	}
	c, err := h.greet(sess, admit)
	if err != nil {
		h.exit(sess)
		sess.Refuse(wire.AsError(err))
		h.sessions.Done()
		return err
	}
	h.auditLogin(c)
	h.opts.Log.Debug("session begins", "session", sess.ID, "remote", sess.Remote, "device", uuid.UUID(c.device.id), "role", c.who.Role, "user", c.identity.User, "token_id", c.identity.TokenID)
	go func() {
		defer ended()
		defer h.sessions.Done()
		defer h.dismiss(c)
		err := sess.Run(c)
		h.auditEnd(c, err)
		h.opts.Log.Debug("session ended", "session", sess.ID, "remote", sess.Remote, "user", c.identity.User, "token_id", c.identity.TokenID, "err", err)
	}()
	return nil
}

// enter counts the session in, unless the hub is stopping.
func (h *Hub) enter(sess *session.Session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopping {
		return false
	}
	h.strangers[sess] = struct{}{}
	h.sessions.Add(1)
	return true
}

func (h *Hub) exit(sess *session.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.strangers, sess)
}

// greet reads the hello, and makes the session one of the hub's.
func (h *Hub) greet(sess *session.Session, admit admission) (*client, error) {
	hello, err := sess.Hello()
	if err != nil {
		return nil, err
	}
	entry, err := admit(&hello)
	if err != nil {
		return nil, err
	}
	c, err := h.newClient(sess, &hello, &entry)
	if err != nil {
		return nil, err
	}
	if err := h.attach(c, &hello); err != nil {
		h.dismiss(c)
		return nil, whose(err, &entry.who)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.strangers, sess)
	h.clients[c] = struct{}{}
	if h.clock.holder != nil && entry.role == auth.RoleServer {
		c.tellHolder(h.clock.holder)
	}
	if is := h.rules.Load(); is.schema != c.greeted.schema {
		c.reform(is.since(c.greeted))
	} else {
		c.follow(is.since(c.greeted))
	}
	if h.stopping {
		c.sess.End(goodbyeStopping)
	}
	return c, nil
}

func (h *Hub) newClient(sess *session.Session, hello *wire.DeviceHello, e *entry) (*client, error) {
	c := &client{
		hub: h, sess: sess, form: form{max: hello.MaxMessage, zstd: hello.Zstd},
		identity: e.who, who: whoIs(&e.who, e.role, h.opts.Gate == nil || e.unseen), unseen: e.unseen, greeted: h.book(),
		program: nameOf(hello.Client), jobs: make(chan job, maxJobs), catchup: true,
	}
	if e.role == auth.RoleServer {
		c.ticking, c.form.authors = make(chan struct{}, maxTicks), true
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	switch {
	case c.form.max == 0:
		c.form.max = defaultMaxMessage
	case c.form.max < leastMaxMessage:
		return nil, &wire.Error{Code: wire.CloseProtocol, Reason: fmt.Sprintf("max_message is %d, the least is %d", c.form.max, leastMaxMessage)}
	}
	c.form.max = min(c.form.max, mostMaxMessage)
	if hello.Budget != 0 {
		return nil, &wire.Error{Code: wire.CloseProtocol, Reason: "this hub does not do budget: leave it out of the hello"}
	}
	return c, nil
}

// attach gives the session its device, and answers the hello.
func (h *Hub) attach(c *client, hello *wire.DeviceHello) error {
	id, err := deviceID(hello.Device)
	if err != nil {
		return err
	}
	if e := h.banned(&c.identity, uuid.UUID(id), time.Now()); e != nil {
		return e
	}
	look, replaced, err := h.claimDevice(c, id, hello.Device != nil)
	if err != nil {
		return err
	}
	if replaced != nil {
		replaced.sess.End(wire.Goodbye{Code: wire.CloseReplaced, Text: "the device has a newer session"})
	}
	c.owner = c.ownerOf(id)
	c.share = h.shareFor(c)
	answer := h.answer(c, id, look)
	refused := h.subscribeFirst(c, hello, &answer)
	msg := fitRejected(&answer, c.form.max)
	if len(msg) > c.form.max {
		return &wire.Error{Code: wire.CloseTooLarge, Reason: fmt.Sprintf("the hello takes %d bytes, the device takes %d: raise max_message", len(msg), c.form.max)}
	}
	c.out = append(c.out, msg)
	if refused != nil {
		c.out = append(c.out, (&wire.SnapshotEnd{Refused: refused}).Append(nil))
	}
	return nil
}

// claimDevice makes c the session of a device, and returns what the device has settled
// and which session c replaces. Of a device that has just been given out, which is not
// kept, nothing is known.
func (h *Hub) claimDevice(c *client, id store.Device, kept bool) (look store.DeviceLook, replaced *client, err error) {
	for { // the disk is waited for outside the inbox, where all would wait with it
		if kept {
			if look, err = h.store.LookUp(id); err != nil {
				return look, nil, err
			}
		}
		replaced, err = h.in.attach(c, id, func(unsaid []wire.Rejected) (uint64, error) {
			if kept {
				var ok bool
				if look, ok = h.store.LookAgain(id, look); !ok {
					return 0, errOutdated
				}
			}
			if look.Known && look.Owner != "" && look.Owner != c.identity.User {
				return 0, notYours()
			}
			addUnsaid(&look, unsaid)
			return look.Settled, nil
		})
		if !errors.Is(err, errOutdated) {
			return look, replaced, err
		}
	}
}

// errOutdated is that a device may have settled something since it was looked up.
var errOutdated = errors.New("the device is to be looked up anew")

// fitRejected encodes a hello. A device that has been refused a lot and takes
// little is told without words, and at last only of the latest.
func fitRejected(answer *wire.HubHello, most int) []byte {
	msg := answer.Append(nil)
	if len(msg) <= most {
		return msg
	}
	for i := range answer.Rejected {
		answer.Rejected[i].Text = ""
	}
	for msg = answer.Append(nil); len(msg) > most && len(answer.Rejected) > 0; msg = answer.Append(nil) {
		answer.Rejected = answer.Rejected[(len(answer.Rejected)+1)/2:]
	}
	return msg
}

// deviceID returns the id that a device keeps, or gives out a new one.
func deviceID(kept []byte) (store.Device, error) {
	if kept != nil {
		return store.Device(kept), nil // its length is the decoder's to check
	}
	fresh, err := uuid.NewV7()
	if err != nil {
		return store.Device{}, fmt.Errorf("give out a device id: %w", err)
	}
	return store.Device(fresh), nil
}

func (h *Hub) answer(c *client, id store.Device, look store.DeviceLook) wire.HubHello {
	return wire.HubHello{
		Session: c.sess.ID[:], Device: id[:], Epoch: h.store.Epoch(), Version: h.Version(),
		Settled: look.Settled, SettledKnown: look.Known, Rejected: look.Rejected,
		Schema: c.greeted.schemaFor(c.who.Role), Limits: wire.HubLimits{
			Message: h.opts.Limits.Message, Rows: h.opts.Limits.Rows, Unsettled: store.Unsettled,
		},
		Capabilities: h.capabilities(), FrameHz: h.opts.FrameHz, Time: time.Now(),
	}
}

// subscribeFirst takes up the subs of a hello: all of those that have a since go
// on from there, or none does.
func (h *Hub) subscribeFirst(c *client, hello *wire.DeviceHello, answer *wire.HubHello) *wire.Refusal {
	schema := c.greeted.schema
	if !hello.SubsSet {
		hello.Subs = c.greeted.defaultSubs(&c.who)
	}
	var subs []*sub
	for i := range hello.Subs {
		s, refused := resolveSub(schema, &hello.Subs[i])
		if refused == nil {
			refused = c.greeted.mayRead(&c.who, s)
		}
		if refused != nil {
			return refused
		}
		subs = append(subs, s)
	}
	answer.Resumed = h.resumes(hello, subs, answer.Version)
	ch := &change{subs: subs}
	for i, s := range subs {
		if since := hello.Subs[i]; answer.Resumed && since.SinceSet {
			s.at, s.active = since.Since, true
			if c.sent == 0 || since.Since < c.sent {
				c.sent = since.Since
			}
			continue
		}
		ch.snapshot = append(ch.snapshot, s)
	}
	c.subs, c.wants = subs, union(subs)
	c.noteMixed(subs)
	c.begin(ch)
	return nil
}

// resumes says whether every sub with a since can go on from it.
func (h *Hub) resumes(hello *wire.DeviceHello, subs []*sub, now uint64) bool {
	any := false
	for i, s := range subs {
		m := &hello.Subs[i]
		if !m.SinceSet {
			continue
		}
		any = true
		if m.Since > now || m.Since < s.table.Since || m.Since+1 < h.store.LogFloor() || now-m.Since > maxBehind {
			return false
		}
	}
	return any && bytes.Equal(hello.Epoch, h.store.Epoch())
}

// schemaFor returns the schema as a role sees it.
func (b *book) schemaFor(role string) *wire.Schema {
	out := &wire.Schema{Version: b.schema.Version}
	for _, t := range b.schema.Tables {
		rights := b.Rights(role, t.ID)
		if !t.Synced || rights&wire.RightRead == 0 {
			continue
		}
		table := wire.SchemaTable{Number: t.ID, Name: t.Name, KeyLength: t.Key, Scope: t.Scope, Rights: rights, Class: "durable"}
		for i := range t.Columns {
			col := &t.Columns[i]
			var flags wire.ColumnFlags
			if col.NotNull {
				flags |= wire.FlagNotNull
			}
			if !col.Writable() || rights&^wire.OnDemand == wire.RightRead || b.ReadOnly(role, t.ID, i) {
				flags |= wire.FlagReadOnly
			}
			if col.Default {
				flags |= wire.FlagHasDefault
			}
			table.Columns = append(table.Columns, wire.SchemaColumn{Name: col.Name, Type: col.Type, Flags: flags})
		}
		out.Tables = append(out.Tables, table)
	}
	return out
}

// dismiss takes a session that has ended out of everything.
func (h *Hub) dismiss(c *client) {
	h.mu.Lock()
	delete(h.strangers, c.sess)
	if _, in := h.clients[c]; in {
		h.ended.add(c)
	}
	delete(h.clients, c)
	h.release(c, "the server has left")
	h.leave(c)
	h.mu.Unlock()
	h.in.detach(c)
	c.share.leave()
	c.mu.Lock()
	h.metrics.lostEvents(gone, c.mail.fallBehind())
	c.mu.Unlock()
	c.cancel()
	if c.rested != nil {
		c.rested.Stop()
	}
	c.reading.Wait()
	for ch := c.change; ch != nil; ch = ch.then {
		if ch.spool != nil {
			ch.spool.discard()
		}
	}
}
