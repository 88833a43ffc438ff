package auth

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The roles.
const (
	RoleDevice   = "device"
	RoleServer   = "server"
	RoleEditor   = "editor"
	RoleObserver = "observer" // reads only
	RoleAdmin    = "admin"
)

// Roles lists the roles that there are.
func Roles() []string { return []string{RoleDevice, RoleServer, RoleEditor, RoleObserver, RoleAdmin} }

// An Identity is who a session belongs to, as its token says.
type Identity struct {
	User    string   // "" when nothing checks who connects
	Roles   []string // that a session of it may have; one at least
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
// a device where the token allows that, else the first role of the token. Who may
// be anything may also be an observer, which is less. The error says what the
// token allows.
func (id *Identity) Allow(asked string) (string, error) {
	switch {
	case asked == "" && slices.Contains(id.Roles, RoleDevice):
		return RoleDevice, nil
	case asked == "" && len(id.Roles) > 0:
		return id.Roles[0], nil
	case !slices.Contains(Roles(), asked):
		return "", fmt.Errorf("there is no role %.40q", asked)
	case asked == RoleObserver, slices.Contains(id.Roles, asked):
		return asked, nil
	default:
		return "", fmt.Errorf("the token does not allow the role %q: it allows %s", asked, strings.Join(id.Roles, ", "))
	}
}
