package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"framehub/auth"
	"framehub/rules"
	"framehub/session/wire"
)

// admitTimeout bounds how long a hello waits for an issuer's keys.
const admitTimeout = 5 * time.Second

// admit says who a session belongs to, and its role. The error has a [wire.Error]
// for the device, and beside it what only the log may say. It never has the token.
//
//nolint:contextcheck,nolintlint // a session's hello is nobody's request; contextcheck obeys, and nolintlint does not see it
func (h *Hub) admit(hello *wire.DeviceHello) (e entry, err error) {
	who := auth.Anyone()
	if h.opts.Gate != nil {
		ctx, cancel := context.WithTimeout(context.Background(), admitTimeout)
		defer cancel()
		if who, err = h.opts.Gate.Enter(ctx, hello.Token); err != nil {
			return e, unauthorized(err)
		}
	}
	role, err := who.Allow(hello.Role)
	if err != nil {
		return e, whose(&wire.Error{Code: wire.CloseForbidden, Reason: err.Error()}, &who)
	}
	return entry{who: who, role: role}, nil
}

// An entry is how a session has come in.
type entry struct {
	who    auth.Identity
	role   string
	unseen bool
}

// An admission says how a session comes in by its hello, or why it doesn't.
type admission func(hello *wire.DeviceHello) (entry, error)

// observing lets in a user whom somebody else has let in already. What he is called
// is no user's of the game, whose devices would be his.
func observing(user string) admission {
	who := auth.Identity{User: "operator:" + user, Roles: []string{auth.RoleObserver}}
	return func(hello *wire.DeviceHello) (entry, error) {
		asked := hello.Role
		if asked == "" {
			asked = auth.RoleObserver
		}
		role, err := who.Allow(asked)
		if err != nil {
			return entry{}, whose(&wire.Error{Code: wire.CloseForbidden, Reason: "on the operators' listener a session only observes: ask for the role observer"}, &who)
		}
		return entry{who: who, role: role, unseen: true}, nil
	}
}

// whose adds to an error, for the log, who caused it.
func whose(err error, who *auth.Identity) error {
	if who.User == "" {
		return err
	}
	return fmt.Errorf("%w: user %q, token id %q", err, who.User, who.TokenID)
}

// whoIs is an identity as rules take it.
func whoIs(id *auth.Identity, role string, anyone bool) rules.Who {
	who := rules.Who{User: id.User, Role: role, Scopes: map[string][]wire.Value{}, Anyone: anyone}
	for table, scopes := range id.Scopes {
		for _, scope := range scopes {
			switch v := scope.(type) {
			case int64:
				who.Scopes[table] = append(who.Scopes[table], wire.IntegerValue(v))
			case float64:
				who.Scopes[table] = append(who.Scopes[table], wire.RealValue(v))
			case string:
				who.Scopes[table] = append(who.Scopes[table], wire.TextValue(v))
			}
		}
	}
	return who
}

// unauthorized makes a refusal of a denial.
func unauthorized(err error) error {
	denial, ok := errors.AsType[*auth.DeniedError](err)
	if !ok {
		return fmt.Errorf("verify a token: %w", err)
	}
	refusal := &wire.Error{Code: wire.CloseUnauthorized, Reason: denial.Reason.Error()}
	if denial.Detail == "" {
		return refusal
	}
	return fmt.Errorf("%w: %s", refusal, denial.Detail)
}

// recheck ends a session that is banned, or whose token has expired or been revoked. Called with
// Hub.mu held.
func (h *Hub) recheck(c *client, now time.Time) {
	if e := h.banned(&c.identity, uuid.UUID(c.device.id), now); e != nil { // since it was let in
		c.sess.End(wire.Goodbye{Code: e.Code, Text: e.Reason})
	}
	if h.opts.Gate == nil || c.unseen { // whoever let that in looks after it
		return
	}
	if err := h.opts.Gate.Stay(&c.identity, now); err != nil {
		e := wire.AsError(unauthorized(err))
		c.sess.End(wire.Goodbye{Code: e.Code, Text: e.Reason})
	}
}
