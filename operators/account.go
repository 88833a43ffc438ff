package operators

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Role is what somebody may do on the admin listener.
type Role string

// The roles, of which each may what those before it may.
const (
	Anyone   Role = "anyone"   // nobody has to say who he is
	Viewer   Role = "viewer"   // looks
	Operator Role = "operator" // acts, too
)

var ranks = []Role{Anyone, Viewer, Operator}

// May says whether a role is enough where another is needed.
func (r Role) May(needed Role) bool {
	return slices.Contains(ranks, needed) && slices.Index(ranks, r) >= slices.Index(ranks, needed)
}

// An Account is an operator's, or a viewer's.
type Account struct {
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"` // its password
}

const (
	maxName      = 64 // bytes
	leastLetters = 12 // of a password
	maxPassword  = 256
)

func checkName(name string) error {
	odd := strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._@+-", r)
	})
	if name == "" || len(name) > maxName || odd || !utf8.ValidString(name) {
		return &InvalidError{fmt.Sprintf("%.80q is no name of an account: it must have 1 to %d bytes of letters, digits and . _ @ + -", name, maxName)}
	}
	return nil
}

// checkPassword returns what is wrong with a password that somebody wants.
func checkPassword(name, password string) error {
	switch {
	case !utf8.ValidString(password) || len(password) > maxPassword:
		return &InvalidError{fmt.Sprintf("the password must be UTF-8 of at most %d bytes", maxPassword)}
	case utf8.RuneCountInString(password) < leastLetters:
		return &InvalidError{fmt.Sprintf("the password is too short: take at least %d characters, a few words are best", leastLetters)}
	case len(slices.Compact(slices.Sorted(slices.Values([]rune(password))))) < 5:
		return &InvalidError{"the password repeats a few characters: it would be guessed"}
	case strings.Contains(strings.ToLower(password), strings.ToLower(name)) && utf8.RuneCountInString(password) < leastLetters+utf8.RuneCountInString(name):
		return &InvalidError{"the password is little more than the name of the account: it would be guessed"}
	}
	return nil
}

// An InvalidError is a name or a password that can't be one, in words for who chose it.
type InvalidError struct{ text string }

// Error returns what is wrong.
func (e *InvalidError) Error() string { return e.text }

// What is told to who asks.
var (
	ErrWrong   = errors.New("the name or the password is wrong")
	ErrEnded   = errors.New("the login has ended: log in again")
	ErrLink    = errors.New("the link is not good: it works once, for an hour; make a new one on the hub's machine with framehub operator link")
	ErrExists  = errors.New("there is an account with that name already")
	ErrNoSuch  = errors.New("there is no account with that name")
	ErrBusy    = errors.New("too many log in at the same time: try again in a moment")
	ErrLastOne = errors.New("it is the last account of an operator: nobody could act any more")
)

// A LimitedError says that there were too many tries.
type LimitedError struct{ Retry time.Duration }

// Error says when one may try again.
func (e *LimitedError) Error() string {
	return fmt.Sprintf("too many tries: wait %d seconds, or use a browser that has logged in to this account before", int(e.Retry.Seconds())+1)
}
