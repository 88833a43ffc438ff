package hub_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"framehub/auth"
	"framehub/rules"
)

// benchRules are the rules that are measured: those that need nothing but the
// transaction, and those that look at rows in the frame.
var benchRules = []struct {
	name, rules string
	turnover    bool
}{
	{"columns", `
		scope = "zone"
		server-only = ["score"]
		precision = { x = 0.001, y = 0.001, heading = 0.01, speed = 0.001 }
		text.owner = { max = 32, trim = true }`, false},
	{"owner", `
		owner = "owner"`, false},
	{"scopes", `
		scope = "zone"
		scopes = "token"`, false},
	{"owner+scopes", `
		owner = "owner"
		scope = "zone"
		scopes = "token"`, false},
	{"max-owned", `
		owner = "owner"
		max-owned = 1_000_000`, true},
}

const benchLimits = `
	[limits]
	messages = 1_000_000
	rows = 1_000_000_000
	bytes = "1GiB"
	[tables.entity]
	insert = ["device"]
	update = ["device"]
	delete = ["device"]`

// BenchmarkRules compares rows per second with rules and without, from sending
// the transactions until a watching session has them. The writers have tokens and
// write rows of their own, with and without.
func BenchmarkRules(b *testing.B) {
	for _, r := range benchRules {
		for _, frame := range []int{100, 1_000, 10_000} {
			b.Run(fmt.Sprintf("%s/frame=%d", r.name, frame), func(b *testing.B) {
				compareRules(b, benchLimits+r.rules, benchOptions{table: 10_000, rows: frame, users: true, turnover: r.turnover})
			})
		}
	}
}

func compareRules(b *testing.B, text string, o benchOptions) {
	b.Helper()
	free := newBenchHub(b, o)
	var mistakes rules.Mistakes
	if o.rules, mistakes = rules.Parse([]byte(text), nil); len(mistakes) > 0 {
		b.Fatal(mistakes.Err())
	}
	ruled := newBenchHub(b, o)
	var without, with []time.Duration
	// In turns, and by the median, so that both meet the same weather on a shared
	// machine; two frames at a time, so that both have as many of each kind.
	for b.Loop() {
		without = append(without, free.whole(b)+free.whole(b))
		with = append(with, ruled.whole(b)+ruled.whole(b))
	}
	rate := func(took []time.Duration) float64 {
		slices.Sort(took)
		return float64(2*o.rows) / took[len(took)/2].Seconds()
	}
	b.ReportMetric(rate(without), "free-rows/s")
	b.ReportMetric(rate(with), "ruled-rows/s")
	b.ReportMetric(rate(with)/rate(without), "ratio")
	b.ReportMetric(0, "ns/op")
}

// whole returns how long a frame takes with reading what it is made of.
func (h *benchHub) whole(b *testing.B) time.Duration {
	b.Helper()
	all := h.messages()
	start := time.Now()
	h.post(b, all)
	h.hub.Frame(time.Now())
	h.await(b)
	return time.Since(start)
}

// scopesOfToken is how many scopes a writer's token lists.
const scopesOfToken = 8

// owners returns SQL that gives each writer its rows, in as many scopes as its
// token lists.
func (h *benchHub) owners() string {
	if !h.users {
		return ""
	}
	n := len(h.seqs)
	return fmt.Sprintf("UPDATE entity SET owner = 'user' || (id %% %d), zone = id %% %d;", n, scopesOfToken*n)
}

// gate returns what lets users in, where there are any, and what makes the tokens
// of writers.
func (h *benchHub) gate(b *testing.B) (gate *auth.Gate, token func(writer int, role string) string) {
	b.Helper()
	if !h.users {
		return nil, func(int, string) string { return "" }
	}
	key, _, err := auth.OpenKey(filepath.Join(b.TempDir(), "world.key"), "")
	if err != nil {
		b.Fatal(err)
	}
	return auth.NewGate(key, nil), func(writer int, role string) string {
		id := auth.Identity{User: fmt.Sprint("user", writer), Roles: []string{role}, Expires: time.Now().Add(time.Hour)}
		zones := []any{}
		for i := range scopesOfToken {
			zones = append(zones, int64(writer+i*len(h.seqs)))
		}
		id.Scopes = map[string][]any{"entity": zones}
		token, err := key.Mint(&id)
		if err != nil {
			b.Fatal(err)
		}
		return token
	}
}
