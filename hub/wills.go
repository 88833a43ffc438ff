package hub

import (
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"

	"framehub/audit"
	"framehub/auth"
	"framehub/session/wire"
	"framehub/store"
)

const (
	// MaxWill is the most bytes that a last will may have: hubs keep one of each
	// device.
	MaxWill = 64 << 10

	// A frame lets so many devices go, and takes no more once half of its time is over.
	mostLeaving  = 512
	leastLeaving = 32

	// A session may have so many wills on their way to a frame.
	mostWills = 16
)

// A bequest is a will on its way to a frame.
type bequest struct {
	client *client
	id     uint64
	text   []byte // the message; nil: it is cleared
}

// A testator is who set a will, as it is kept beside it: its transaction is under
// his rules.
type testator struct {
	_      struct{} `cbor:",toarray"`
	User   string
	Role   string
	Scopes map[string][]any
}

// Will implements session.Handler.
func (c *client) Will(w *wire.Will, size int) (*wire.Refusal, error) {
	if !c.hub.presence.on() {
		return wire.Refuse(wire.CodeUnavailable, "this hub keeps no last wills"), nil
	}
	b := &bequest{client: c, id: w.ID}
	tx := &wire.Write{SchemaVersion: w.SchemaVersion, Ops: w.Ops}
	if w.Set {
		if size > MaxWill {
			return wire.Refuse(wire.CodeTooLarge, "the last will has %d bytes, the most is %d", size, MaxWill), nil
		}
		b.text = w.Append(nil)
	}
	if refused := c.check(tx, size); refused != nil {
		return refused, nil
	}
	if c.willing.Add(1) > mostWills {
		return nil, &wire.Error{Code: wire.CloseRate, Reason: fmt.Sprintf("more than %d last wills are under way", mostWills)}
	}
	c.hub.in.putUnnumbered(c.ctx, item{device: c.device, write: tx, who: &c.who, owner: c.owner, share: c.share, will: b, size: size + itemSize})
	return nil, nil
}

// keepWill writes a will down, or that there is none any more.
func (h *Hub) keepWill(f *store.Frame, it *item) (*wire.Refusal, error) {
	t := h.presence.wills
	device := wire.BlobValue(it.device.id[:])
	if it.will.text == nil {
		return f.Keep(t, wire.Grid{Stride: len(t.Columns)}, wire.Grid{Stride: t.Key, Values: []wire.Value{device}})
	}
	id := &it.will.client.identity
	who, err := cbor.Marshal(testator{User: id.User, Role: it.who.Role, Scopes: id.Scopes})
	if err != nil {
		return nil, fmt.Errorf("write down whose a will is: %w", err)
	}
	row := []wire.Value{device, wire.BlobValue(it.will.text), wire.BlobValue(who)}
	return f.Keep(t, wire.Grid{Stride: len(t.Columns), Values: row}, wire.Grid{Stride: t.Key})
}

// willSettled tells a session what became of its will.
func (h *Hub) willSettled(version uint64, o *outcome) {
	b := o.will
	b.client.willing.Add(-1)
	b.client.say((&wire.WillAnswer{ID: b.id, Version: version, Refused: o.refused}).Append(nil))
}

// attend writes into a frame who is here, and lets those go who are due: their wills
// run, and what goes with its user is deleted.
func (h *Hub) attend(f *store.Frame, now time.Time) (*attendance, error) {
	p := &h.presence
	if !p.on() {
		return nil, nil
	}
	leaving := h.leaving()
	wills, err := h.findWills(f, leaving)
	if err != nil {
		return nil, err
	}
	var gone []*person
	last := map[string]int{} // how many of each user have gone in this frame
	for i, l := range leaving {
		if i >= leastLeaving && time.Since(now) > h.half() {
			break
		}
		if err := h.execute(f, l.person, wills[i]); err != nil {
			return nil, err
		}
		if last[l.user]++; l.user != "" && last[l.user] == p.users[l.user] {
			if err := h.deleteOwned(f, l.person); err != nil {
				return nil, err
			}
		}
		gone = append(gone, l.person)
	}
	a, refused, err := p.write(f, gone)
	if refused != nil { // by a trigger of the game's: what it does not let happen has not
		h.opts.Log.Error("the table of sessions could not be written", "table", store.SessionTable, "err", refused)
	}
	return &a, err
}

