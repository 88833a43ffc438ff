package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"framehub/hub"
)

// Past is the answer of GET /api/tables/{table}/past: what became of a row, newest first.
type Past struct {
	Events []PastEvent `json:"events"`
	Looked uint64      `json:"looked"`        // the oldest version that was looked at
	Time   time.Time   `json:"time,omitzero"` // of that
	Over   bool        `json:"over"`          // the frame log has no more
}

// PastEvent is what one version did to a row.
type PastEvent struct {
	Version uint64    `json:"version"`
	Time    time.Time `json:"time"`
	What    string    `json:"what" jsonschema:"enum=inserted,enum=changed,enum=deleted,enum=replaced"` // inserted, changed, deleted or replaced
	Columns []string  `json:"columns,omitempty"`                                                       // that were changed
	Values  []any     `json:"values"`                                                                  // after; the key alone of one that was deleted
	By      []Author  `json:"by"`
}

// Author is who did.
type Author struct {
	Device string `json:"device,omitempty"` // "": the hub itself, or another program with SQL
	User   string `json:"user,omitempty"`
}

func (d data) past(w http.ResponseWriter, r *http.Request) {
	table, key, ok := d.keyOf(w, r)
	if !ok {
		return
	}
	before, err := strconv.ParseUint(r.URL.Query().Get("before")+"", 10, 64)
	if r.URL.Query().Has("before") && err != nil {
		http.Error(w, "before is a version", http.StatusBadRequest)
		return
	}
	names, _, err := d.hub.Data().Columns(table, private(r))
	var p *hub.Past
	if err == nil {
		p, err = d.hub.Data().Past(r.Context(), table, key, before, private(r))
	}
	if err != nil {
		d.failed(w, err)
		return
	}
	out := Past{Events: []PastEvent{}, Looked: p.Looked, Time: p.Time, Over: p.Over}
	for i := range p.Events {
		out.Events = append(out.Events, describePast(p, i, names))
	}
	writeJSON(w, out)
}

func describePast(p *hub.Past, i int, names []string) PastEvent {
	e := &p.Events[i]
	out := PastEvent{Version: e.Version, Time: e.Time, What: "changed", Values: cutRow(e.Image, 0), By: []Author{}}
	switch {
	case !e.Row.After:
		out.What = "deleted"
	case !e.Row.Before:
		out.What = "inserted"
	case e.Row.Reborn:
		out.What = "replaced"
	default:
		out.Columns = e.Changed(names)
	}
	for _, by := range e.By {
		a := Author{User: by.User}
		if id := uuid.UUID(by.Device); id != uuid.Nil {
			a.Device = id.String()
		}
		out.By = append(out.By, a)
	}
	return out
}
