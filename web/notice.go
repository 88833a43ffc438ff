package web

import (
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"github.com/google/uuid"

	"framehub/audit"
	"framehub/hub"
)

// Notice is the body of POST /api/notice, and of POST /api/sessions/{id}/notice.
type Notice struct {
	Text string `json:"text" jsonschema:"minLength=1,maxLength=500"` // 1 to 500 bytes
	Role string `json:"role,omitempty"`                              // of all sessions only those of this role
}

// Noticed is the answer.
type Noticed struct {
	Sessions int `json:"sessions"` // that it is on its way to
	Missed   int `json:"missed"`   // that don't get it: they have fallen behind, or their events are full
}

// notice sends an operator's words to one session, or to all.
func (o Options) notice(h *hub.Hub) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, whom := uuid.Nil, "everybody"
		var n Notice
		err := readJSON(w, r, &n)
		if text := r.PathValue("id"); text != "" {
			var bad error
			if id, bad = uuid.Parse(text); bad != nil || id == uuid.Nil {
				err = fmt.Errorf("%q is no session's id: /api/sessions lists them", text)
			}
			whom = "session " + id.String()
		} else if n.Role != "" {
			whom = "the role " + n.Role
		}
		switch {
		case err != nil:
		case n.Text == "" || len(n.Text) > hub.MaxNotice || !utf8.ValidString(n.Text):
			err = fmt.Errorf("the text must be UTF-8 of 1 to %d bytes", hub.MaxNotice)
		case id != uuid.Nil && n.Role != "":
			err = errors.New("a notice is for one session or for a role, not both")
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		done, found := h.Notice(id, n.Role, n.Text)
		if !found {
			http.Error(w, fmt.Sprintf("there is no session %s: it may have ended, /api/sessions lists those that there are", id), http.StatusNotFound)
			return
		}
		o.Audit.Add(audit.Notice, audit.Record{Remote: r.RemoteAddr, Code: "done", Reason: by(r, fmt.Sprintf("to %s, %s: %s", whom, done, n.Text))})
		writeJSON(w, Noticed(done))
	}
}
