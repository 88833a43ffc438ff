package web

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"framehub/hub"
	"framehub/session/wire"
)

// maxDiagnosis bounds the text of a message that is told, in bytes.
const maxDiagnosis = 4 << 10

// Inspected is what the topic "session:ID" tells: the session, and what went to and
// from it since the last time.
type Inspected struct {
	Now          time.Time     `json:"now"`
	Session      *Session      `json:"session,omitempty"`  // left out with Why
	Gone         bool          `json:"gone,omitempty"`     // it has ended
	Why          string        `json:"why,omitempty"`      // it can't be looked at
	Before       []Transaction `json:"before,omitempty"`   // at first: refused before one looked, as far as is remembered
	Messages     []Message     `json:"messages,omitempty"` // in order
	LeftOut      int           `json:"left_out,omitempty"` // messages that there were more
	Transactions []Transaction `json:"transactions,omitempty"`
}

// Message is a message in it.
type Message struct {
	At   time.Time `json:"at"`
	Out  bool      `json:"out,omitempty"` // to the device
	Size int       `json:"size"`          // bytes, as it went over the connection
	Text string    `json:"text"`          // in CBOR's diagnostic notation, cut where it is long; of a packed one what is packed
}

// Transaction is one that has settled.
type Transaction struct {
	At      time.Time `json:"at,omitzero"`
	Seq     uint64    `json:"seq"`
	Version uint64    `json:"version,omitempty"` // in which it was committed, or when it was refused
	Size    int       `json:"size,omitempty"`    // bytes
	Ops     []string  `json:"ops,omitempty"`     // what it does, in words
	Code    string    `json:"code,omitempty"`    // of its refusal
	Reason  string    `json:"reason,omitempty"`
}

// inspect is the topic of one session: nothing is kept of it before and after. One
// that is not there takes nothing from the other topics of its stream.
func inspect(h *hub.Hub) topic {
	return func(arg string) (source, func(), error) {
		i, before, err := inspection(h, arg)
		first := true
		if err != nil {
			return once(Inspected{Now: time.Now(), Gone: true, Why: err.Error()}), nil, nil //nolint:nilerr // it is told
		}
		return func() any {
			news := look(i)
			if first {
				news.Before, first = before, false
			}
			return news
		}, i.Close, nil
	}
}

// once returns a source that tells v, and then nothing more.
func once(v any) source {
	return func() (next any) {
		next, v = v, nil
		return next
	}
}

// inspection begins to look at a session.
func inspection(h *hub.Hub, arg string) (*hub.Inspection, []Transaction, error) {
	id, err := uuid.Parse(arg)
	if err != nil {
		return nil, nil, fmt.Errorf("%q is no session's id: /api/sessions lists them", arg)
	}
	i, err := h.Inspect(id)
	if err != nil {
		return nil, nil, err
	}
	rejected, err := i.RefusedBefore()
	if err != nil {
		i.Close()
		return nil, nil, fmt.Errorf("the hub can't read what it remembers of the session's device: %w", err)
	}
	var before []Transaction
	for k := range rejected {
		r := &rejected[k]
		before = append(before, Transaction{Seq: r.Seq, Code: string(r.Refusal.Code), Reason: r.Refusal.Text})
	}
	return i, before, nil
}

func look(i *hub.Inspection) Inspected {
	info, there := i.Info()
	seen := i.Look()
	session := describe(&info)
	news := Inspected{Now: time.Now(), Session: &session, Gone: !there, LeftOut: seen.LeftOut}
	for k := range seen.Messages {
		m := &seen.Messages[k]
		news.Messages = append(news.Messages, Message{m.At, m.Out, m.Size, diagnose(m)})
	}
	for k := range seen.Transactions {
		t := &seen.Transactions[k]
		told := Transaction{At: t.At, Seq: t.Seq, Version: t.Version, Size: t.Size, Ops: t.Ops}
		if t.Refused != nil {
			told.Code, told.Reason = string(t.Refused.Code), t.Refused.Text
		}
		news.Transactions = append(news.Transactions, told)
	}
	return news
}

// diagnose returns a message as text.
func diagnose(m *hub.SeenMessage) string {
	if m.Bytes == nil {
		return "too large to be kept"
	}
	msg := m.Bytes
	if kind, err := wire.TypeOf(msg); err == nil && kind == wire.TypePacked {
		if inner, err := wire.Unpack(msg, 16<<20); err == nil {
			msg = inner
		}
	}
	text, err := wire.Diagnose(msg)
	switch {
	case err != nil:
		return fmt.Sprintf("not CBOR: h'%x'", msg[:min(len(msg), 64)])
	case len(text) <= maxDiagnosis:
		return text
	}
	n := maxDiagnosis
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + " …"
}
