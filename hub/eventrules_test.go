package hub_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"framehub/auth"
	"framehub/session/wire"
)

// answer sends an event and returns what the sender is told of it, "" for nothing.
func (p *peer) answer(to wire.Target, name string) wire.Code {
	p.w.Helper()
	p.send(to, name, 1)
	synctest.Wait()
	if err := p.Clock(p.w.Context(), 1); err != nil {
		p.w.Fatal(err)
	}
	var code wire.Code
	for {
		switch m := p.next().(type) {
		case *wire.Event:
			if m.Refused != nil {
				code = m.Refused.Code
			}
		case *wire.Clock:
			return code
		}
	}
}

const eventRules = "[tables.thing]\nscope = \"zone\"\nscopes = \"token\"\n[tables.other]\nread = [\"server\"]\n"

func TestEventRules(t *testing.T) {
	locked(t, func(l *lock) {
		l.rule(eventRules + "[events.chat]\nsend = [\"device\", \"server\"]\nto = [\"scope\"]\nmax = 100\n[events.ask]\nsend = [\"device\"]\n[events.shut]")
		token := func(id auth.Identity) wire.DeviceHello {
			return wire.DeviceHello{Token: l.token(id), SubsSet: true, Role: id.Roles[0]}
		}
		device := l.dial(token(auth.Identity{User: "alice", Roles: []string{"device"}, Scopes: map[string][]any{"thing": {int64(1), 2.0}}}))
		server := l.dial(token(auth.Identity{User: "game", Roles: []string{"server"}}))
		l.settledIn(device, server)
		zone := func(n int64) wire.Target { return wire.ToScope("thing", num(n)) }
		for name, tc := range map[string]struct {
			from *peer
			to   wire.Target
			name string
			want wire.Code
		}{
			"a scope of the token":           {device, zone(1), "chat", ""},
			"another of them":                {device, zone(2), "chat", ""},
			"a scope of somebody else's":     {device, zone(3), "chat", wire.CodeForbidden},
			"a trusted role, to any scope":   {server, zone(3), "chat", ""},
			"not to a device":                {device, wire.ToDevice(device.Hello.Device), "chat", wire.CodeForbidden},
			"not to a role":                  {server, wire.ToRole("device"), "chat", wire.CodeForbidden},
			"not this role":                  {server, wire.ToRole("device"), "ask", wire.CodeForbidden},
			"another event":                  {device, wire.ToRole("server"), "ask", ""},
			"an event without a rule":        {device, wire.ToRole("server"), "shout", wire.CodeForbidden},
			"an event that nobody may send":  {server, wire.ToRole("device"), "shut", wire.CodeForbidden},
			"a table that may not be read":   {device, wire.ToScope("other", num(1)), "ask", wire.CodeUnknownColumn},
			"a table that nobody knows here": {device, wire.ToScope("more", num(1)), "ask", wire.CodeUnknownTable},
		} {
			if got := tc.from.answer(tc.to, tc.name); got != tc.want {
				t.Errorf("%s: %q, want %q", name, got, tc.want)
			}
		}
		e := wire.SendEvent{To: zone(1), Name: "chat", Value: wire.One(wire.TextValue(strings.Repeat("x", 99)))}
		if err := device.SendEvent(l.Context(), &e); err != nil {
			t.Fatal(err)
		}
		if e := await[*wire.Event](device); e.Refused == nil || e.Refused.Code != wire.CodeTooLarge || !strings.Contains(e.Refused.Text, "100") {
			t.Errorf("101 bytes are answered %+v", e)
		}
	})
}

// A table that a role does not read takes none of its events.
func TestEventsToWhatMayNotBeRead(t *testing.T) {
	bubble(t, func(w *world) {
		w.rule("[tables.thing]\nscope = \"zone\"\nread = [\"server\"]\n[events.chat]\nsend = \"all\"")
		device, server := w.dial(nothing()), w.dial(wire.DeviceHello{SubsSet: true, Role: "server"})
		w.settledIn(device, server)
		for p, want := range map[*peer]wire.Code{device: wire.CodeForbidden, server: ""} {
			if got := p.answer(wire.ToScope("thing", num(1)), "chat"); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	})
}

func TestRatesOfEvents(t *testing.T) {
	bubble(t, func(w *world) {
		w.rule("[events.chat]\nsend = \"all\"\nrate = { rate = 5, burst = 3 }\n[events.shot]\nsend = \"all\"\n[limits]\nevents = { rate = 100, burst = 8 }")
		device, server := w.dial(nothing()), w.dial(wire.DeviceHello{SubsSet: true, Role: "server"})
		w.settledIn(device, server)
		burst := func(p *peer, name string) (taken int) {
			for range 20 {
				if p.answer(wire.ToRole("admin"), name) == "" {
					taken++
				}
			}
			return taken
		}
		for name, tc := range map[string]struct {
			do   func() int
			want int
		}{
			"the burst of one event":   {func() int { return burst(device, "chat") }, 3},
			"what is left of the rest": {func() int { return burst(device, "shot") }, 8},
			"a trusted role":           {func() int { return burst(server, "chat") }, 20},
		} {
			w.pass(10 * time.Second)
			if got := tc.do(); got != tc.want {
				t.Errorf("%s: %d were taken, want %d", name, got, tc.want)
			}
		}
		w.pass(10 * time.Second)
		burst(device, "chat")
		w.pass(200 * time.Millisecond)
		if got := burst(device, "chat"); got != 1 {
			t.Errorf("after a fifth of a second %d were taken", got)
		}
		hello := nothing()
		hello.Device = device.Hello.Device
		again := w.dial(hello)
		w.settledIn(again)
		if got := burst(again, "chat"); got != 0 {
			t.Errorf("a new connection gave a new burst: %d were taken", got)
		}
	})
}

// New rules hold for what is read from then on.
func TestEventRulesChange(t *testing.T) {
	bubble(t, func(w *world) {
		device, server := w.dial(nothing()), w.dial(wire.DeviceHello{SubsSet: true, Role: "server"})
		w.settledIn(device, server)
		var got []wire.Code
		say := func() { got = append(got, device.answer(wire.ToRole("server"), "chat")) }
		say()
		for _, rules := range []string{
			"[tables.thing]\nscope = \"zone\"",
			"[events.chat]\nsend = [\"device\"]\nrate = 1\n[tables.thing]\nscope = \"zone\"",
		} {
			w.rule(rules)
			say()
			say()
		}
		w.rule("[events.chat]\nsend = [\"device\"]\n[tables.thing]\nscope = \"zone\"")
		say()
		if want := []wire.Code{"", wire.CodeForbidden, wire.CodeForbidden, "", wire.CodeRate, ""}; !slices.Equal(got, want) {
			t.Errorf("the answers are %q, want %q", got, want)
		}
		w.frame()
		if got := len(server.heard()); got != 3 {
			t.Errorf("%d events came", got)
		}
	})
}
