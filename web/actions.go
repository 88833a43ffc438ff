package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"framehub/audit"
	"framehub/hub"
)

const (
	maxBody   = 4 << 10 // bytes that a request may bring along
	maxReason = 200     // bytes of words that a device is told
	maxRetry  = 24 * time.Hour
)

// Kick is the body of POST /api/sessions/{id}/kick, which answers with the
// [Session] that it has ended. All of it may be left out.
type Kick struct {
	Reason  string `json:"reason,omitempty" jsonschema:"maxLength=200"`      // what the device is told, at most 200 bytes
	RetryMS int64  `json:"retry_ms,omitempty" jsonschema:"maximum=86400000"` // from when on it may come again by itself; 0: it may not
}

// Reloaded is the answer of POST /api/reload.
type Reloaded struct {
	Changed []string `json:"changed"` // tables, and "limits", whose rules are other than before
}

func (o Options) kick(h *hub.Hub) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := uuid.Parse(r.PathValue("id"))
		if err != nil {
			http.Error(w, fmt.Sprintf("%q is no session's id: /api/sessions lists them", r.PathValue("id")), http.StatusBadRequest)
			return
		}
		var k Kick
		if err = readJSON(w, r, &k); err == nil {
			err = k.check()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		who, ok := h.Kick(id, hub.Kick{Reason: k.Reason, Retry: time.Duration(k.RetryMS) * time.Millisecond})
		if !ok {
			http.Error(w, fmt.Sprintf("there is no session %s: it may have ended, /api/sessions lists those that there are", id), http.StatusNotFound)
			return
		}
		o.Audit.Add(audit.Kick, audit.Record{
			Session: who.ID, Device: who.Device, User: who.User, Remote: who.Remote, Reason: by(r, k.Reason),
		})
		writeJSON(w, describe(&who))
	}
}

func (k *Kick) check() error {
	switch {
	case len(k.Reason) > maxReason || !utf8.ValidString(k.Reason):
		return fmt.Errorf("the reason must be UTF-8 of at most %d bytes", maxReason)
	case k.RetryMS < 0 || k.RetryMS > maxRetry.Milliseconds():
		return fmt.Errorf("retry_ms must be from 0 to %d", maxRetry.Milliseconds())
	default:
		return nil
	}
}

func (o Options) reload(w http.ResponseWriter, r *http.Request) {
	changed, err := o.Reload()
	rec := audit.Record{Remote: r.RemoteAddr, Code: "done", Reason: by(r, "")}
	if err != nil {
		rec.Code, rec.Reason = "failed", by(r, err.Error())
	}
	o.Audit.Add(audit.Reload, rec)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	writeJSON(w, Reloaded{Changed: append([]string{}, changed...)})
}

// by says in an audit line who did it, beside why.
func by(r *http.Request, why string) string {
	text := "by an operator"
	if name := operator(r); name != "" {
		text = fmt.Sprintf("by operator %q", name)
	}
	if why == "" {
		return text
	}
	return text + ": " + why
}

// readJSON reads the body of a request, if it has one. What it does not know is a
// mistake.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	return readJSONWithin(w, r, v, maxBody)
}

// readJSONWithin is readJSON for bodies of so many bytes.
func readJSONWithin(w http.ResponseWriter, r *http.Request, v any, most int64) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if errors.Is(err, io.EOF) { // there is none
		return nil
	}
	if err == nil && dec.More() {
		err = errors.New("something follows it")
	}
	if err != nil {
		return fmt.Errorf("the body is not the JSON that this takes: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
