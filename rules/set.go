package rules

import (
	"regexp"

	"framehub/session/wire"
)

// A Set is the rules of a configuration file as they stand there. A nil Set is
// no file at all: then everything is allowed.
type Set struct {
	limits Limits
	tables []*tableRules
	events []*eventRules
}

// Scopes returns the scope column of each table that has one.
func (s *Set) Scopes() map[string]string {
	scopes := map[string]string{}
	if s != nil {
		for _, t := range s.tables {
			if t.scope.name != "" {
				scopes[t.name] = t.scope.name
			}
		}
	}
	return scopes
}

// Alone returns the tables that only the hub writes.
func (s *Set) Alone() map[string]bool {
	alone := map[string]bool{}
	if s != nil {
		for _, t := range s.tables {
			if t.alone {
				alone[t.name] = true
			}
		}
	}
	return alone
}

// Counted returns the column that says who owns a row, of each table whose owners
// may have so many rows only.
func (s *Set) Counted() map[string]string {
	counted := map[string]string{}
	if s != nil {
		for _, t := range s.tables {
			if t.maxOwned > 0 {
				counted[t.name] = t.owner.name
			}
		}
	}
	return counted
}

// Writable says whether anybody may write any table.
func (s *Set) Writable() bool {
	if s == nil {
		return true
	}
	for _, t := range s.tables {
		if t.insert.roles|t.update.roles|t.remove.roles != noRole {
			return true
		}
	}
	return false
}

// Limits returns how much a device may send.
func (s *Set) Limits() Limits {
	if s == nil {
		return Limits{}
	}
	return s.limits
}

// tableRules are the rules of one table.
type tableRules struct {
	name string
	line int

	scope, owner                       column
	read, insert, update, remove, give who
	readOnly, serverOnly               []column
	onGone                             int // the line of on-gone = "delete"; 0: there is none
	maxOwned                           int // 0: no limit
	maxOwnedLine                       int
	byToken                            bool // scopes = "token"
	scopesLine                         int
	alone                              bool // writers = "hub"
	shared                             int  // the line of writers = "sql"; 0: there is none
	onDemand                           bool
	position                           []column // map = ["x", "y"]: where a row is; nil: nowhere
	precision                          []precisionRule
	texts                              []*textRule
	blobs                              []blobRule
}

// A column that a rule names; "": none.
type column struct {
	name string
	line int
}

// who has a right.
type who struct {
	roles roles
	line  int // 0: the file does not say
}

type precisionRule struct {
	column
	step float64
}

type textRule struct {
	column
	max       int // characters, 0: no limit
	trim      bool
	multiline bool
	pattern   *regexp.Regexp // of the whole text
	source    string         // as the file has it
}

type blobRule struct {
	column
	max int
}

// rights returns what a role may do.
func (t *tableRules) rights(role roles) (r wire.Rights) {
	if t.read.roles&role == 0 {
		return 0
	}
	r = wire.RightRead
	if t.insert.roles&role != 0 {
		r |= wire.RightInsert
	}
	if t.update.roles&role != 0 {
		r |= wire.RightUpdate
	}
	if t.remove.roles&role != 0 {
		r |= wire.RightDelete
	}
	if t.onDemand {
		r |= wire.OnDemand
	}
	return r
}

// Limits are what a device may send a second.
type Limits struct {
	Messages, Rows, Bytes, Events Rate
}

// A Rate is so much a second, and in a burst after a pause. The zero Rate is no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}
