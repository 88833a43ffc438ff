package hub_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"framehub/audit"
	"framehub/audit/audittest"
	"framehub/auth"
	"framehub/hub"
	"framehub/session"
	"framehub/session/wire"
)

// A lock is a world with a gate: tokens are of its key.
type lock struct {
	*world
	key     *auth.Key
	revoked string // a file
	log     *audittest.Output
}

// locked runs f in a synctest bubble with a world that has a gate.
func locked(t *testing.T, f func(*lock)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := &lock{log: &audittest.Output{}, revoked: filepath.Join(dir, "revoked")}
		if err := os.WriteFile(l.revoked, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var err error
		if l.key, _, err = auth.OpenKey(filepath.Join(dir, "world.key"), ""); err != nil {
			t.Fatal(err)
		}
		revoked, err := auth.LoadRevoked(l.revoked)
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		l.world = newWorld(t, hub.Options{PingEvery: 24 * time.Hour, Gate: auth.NewGate(l.key, revoked), Log: log})
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { revoked.Run(ctx, log) })
		t.Cleanup(func() { cancel(); running.Wait() })
		f(l)
	})
}

// token mints one, which is good for an hour unless said otherwise.
func (l *lock) token(id auth.Identity) string {
	l.Helper()
	if id.Expires.IsZero() {
		id.Expires = time.Now().Add(time.Hour)
	}
	if id.Roles == nil {
		id.Roles = []string{"device"}
	}
	token, err := l.key.Mint(&id)
	if err != nil {
		l.Fatal(err)
	}
	return token
}

func (l *lock) user(name string) string { return l.token(auth.Identity{User: name}) }

// wantRefused wants a dial to end with a goodbye of a code and words.
func wantRefused(t *testing.T, err error, code wire.CloseCode, words string) {
	t.Helper()
	e, ok := errors.AsType[*session.ClosedError](err)
	if !ok || e.Code != code || !strings.Contains(e.Text, words) {
		t.Errorf("%v, want %d with %q", err, code, words)
	}
}

func TestGateLetsIn(t *testing.T) {
	locked(t, func(l *lock) {
		l.dial(wire.DeviceHello{Token: l.user("alice")})
		l.pass(time.Second)
		l.dial(wire.DeviceHello{Token: l.token(auth.Identity{User: "game", Roles: []string{"editor", "server"}}), Role: "server"})
		l.pass(time.Second)
		bob := l.dial(wire.DeviceHello{Token: l.user("bob"), Role: "observer"})
		if r := bob.Hello.Schema.Tables[0].Rights; r != wire.RightRead {
			l.Errorf("the observer's rights are %d", r)
		}
		var got []string
		for _, s := range l.hub.Sessions() {
			got = append(got, s.User+" "+s.Role)
			if len(s.TokenID) != 36 || !strings.Contains(l.log.String(), "user="+s.User+" token_id="+s.TokenID) {
				l.Errorf("token id %q; the log has\n%s", s.TokenID, l.log)
			}
		}
		if want := []string{"alice device", "game server", "bob observer"}; !slices.Equal(got, want) {
			l.Errorf("%q, want %q", got, want)
		}
	})
}

func TestGateRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		hello func(*lock) wire.DeviceHello
		code  wire.CloseCode
		words string
		log   string
	}{
		"no token":  {func(*lock) wire.DeviceHello { return wire.DeviceHello{} }, wire.CloseUnauthorized, "no token was given", ""},
		"a bad one": {func(*lock) wire.DeviceHello { return wire.DeviceHello{Token: "s.e.cret"} }, wire.CloseUnauthorized, "the token is not valid", "it is no JWT"},
		"a changed one": {func(l *lock) wire.DeviceHello {
			token := l.user("alice")
			return wire.DeviceHello{Token: token[:len(token)-8] + "AAAAAAAA"}
		}, wire.CloseUnauthorized, "the token is not valid", "its signature"},
		"an expired one": {func(l *lock) wire.DeviceHello {
			return wire.DeviceHello{Token: l.token(auth.Identity{User: "alice", Expires: time.Now().Add(-time.Minute)})}
		}, wire.CloseUnauthorized, "has expired: connect with a new one", ""},
		"another role": {func(l *lock) wire.DeviceHello { return wire.DeviceHello{Token: l.user("alice"), Role: "admin"} },
			wire.CloseForbidden, `does not allow the role "admin": it allows device`, "alice"},
		"no such role": {func(l *lock) wire.DeviceHello { return wire.DeviceHello{Token: l.user("alice"), Role: "root"} },
			wire.CloseForbidden, `there is no role "root"`, "alice"},
	} {
		t.Run(name, func(t *testing.T) {
			locked(t, func(l *lock) {
				hello := c.hello(l)
				_, err := l.tryDial(hello)
				wantRefused(t, err, c.code, c.words)
				if c.log != "" && strings.Contains(err.Error(), c.log) {
					t.Errorf("the device is told what is for the log: %v", err)
				}
				synctest.Wait()
				if !strings.Contains(l.log.String(), c.log) {
					t.Errorf("%q is not in the log:\n%s", c.log, l.log)
				}
				for part := range strings.SplitSeq(hello.Token, ".") {
					if len(part) > 2 && strings.Contains(l.log.String(), part) {
						t.Errorf("the log has a part of the token:\n%s", l.log)
					}
				}
				if n := l.hub.SessionCount(); n != 0 {
					t.Errorf("%d sessions", n)
				}
			})
		})
	}
}

