package store

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// Options say where the store is and how it works. The zero value of each field
// means its default.
type Options struct {
	Path   string // the game database; the frame log of X.db is X.frames.db beside it
	Schema string // SQL that makes the tables of an empty database

	Scopes map[string]string // scope column by table
	Alone  map[string]bool   // tables that only the hub writes: other programs' changes get no version, and are reported

	MergeEvery  time.Duration // most that the game database is behind the log, but see MVSQLite; default 100 ms
	MergeBudget time.Duration // a merge that takes no longer is cheap: done each frame; default 1.5 ms

	LogAge  time.Duration // entries younger than this are kept, within LogSize; default 1 h
	LogSize int64         // bytes that the log may take for entries already merged; default 512 MiB

	Ship   bool  // entries are kept until [Store.Shipped] says that they lie elsewhere too,
	LogMax int64 // while the log takes no more bytes than this; default 4 GiB

	PinSchemas bool // the first version of a new schema is kept open for a copy: see [Store.TakePinned]

	DeviceAge time.Duration // a device not seen for longer is forgotten; default 30 days

	Presence bool // keep the hub's own tables of who is here, SessionTable and WillTable; false: take them away

	// MVSQLite says that Path is the name of a namespace of mvSQLite, whose library is
	// what SQLite opens files with. The frame log is the namespace with .frames after that.
	// Only the hub writes, so that every table is as if Alone had it, and MergeEvery,
	// 1 s by default, is how often it merges beside the frames.
	MVSQLite bool
	VFS      string // of SQLite's, that opens them: mvsqlite-16384 for another size of pages; default: the default one, which mvSQLite makes itself

	NewEpoch bool // make a new history of a game database whose frame log is lost

	Check func(*Schema) error // says what keeps Open from going well with the tables as they are; nil: nothing does

	Log *slog.Logger // default: slog.Default()

	syncs syncs // of the open store's connections
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if o.MVSQLite {
		def(&o.MergeEvery, time.Second)
	}
	def(&o.MergeEvery, 100*time.Millisecond)
	def(&o.MergeBudget, 1500*time.Microsecond)
	def(&o.LogAge, time.Hour)
	def(&o.DeviceAge, 30*24*time.Hour)
	if o.LogSize == 0 {
		o.LogSize = 512 << 20
	}
	if o.LogMax == 0 {
		o.LogMax = 4 << 30
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// A Store is an open game database with its frame log.
type Store struct {
	// Set by Open, never changed after.
	opts  Options
	id    []byte
	epoch []byte
	lock  *fileLock // nil on mvSQLite
	mark  mark      // "" but on mvSQLite

	virtualColumns bool // some synced table has virtual generated columns
	virtualTables  bool // there are virtual tables

	// Owned by the frame loop.
	w           *sqlite.Conn
	log         *frameLog // its reading is for all
	capture     *sqlite.Capture
	stmts       *statements
	virtual     map[int]*sqlite.Stmt     // by table, reads its virtual columns
	whole       map[int]*sqlite.Stmt     // by table, reads a row for guards
	counts      map[valueOf]*sqlite.Stmt // how many rows
	keys        map[valueOf]*sqlite.Stmt // which
	stored      map[int]*sqlite.Stmt     // by table, reads what is stored of a row
	notes       *sqlite.Stmt             // what other programs changed
	owner       *sqlite.Stmt             // reads whose mark the database has; nil without one
	noteKeys    int                      // columns of a note's key
	taken       int64                    // the last note that has a version
	takenMerged int64                    // the same as the game database says it
	anew        map[int]bool             // tables that are to be taken for another content
	anewTo      int64                    // and up to which note that is for
	beside      int                      // frames that are merged at once, for other programs write too
	written     bool                     // another program has written since a frame last took that up
	sequences   []wire.Value             // sqlite_sequence as the log has it; nil: not known
	sql         fixedStatements
	frame       *Frame      // the one under way
	begun       uint64      // frames so far
	heavyTo     uint64      // up to which version large values may be written; 0: none are
	hints       map[int]int // rows of each table in the last entry
	rows        rows        // of plain tables
	cold        []*memRow   // flushAhead's
	loaded      []*memRow   // loadPlain's
	writer      rowWriter   // to w
	open        openTx      // the game database's transaction
	limbo       *Entry      // an entry whose append has an unknown outcome
	limboBytes  []byte      // the same, encoded
	encoder     entryEncoder
	broken      bool // something failed: Recover must put it right first
	cost        mergeCost
	lag         lag
	floorNow    uint64
	floorLooked time.Time
	was         int64      // the cookie of the schema that was read last
	reshape     *schemaDoc // the shape the database has now, where the log does not say so yet
	recording   *Entry     // that of a reshape whose append has an unknown outcome
	recordBytes []byte     // the same, encoded
	pinWanted   bool       // a snapshot of the new schema

	// Read by all, written by the frame loop.
	schema         atomic.Pointer[Schema]
	version        atomic.Uint64 // of the last entry
	merged         atomic.Uint64 // that the game database has committed
	durable        atomic.Uint64 // that a checkpoint has brought to its file
	devicesDurable atomic.Uint64 // the same for what devices settled
	shipped        atomic.Uint64 // up to which entries lie elsewhere too, with Options.Ship
	pinned         atomic.Pointer[Snapshot]
	recent         recent
	devices        devices
	wal            walState

	viewers   chan struct{} // a place for each connection that reads
	looks     chan struct{} // the same for short looks
	viewersMu sync.Mutex
	idle      []*sqlite.Conn // guarded by viewersMu
	closed    bool           // the same

	stats Stats
}

// Stats count what the store does. All are totals since Open; safe to read at
// any time.
type Stats struct {
	Frames       atomic.Uint64 // entries appended
	Rows         atomic.Uint64 // rows in them
	LogBytes     atomic.Uint64 // bytes of them
	Merges       atomic.Uint64
	Checkpoints  atomic.Uint64
	LogNanos     atomic.Uint64 // time in the log's commits
	MergeNanos   atomic.Uint64 // time in the game database's commits
	CheckNanos   atomic.Uint64 // time in transactions' SQL
	Recoveries   atomic.Uint64
	RestartWaits atomic.Uint64 // checkpoints that a frame had to wait for
	Taken        atomic.Uint64 // rows that other programs changed
	Foreign      atomic.Uint64 // times that another program wrote what devices can't be told
}

// Stats returns the counters.
func (s *Store) Stats() *Stats { return &s.stats }

// Epoch names this history of the database.
func (s *Store) Epoch() []byte { return s.epoch }

// Schema returns the tables as they are now.
func (s *Store) Schema() *Schema { return s.schema.Load() }

// Version returns the last version; all of it is durable.
func (s *Store) Version() uint64 { return s.version.Load() }

// Merged returns the version that the game database's tables have, as SQL sees
// them.
func (s *Store) Merged() uint64 { return s.merged.Load() }

// Durable returns the version up to which the game database's file has
// everything, so that the log is not needed for it.
func (s *Store) Durable() uint64 { return s.durable.Load() }

// LogFloor returns the oldest version that the log has an entry of.
func (s *Store) LogFloor() uint64 { return s.recent.floor.Load() }

// Shipped tells that all entries up to a version lie elsewhere too, so that the log may
// let go of them; see [Options.Ship].
func (s *Store) Shipped(version uint64) { s.shipped.Store(max(version, s.shipped.Load())) }

// ID names the database, over all its histories.
func (s *Store) ID() []byte { return s.id }

// Run checkpoints both databases beside the frames until ctx ends. One Run at a
// time; Close may be called after it has returned.
func (s *Store) Run(ctx context.Context) error {
	if s.opts.MVSQLite { // where a commit is durable
		<-ctx.Done()
		return nil
	}
	return s.runCheckpoints(ctx)
}
