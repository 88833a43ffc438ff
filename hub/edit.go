package hub

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"framehub/auth"
	"framehub/rules"
	"framehub/session/wire"
	"framehub/store"
)

// An Edit is a change that an operator makes to one row. It is a transaction like any
// other, of the role admin: the rules, the schema and the game's triggers have their say.
type Edit struct {
	Kind   wire.OpKind // OpInsert, OpUpdate or OpDelete
	Table  string
	Key    []wire.Value
	Values map[string]wire.Value // by column, none of the key; nothing for OpDelete
}

// An edit is one on its way to a frame.
type edit struct{ done chan edited }

type edited struct {
	version uint64
	refused *wire.Refusal
}

// editors are the devices that operators write as: what they did has their name in the
// frame log.
type editors struct {
	mu  sync.Mutex
	ids map[string]store.Device
}

const maxEditors = 1024 // names; the next begin anew

// device returns the device that an operator writes as, which is new with each start of
// the hub.
func (e *editors) device(user string) (store.Device, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if id, ok := e.ids[user]; ok {
		return id, nil
	}
	fresh, err := uuid.NewV7()
	if err != nil {
		return store.Device{}, fmt.Errorf("give out a device id: %w", err)
	}
	if e.ids == nil || len(e.ids) >= maxEditors {
		e.ids = map[string]store.Device{}
	}
	e.ids[user] = store.Device(fresh)
	return e.ids[user], nil
}

// editTime is how long an edit waits, for room and for its frame.
const editTime = 10 * time.Second

// OperatorUser is what the frame log calls an operator.
func OperatorUser(name string) string { return "operator:" + name }

// Edit changes a row in the name of an operator, and returns the version that has it, or
// why it was refused. An error is one that leaves it open whether it took place.
func (d *Data) Edit(ctx context.Context, operator string, e *Edit) (version uint64, refused *wire.Refusal, err error) {
	h := d.hub
	b := h.book()
	w, refused := e.transaction(b.schema)
	if refused != nil {
		return 0, refused, nil
	}
	user := OperatorUser(operator)
	id, err := h.editors.device(user)
	if err != nil {
		return 0, nil, err
	}
	who := whoIs(&auth.Identity{User: user}, auth.RoleAdmin, h.opts.Gate == nil)
	if refused := b.Check(&who, w); refused != nil {
		return 0, refused, nil
	}
	ctx, cancel := context.WithTimeout(ctx, editTime)
	defer cancel()
	it := item{
		device: &device{id: id, user: user}, write: w, who: &who, owner: owner{device: id},
		edit: &edit{make(chan edited, 1)}, size: itemSize + len(w.Ops[0].Block.Data),
	}
	switch taken := h.in.putUnnumbered(ctx, it); {
	case !taken && ctx.Err() != nil:
		return 0, wire.Refuse(wire.CodeUnavailable, "so much waits for a frame that there was no room for it: nothing was changed, try again"), nil
	case !taken:
		return 0, wire.Refuse(wire.CodeUnavailable, "the hub is stopping"), nil
	}
	select {
	case is := <-it.edit.done:
		return is.version, is.refused, nil
	case <-ctx.Done():
		return 0, nil, fmt.Errorf("no frame has said what became of it, look at the row: %w", ctx.Err())
	}
}

// transaction makes an edit a transaction of one op, by a schema.
func (e *Edit) transaction(schema *store.Schema) (*wire.Write, *wire.Refusal) {
	t := schema.Table(e.Table)
	if t == nil || !t.Synced {
		return nil, wire.Refuse(wire.CodeUnknownTable, "there is no table %q whose rows can be changed through the hub: devices must see it, and so it needs a primary key", e.Table)
	}
	key, refused := t.StoredKey(e.Key)
	if refused != nil {
		return nil, refused
	}
	g := wire.Grid{Values: key}
	var columns []int
	for i := range t.Key {
		columns = append(columns, i)
	}
	for i := t.Key; i < len(t.Columns); i++ {
		if v, ok := e.Values[t.Columns[i].Name]; ok {
			g.Values, columns = append(g.Values, v), append(columns, i)
		}
	}
	if g.Stride = len(columns); g.Stride != t.Key+len(e.Values) {
		return nil, unknownColumn(t, e.Values)
	}
	at := make([]int, g.Stride)
	for i := range at {
		at[i] = i
	}
	b, err := wire.DecodeBlock(wire.AppendBlock(nil, t.ID, columns, at, g, nil), math.MaxInt32)
	if err != nil {
		return nil, wire.Refuse(wire.CodeType, "%v", err)
	}
	return &wire.Write{SchemaVersion: schema.Version, Ops: []wire.Op{{Kind: e.Kind, Block: b}}}, nil
}

// unknownColumn says which of some columns is none that an edit can set.
func unknownColumn(t *store.Table, values map[string]wire.Value) *wire.Refusal {
	for name := range values {
		switch at := t.Column(name); {
		case at < 0:
			return wire.Refuse(wire.CodeUnknownColumn, "table %q has no column %q", t.Name, name)
		case at < t.Key:
			return wire.Refuse(wire.CodeType, "column %q is part of the key of table %q, which never changes", name, t.Name)
		}
	}
	return wire.Refuse(wire.CodeUnknownColumn, "a column is there twice")
}

// editSettled tells what became of an edit.
func (h *Hub) editSettled(version uint64, o *outcome) {
	h.metrics.settled(o.refused)
	o.edit.done <- edited{version, o.refused}
}

// MayEdit says what operators may do with the rows of a table, by the rules: of the letters
// i, u and d.
func MayEdit(w *rules.Words) string { return strings.TrimPrefix(w.Rights[auth.RoleAdmin], "r") }
