package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/lmittmann/tint"

	"framehub/audit"
	"framehub/audit/audittest"
)

// output is what is logged.
type output struct{ audittest.Output }

// lines takes a log's lines, of JSON.
func (o *output) lines(t *testing.T) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(o.Take()) {
		m := map[string]any{}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		all = append(all, m)
	}
	return all
}

func TestAdd(t *testing.T) {
	var b output
	id := uuid.New()
	audit.New(slog.New(slog.NewJSONHandler(&b, nil))).Add(audit.WriteRefused, audit.Record{
		Session: id, User: "alice", Remote: "192.0.2.1:5", Code: "constraint", Reason: "CHECK failed\n",
	})
	got := b.lines(t)[0]
	for key, want := range map[string]any{
		"msg": "write refused", "audit": true, "event": "write_refused", "session": id.String(), "user": "alice",
		"remote": "192.0.2.1:5", "code": "constraint", "reason": `CHECK failed\n`, "device": nil, "fix": nil, "left_out": nil,
	} {
		if got[key] != want {
			t.Errorf("%s is %v, not %v", key, got[key], want)
		}
	}
}

func TestFloodIsSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b output
		l := audit.New(slog.New(slog.NewJSONHandler(&b, nil)))
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { l.Run(ctx) })
		flood := func(n int) {
			for i := range n {
				l.Add(audit.WriteRefused, audit.Record{User: fmt.Sprint(i)}) // of as many users
			}
		}
		expect := func(what string, n int, leftOut any) {
			t.Helper()
			synctest.Wait()
			got := b.lines(t)
			if len(got) != n || n > 0 && got[len(got)-1]["left_out"] != leftOut {
				t.Errorf("%s: %d lines, not %d; the last is %v", what, len(got), n, got[max(0, len(got)-1):])
			}
		}
		flood(1000)
		expect("the burst", 20, nil)
		l.Add(audit.UpgradeRefused, audit.Record{})
		expect("another event has lines of its own", 1, nil)
		<-time.After(100 * time.Millisecond)
		flood(1000)
		expect("a tenth of a second later", 1, 980.)
		<-time.After(10 * time.Second)
		expect("the summary", 1, 999.)
		flood(25)
		expect("a new burst", 20, nil)
		stop()
		running.Wait()
		expect("at the end", 1, 5.)
	})
}

// TestFloodOfOneHidesNobody: who floods has lines of his own to use up.
func TestFloodOfOneHidesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id := uuid.New()
		for name, c := range map[string]struct{ flood, other audit.Record }{
			"users":                {audit.Record{User: "eve", Device: id}, audit.Record{User: "alice", Device: id}},
			"devices":              {audit.Record{Device: id, Remote: "192.0.2.1:5"}, audit.Record{Device: uuid.New(), Remote: "192.0.2.1:5"}},
			"addresses":            {audit.Record{Remote: "192.0.2.1:5"}, audit.Record{Remote: "192.0.2.2:5"}},
			"as proxies tell them": {audit.Record{Remote: "192.0.2.1"}, audit.Record{Remote: "192.0.2.2"}}, // without a port
			"of IPv6":              {audit.Record{Remote: "[2001:db8:0:1::1]:5"}, audit.Record{Remote: "[2001:db8:0:2::1]:5"}},
			"of IPv6, by proxies":  {audit.Record{Remote: "2001:db8:0:1::1"}, audit.Record{Remote: "2001:db8:0:2::1"}},
		} {
			var b output
			l := audit.New(slog.New(slog.NewJSONHandler(&b, nil)))
			count := func(r audit.Record) (n int) {
				for range 1000 {
					r.Remote = strings.Replace(r.Remote, ":5", ":6", 1) // from another port
					l.Add(audit.WriteRefused, r)
				}
				return len(b.lines(t))
			}
			if n := count(c.flood); n != 5 {
				t.Errorf("%s: the flood has %d lines", name, n)
			}
			if n := count(c.other); n != 5 {
				t.Errorf("%s: the other has %d lines", name, n)
			}
			<-time.After(time.Second)
			if n := count(c.flood); n != 1 {
				t.Errorf("%s: a second later the flood has %d lines", name, n)
			}
		}
	})
}

// TestANetworkIsOneSource: who has a /64 of IPv6 has as many addresses as he likes.
func TestANetworkIsOneSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, remote := range []string{"[2001:db8::%x]:5", "2001:db8::%x", "[2001:db8::%x%%eth0]:5"} {
			var b output
			l := audit.New(slog.New(slog.NewJSONHandler(&b, nil)))
			for i := range 100 {
				l.Add(audit.UpgradeRefused, audit.Record{Remote: fmt.Sprintf(remote, i)})
			}
			if n := len(b.lines(t)); n != 5 {
				t.Errorf("%s: %d lines", remote, n)
			}
		}
	})
}

// TestOperatorsAreNoFlood: what an operator does is one event's, whoever he is.
func TestOperatorsAreNoFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b output
		l := audit.New(slog.New(slog.NewJSONHandler(&b, nil)))
		for range 100 {
			l.Add(audit.Reload, audit.Record{Code: "failed"})
		}
		if n := len(b.lines(t)); n != 20 {
			t.Errorf("%d lines", n)
		}
	})
}

// TestManySources: what is remembered of them is bounded, and they stay sampled.
func TestManySources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b output
		l := audit.New(slog.New(slog.NewJSONHandler(&b, nil)))
		for i := range 5000 {
			l.Add(audit.WriteRefused, audit.Record{User: fmt.Sprint(i)})
			<-time.After(100 * time.Millisecond)
		}
		if n := len(b.lines(t)); n < 1024 || n > 2000 {
			t.Errorf("%d lines", n)
		}
	})
}

// TestText also writes each text with the program's handler: a line stays a line.
func TestText(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"plain":                {"UNIQUE constraint failed: player.name", "UNIQUE constraint failed: player.name"},
		"other scripts":        {"größer 大 🙂", "größer 大 🙂"},
		"a forged line":        {"no\n12:00:00 INF audit=true event=reload", `no\n12:00:00 INF audit=true event=reload`},
		"carriage return":      {"a\rb", `a\rb`},
		"terminal":             {"\x1b[2J\x1b]0;title\x07", `\x1b[2J\x1b]0;title\a`},
		"C1 terminal":          {"\u009b31m", `\u009b31m`},
		"direction":            {"user\u202Egpj", `user\u202egpj`},
		"line separator":       {"a\u2028b", `a\u2028b`},
		"no UTF-8":             {"a\xffb", `a\xffb`},
		"replacement, rightly": {"a\uFFFDb", "a\uFFFDb"},
		"NUL":                  {"a\x00b", `a\x00b`},
		"long":                 {strings.Repeat("a", 1000), strings.Repeat("a", 300) + "…"},
		"long, in a letter":    {"a" + strings.Repeat("ü", 1000), "a" + strings.Repeat("ü", 149) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := audit.Text(c.text); got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
			var b output
			audit.New(slog.New(tint.NewTextHandler(&b, &tint.Options{NoColor: true}))).Add(audit.WriteRefused, audit.Record{Reason: c.text})
			if line := b.Take(); strings.Count(line, "\n") != 1 || strings.ContainsAny(line, "\x1b\r\x00\u009b\u202e\u2028") {
				t.Errorf("the line is %q", line)
			}
		})
	}
}
