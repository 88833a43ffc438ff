package wire

import (
	"errors"
	"fmt"
)

// An Error is a message that breaks the protocol: the session that sent it
// ends with Code and Reason.
type Error struct {
	Code   CloseCode
	Reason string // for people: what was wrong, and what is accepted
}

// Error returns the reason with its code.
func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Reason, e.Code) }

// A Refusal is why a transaction, a subscription or a request was refused; the
// session goes on.
type Refusal struct {
	Code Code
	Text string // names the table, the column and the rule
	Op   int    // the op in its transaction, from 0; -1: the transaction as a whole
	Row  int    // the row in its block, from 0; -1: the op as a whole
}

// Error returns the code and the text.
func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Text }

// Refuse returns a refusal of the transaction as a whole.
func Refuse(code Code, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Text: fmt.Sprintf(format, args...), Op: -1, Row: -1}
}

var (
	errTruncated = &Error{CloseProtocol, "the message ends in the middle of an item"}
	errNotFinite = &Error{CloseProtocol, "NaN and infinities are not values"}
)

func protocolErrorf(format string, args ...any) *Error {
	return &Error{CloseProtocol, fmt.Sprintf(format, args...)}
}

// AsError returns the close code and the words for err: those of an [Error],
// CloseTooLarge for a [Refusal] by size, and CloseInternal for any other.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if r, ok := errors.AsType[*Refusal](err); ok && r.Code == CodeTooLarge {
		return &Error{CloseTooLarge, r.Text}
	}
	return &Error{CloseInternal, "internal error"}
}