// wantEnd wants a session's last message to be a goodbye of 4001 with these words.
func wantEnd(p *peer, words string) {
	p.w.Helper()
	if g := await[*wire.Goodbye](p); g.Code != wire.CloseUnauthorized || !strings.Contains(g.Text, words) || g.RetrySet {
		p.w.Errorf("the goodbye is %+v, want 4001 with %q", g, words)
	}
}

func TestSessionEndsWithItsToken(t *testing.T) {
	locked(t, func(l *lock) {
		p := l.dial(wire.DeviceHello{Token: l.user("alice")})
		l.dial(wire.DeviceHello{Token: l.token(auth.Identity{User: "bob", Expires: time.Now().Add(2 * time.Hour)})})
		l.pass(time.Hour + auth.Leeway - time.Second)
		l.hub.Sweep(time.Now())
		if n := l.hub.SessionCount(); n != 2 {
			l.Fatalf("%d sessions before their time", n)
		}
		l.pass(time.Second)
		l.hub.Sweep(time.Now())
		wantEnd(p, "the token has expired: connect with a new one")
		l.pass(time.Second / 2)
		l.hub.Sweep(time.Now()) // it has been told, and is not gone yet
		l.pass(time.Second)
		synctest.Wait()
		if list := l.hub.Sessions(); len(list) != 1 || list[0].User != "bob" {
			l.Errorf("%+v", list)
		}
		if told := l.log.Lines(audit.SessionEnded); len(told) != 1 || !strings.Contains(told[0], "user=alice") {
			l.Errorf("the end of alice's session is told as %q", told)
		}
	})
}

func TestSessionEndsWhenRevoked(t *testing.T) {
	for name, line := range map[string]func(*lock) string{
		"its token": func(l *lock) string { return l.hub.Sessions()[0].TokenID },
		"its user":  func(*lock) string { return "user " + time.Now().Add(time.Hour).Format(time.RFC3339) + " alice" },
	} {
		t.Run(name, func(t *testing.T) {
			locked(t, func(l *lock) {
				token := l.user("alice")
				p := l.dial(wire.DeviceHello{Token: token})
				if err := os.WriteFile(l.revoked, []byte(line(l)+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				l.pass(2 * time.Second)
				l.hub.Sweep(time.Now())
				wantEnd(p, "the token has been revoked")
				_, err := l.tryDial(wire.DeviceHello{Token: token})
				wantRefused(t, err, wire.CloseUnauthorized, "the token has been revoked")
				l.dial(wire.DeviceHello{Token: l.user("bob")})
			})
		})
	}
}

// A device's id is no secret: with it, another user neither takes over the
// session nor learns or settles what is under way.
func TestStolenDeviceID(t *testing.T) {
	locked(t, func(l *lock) {
		alice := l.dial(wire.DeviceHello{Token: l.user("alice"), SubsSet: true})
		stolen := wire.DeviceHello{Token: l.user("bob"), Device: alice.Hello.Device, SubsSet: true}
		const words = "this device id belongs to another user"
		_, err := l.tryDial(stolen)
		wantRefused(t, err, wire.CloseForbidden, words)
		expect[*wire.SnapshotEnd](alice)
		alice.put(1, 1)
		l.frame()
		l.pass(time.Second)
		l.hub.Sweep(time.Now())
		if s := await[*wire.Settled](alice); len(s.Committed) != 1 {
			t.Errorf("the session of the true one: %+v", s)
		}
		alice.put(2, 2)
		synctest.Wait()
		alice.Drop()
		synctest.Wait()
		_, err = l.tryDial(stolen)
		wantRefused(t, err, wire.CloseForbidden, words)
		again := l.dial(wire.DeviceHello{Token: l.user("alice"), Device: alice.Hello.Device, SubsSet: true})
		newer := l.dial(wire.DeviceHello{Token: l.user("alice"), Device: alice.Hello.Device, SubsSet: true})
		if g := await[*wire.Goodbye](again); g.Code != wire.CloseReplaced {
			t.Errorf("her own newer session: %+v", g)
		}
		expect[*wire.SnapshotEnd](newer)
		l.frame()
		if s := await[*wire.Settled](newer); len(s.Committed) != 1 || s.Committed[0] != 2 {
			t.Errorf("what was under way: %+v", s)
		}
	})
}
