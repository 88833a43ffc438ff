package auth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"framehub/auth"
)

var discard = slog.New(slog.DiscardHandler)

func TestRevoked(t *testing.T) {
	r, err := auth.LoadRevoked(write(t, "revoked", []byte("# lost phones\n\n one \r\nuser 2026-01-31T18:00:00Z alice of wonderland\nuser 2026-01-30T18:00:00Z alice of wonderland\n")))
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		id   auth.Identity
		want bool
	}{
		"its id":              {auth.Identity{User: "bob", TokenID: "one"}, true},
		"another id":          {auth.Identity{User: "bob", TokenID: "two"}, false},
		"no id":               {auth.Identity{User: "bob"}, false},
		"the user, before":    {auth.Identity{User: "alice of wonderland", TokenID: "two", Issued: noon}, true},
		"the user, after":     {auth.Identity{User: "alice of wonderland", TokenID: "two", Issued: noon.Add(7 * time.Hour)}, false},
		"the user, who knows": {auth.Identity{User: "alice of wonderland", TokenID: "two"}, true},
		"another user":        {auth.Identity{User: "alice", TokenID: "two", Issued: noon}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := r.Has(&c.id); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestRevokedMistakes(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"two words":      {"one\none two\n", "line 2: a line is"},
		"no time":        {"user alice\n", "line 1: after user comes a time"},
		"no name":        {"user 2026-01-31T18:00:00Z\n", "line 1: after the time"},
		"control":        {"o\x00ne\n", "line 1"},
		"one line alone": {strings.Repeat("a", 1<<17), "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := auth.LoadRevoked(write(t, "revoked", []byte(c.text))); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
		})
	}
	if _, err := auth.LoadRevoked(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a list that is not there was read")
	}
}

// The list is read again when it changes; while it is broken or away, the last
// one stays in force, and the log says so once.
func TestRevokedIsReadAgain(t *testing.T) {
	path := write(t, "revoked", nil)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := must(auth.LoadRevoked(path))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx, slog.New(slog.NewTextHandler(&log, nil))) })
		put := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			pass(3 * time.Second)
			synctest.Wait()
		}
		one, two := &auth.Identity{TokenID: "one"}, &auth.Identity{TokenID: "two"}
		put("one\n")
		if !r.Has(one) {
			t.Error("what was added is not on the list")
		}
		put("two\nhow so\n")
		if !r.Has(one) || r.Has(two) {
			t.Error("a list with a mistake was taken, or the last one lost")
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		synctest.Wait()
		if !r.Has(one) {
			t.Error("the last list was lost with its file")
		}
		put("two\n")
		if r.Has(one) || !r.Has(two) {
			t.Error("the list was not read again")
		}
		cancel()
		running.Wait()
		if n := strings.Count(log.String(), "can't be read"); n != 2 {
			t.Errorf("%d complaints:\n%s", n, &log)
		}
	})
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := openKey(t, filepath.Join(t.TempDir(), "world.key"), "")
		token := mint(t, k, alice())
		open := auth.NewGate(k, nil)
		id, err := open.Enter(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		closed := auth.NewGate(k, must(auth.LoadRevoked(write(t, "revoked", []byte(id.TokenID)))))
		if _, err := closed.Enter(t.Context(), token); !errors.Is(err, auth.ErrRevoked) {
			t.Errorf("a revoked token: %v", err)
		}
		if err := closed.Stay(&id, time.Now()); !errors.Is(err, auth.ErrRevoked) {
			t.Errorf("a revoked token's session: %v", err)
		}
		pass(time.Hour + auth.Leeway - time.Second)
		if err := open.Stay(&id, time.Now()); err != nil {
			t.Errorf("within the leeway: %v", err)
		}
		pass(time.Second)
		if err := open.Stay(&id, time.Now()); !errors.Is(err, auth.ErrExpired) {
			t.Errorf("after its time: %v", err)
		}
		if _, err := open.Enter(t.Context(), token); !errors.Is(err, auth.ErrExpired) {
			t.Errorf("after its time: %v", err)
		}
	})
}
