package web

import (
	"net/http"

	"framehub/audit"
)

// Backups is the worker that backs the database up.
type Backups interface {
	// State is what it does now, in JSON's form.
	State() any
	// Ask asks for a backup now, and returns how many were asked for so far: with the
	// state's "answer" it can be told when that is done.
	Ask(why string) uint64
}

// BackupAsked is the answer of POST /api/backups.
type BackupAsked struct {
	Asked uint64 `json:"asked"`
}

const noBackups = "this hub makes no backups"

// backups answers with what the worker does.
func (o Options) backups(w http.ResponseWriter, _ *http.Request) {
	if o.Backups == nil {
		http.Error(w, noBackups, http.StatusNotFound)
		return
	}
	writeJSON(w, o.Backups.State())
}

// backupNow asks for a backup, and does not wait for it.
func (o Options) backupNow(w http.ResponseWriter, r *http.Request) {
	if o.Backups == nil {
		http.Error(w, noBackups, http.StatusNotFound)
		return
	}
	asked := o.Backups.Ask("asked for " + by(r, ""))
	o.Audit.Add(audit.Backup, audit.Record{Remote: r.RemoteAddr, Code: "asked", Reason: by(r, "")})
	writeJSON(w, BackupAsked{Asked: asked})
}
