package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"framehub/audit"
)

// Backups is the worker that backs the database up.
type Backups interface {
	// State is what it does now.
	State() BackupState
	// Health is how backing up goes.
	Health() BackupHealth
	// Ask asks for a backup now, and returns how many were asked for so far: with the
	// state's "answer" it can be told when that is done.
	Ask(why string) uint64
	// List lists what there is, oldest first.
	List(ctx context.Context) (BackupList, error)
	// Verify begins to look at one again. What comes of it is in the state's "looks".
	Verify(ctx context.Context, history string, version uint64) error
	// Find finds one, to be downloaded.
	Find(ctx context.Context, history string, version uint64) (Download, error)
}

// BackupHealth is how backing up goes, in a [Status].
type BackupHealth struct {
	LastGood  time.Time `json:"last_good,omitzero"` // when it was begun; left out where there is none
	Failed    string    `json:"failed,omitempty"`   // why the last try failed
	Unshipped time.Time `json:"unshipped,omitzero"` // since when there is something that is not shipped
	Gap       string    `json:"gap,omitempty"`      // versions that were lost before they were shipped
}

// BackupState is the answer of GET /api/backups: what the worker does now.
type BackupState struct {
	Place    string         `json:"place"`           // where the copies lie
	Now      time.Time      `json:"now"`             // by the hub's clock: times are to be compared with this
	Running  bool           `json:"running"`         // a copy is being made
	Phase    string         `json:"phase,omitempty"` // copying, packing, writing, proving
	Done     int64          `json:"done"`            // of total, in the phase copying: pages
	Total    int64          `json:"total"`
	Asked    uint64         `json:"asked"`  // copies that were asked for so far
	Answer   uint64         `json:"answer"` // how many of them are done
	Last     *BackupOutcome `json:"last,omitempty"`
	LastGood *BackupOutcome `json:"last_good,omitempty"`
	Next     time.Time      `json:"next,omitzero"` // when a copy is due; left out where only those that are asked for are made
	Count    uint64         `json:"count"`         // good ones since the start
	Failures uint64         `json:"failures"`
	Looks    []BackupLook   `json:"looks,omitempty"` // at copies, that somebody has asked for; the last may be under way

	Shipping    bool      `json:"shipping"`               // the frame log goes to the place too
	Shipped     uint64    `json:"shipped"`                // up to which version
	ShipTrouble string    `json:"ship_trouble,omitempty"` // why it does not
	Unshipped   time.Time `json:"unshipped,omitzero"`     // since when there is something that is not shipped
	Gap         string    `json:"gap,omitempty"`          // versions that were lost before they were shipped
}

// BackupOutcome is what became of a copy.
type BackupOutcome struct {
	Why     string    `json:"why"`
	Version uint64    `json:"version"`
	Began   time.Time `json:"began"`
	Millis  int64     `json:"took_ms"`
	Size    int64     `json:"size"`     // bytes in the place
	RawSize int64     `json:"raw_size"` // of the database
	Good    bool      `json:"good"`     // there is a copy of this version that is proven
	Skipped bool      `json:"skipped"`  // it was there already: nothing has changed since
	Error   string    `json:"error,omitempty"`
}

// BackupLook is another look at a copy, and what came of it.
type BackupLook struct {
	History string    `json:"history"`
	Version uint64    `json:"version"`
	Began   time.Time `json:"began"`
	Running bool      `json:"running"`
	Millis  int64     `json:"took_ms"`
	Good    bool      `json:"good"`
	Error   string    `json:"error,omitempty"`
}

// A Download is a file that does not lie about its size.
type Download struct {
	Name  string
	Size  int64                                         // bytes
	Write func(ctx context.Context, to io.Writer) error // writes all of it
}

// BackupList is the answer of GET /api/backups/copies.
type BackupList struct {
	Place  string   `json:"place"` // as --backup-dir takes it
	DB     string   `json:"db"`    // as --db does
	Copies []Backup `json:"copies"`
}

