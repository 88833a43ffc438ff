package audit

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of a tail: lines, bytes of all their texts, and bytes of one text.
const (
	maxTailLines = 2000
	maxTailBytes = 1 << 20
	maxTailText  = 4 << 10
)

// A Tail keeps the last lines of a log in memory, for who operates the hub: 2,000 of
// them, and 1 MiB of texts. Its methods may be called at the same time.
type Tail struct {
	mu    sync.Mutex // guards the following
	lines []Line
	bytes int
	last  uint64
}

// A Line is one of them.
type Line struct {
	Seq     uint64     `json:"seq"` // from 1, without gaps
	Time    time.Time  `json:"time"`
	Level   slog.Level `json:"level"`
	Message string     `json:"message"`
	Attrs   []Attr     `json:"attrs,omitempty"`
}

// An Attr is what a line tells beside its message. The keys of groups have points between
// them.
type Attr struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Handler returns a handler that hands every line on to next, and keeps it.
func (t *Tail) Handler(next slog.Handler) slog.Handler { return &tailing{next: next, tail: t} }

// Since returns the lines after the one numbered seq that are still there, oldest first.
func (t *Tail) Since(seq uint64) []Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.last - uint64(len(t.lines)) // those that are gone
	return slices.Clone(t.lines[min(max(seq, before), t.last)-before:])
}

func (t *Tail) add(l Line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	l.Seq = t.last
	t.lines = append(t.lines, l)
	t.bytes += l.size()
	drop := 0
	for ; len(t.lines)-drop > maxTailLines || t.bytes > maxTailBytes; drop++ {
		t.bytes -= t.lines[drop].size()
	}
	clear(t.lines[:drop])
	t.lines = t.lines[drop:]
}

func (l *Line) size() int {
	n := len(l.Message)
	for i := range l.Attrs {
		n += len(l.Attrs[i].Key) + len(l.Attrs[i].Value)
	}
	return n
}

// tailing is a handler that keeps lines on their way to another.
type tailing struct {
	next   slog.Handler
	tail   *Tail
	prefix string // of the groups that are open
	attrs  []Attr // that every line has
}

// Enabled implements slog.Handler.
func (h *tailing) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *tailing) Handle(ctx context.Context, r slog.Record) error {
	l := Line{Time: r.Time, Level: r.Level, Message: short(r.Message), Attrs: slices.Clip(h.attrs)}
	r.Attrs(func(a slog.Attr) bool {
		l.Attrs = flatten(l.Attrs, h.prefix, a)
		return true
	})
	h.tail.add(l)
	return h.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *tailing) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.next = h.next.WithAttrs(attrs)
	with.attrs = slices.Clip(h.attrs)
	for _, a := range attrs {
		with.attrs = flatten(with.attrs, h.prefix, a)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *tailing) WithGroup(name string) slog.Handler {
	with := *h
	with.next = h.next.WithGroup(name)
	if name != "" {
		with.prefix += name + "."
	}
	return &with
}

// flatten appends an attribute, or those of a group.
func flatten(dst []Attr, prefix string, a slog.Attr) []Attr {
	a.Value = a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}):
		return dst
	case a.Value.Kind() != slog.KindGroup:
		return append(dst, Attr{short(prefix + a.Key), short(a.Value.String())})
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, one := range a.Value.Group() {
		dst = flatten(dst, prefix, one)
	}
	return dst
}

// short cuts a text that is too long to keep.
func short(s string) string {
	if len(s) <= maxTailText {
		return s
	}
	return strings.ToValidUTF8(s[:maxTailText], "") + "…"
}
