package hub_test

import (
	"net/http"
	"testing"
	"time"

	"framehub/auth"
	"framehub/session"
	"framehub/session/sessiontest"
	"framehub/session/wire"
)

// observe connects somebody whom the operators' listener has let in. done is closed
// when the hub has done with him.
func (w *world) observe(hello wire.DeviceHello) (p *peer, done <-chan struct{}) {
	w.Helper()
	ends := make(chan (<-chan struct{}), 1)
	net := sessiontest.Serve(w.T, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, err := session.Accept(rw, r, session.Options{})
		if err != nil {
			w.Error(err)
			return
		}
		done, err := w.hub.ServeObserver(s, "ann")
		if err != nil {
			w.Error(err)
		}
		ends <- done
	}))
	c, err := session.Dial(w.Context(), sessiontest.URL, session.ClientOptions{Hello: hello, HTTPClient: net.HTTPClient()})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(c.Drop)
	return &peer{w: w, Client: c}, <-ends
}

// TestObserverIsUnseen: the game does not learn that an operator looks.
func TestObserverIsUnseen(t *testing.T) {
	present(t, func(w *world) {
		w.dial(device(1))
		o, done := w.observe(wire.DeviceHello{SubsSet: true, Device: append(make([]byte, 15), 2), Subs: []wire.Sub{{Name: "thing"}}})
		await[*wire.SnapshotEnd](o)
		w.wantAttendance("while an operator looks", "1 device here")
		o.Drop()
		<-done
		w.pass(20 * time.Second)
		w.wantAttendance("when he has gone", "1 device here")
	})
}

// TestObserverOfScopes: rules about the scopes of tokens are for those who have tokens.
func TestObserverOfScopes(t *testing.T) {
	locked(t, func(l *lock) {
		l.rule("[tables.thing]\nscope = \"zone\"\nscopes = \"token\"")
		all := wire.DeviceHello{SubsSet: true, Subs: []wire.Sub{{Name: "thing"}}}
		o, _ := l.observe(all)
		if e := await[*wire.SnapshotEnd](o); e.Refused != nil {
			l.Errorf("an operator does not see all: %+v", e.Refused)
		}
		all.Token = l.token(auth.Identity{User: "alice", Roles: []string{auth.RoleObserver}})
		if e := await[*wire.SnapshotEnd](l.dial(all)); e.Refused == nil || e.Refused.Code != wire.CodeForbidden {
			l.Errorf("a token without scopes sees all of them: %+v", e)
		}
	})
}
