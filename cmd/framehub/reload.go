package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"framehub/audit"
	"framehub/hub"
	"framehub/rules"
)

// A reloader reads again what may change while the hub runs: certificates, and the
// rules of the configuration file, if there is one.
type reloader struct {
	edges *edges
	file  *config
	hub   *hub.Hub
	log   *slog.Logger

	mu sync.Mutex // held while it reads
}

// reload says which rules have changed. What can't be read is returned, and what
// was before goes on.
func (r *reloader) reload() (changed []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err = r.edges.reload()
	if r.file.path == "" {
		return nil, err
	}
	changed, e := r.file.reload(r.hub)
	switch {
	case e != nil:
		e = fmt.Errorf("the rules are not reloaded, those before stay in force: %w", e)
	case len(changed) == 0:
		r.log.Info("the rules are reloaded, they are as before", "file", r.file.path)
	default:
		r.log.Info("the rules are reloaded", "file", r.file.path, "changed", strings.Join(changed, ", "))
	}
	return changed, errors.Join(err, e)
}

// signals are those that ask a hub for something. They are caught from before it is
// ready until it has ended: one that comes meanwhile would kill it. What came while it
// started is done when it is ready.
type signals struct{ reload, backup chan os.Signal }

func catch() *signals {
	s := &signals{make(chan os.Signal, 1), make(chan os.Signal, 1)}
	signal.Notify(s.reload, syscall.SIGHUP)
	signal.Notify(s.backup, syscall.SIGUSR1)
	return s
}

func (s *signals) release() {
	signal.Stop(s.reload)
	signal.Stop(s.backup)
}

// onHangup reloads at every SIGHUP, until ctx ends.
func (r *reloader) onHangup(ctx context.Context, hangup <-chan os.Signal, lines *audit.Log) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		rec := audit.Record{Code: "done", Reason: "SIGHUP"}
		if _, err := r.reload(); err != nil {
			rec.Code, rec.Reason = "failed", "SIGHUP: "+err.Error()
		}
		lines.Add(audit.Reload, rec)
	}
}

// reload puts the file's rules in force, and says of which tables they have changed.
func (c *config) reload(h *hub.Hub) (changed []string, err error) {
	set, err := c.reread()
	if err != nil {
		return nil, err
	}
	if err := c.mayBecome(set); err != nil {
		return nil, err
	}
	if err := h.SetRules(set); err != nil {
		return nil, c.named(err)
	}
	changed = set.Changed(c.rules)
	c.rules = set
	return changed, nil
}

// mayBecome says why rules can't take the place of those before while the hub runs.
func (c *config) mayBecome(set *rules.Set) error {
	if was, is := c.rules.Scopes(), set.Scopes(); !maps.Equal(was, is) {
		return fmt.Errorf("%s: the scope columns were %v and are %v: they change only when the hub starts anew", c.path, was, is)
	}
	if was, is := c.rules.Alone(), set.Alone(); !maps.Equal(was, is) {
		return fmt.Errorf("%s: the tables that only the hub writes were %v and are %v: they change only when the hub starts anew",
			c.path, slices.Sorted(maps.Keys(was)), slices.Sorted(maps.Keys(is)))
	}
	return nil
}
