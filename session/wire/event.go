package wire

import (
	"bytes"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits of an event.
const (
	MaxEventName   = 64 // bytes of its name
	MaxEventValues = 64 // values of its list
)

// EventOverhead is the most bytes that an event takes on its way to a device
// besides its name and its payload.
const EventOverhead = 1 + 1 + (1 + UUIDSize) + 9

// SendEvent asks the hub to send an event.
type SendEvent struct {
	To    Target
	Name  string
	Value Payload
}

// Event is an event that somebody sent, or why the hub sent none.
type Event struct {
	From    []byte // 16 bytes: the device that sent it
	Version uint64 // the hub's when it sent it on
	Name    string // with Refused: of the event that was refused, "" where it has none
	Value   Payload
	Refused *Refusal
}

// A Target is whom an event is for: one device, all sessions of a role, or all
// that are subscribed to a scope of a table, or to all of it.
type Target struct {
	Device []byte // 16 bytes, or nil and
	Role   string // a role, or "" and
	Table  string // the scope of this table, or of the one with Number where it is ""
	Number int
	Scope  Value
}

// ToDevice returns one device as a target.
func ToDevice(id []byte) Target { return Target{Device: id} }

// ToRole returns all sessions of a role as a target.
func ToRole(role string) Target { return Target{Role: role} }

// ToScope returns all that are subscribed to a scope of a table as a target.
func ToScope(table string, scope Value) Target { return Target{Table: table, Scope: scope} }

// TargetKind is what a [Target] names.
type TargetKind uint8

// The kinds.
const (
	TargetDevice TargetKind = iota
	TargetScope
	TargetRole
)

// String returns the kind as rules call it.
func (k TargetKind) String() string { return [...]string{"device", "scope", "role"}[k] }

// Kind returns what t names.
func (t *Target) Kind() TargetKind {
	switch {
	case t.Device != nil:
		return TargetDevice
	case t.Role != "":
		return TargetRole
	default:
		return TargetScope
	}
}

// A Payload is what an event says: one value, or a list of values. The zero
// Payload is NULL.
type Payload struct {
	Values []Value
	List   bool // false: Values has one, or none for NULL
}

// One returns a payload of one value.
func One(v Value) Payload { return Payload{Values: []Value{v}} }

// List returns a payload of a list.
func List(values ...Value) Payload { return Payload{Values: values, List: true} }

// Check says why a hub would not take the event, or nil. The error is an [Error]
// for what would end the session, and a [Refusal] for what would not.
func (e *SendEvent) Check() error {
	if d := e.To.Device; d != nil && len(d) != UUIDSize {
		return protocolErrorf("a device's identity has %d bytes, not %d", UUIDSize, len(d))
	}
	if err := checkEventName(e.Name); err != nil {
		return err
	}
	if n := len(e.Value.Values); n > MaxEventValues || n > 1 && !e.Value.List {
		return tooManyValues(n)
	}
	if err := CheckValue(e.To.Scope); err != nil {
		return err
	}
	for _, v := range e.Value.Values {
		if err := CheckValue(v); err != nil {
			return err
		}
	}
	return nil
}

func checkEventName(name string) error {
	if len(name) > MaxEventName {
		return Refuse(CodeTooLarge, "the name of an event has %d bytes at most, this one has %d", MaxEventName, len(name))
	}
	if name == "" || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return protocolErrorf("the name of an event is a text in UTF-8, not empty, without control characters")
	}
	return nil
}

func tooManyValues(n int) *Refusal {
	return Refuse(CodeTooLarge, "an event holds one value, or a list of %d at most, this one has %d", MaxEventValues, n)
}

// DecodeSendEvent reads an event from a device. Where the error is a [Refusal],
// the event is refused and the session goes on; of the event only its name is
// then known, if that.
func DecodeSendEvent(msg []byte, l Limits) (SendEvent, error) {
	f := open(msg, l.orDefaults(), TypeEvent)
	e := SendEvent{To: f.target(), Name: f.text("an event's name")}
	if err := checkEventName(e.Name); err != nil {
		f.fail(err)
		e.Name = ""
	}
	e.Value = f.payload()
	if err := f.close(); err != nil {
		return SendEvent{Name: e.Name}, err
	}
	return e, nil
}

