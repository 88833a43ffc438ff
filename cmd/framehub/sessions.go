package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"framehub/web"
)

type sessionsCommand struct {
	List sessionsListCommand `cmd:"" help:"List the sessions of a hub that runs."`
	Kick sessionsKickCommand `cmd:"" help:"End a session."`
}

type sessionsListCommand struct {
	hubFlags `embed:""`

	JSON bool `name:"json" help:"Print a list in JSON, and nothing else, on standard output."`
}

// Run prints a table of the sessions, oldest first.
func (c *sessionsListCommand) Run(ctx context.Context, a *app) error {
	var list []web.Session
	if err := c.ask(ctx, http.MethodGet, "/api/sessions", nil, &list); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(a.out).Encode(list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(a.out, "no sessions")
		return err
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "SESSION\tROLE\tUSER\tADDRESS\tFOR\tIN\tOUT\tSTATE")
	for i := range list {
		s := &list[i]
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.Role, orDash(s.User), s.Remote,
			time.Since(s.Since).Round(time.Second), humanize.IBytes(s.BytesIn), humanize.IBytes(s.BytesOut), strings.ReplaceAll(s.State, "_", " "))
	}
	return t.Flush()
}

type sessionsKickCommand struct {
	hubFlags `embed:""`

	ID     string        `arg:"" name:"session" help:"The session's id, as list prints it."`
	Reason string        `placeholder:"TEXT" help:"What its device is told."`
	Retry  time.Duration `placeholder:"TIME" help:"When it may come again by itself; by default it may not."`
}

// Run ends the session and says whose it was.
func (c *sessionsKickCommand) Run(ctx context.Context, a *app) error {
	var s web.Session
	body := web.Kick{Reason: c.Reason, RetryMS: c.Retry.Milliseconds()}
	if err := c.ask(ctx, http.MethodPost, "/api/sessions/"+url.PathEscape(c.ID)+"/kick", body, &s); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.out, "ended %s: role %s, user %s, from %s\n", s.ID, s.Role, orDash(s.User), s.Remote)
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
