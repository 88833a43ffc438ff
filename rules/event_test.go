package rules_test

import (
	"slices"
	"strings"
	"testing"

	"framehub/rules"
	"framehub/session/wire"
)

func TestCheckEvent(t *testing.T) {
	const file = `
[tables.thing]
scope = "zone"
scopes = "token"
[tables.account]
read = ["server"]
[events.chat]
send = ["device", "server"]
to = ["scope", "device"]
max = 100
rate = { rate = 5, burst = 10 }
[events.any]
send = "all"
[events.shut]
`
	device := rules.Who{User: "alice", Role: "device", Scopes: map[string][]wire.Value{"thing": {wire.IntegerValue(1)}}}
	server, observer, anyone := rules.Who{Role: "server"}, rules.Who{Role: "observer"}, rules.Who{Role: "device", Anyone: true}
	zone := func(name string, n int64) rules.Event {
		return rules.Event{Name: name, To: wire.TargetScope, Table: 1, Scope: wire.IntegerValue(n)}
	}
	to := func(name string, kind wire.TargetKind) rules.Event {
		return rules.Event{Name: name, To: kind, Role: "server"}
	}
	large := func(e rules.Event, size int) rules.Event {
		e.Size = size
		return e
	}
	limited := rules.Rate{PerSecond: 5, Burst: 10}
	for name, tc := range map[string]struct {
		file  string
		who   rules.Who
		event rules.Event
		rate  rules.Rate
		code  wire.Code
		says  string
	}{
		"may be sent":                      {file, device, zone("chat", 1), limited, "", ""},
		"a scope that is not the token's":  {file, device, zone("chat", 2), limited, wire.CodeForbidden, "token's"},
		"nobody proves who he is":          {file, anyone, zone("chat", 2), limited, "", ""},
		"trusted roles have no rate":       {file, server, zone("chat", 2), rules.Rate{}, "", ""},
		"to a device":                      {file, device, to("chat", wire.TargetDevice), limited, "", ""},
		"to no role":                       {file, device, to("chat", wire.TargetRole), rules.Rate{}, wire.CodeForbidden, "to a role"},
		"a role that may not":              {file, rules.Who{Role: "editor"}, zone("chat", 1), rules.Rate{}, wire.CodeForbidden, `"editor"`},
		"a role that is none":              {file, rules.Who{Role: "king"}, zone("any", 1), rules.Rate{}, wire.CodeForbidden, `"king"`},
		"an observer, also where all may":  {file, observer, zone("any", 1), rules.Rate{}, wire.CodeForbidden, "only reads"},
		"an event that is not named":       {file, server, zone("shout", 1), rules.Rate{}, wire.CodeForbidden, "no rule"},
		"an event that nobody sends":       {file, server, zone("shut", 1), rules.Rate{}, wire.CodeForbidden, `"shut"`},
		"as large as may be":               {file, device, large(zone("chat", 1), 100), limited, "", ""},
		"larger":                           {file, device, large(zone("chat", 1), 101), limited, wire.CodeTooLarge, "101 bytes"},
		"larger than any may be":           {file, server, large(zone("any", 1), rules.MaxEventSize+1), rules.Rate{}, wire.CodeTooLarge, "16384"},
		"a table that is not read":         {file, rules.Who{Role: "editor"}, rules.Event{Name: "any", To: wire.TargetScope, Table: 2}, rules.Rate{}, wire.CodeForbidden, "account"},
		"a role that there is not":         {file, device, rules.Event{Name: "any", To: wire.TargetRole, Role: "servr"}, rules.Rate{}, wire.CodeMissing, `"server"?`},
		"without a file":                   {"", device, zone("anything", 7), rules.Rate{}, "", ""},
		"without a file, an observer":      {"", observer, zone("anything", 7), rules.Rate{}, wire.CodeForbidden, "only reads"},
		"without a file, larger than ever": {"", device, large(zone("anything", 1), rules.MaxEventSize+1), rules.Rate{}, wire.CodeTooLarge, "16384"},
	} {
		t.Run(name, func(t *testing.T) {
			var set *rules.Set
			if tc.file != "" {
				var mistakes rules.Mistakes
				if set, mistakes = rules.Parse([]byte(tc.file), nil); mistakes != nil {
					t.Fatal(mistakes)
				}
			}
			c, mistakes := set.Compile(tables)
			if mistakes != nil {
				t.Fatal(mistakes)
			}
			rate, r := c.CheckEvent(&tc.who, &tc.event)
			if (r == nil) != (tc.code == "") || r != nil && (r.Code != tc.code || !strings.Contains(r.Text, tc.says)) {
				t.Errorf("refused with %v, want %q and %q", r, tc.code, tc.says)
			}
			if rate != tc.rate {
				t.Errorf("the rate is %+v, want %+v", rate, tc.rate)
			}
		})
	}
}

func TestChangedEvents(t *testing.T) {
	parse := func(file string) *rules.Set {
		set, mistakes := rules.Parse([]byte(file), nil)
		if mistakes != nil {
			t.Fatal(mistakes)
		}
		return set
	}
	was := parse("[events.a]\nsend = \"all\"\n[events.b]\n[events.c]\nmax = 5\n[limits]\nevents = 5")
	is := parse("\n[events.c]\nmax = 5\n\n[events.a]\nto = [\"role\"]\nsend = \"all\"\n[events.d]\n")
	if got, want := is.Changed(was), []string{"event a", "event b", "event d", "limits"}; !slices.Equal(got, want) {
		t.Errorf("%q have changed, want %q", got, want)
	}
}
