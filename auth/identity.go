package auth

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The roles of sessions.
const (
	RoleDevice   = "device"
	RoleServer   = "server"
	RoleEditor   = "editor"
	RoleObserver = "observer" // reads only
	RoleAdmin    = "admin"
)

// The roles on the operators' listener, which no session has. An admin is an operator there, too.
const (
	RoleViewer   = "viewer" // looks
	RoleOperator = "operator"
)

// Roles lists the roles of sessions.
func Roles() []string { return []string{RoleDevice, RoleServer, RoleEditor, RoleObserver, RoleAdmin} }

// TokenRoles lists the roles that a token may allow.
func TokenRoles() []string { return append(Roles(), RoleOperator, RoleViewer) }

// An Identity is who a session belongs to, as its token says.
type Identity struct {
	User    string   // "" when nothing checks who connects
	Roles   []string // that it allows; one at least
	TokenID string   // "": the token has none
	Issued  time.Time
	Expires time.Time // zero: never

	// Scopes are the scope values that the token may see, by table: an int64, a
	// float64 or a string each. nil: the token says nothing of scopes.
	Scopes map[string][]any
}

// Anyone is the identity of every session where nothing checks who connects: what
// it says of its role is believed.
func Anyone() Identity { return Identity{Roles: Roles()} }

// Allow returns the role of a session that asks for one, or for none: then it is
// a device where the token allows that, else the first role of a session that it
// names. Whoever may be one of them may also be an observer, which is less. The error
// says what the token allows.
func (id *Identity) Allow(asked string) (string, error) {
	own := slices.DeleteFunc(slices.Clone(id.Roles), func(r string) bool { return !slices.Contains(Roles(), r) })
	switch {
	case len(own) == 0:
		return "", fmt.Errorf("the token is no session's: it allows %s", strings.Join(id.Roles, ", "))
	case asked == "" && slices.Contains(own, RoleDevice):
		return RoleDevice, nil
	case asked == "":
		return own[0], nil
	case !slices.Contains(Roles(), asked):
		return "", fmt.Errorf("there is no role %.40q", asked)
	case asked == RoleObserver, slices.Contains(own, asked):
		return asked, nil
	default:
		return "", fmt.Errorf("the token does not allow the role %q: it allows %s", asked, strings.Join(id.Roles, ", "))
	}
}

// Operates returns the role on the operators' listener, RoleOperator or RoleViewer.
// The error says what the token allows.
func (id *Identity) Operates() (string, error) {
	has := func(role string) bool { return slices.Contains(id.Roles, role) }
	switch {
	case has(RoleOperator), has(RoleAdmin):
		return RoleOperator, nil
	case has(RoleViewer):
		return RoleViewer, nil
	default:
		return "", fmt.Errorf("the token is no operator's and no viewer's: it allows %s", strings.Join(id.Roles, ", "))
	}
}