// target reads whom an event is for.
func (f *fields) target() (t Target) {
	switch {
	case f.at(majorBytes):
		t.Device = f.uuid("the device that an event is for")
	case f.at(majorText):
		if t.Role = f.text("the role that an event is for"); t.Role == "" {
			f.fail(protocolErrorf("the role that an event is for has a name"))
		}
	default:
		in := f.tuple("whom an event is for")
		t.Table, t.Number = in.tableName("the table of an event's scope")
		t.Scope = in.value("an event's scope")
		in.end()
	}
	return t
}

// uuid reads a copy of a device's identity.
func (f *fields) uuid(what string) []byte {
	id := bytes.Clone(f.bytes(what))
	if f.r.err == nil && len(id) != UUIDSize {
		f.fail(protocolErrorf("%s is named by %d bytes, not %d", what, UUIDSize, len(id)))
	}
	return id
}

// payload reads one value, or a list of them.
func (f *fields) payload() Payload {
	const what = "an event's value"
	if !f.at(majorArray) {
		return One(f.value(what))
	}
	list := f.array(what, math.MaxInt)
	if list.n > MaxEventValues {
		f.fail(tooManyValues(list.n))
	}
	return List(each(list, func(f *fields) Value { return f.value(what) })...)
}

// Append appends the message.
func (e *SendEvent) Append(dst []byte) []byte {
	dst = appendUint(appendArray(dst, 4), uint64(TypeEvent))
	return e.Value.Append(AppendEventName(e.To.append(dst), e.Name))
}

func (t *Target) append(dst []byte) []byte {
	switch t.Kind() {
	case TargetDevice:
		return appendBytes(dst, t.Device)
	case TargetRole:
		return appendText(dst, t.Role)
	default:
		dst = appendArray(dst, 2)
		if t.Table != "" {
			dst = appendText(dst, t.Table)
		} else {
			dst = appendUint(dst, uint64(t.Number))
		}
		return appendValue(dst, t.Scope)
	}
}

// AppendEventHead appends the beginning of an event on its way to a device, which
// takes [EventOverhead] bytes at most: its name and its payload follow.
func AppendEventHead(dst, from []byte, version uint64) []byte {
	dst = appendUint(appendArray(dst, 5), uint64(TypeEvent))
	return appendUint(appendBytes(dst, from), version)
}

// AppendEventName appends an event's name.
func AppendEventName(dst []byte, name string) []byte { return appendText(dst, name) }

// Append appends the payload.
func (p Payload) Append(dst []byte) []byte {
	switch {
	case p.List:
		return appendValues(dst, p.Values)
	case len(p.Values) == 0:
		return appendNull(dst)
	default:
		return appendValue(dst, p.Values[0])
	}
}

// DecodeEvent reads an event from the hub, or why it sent none.
func DecodeEvent(msg []byte, l Limits) (Event, error) {
	f := open(msg, l.orDefaults(), TypeEvent)
	var e Event
	if f.peek() {
		e.From = f.uuid("the sender of an event")
		e.Version = f.uint("an event's version", MaxVersion)
		e.Name = f.text("an event's name")
		e.Value = f.payload()
	} else {
		f.next()
		if f.peek() {
			f.fail(protocolErrorf("an event with a version comes from a device"))
		}
		e.Refused = f.refusal()
		if f.peek() {
			e.Name = f.text("a refused event's name")
		}
	}
	if err := f.close(); err != nil {
		return Event{}, AsError(err)
	}
	return e, nil
}

// Append appends the message.
func (e *Event) Append(dst []byte) []byte {
	if e.Refused == nil {
		return e.Value.Append(AppendEventName(AppendEventHead(dst, e.From, e.Version), e.Name))
	}
	n := 5
	if e.Name != "" {
		n = 6
	}
	dst = appendUint(appendArray(dst, n), uint64(TypeEvent))
	dst = appendText(appendText(appendNull(appendNull(dst)), string(e.Refused.Code)), e.Refused.Text)
	if n > 5 {
		dst = appendText(dst, e.Name)
	}
	return dst
}
