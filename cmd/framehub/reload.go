package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"framehub/audit"
	"framehub/hub"
)

// onHangup reads again at every SIGHUP, from now on, what may change while the hub
// runs. What it returns does so until its context ends. What can't be read is
// told, and what was before goes on.
func onHangup(lines *audit.Log, reload func() error) func(context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	return func(ctx context.Context) error {
		defer signal.Stop(hangup)
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hangup:
			}
			rec := audit.Record{Code: "done", Reason: "SIGHUP"}
			if err := reload(); err != nil {
				rec.Code, rec.Reason = "failed", "SIGHUP: "+err.Error()
			}
			lines.Add(audit.Reload, rec)
		}
	}
}

// reloadRules puts the rules of the file in force, if there is one, and tells what
// has changed. What is wrong with them is returned, and those before stay.
func (c *config) reloadRules(h *hub.Hub, log *slog.Logger) error {
	if c.path == "" {
		return nil
	}
	changed, err := c.reload(h)
	switch {
	case err != nil:
		return fmt.Errorf("the rules are not reloaded, those before stay in force: %w", err)
	case len(changed) == 0:
		log.Info("the rules are reloaded, they are as before", "file", c.path)
	default:
		log.Info("the rules are reloaded", "file", c.path, "changed", strings.Join(changed, ", "))
	}
	return nil
}

// reload puts the file's rules in force, and says of which tables they have changed.
func (c *config) reload(h *hub.Hub) (changed []string, err error) {
	set, err := c.reread()
	if err != nil {
		return nil, err
	}
	if was, is := c.rules.Scopes(), set.Scopes(); !maps.Equal(was, is) {
		return nil, fmt.Errorf("%s: the scope columns were %v and are %v: they change only when the hub starts anew", c.path, was, is)
	}
	if err := h.SetRules(set); err != nil {
		return nil, c.named(err)
	}
	changed = set.Changed(c.rules)
	c.rules = set
	return changed, nil
}
