package hub

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"framehub/session/wire"
	"framehub/store"
)

// A sub is one subscription of a session. It is owned by the session's write loop.
type sub struct {
	table  *store.Table
	scoped bool
	scopes []wire.Value // as canonical returns them, sorted, without doubles
	at     uint64       // the version to which the device has it
	active bool         // false: its snapshot is under way, and frames leave it out
	gone   bool         // the schema has no such table any more
}

func (s *sub) same(t *sub) bool {
	return s.table.ID == t.table.ID && s.scoped == t.scoped && slices.Equal(s.scopes, t.scopes)
}

// canonical returns the one form of values that SQL holds equal: 1.0 is 1.
func canonical(v wire.Value) wire.Value {
	if f := v.Float64(); v.Kind() == wire.Real && f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return wire.IntegerValue(int64(f))
	}
	return v
}

// resolveSub finds what a subscription names.
func resolveSub(schema *store.Schema, m *wire.Sub) (*sub, *wire.Refusal) {
	t := findTable(schema, m.Name, m.Table)
	if t == nil {
		name := m.Name
		if name == "" {
			name = fmt.Sprint(m.Table)
		}
		return nil, wire.Refuse(wire.CodeUnknownTable, "there is no table %.80q to subscribe to", name)
	}
	if m.Hz != 0 {
		return nil, wire.Refuse(wire.CodeUnavailable, "this hub does not do hz: leave it out to get every frame")
	}
	s := &sub{table: t, scoped: m.Scoped}
	if !m.Scoped {
		return s, nil
	}
	if t.Scope < 0 {
		return nil, wire.Refuse(wire.CodeUnknownColumn, "table %q has no scope column: subscribe to all of it", t.Name)
	}
	col := &t.Columns[t.Scope]
	for _, v := range m.Scopes {
		if !fits(v, col.Type) {
			return nil, wire.Refuse(wire.CodeType, "the scopes of table %q are values of its column %q, %s, not %s", t.Name, col.Name, col.Type, v)
		}
		s.scopes = append(s.scopes, canonical(v))
	}
	slices.SortFunc(s.scopes, func(a, b wire.Value) int { return strings.Compare(scopeText(a), scopeText(b)) })
	s.scopes = slices.Compact(s.scopes)
	return s, nil
}

// findTable returns the table that a device names, or numbers where name is "";
// nil: devices see none of that name.
func findTable(schema *store.Schema, name string, number int) *store.Table {
	t := schema.ByID(number)
	if name != "" {
		t = schema.Table(name)
	}
	if t == nil || !t.Synced {
		return nil
	}
	return t
}

// fits says whether a value can be in a column of that type.
func fits(v wire.Value, kind string) bool {
	switch v.Kind() {
	case wire.Null:
		return true
	case wire.Integer, wire.Real:
		return kind != "TEXT" && kind != "BLOB"
	case wire.Text:
		return kind == "TEXT" || kind == "ANY"
	case wire.Blob:
		return kind == "BLOB" || kind == "ANY"
	default:
		return false
	}
}

// scopeText tells scope values apart as text: for sorting, and in an audience's key.
func scopeText(v wire.Value) string {
	return fmt.Sprintf("%d:%d:%s:%x", v.Kind(), v.Int64(), v.Bytes(), math.Float64bits(v.Float64()))
}

// An interest is what a session, or all of an audience, wants of one table.
type interest struct {
	table  *store.Table
	all    bool
	scopes map[wire.Value]struct{}
	at     uint64 // what came after is wanted
	mixed  bool   // some of the subs have more than at: rows come whole, since who has what is not known
}

func (n *interest) wants(scope wire.Value) bool {
	if n.all {
		return true
	}
	_, ok := n.scopes[canonical(scope)]
	return ok
}

// interests joins subs, those that are active, by table.
func interests(subs []*sub) map[int]*interest {
	out := map[int]*interest{}
	for _, s := range subs {
		if !s.active {
			continue
		}
		n := out[s.table.ID]
		if n == nil {
			n = &interest{table: s.table, at: s.at, scopes: map[wire.Value]struct{}{}}
			out[s.table.ID] = n
		}
		n.mixed = n.mixed || n.at != s.at
		n.at = min(n.at, s.at)
		n.all = n.all || !s.scoped
		for _, v := range s.scopes {
			n.scopes[v] = struct{}{}
		}
	}
	return out
}

// complete returns the places of the active subs, nil when all are.
func complete(subs []*sub) []int {
	places := []int{}
	for i, s := range subs {
		if s.active {
			places = append(places, i)
		}
	}
	if len(places) == len(subs) {
		return nil
	}
	return places
}

// audienceKey tells which sessions get the same bytes.
func audienceKey(subs []*sub, form form) string {
	var parts []string
	for _, n := range interests(subs) {
		p := fmt.Sprintf("%d", n.table.ID)
		if !n.all {
			var scopes []string
			for v := range n.scopes {
				scopes = append(scopes, scopeText(v))
			}
			slices.Sort(scopes)
			p = fmt.Sprintf("%d%q", n.table.ID, scopes)
		}
		parts = append(parts, p)
	}
	slices.Sort(parts)
	return fmt.Sprintf("%v %v %v", form, complete(subs), parts)
}