// half is half of a frame's time.
func (h *Hub) half() time.Duration { return h.Interval() / 2 }

// leaving returns who goes with this frame: not those of whom a transaction still
// waits for its turn, which came before they left.
func (h *Hub) leaving() (leaving []leave) {
	if len(h.presence.going) == 0 {
		return nil
	}
	held := h.in.held()
	for _, l := range h.presence.going {
		if _, waits := held[l.device]; !waits && len(leaving) < mostLeaving {
			leaving = append(leaving, l)
		}
	}
	return leaving
}

// A will as it is kept.
type keptWill struct{ text, who []byte }

// findWills returns the wills of those who leave, nil for those who have none.
func (h *Hub) findWills(f *store.Frame, leaving []leave) ([]*keptWill, error) {
	wills := make([]*keptWill, len(leaving))
	if len(leaving) == 0 {
		return wills, nil
	}
	keys := wire.Grid{Stride: 1}
	for _, l := range leaving {
		keys.Values = append(keys.Values, wire.BlobValue(l.device[:]))
	}
	rows, err := f.Find(h.presence.wills, keys)
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		if row != nil {
			wills[i] = &keptWill{[]byte(row[1].Bytes()), []byte(row[2].Bytes())}
		}
	}
	return wills, nil
}

// execute runs the will of somebody who goes. What is refused is told in the audit
// log, for nobody else is there to be told.
func (h *Hub) execute(f *store.Frame, one *person, k *keptWill) error {
	if k == nil {
		return nil
	}
	refused, err := h.runWill(f, one.device, k)
	if refused != nil {
		h.metrics.settled(refused)
		h.opts.Audit.Add(audit.WillRefused, audit.Record{
			Device: uuid.UUID(one.device), User: one.user, Code: string(refused.Code), Reason: refused.Text,
		})
	} else if err == nil {
		h.metrics.wills.Inc()
	}
	return err
}

func (h *Hub) runWill(f *store.Frame, d store.Device, k *keptWill) (*wire.Refusal, error) {
	var t testator
	if err := intSigned.Unmarshal(k.who, &t); err != nil {
		return wire.Refuse(wire.CodeUnavailable, "the will can't be read: %v", err), nil
	}
	w, err := wire.DecodeWill(k.text, h.opts.Limits)
	if err != nil {
		return wire.Refuse(wire.CodeUnavailable, "the will can't be read: %v", err), nil
	}
	who := whoIs(&auth.Identity{User: t.User, Scopes: t.Scopes}, t.Role, h.opts.Gate == nil)
	tx := &wire.Write{SchemaVersion: w.SchemaVersion, Ops: w.Ops}
	b := h.book()
	if refused := h.store.Modernize(b.schema, tx); refused != nil {
		return refused, nil
	}
	if refused := b.Check(&who, tx); refused != nil {
		return refused, nil
	}
	return f.Apply(d, tx, &guard{frame: f, book: b, who: &who})
}

// intSigned reads integers as int64, as identities have them.
var intSigned = func() cbor.DecMode {
	mode, err := cbor.DecOptions{IntDec: cbor.IntDecConvertSignedOrFail}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
}()

// deleteOwned deletes the rows that go with their user, who has gone with the last
// of his devices.
func (h *Hub) deleteOwned(f *store.Frame, one *person) error {
	const batch = 4096 // rows of a transaction
	for _, owned := range h.book().GoneWithOwner() {
		t := h.store.Schema().ByID(owned.Table)
		keys, err := f.KeysWhere(t, owned.Column, wire.TextValue(one.user))
		if err != nil {
			return err
		}
		for n := keys.Rows(); n > 0; n = keys.Rows() {
			part := wire.Grid{Stride: keys.Stride, Values: keys.Values[:min(n, batch)*keys.Stride]}
			keys.Values = keys.Values[len(part.Values):]
			refused, err := f.Delete(one.device, t, part)
			if err != nil {
				return err
			}
			if refused != nil {
				h.opts.Audit.Add(audit.WillRefused, audit.Record{
					Device: uuid.UUID(one.device), User: one.user, Code: string(refused.Code),
					Reason: fmt.Sprintf("rows of table %q that go with their owner: %s", t.Name, refused.Text),
				})
			}
		}
	}
	return nil
}
