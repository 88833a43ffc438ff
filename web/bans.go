package web

import (
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"framehub/audit"
	"framehub/auth"
	"framehub/hub"
)

// maxBan is the longest ban that has an end: what is longer has none.
const maxBan = 10 * 365 * 24 * time.Hour

// BanAsked is the body of POST /api/bans.
type BanAsked struct {
	Kind    auth.BanKind `json:"kind"`                                             // device, user, or token: then it is revoked
	Name    string       `json:"name" jsonschema:"minLength=1"`                    // the device's id, the user's name, or the token's id
	Seconds int64        `json:"seconds,omitempty" jsonschema:"maximum=315360000"` // 0: it has no end
	Reason  string       `json:"reason,omitempty" jsonschema:"maxLength=200"`      // what the device is told, at most 200 bytes
}

// Banned is the answer: the ban, and the sessions that it has ended.
type Banned struct {
	auth.Ban
	Ended []Session `json:"ended"`
}

func (o Options) ban(h *hub.Hub) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked BanAsked
		err := readJSON(w, r, &asked)
		now := time.Now().Truncate(time.Second)
		ban := auth.Ban{Kind: asked.Kind, Name: asked.Name, Since: now, Reason: asked.Reason, By: operator(r)}
		switch length := time.Duration(asked.Seconds) * time.Second; {
		case err != nil:
		case asked.Seconds < 0 || asked.Seconds > int64(maxBan/time.Second):
			err = fmt.Errorf("seconds must be from 0, for a ban without an end, to %d", int64(maxBan/time.Second))
		case !utf8.ValidString(asked.Reason):
			err = fmt.Errorf("the reason must be UTF-8")
		case asked.Seconds > 0:
			ban.Until = now.Add(length)
		}
		if err == nil {
			err = ban.Check()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ended, err := h.Ban(ban)
		o.auditBan(r, &ban, len(ended), err)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		writeJSON(w, Banned{ban, listed(ended)})
	}
}

func (o Options) auditBan(r *http.Request, b *auth.Ban, ended int, err error) {
	rec := audit.Record{Remote: r.RemoteAddr, Code: "done", Reason: by(r, fmt.Sprintf("%s %s, which ends %d sessions: %s", b.Kind, b.Name, ended, b))}
	if err != nil {
		rec.Code, rec.Reason = "failed", by(r, err.Error())
	}
	o.Audit.Add(audit.Ban, rec)
}

// bans answers with the bans that hold now.
func (o Options) bans() []auth.Ban { return append([]auth.Ban{}, o.Bans.List()...) }

// liftBan answers with the ban that it has lifted.
func (o Options) liftBan(w http.ResponseWriter, r *http.Request) {
	kind, name := auth.BanKind(r.PathValue("kind")), r.PathValue("name")
	ban, ok, err := o.Bans.Lift(kind, name)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case !ok:
		http.Error(w, fmt.Sprintf("the %s %q is not banned: /api/bans lists who is", kind, name), http.StatusNotFound)
	default:
		o.Audit.Add(audit.Unban, audit.Record{Remote: r.RemoteAddr, Code: "done", Reason: by(r, fmt.Sprintf("%s %s", kind, name))})
		writeJSON(w, ban)
	}
}
