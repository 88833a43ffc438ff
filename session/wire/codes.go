package wire

// Subprotocol is the WebSocket subprotocol of this version.
const Subprotocol = "framehub.v1.cbor"

// CloseCode is a code of a goodbye and of the close frame (protocol, section 9).
type CloseCode uint16

// The close codes.
const (
	CloseNormal       CloseCode = 1000
	CloseGoingAway    CloseCode = 1001
	CloseInternal     CloseCode = 1011
	CloseProtocol     CloseCode = 4000
	CloseUnauthorized CloseCode = 4001
	CloseForbidden    CloseCode = 4003
	CloseRate         CloseCode = 4008
	CloseReplaced     CloseCode = 4009
	CloseKicked       CloseCode = 4010
	CloseStopping     CloseCode = 4011
	CloseTooLarge     CloseCode = 4013
	CloseTooSlow      CloseCode = 4014
)

// Code is the reason of a refusal (protocol, section 5).
type Code string

// The refusal codes.
const (
	CodeType          Code = "type"
	CodeConstraint    Code = "constraint"
	CodeUnknownTable  Code = "unknown_table"
	CodeUnknownColumn Code = "unknown_column"
	CodeSchema        Code = "schema"
	CodeForbidden     Code = "forbidden"
	CodeNotOwner      Code = "not_owner"
	CodeExists        Code = "exists"
	CodeMissing       Code = "missing"
	CodeConflict      Code = "conflict"
	CodeStale         Code = "stale"
	CodeTooLarge      Code = "too_large"
	CodeRate          Code = "rate"
	CodeReadOnly      Code = "read_only"
	CodeUnavailable   Code = "unavailable"
	CodeClockHeld     Code = "clock_held" // of a tick: another session holds the clock (section 6)
)

// Codes lists all refusal codes.
func Codes() []Code {
	return []Code{
		CodeType, CodeConstraint, CodeUnknownTable, CodeUnknownColumn, CodeSchema, CodeForbidden, CodeNotOwner, CodeExists, CodeMissing,
		CodeConflict, CodeStale, CodeTooLarge, CodeRate, CodeReadOnly, CodeUnavailable, CodeClockHeld,
	}
}

const (
	// maxDepth bounds the nesting of any item; the deepest that the protocol
	// itself has is 7 (a schema's column).
	maxDepth = 16

	// MaxColumns is the largest column number that a block may name plus one;
	// SQLite's own default limit (SQLITE_MAX_COLUMN) is 2,000.
	MaxColumns = 2000

	// MaxVersion is the largest version: JavaScript reads it without loss.
	MaxVersion = 1<<53 - 1
)
