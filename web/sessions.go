package web

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/google/uuid"

	"framehub/hub"
)

// maxScopes bounds the scopes of a subscription that are told.
const maxScopes = 100

// Session is a session in the answer of /api/sessions.
type Session struct {
	ID          string    `json:"id" jsonschema:"format=uuid"`
	Device      string    `json:"device" jsonschema:"format=uuid"`
	User        string    `json:"user,omitempty"`     // left out where nothing checks who connects
	TokenID     string    `json:"token_id,omitempty"` // by which the operator can revoke it
	Role        string    `json:"role"`
	Client      string    `json:"client,omitempty"` // how its program calls itself
	Remote      string    `json:"remote"`
	Since       time.Time `json:"since"`
	SilentMS    int64     `json:"silent_ms"`                                                   // since it was last heard
	RoundTripUS int64     `json:"round_trip_us"`                                               // of the last ping; 0: not known yet
	State       string    `json:"state" jsonschema:"enum=live,enum=catching_up,enum=snapshot"` // live, catching_up, or snapshot
	Version     uint64    `json:"version"`                                                     // up to which it has been sent what it is subscribed to
	Behind      uint64    `json:"behind"`                                                      // versions that are newer
	Queued      int       `json:"queued"`                                                      // frames that it has not taken
	Subs        []Sub     `json:"subs"`
	Committed   uint64    `json:"committed"` // of its transactions
	Refused     uint64    `json:"refused"`
	MessagesIn  uint64    `json:"messages_in"`
	MessagesOut uint64    `json:"messages_out"`
	BytesIn     uint64    `json:"bytes_in"`
	BytesOut    uint64    `json:"bytes_out"`
}

// Sub is what a session is subscribed to of a table.
type Sub struct {
	Table  string   `json:"table"`
	Whole  bool     `json:"whole,omitempty"`  // all of it
	Scopes []string `json:"scopes,omitempty"` // else these, at most 100
	More   int      `json:"more,omitempty"`   // scopes that are left out
}

func listed(infos []hub.SessionInfo) []Session {
	list := make([]Session, len(infos))
	for i := range infos {
		list[i] = describe(&infos[i])
	}
	return list
}

func describe(i *hub.SessionInfo) Session {
	s := Session{
		ID: i.ID.String(), Device: i.Device.String(), User: i.User, TokenID: i.TokenID, Role: i.Role, Client: i.Client, Remote: i.Remote,
		Since: i.Since, SilentMS: i.Silent.Milliseconds(), RoundTripUS: i.RoundTrip.Microseconds(),
		State: i.State.String(), Version: i.Version, Behind: i.Behind, Queued: i.Queued, Subs: []Sub{},
		Committed: i.Committed, Refused: i.Refused,
		MessagesIn: i.MessagesIn, MessagesOut: i.MessagesOut, BytesIn: i.BytesIn, BytesOut: i.BytesOut,
	}
	for _, n := range i.Subs() {
		sub := Sub{Table: n.Table, Whole: n.Whole}
		for k := range n.Scopes[:min(len(n.Scopes), maxScopes)] {
			sub.Scopes = append(sub.Scopes, n.Scopes[k].String())
		}
		sub.More = len(n.Scopes) - len(sub.Scopes)
		s.Subs = append(s.Subs, sub)
	}
	return s
}

// SessionsNews is what the topic "sessions" tells: each session whole when it comes
// and when it subscribes to something else, and then only figures that are other
// than before.
type SessionsNews struct {
	Now     time.Time       `json:"now"`             // by the hub's clock
	Version uint64          `json:"version"`         // the hub's
	First   bool            `json:"first,omitempty"` // the stream begins, with numbers of its own
	Came    []Numbered      `json:"came,omitempty"`
	Left    []int           `json:"left,omitempty"` // numbers of those that are there no more
	Figures json.RawMessage `json:"figures"`        // a list of a number and the figures, in the order of FigureNames
}

// Numbered is a session with the number that the stream calls it by.
type Numbered struct {
	N int `json:"n"`
	Session
}

// FigureNames are the figures of SessionsNews, in their order behind the number.
var FigureNames = [figures]string{
	"state", "round_trip_us", "behind", "queued", "committed", "refused", "messages_in", "messages_out", "bytes_in", "bytes_out",
}

const figures = 10

// told is what a stream has been told of a session.
type told struct {
	n       int
	round   int // when it was last there
	subs    uint64
	figures [figures]uint64
}

func figuresOf(i *hub.SessionInfo) [figures]uint64 {
	return [figures]uint64{
		uint64(i.State), uint64(max(0, i.RoundTrip.Microseconds())), i.Behind, uint64(max(0, i.Queued)), i.Committed, i.Refused,
		i.MessagesIn, i.MessagesOut, i.BytesIn, i.BytesOut,
	}
}

// liveSessions returns the source of a stream of the sessions.
func liveSessions(h *hub.Hub) source {
	known, next, round := map[uuid.UUID]*told{}, 0, 0
	return func() any {
		round++
		news := SessionsNews{Now: time.Now(), Version: h.Version(), First: round == 1}
		changed := []byte{'['}
		infos := h.Sessions()
		for k := range infos {
			i := &infos[k]
			t := known[i.ID]
			is := figuresOf(i)
			switch {
			case t == nil:
				t = &told{n: next}
				known[i.ID], next = t, next+1
				news.Came = append(news.Came, Numbered{t.n, describe(i)})
			case t.subs != i.SubsChanged:
				news.Came = append(news.Came, Numbered{t.n, describe(i)})
			case t.figures != is:
				changed = appendFigures(changed, t.n, &is)
			}
			t.round, t.subs, t.figures = round, i.SubsChanged, is
		}
		for id, t := range known {
			if t.round != round {
				news.Left = append(news.Left, t.n)
				delete(known, id)
			}
		}
		news.Figures = append(changed, ']')
		return news
	}
}

func appendFigures(dst []byte, n int, figures *[figures]uint64) []byte {
	if len(dst) > 1 {
		dst = append(dst, ',')
	}
	dst = strconv.AppendInt(append(dst, '['), int64(n), 10)
	for _, f := range figures {
		dst = strconv.AppendUint(append(dst, ','), f, 10)
	}
	return append(dst, ']')
}