// A Backup is a copy in it, and in the JSON of framehub backup list.
type Backup struct {
	History   string    `json:"history"`
	Version   uint64    `json:"version"`
	Reach     uint64    `json:"reach"` // the last version that can be restored from it
	Time      time.Time `json:"time,omitzero"`
	Made      time.Time `json:"made,omitzero"`
	Size      int64     `json:"size"`
	RawSize   int64     `json:"raw_size"`
	Rows      uint64    `json:"rows"`
	Encrypted bool      `json:"encrypted,omitempty"`
	Proof     string    `json:"proof" jsonschema:"enum=good,enum=not proven,enum=not good"` // good, not proven, not good
	Proven    time.Time `json:"proven,omitzero"`
	From      uint64    `json:"restored_from,omitempty"` // the version of the copy that was brought to this one's, and was equal
	Error     string    `json:"error,omitempty"`
}

// BackupAsked is the answer of POST /api/backups.
type BackupAsked struct {
	Asked uint64 `json:"asked"`
}

// withBackups answers where there are backups.
func (o Options) withBackups(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if o.Backups == nil {
			http.Error(w, "this hub makes no backups", http.StatusNotFound)
			return
		}
		next(w, r)
	}
}

// backupState is what a stream is told of the worker; null where there is none.
func (o Options) backupState() any {
	if o.Backups == nil {
		return json.RawMessage("null")
	}
	return o.Backups.State()
}

// backups answers with what the worker does.
func (o Options) backups(w http.ResponseWriter, _ *http.Request) { writeJSON(w, o.Backups.State()) }

// backupNow asks for a backup, and does not wait for it.
func (o Options) backupNow(w http.ResponseWriter, r *http.Request) {
	asked := o.Backups.Ask("asked for " + by(r, ""))
	o.Audit.Add(audit.Backup, audit.Record{Remote: r.RemoteAddr, Code: "asked", Reason: by(r, "")})
	writeJSON(w, BackupAsked{Asked: asked})
}

func (o Options) backupCopies(w http.ResponseWriter, r *http.Request) {
	list, err := o.Backups.List(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	writeJSON(w, list)
}

// backupVerify begins to look at a copy, and does not wait for what comes of it.
func (o Options) backupVerify(w http.ResponseWriter, r *http.Request) {
	history, version, err := copyOf(r)
	if err == nil {
		err = o.Backups.Verify(r.Context(), history, version)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	o.Audit.Add(audit.Backup, audit.Record{Remote: r.RemoteAddr, Code: "verify", Reason: by(r, fmt.Sprintf("version %d", version))})
	writeJSON(w, o.Backups.State())
}

// backupDownload sends a copy, which has all of the game's data.
func (o Options) backupDownload(w http.ResponseWriter, r *http.Request) {
	history, version, err := copyOf(r)
	var d Download
	if err == nil {
		d, err = o.Backups.Find(r.Context(), history, version)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	o.Audit.Add(audit.Backup, audit.Record{Remote: r.RemoteAddr, Code: "download", Reason: by(r, fmt.Sprintf("version %d", version))})
	header := w.Header()
	header.Set("Content-Type", "application/x-tar")
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.Name}))
	header.Set("Content-Length", strconv.FormatInt(d.Size, 10))
	to := stream{w, http.NewResponseController(w)}
	if err := d.Write(r.Context(), to); err != nil {
		o.Log.Error("a download of a backup broke off", "version", version, "err", err)
		panic(http.ErrAbortHandler) // so that the peer sees that it is not whole
	}
}

// copyOf reads which copy a request is about.
func copyOf(r *http.Request) (history string, version uint64, err error) {
	if version, err = strconv.ParseUint(r.PathValue("version"), 10, 64); err != nil {
		return "", 0, errors.New("the version of a backup is a number: /api/backups/copies lists them")
	}
	return r.PathValue("history"), version, nil
}
