package backup

import (
	"context"
	"log/slog"
	"time"

	"framehub/backup/place"
	"framehub/store"
)

// A Source is the store whose database is backed up.
type Source interface {
	ID() []byte
	Epoch() []byte
	Version() uint64
	LogFloor() uint64
	Snapshot(ctx context.Context) (*store.Snapshot, error)
	TakePinned() *store.Snapshot
	EntryBytes(version uint64) ([]byte, error)
	Shipped(version uint64)
}

// Options say how a worker works. The zero value of each field means its default.
type Options struct {
	Place      place.Place
	Every      time.Duration // between copies; 0: only those that are asked for, and of new schemas
	ShipEvery  time.Duration // between segments; 0: entries are not shipped
	Keep       Keep
	Scratch    string                          // a folder for files that are in the making, on a local disk with room for the database twice
	Patience   time.Duration                   // with processes that have only what nobody else wants of the processors, before they get more; longer the larger the database is; default: 5 s
	Reserve    int64                           // bytes that a copy must leave free on the scratch folder's disk, which is the database's too
	Free       func(dir string) (int64, error) // what that disk has left; default: as the system says
	Recipients []string                        // as [Recipients] takes them; none: nothing is encrypted
	Program    string                          // its version, for manifests
	Child      []string                        // the program that is a child process, with its first arguments; default: this one
	ChildEnv   []string                        // the environment of child processes that open files, as those under mvSQLite's library can't; default: this process's
	VFS        string                          // as the store's Options have it
	Log        *slog.Logger                    // default: slog.Default()
	Done       func(Outcome)                   // is told what became of each copy
}

// New returns a worker for a store, which must have been opened with Options.Ship and
// PinSchemas if entries are shipped.
func New(src Source, o Options) (*Worker, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Done == nil {
		o.Done = func(Outcome) {}
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	if o.Free == nil {
		o.Free = freeOn
	}
	if len(o.Child) == 0 {
		var err error
		if o.Child, err = thisProgram(); err != nil {
			return nil, err
		}
	}
	if _, err := Recipients(o.Recipients); err != nil {
		return nil, err
	}
	w := &Worker{src: src, o: o, run: runner{program: o.Child, env: o.ChildEnv, patience: o.Patience}, ask: make(chan string, 1), look: make(chan *CopyFile, 1)}
	w.state = State{Place: o.Place.String(), Shipping: o.ShipEvery > 0}
	w.ship = shipper{w: w}
	return w, nil
}
