package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"framehub/audit"
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
