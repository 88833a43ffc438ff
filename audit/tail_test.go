package audit_test

import (
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"

	"framehub/audit"
)

// TestTailHandler lets the standard library's tests of handlers look at what is kept.
func TestTailHandler(t *testing.T) {
	var tail *audit.Tail
	slogtest.Run(t, func(*testing.T) slog.Handler {
		tail = &audit.Tail{}
		return tail.Handler(slog.NewTextHandler(t.Output(), nil))
	}, func(t *testing.T) map[string]any {
		lines := tail.Since(0)
		if len(lines) != 1 {
			t.Fatalf("%d lines were kept, not 1", len(lines))
		}
		l := lines[0]
		all := map[string]any{slog.LevelKey: l.Level, slog.MessageKey: l.Message}
		if !l.Time.IsZero() {
			all[slog.TimeKey] = l.Time
		}
		for _, a := range l.Attrs {
			in := all
			groups := strings.Split(a.Key, ".")
			for _, g := range groups[:len(groups)-1] {
				if in[g] == nil {
					in[g] = map[string]any{}
				}
				in = in[g].(map[string]any)
			}
			in[groups[len(groups)-1]] = a.Value
		}
		return all
	})
}

func TestTailIsBounded(t *testing.T) {
	for name, tc := range map[string]struct{ write, size, kept int }{
		"few":       {10, 10, 10},
		"many":      {5000, 10, 2000},
		"large":     {5000, 2000, 1 << 20 / 2008},
		"very long": {10, 1 << 20, 10},
	} {
		t.Run(name, func(t *testing.T) {
			tail := &audit.Tail{}
			log := slog.New(tail.Handler(slog.DiscardHandler))
			if log.Enabled(t.Context(), slog.LevelError) {
				t.Fatal("it takes what the handler after it does not")
			}
			log = slog.New(tail.Handler(slog.NewTextHandler(&strings.Builder{}, nil)))
			for range tc.write {
				log.Info("line", "text", strings.Repeat("x", tc.size))
			}
			lines := tail.Since(0)
			if len(lines) != tc.kept {
				t.Fatalf("%d lines are kept, not %d", len(lines), tc.kept)
			}
			for i, l := range lines {
				if want := uint64(tc.write - tc.kept + i + 1); l.Seq != want || len(l.Attrs[0].Value) > 5000 {
					t.Fatalf("line %d has the number %d, not %d, and %d bytes", i, l.Seq, want, len(l.Attrs[0].Value))
				}
			}
		})
	}
}

func TestTailSince(t *testing.T) {
	tail := &audit.Tail{}
	log := slog.New(tail.Handler(slog.NewTextHandler(&strings.Builder{}, nil)))
	if n := len(tail.Since(0)); n != 0 {
		t.Errorf("an empty one has %d lines", n)
	}
	for i := range 3000 {
		log.Info("line", "n", i)
	}
	for _, tc := range []struct{ after, first, n uint64 }{{0, 1001, 2000}, {1000, 1001, 2000}, {2990, 2991, 10}, {3000, 0, 0}, {1 << 60, 0, 0}, {math.MaxUint64, 0, 0}} {
		lines := tail.Since(tc.after)
		if uint64(len(lines)) != tc.n || tc.n > 0 && lines[0].Seq != tc.first {
			t.Errorf("after %d there are %d lines, not %d from %d on", tc.after, len(lines), tc.n, tc.first)
		}
	}
}

// TestTailAtOnce is for the race detector.
func TestTailAtOnce(t *testing.T) {
	tail := &audit.Tail{}
	log := slog.New(tail.Handler(slog.NewTextHandler(&strings.Builder{}, nil)))
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 500 {
				log.With("g", g).Info("line", "n", i)
				_ = tail.Since(uint64(i))
			}
		})
	}
	all.Wait()
	if n := len(tail.Since(0)); n != 2000 {
		t.Errorf("%d lines", n)
	}
}
