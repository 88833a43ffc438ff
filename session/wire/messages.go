package wire

import (
	"strconv"
	"time"
)

// Type is the first element of a message.
type Type uint8

// The message types.
const (
	TypeHello       Type = 0
	TypeSchema      Type = 1
	TypeSnapshot    Type = 2
	TypeSnapshotEnd Type = 3
	TypeFrame       Type = 4
	TypeWrite       Type = 5
	TypeSettled     Type = 6
	TypeTick        Type = 7
	TypeClock       Type = 8
	TypePacked      Type = 9
	TypeSubscribe   Type = 10
	TypeSQL         Type = 11
	TypeGoodbye     Type = 12
	TypeReadPiece   Type = 13
	TypeWill        Type = 14
	TypeEvent       Type = 15
)

// Limits bound what a decoder takes. Zero fields mean the defaults below. All
// but Message bound what a device sends; what a hub sends is bounded by its length.
type Limits struct {
	Message int // bytes of one message, unpacked; default [DefaultMessageLimit]
	Rows    int // rows of one transaction; default [DefaultRowLimit]
	Ops     int // ops of one transaction; default [DefaultOpLimit]
	Subs    int // subscriptions in one message; default [DefaultSubLimit]
	Scopes  int // scopes in one subscription; default [DefaultScopeLimit]
}

// The default limits.
const (
	DefaultMessageLimit = 1 << 20
	DefaultRowLimit     = 16384
	DefaultOpLimit      = 1024
	DefaultSubLimit     = 256
	DefaultScopeLimit   = 1024
)

// DeviceHello is the first message of a device (section 3).
type DeviceHello struct {
	Token      string
	Device     []byte // 16 bytes, or nil: the hub gives out a new one
	Epoch      []byte // nil: the device has no copy
	Subs       []Sub
	SubsSet    bool // false: "subs" was absent, the device gets every table it may read
	Zstd       bool
	MaxMessage int    // bytes; 0: the default of 60 KiB; at most 2^31-1, more is cut to that
	Budget     uint64 // bytes per second; 0: no limit
	Role       string // "": the default, device
	Client     string // its name and version, for people
}

// HubHello answers it.
type HubHello struct {
	Session      []byte
	Device       []byte
	Epoch        []byte
	Version      uint64
	Settled      uint64
	SettledKnown bool // false: the hub does not know the device, or no longer
	Rejected     []Rejected
	Resumed      bool
	Schema       *Schema
	Limits       HubLimits
	Capabilities []string
	FrameHz      float64 // frames per second of the hub's clock
	Time         time.Time
}

// HubLimits is what a hub accepts, as its hello says it.
type HubLimits struct {
	Message   int // bytes
	Rows      int // rows of one transaction
	Unsettled int // transactions under way
	Rate      int // messages per second; 0: no limit
}

// A Rejected is a transaction that was refused, in messages 0 and 6.
type Rejected struct {
	Seq uint64
	Refusal
}

// A Sub is a subscription: a table, or the rows of it that have certain values
// in its scope column.
type Sub struct {
	Name     string // the table by name, or else:
	Table    int    // by number, when Name is ""
	Scopes   []Value
	Scoped   bool    // false: the whole table
	Hz       float64 // frames per second at most; 0: every frame
	Since    uint64  // the version to which the device has it
	SinceSet bool    // false: the device has nothing of it
}

// A Schema tells a session the tables that it may read.
type Schema struct {
	Version uint64
	Tables  []SchemaTable
}

// A SchemaTable is a table as a session sees it; a column's number is its place.
type SchemaTable struct {
	Number    int
	Name      string
	KeyLength int // key columns come first
	Scope     int // the scope column's number, -1: none
	Columns   []SchemaColumn
	Rights    Rights
	Class     string // "durable" or "live"
}

// A SchemaColumn is a column as a session sees it.
type SchemaColumn struct {
	Name  string
	Type  string // "INTEGER", "REAL", "TEXT", "BLOB" or "ANY"
	Flags ColumnFlags
}

// ColumnFlags are the flags of a column.
type ColumnFlags uint8

// The flags.
const (
	FlagNotNull ColumnFlags = 1 << iota
	FlagReadOnly
	FlagHasDefault
)

// Rights are what a session may do with a table.
type Rights uint8

// The rights.
const (
	RightRead Rights = 1 << iota
	RightInsert
	RightUpdate
	RightDelete

	// OnDemand is no right: a device that does not say what it wants gets nothing of
	// the table.
	OnDemand
)

// Snapshot is a part of the rows of the subscriptions that a message with this
// id asked for (0: hello), all of one version.
type Snapshot struct {
	ID      uint64
	Version uint64
	Blocks  []Block
}

// SnapshotEnd puts a snapshot in place, or refuses the subscriptions.
type SnapshotEnd struct {
	ID      uint64
	Version uint64
	Refused *Refusal // nil: it was done
}

// Frame is what one commit, or several merged, changed for a session.
type Frame struct {
	Version  uint64
	Previous uint64
	Time     time.Time
	Changed  []Block
	Removed  []Block
	More     bool
	Complete []int // the subs that are complete to Version, by place
	All      bool  // every sub is; Complete is then nil
	Authors  []Author
}

// OpKind is the first element of an op.
type OpKind uint8

// The ops (section 5).
const (
	OpPut OpKind = iota
	OpInsert
	OpUpdate
	OpDelete
	OpAdd
	OpTouch
	OpExpect
)

// String returns the op's name.
func (k OpKind) String() string {
	if k > OpExpect {
		return "op " + strconv.Itoa(int(k))
	}
	return [...]string{"put", "insert", "update", "delete", "add", "touch", "expect"}[k]
}

// An Op is one step of a transaction.
type Op struct {
	Kind  OpKind
	Block Block
}

// Write is a transaction.
type Write struct {
	Seq           uint64
	Base          uint64
	BaseSet       bool
	SchemaVersion uint64
	Ops           []Op
}

// Rows returns the number of rows in all ops.
func (w *Write) Rows() int {
	n := 0
	for i := range w.Ops {
		n += w.Ops[i].Block.N
	}
	return n
}

// Settled tells a device which of its transactions were committed and which
// were refused, all of them durable by Version.
type Settled struct {
	Version   uint64
	Committed []uint64
	Rejected  []Rejected
}

// Clock asks for the hub's time, or tells it.
type Clock struct {
	Echo    Value // what the device sent: an integer or a float of its own
	Time    time.Time
	Version uint64
	Answer  bool // false: the question, which has only Echo
}

// Subscribe changes what a device sees.
type Subscribe struct {
	ID     uint64
	Add    []Sub
	Remove []Sub
}

// Goodbye announces the end of the session.
type Goodbye struct {
	Code     CloseCode
	Text     string
	Retry    time.Duration
	RetrySet bool // false: the hub says nothing of coming back
}

// ReadPiece asks for a part of one large value.
type ReadPiece struct {
	ID     uint64
	Table  int
	Key    []Value
	Column int
	Offset uint64
}

// Piece answers it.
type Piece struct {
	ID      uint64
	Version uint64
	Size    uint64 // of the whole value, bytes
	Data    []byte
	Refused *Refusal
}
