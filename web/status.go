package web

import (
	"net/http"
	"time"

	"framehub/hub"
)

// Status is the answer of /api/status.
type Status struct {
	Program  string    `json:"program"` // its version
	Started  time.Time `json:"started"`
	Version  uint64    `json:"version"` // the last that devices were told of
	Ready    bool      `json:"ready"`
	Trouble  string    `json:"trouble,omitempty"` // why it is not ready
	Sessions []Session `json:"sessions"`
}

// Session is a session in it.
type Session struct {
	ID          string    `json:"id"`
	Device      string    `json:"device"`
	Role        string    `json:"role"`
	Remote      string    `json:"remote"`
	Since       time.Time `json:"since"`
	SilentMS    int64     `json:"silent_ms"` // since it was last heard
	InStep      bool      `json:"in_step"`   // false: it is catching up
	MessagesIn  uint64    `json:"messages_in"`
	MessagesOut uint64    `json:"messages_out"`
	BytesIn     uint64    `json:"bytes_in"`
	BytesOut    uint64    `json:"bytes_out"`
}

func status(h *hub.Hub, program string, started time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s := Status{Program: program, Started: started, Version: h.Version(), Ready: true, Sessions: []Session{}}
		if err := h.Ready(); err != nil {
			s.Ready, s.Trouble = false, err.Error()
		}
		for _, i := range h.Sessions() {
			s.Sessions = append(s.Sessions, Session{
				ID: i.ID.String(), Device: i.Device.String(), Role: i.Role, Remote: i.Remote, Since: i.Since,
				SilentMS: i.Silent.Milliseconds(), InStep: i.InStep,
				MessagesIn: i.MessagesIn, MessagesOut: i.MessagesOut, BytesIn: i.BytesIn, BytesOut: i.BytesOut,
			})
		}
		writeJSON(w, s)
	}
}
