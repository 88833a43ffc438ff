package rules

import (
	"slices"
	"strconv"
	"unicode"

	"framehub/session/wire"
)

// MaxEventSize is the most bytes that the value of an event may take, and what it
// may where no rule says less.
const MaxEventSize = 16 << 10

// eventRules are the rules of one event.
type eventRules struct {
	name string
	send who
	to   targets
	max  int // bytes of the encoded value
	rate Rate
}

// targets is a set of kinds of targets, a bit each.
type targets uint8

const anyTarget targets = 1<<wire.TargetDevice | 1<<wire.TargetScope | 1<<wire.TargetRole

// targetNames are the kinds as rules name them, in the order of their numbers.
var targetNames = []string{wire.TargetDevice.String(), wire.TargetScope.String(), wire.TargetRole.String()}

func (t targets) has(k wire.TargetKind) bool { return t&(1<<k) != 0 }

var eventRuleList = []rule[*eventRules]{
	{"send", func(p *parser, r *eventRules, e *entry) { r.send = p.writers(e) }},
	{"to", (*parser).targets},
	{"max", (*parser).eventSize},
	{"rate", func(p *parser, r *eventRules, e *entry) { r.rate = p.rate(e, false) }},
}

func (p *parser) events(s *Set, e *entry) {
	if e.value.kind != kindTable {
		p.add(e.line, "events is %v: the rules of an event stand under [events.NAME]", e.value.kind)
		return
	}
	for _, one := range e.value.entries {
		if n := len(one.key); n == 0 || n > wire.MaxEventName || slices.ContainsFunc([]rune(one.key), unicode.IsControl) {
			p.add(one.line, "the name of an event has 1 to %d bytes and no control characters, %q can't be one", wire.MaxEventName, one.key)
		}
		r := &eventRules{name: one.key, to: anyTarget, max: MaxEventSize}
		each(p, one, "event "+strconv.Quote(one.key), eventRuleList, r)
		s.events = append(s.events, r)
	}
}

func (p *parser) targets(r *eventRules, e *entry) {
	r.to = 0
	if e.value.kind != kindList || len(e.value.list) == 0 {
		p.add(e.line, "to must be a list of whom the event may go to, as in [\"device\", \"scope\", \"role\"]")
		return
	}
	for _, one := range e.value.list {
		kind := slices.Index(targetNames, one.text)
		switch {
		case one.kind != kindText:
			p.add(one.line, "to lists \"device\", \"scope\" and \"role\" in quotes, not %s", one.kind)
		case kind < 0:
			p.add(one.line, "to lists %q, to which no event goes: %s", one.text, suggest(one.text, targetNames))
		default:
			r.to |= 1 << kind
		}
	}
}

func (p *parser) eventSize(r *eventRules, e *entry) {
	if r.max = p.size(e); r.max > MaxEventSize {
		p.add(e.line, "max is %d bytes, an event holds %d at most", r.max, MaxEventSize)
	}
}

// An Event is what rules look at where somebody wants to send one.
type Event struct {
	Name  string
	To    wire.TargetKind
	Role  string     // that it is for
	Table int        // or of the scope that it is for
	Scope wire.Value // which is one that the table's column can hold
	Size  int        // bytes of its encoded value
}

// CheckEvent says why somebody may not send an event. Where he may, it returns
// how often; the zero Rate is as often as he likes.
func (c *Compiled) CheckEvent(who *Who, e *Event) (Rate, *wire.Refusal) {
	role := roleOf(who.Role)
	most, often := MaxEventSize, Rate{}
	if role == observer {
		return often, wire.Refuse(wire.CodeForbidden, "the role %q only reads: it sends no events", who.Role)
	}
	if !c.open {
		r := c.events[e.Name]
		switch {
		case r == nil:
			return often, wire.Refuse(wire.CodeForbidden, "no rule allows the event %q", e.Name)
		case r.send.roles&role == 0:
			return often, wire.Refuse(wire.CodeForbidden, "the role %q may not send the event %q", who.Role, e.Name)
		case !r.to.has(e.To):
			return often, wire.Refuse(wire.CodeForbidden, "the event %q may not be sent to a %s", e.Name, e.To)
		}
		most = r.max
		if role&trusted == 0 {
			often = r.rate
		}
	}
	if e.Size > most {
		return often, wire.Refuse(wire.CodeTooLarge, "the value of the event %q has %d bytes, the most is %d", e.Name, e.Size, most)
	}
	switch {
	case e.To == wire.TargetScope:
		return often, c.MayRead(who, e.Table, true, []wire.Value{e.Scope})
	case e.To == wire.TargetRole && roleOf(e.Role) == noRole:
		return often, wire.Refuse(wire.CodeMissing, "there is no role %s: %s", wire.TextValue(e.Role), suggest(e.Role, roleNames))
	default:
		return often, nil
	}
}
