package audit

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// An Event is a kind of line.
type Event string

// The events.
const (
	ConnectionRefused Event = "connection_refused" // by a limit, before anything was read
	UpgradeRefused    Event = "upgrade_refused"    // before the WebSocket
	AdminRefused      Event = "admin_refused"      // a request to the admin listener
	SessionRefused    Event = "session_refused"    // at its hello
	Login             Event = "login"              // a session whose token is good
	SessionReplaced   Event = "session_replaced"   // its device has a newer one
	SessionEnded      Event = "session_ended"      // by the hub
	Kick              Event = "kick"               // of a session, by an operator: his name is in the reason
	Ban               Event = "ban"                // of a device or a user, or a token is revoked, by an operator
	Unban             Event = "unban"              // it is lifted
	Notice            Event = "notice"             // to players, by an operator
	WriteRefused      Event = "write_refused"
	WillRefused       Event = "will_refused"     // when its device had gone
	OperatorLogin     Event = "operator_login"   // to an account
	OperatorLogout    Event = "operator_logout"  //
	OperatorRefused   Event = "operator_refused" // who wanted to log in, make an account or change a password
	Account           Event = "account"          // of an operator: made, or its password changed
	Reload            Event = "reload"
	Edit              Event = "edit"   // of a row, by an operator
	Query             Event = "query"  // in SQL, by an operator
	Backup            Event = "backup" // asked for by an operator, made, or failed
)

const (
	perSecond    = 10 // lines of an event
	burst        = 20
	summaryEvery = 10 * time.Second

	// Those of one user, device or address among them, so that who floods hides
	// nobody else.
	perSecondOfOne = 1
	burstOfOne     = 5
	maxSources     = 1024 // that have a sample each; further ones share one
)

// A Record is what a line tells. What is empty is left out.
type Record struct {
	Session, Device fmt.Stringer
	User            string
	Remote          string // the peer's address
	Code            string // of the protocol, or of HTTP
	Reason          string
	Fix             string // what the operator may do about it
}

// source tells apart who is sampled: by what is hardest to have many of.
func (r *Record) source() string {
	switch {
	case r.User != "":
		return "user " + r.User
	case r.Device != nil:
		return r.Device.String()
	default:
		return network(r.Remote)
	}
}

// network returns what one peer can be taken to have: an address, or a /64 of IPv6.
func network(remote string) string {
	addr, err := netip.ParseAddr(remote) // without a port, as some proxies tell it
	if err != nil {
		peer, _ := netip.ParseAddrPort(remote)
		addr = peer.Addr()
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		prefix, _ := addr.Prefix(64)
		return prefix.String()
	}
	return addr.String()
}

// A Log writes lines: of each event 20 at once and 10 a second, 5 and 1 of them of
// the same user, device or address (or /64 of IPv6), and of what is above that the number only. Its
// methods may be called at the same time.
type Log struct {
	log *slog.Logger

	mu     sync.Mutex // guards the following
	events map[Event]*sample
}

// A sample is what an event may still write.
type sample struct {
	limit   *rate.Limiter
	of      map[string]*rate.Limiter // by source
	leftOut int
}

// byOperator says whether the event is what an operator has done, who is one source
// for all that he does.
func (e Event) byOperator() bool {
	return slices.Contains([]Event{Kick, Ban, Unban, Notice, Reload, Backup, Account, Edit, Query}, e)
}

// allow says whether a source may write a line.
func (s *sample) allow(event Event, source string) bool {
	if event.byOperator() {
		return s.limit.Allow()
	}
	one := s.of[source]
	if one == nil && len(s.of) >= maxSources {
		source = ""
		one = s.of[source]
	}
	if one == nil {
		one = rate.NewLimiter(perSecondOfOne, burstOfOne)
		s.of[source] = one
	}
	return one.Allow() && s.limit.Allow()
}

// forget drops the sources that may write as much as new ones.
func (s *sample) forget() {
	maps.DeleteFunc(s.of, func(_ string, one *rate.Limiter) bool { return one.Tokens() >= burstOfOne })
}

// New returns a log that writes to another.
func New(log *slog.Logger) *Log {
	return &Log{log: log, events: map[Event]*sample{}}
}

// Add writes a line, or counts it as left out. Texts may come from devices: they
// are cut, and what is not printable in them is escaped.
func (l *Log) Add(event Event, r Record) {
	leftOut, ok := l.take(event, r.source())
	if !ok {
		return
	}
	args := []any{"audit", true, "event", string(event)}
	for _, a := range []struct {
		key   string
		value fmt.Stringer
	}{{"session", r.Session}, {"device", r.Device}} {
		if a.value != nil {
			args = append(args, a.key, a.value.String())
		}
	}
	for _, a := range []struct{ key, value string }{
		{"user", r.User}, {"remote", r.Remote}, {"code", r.Code}, {"reason", r.Reason}, {"fix", r.Fix},
	} {
		if a.value != "" {
			args = append(args, a.key, Text(a.value))
		}
	}
	if leftOut > 0 {
		args = append(args, "left_out", leftOut)
	}
	l.log.Info(strings.ReplaceAll(string(event), "_", " "), args...) //nolint:sloglint // an event is a constant
}

// take says whether an event of a source may write a line, and how many were left out before it.
func (l *Log) take(event Event, source string) (leftOut int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.events[event]
	if s == nil {
		s = &sample{limit: rate.NewLimiter(perSecond, burst), of: map[string]*rate.Limiter{}}
		l.events[event] = s
	}
	if !s.allow(event, source) {
		s.leftOut++
		return 0, false
	}
	leftOut, s.leftOut = s.leftOut, 0
	return leftOut, true
}

// Run writes every ten seconds, and when ctx ends, how many lines were left out
// since that was last said.
func (l *Log) Run(ctx context.Context) {
	tick := time.NewTicker(summaryEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		l.summary()
	}
}

func (l *Log) summary() {
	leftOut := map[Event]int{}
	l.mu.Lock()
	for event, s := range l.events {
		s.forget()
		if s.leftOut > 0 {
			leftOut[event], s.leftOut = s.leftOut, 0
		}
	}
	l.mu.Unlock()
	for event, n := range leftOut { // nobody who adds a line waits for these
		l.log.Info("lines left out", "audit", true, "event", string(event), "left_out", n)
	}
}
