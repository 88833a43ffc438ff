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

	"framehub/hub"
)

// hangups returns where SIGHUP arrives, which then no longer ends the process.
func hangups() chan os.Signal {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP)
	return told
}

// reloads reads the rules again whenever told, until ctx ends. What is wrong with
// them is logged, and those in force stay.
func (c *config) reloads(ctx context.Context, told <-chan os.Signal, h *hub.Hub, log *slog.Logger) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-told:
		}
		changed, err := c.reload(h)
		switch {
		case err != nil:
			log.Error("the rules are not reloaded, those before stay in force", "err", err)
		case len(changed) == 0:
			log.Info("the rules are reloaded, they are as before", "file", c.path)
		default:
			log.Info("the rules are reloaded", "file", c.path, "changed", strings.Join(changed, ", "))
		}
	}
}

// reload puts the file's rules in force, and says of which tables they have changed.
func (c *config) reload(h *hub.Hub) (changed []string, err error) {
	if c.path == "" {
		return nil, fmt.Errorf("the hub was started without --config: there is nothing to reload")
	}
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
