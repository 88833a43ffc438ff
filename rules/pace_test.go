package rules_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"framehub/rules"
	"framehub/session/wire"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A device is slowed for a second, and then told to go.
func TestPaceOfMessages(t *testing.T) {
	l := rules.Limits{Messages: rules.Rate{PerSecond: 10, Burst: 5}}
	p, now := rules.NewPace(), start
	for i := range 5 {
		if wait, err := p.Message(l, now); wait != 0 || err != nil {
			t.Fatalf("message %d waits %v: %v", i, wait, err)
		}
	}
	for i := range 10 {
		wait, err := p.Message(l, now)
		if wait != 100*time.Millisecond || err != nil {
			t.Fatalf("message %d after the burst waits %v: %v", i, wait, err)
		}
		now = now.Add(wait)
	}
	_, err := p.Message(l, now)
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != wire.CloseRate || !strings.Contains(e.Reason, "10 a second") {
		t.Fatalf("the end is %v", err)
	}
}

func TestPaceForgivesAPause(t *testing.T) {
	l := rules.Limits{Messages: rules.Rate{PerSecond: 10, Burst: 1}}
	p, now := rules.NewPace(), start
	for i := range 100 {
		wait, err := p.Message(l, now)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		now = now.Add(wait)
		if i%5 == 0 {
			now = now.Add(200 * time.Millisecond)
		}
	}
}

func TestPaceOfWrites(t *testing.T) {
	l := rules.Limits{Rows: rules.Rate{PerSecond: 10, Burst: 20}, Bytes: rules.Rate{PerSecond: 1000, Burst: 1000}}
	p, now := rules.NewPace(), start
	for _, tc := range []struct {
		rows, bytes int
		pause       time.Duration
		says        string // "": it passes
	}{
		{20, 500, 0, ""},
		{1, 0, 0, "more rows than the 10 a second"},
		{21, 0, 10 * time.Second, "make it smaller"},
		{1, 1001, 0, "make it smaller"},
		{1, 1000, 0, ""},
		{1, 1, 0, "more bytes"},
		{1, 1, time.Second, ""},
	} {
		now = now.Add(tc.pause)
		r := p.Write(l, now, tc.rows, tc.bytes)
		if (r == nil) != (tc.says == "") || r != nil && (r.Code != wire.CodeRate || !strings.Contains(r.Text, tc.says)) {
			t.Fatalf("%d rows and %d bytes: %v, want %q", tc.rows, tc.bytes, r, tc.says)
		}
	}
	if p.Full(now) || !p.Full(now.Add(time.Hour)) {
		t.Fatal("a pace is full after a pause only")
	}
}

// An event has a rate of its own, and all of a device's together have one.
func TestPaceOfEvents(t *testing.T) {
	all := rules.Limits{Events: rules.Rate{PerSecond: 10, Burst: 6}}
	chat, shot := rules.Rate{PerSecond: 1, Burst: 2}, rules.Rate{}
	p, now := rules.NewPace(), start
	for i, tc := range []struct {
		name  string
		own   rules.Rate
		pause time.Duration
		says  string // "": it passes
	}{
		{"chat", chat, 0, ""},
		{"chat", chat, 0, ""},
		{"chat", chat, 0, `more events "chat" than the 1 a second that a device may send: send it again in 1.001s`},
		{"shot", shot, 0, ""},
		{"shot", shot, 0, ""},
		{"shot", shot, 0, ""},
		{"shot", shot, 0, ""},
		{"shot", shot, 0, "more events than the 10 a second"},
		{"chat", chat, time.Second, ""},
		{"chat", chat, 0, `"chat"`},
		{"chat", rules.Rate{PerSecond: 100, Burst: 100}, 0, "100 a second"}, // the rules have changed
		{"chat", rules.Rate{PerSecond: 100, Burst: 100}, 11 * time.Millisecond, ""},
		{"chat", rules.Rate{}, 0, ""},
	} {
		now = now.Add(tc.pause)
		r := p.Event(all, now, tc.name, tc.own)
		if (r == nil) != (tc.says == "") || r != nil && (r.Code != wire.CodeRate || !strings.Contains(r.Text, tc.says)) {
			t.Fatalf("event %d: %v, want %q", i, r, tc.says)
		}
	}
	now = now.Add(time.Hour)
	if r := p.Event(all, now, "chat", chat); r != nil || p.Full(now) || !p.Full(now.Add(time.Hour)) {
		t.Errorf("a pace is full after a pause only; %v", r)
	}
}

// Limits that change hold for those who are there.
func TestPaceFollowsLimits(t *testing.T) {
	p := rules.NewPace()
	rows := func(n int) rules.Limits {
		return rules.Limits{Rows: rules.Rate{PerSecond: float64(n), Burst: n}}
	}
	for _, tc := range []struct {
		limits rules.Limits
		rows   int
		passes bool
	}{
		{rules.Limits{}, 1 << 20, true},
		{rows(10), 11, false},
		{rows(10), 10, true},
		{rows(100), 100, false},
		{rules.Limits{}, 1 << 20, true},
	} {
		if r := p.Write(tc.limits, start, tc.rows, 0); (r == nil) != tc.passes {
			t.Fatalf("%d rows with %+v: %v", tc.rows, tc.limits, r)
		}
	}
}
