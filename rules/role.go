package rules

import (
	"fmt"
	"slices"
	"strings"

	"framehub/session/wire"
)

// roleNames are the roles that a session may have.
var roleNames = []string{"device", "server", "editor", "observer", "admin"}

// roles is a set of them, a bit each.
type roles uint8

const (
	noRole   roles = 0
	everyone roles = 1<<5 - 1
	observer roles = 1 << 3
	trusted  roles = 1<<1 | 1<<2 | 1<<4 // server, editor, admin
)

// roleOf returns a role as a set, empty for one that is not known.
func roleOf(name string) roles {
	if i := slices.Index(roleNames, name); i >= 0 {
		return 1 << i
	}
	return noRole
}

// String lists the roles.
func (r roles) String() string {
	var names []string
	for i, name := range roleNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// Who is whom a session writes and reads for.
type Who struct {
	User   string // who a token says it is; "": nobody, who owns nothing
	Role   string
	Scopes map[string][]wire.Value // that a token lists, by table

	// Anyone says that nobody proves who they are (--auth none): there are no
	// users then, and rules about owners and the scopes of tokens do not apply.
	Anyone bool
}

// Trusted says whether a role is one that limits do not bind: server, editor, admin.
func Trusted(role string) bool { return roleOf(role)&trusted != 0 }

// bound says whether rules about owners and scopes hold for it.
func (w *Who) bound() bool { return !w.Anyone && !Trusted(w.Role) }

// sees says whether a scope of a table is one of the token's.
func (w *Who) sees(table string, scope wire.Value) bool {
	return sees(w.Scopes[table], scope)
}

// sees says whether a scope is one of some.
func sees(scopes []wire.Value, scope wire.Value) bool {
	return slices.Contains(scopes, scope) || // as good as always, and quicker
		slices.ContainsFunc(scopes, func(v wire.Value) bool { return wire.SameNumber(v, scope) })
}

// scopeList names the token's scopes of a table for people.
func (w *Who) scopeList(table string) string {
	scopes := w.Scopes[table]
	if len(scopes) == 0 {
		return "none"
	}
	names := make([]string, min(len(scopes), 8))
	for i := range names {
		names[i] = scopes[i].String()
	}
	if more := len(scopes) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d others", more))
	}
	return strings.Join(names, ", ")
}
