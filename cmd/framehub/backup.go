package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"framehub/backup"
	"framehub/web"
)

type backupCommand struct {
	List   backupListCommand   `cmd:"" help:"List the backups, and the versions that can be restored."`
	Now    backupNowCommand    `cmd:"" help:"Have a hub that runs make a backup now, and wait for it."`
	Verify backupVerifyCommand `cmd:"" help:"Look at backups as a restore would: sums, SQLite's integrity_check, all rows."`
	Prune  backupPruneCommand  `cmd:"" help:"Remove backups that are not to be kept, as the hub does after each one."`
}

// whereFlags say which place a command looks at.
type whereFlags struct {
	placeFlag `embed:""`

	DB string `name:"db" default:"data/world.db" placeholder:"FILE" help:"The database, beside which backups lie if --backup-dir does not say where (${default})."`
}

type backupListCommand struct {
	whereFlags `embed:""`

	JSON bool `name:"json" help:"Print a list in JSON, and nothing else, on standard output."`
}

// Run prints the copies, oldest first.
func (c *backupListCommand) Run(ctx context.Context, a *app) error {
	p, err := c.open(c.DB)
	if err != nil {
		return err
	}
	catalog, err := backup.List(ctx, p)
	if err != nil {
		return err
	}
	list := describeCopies(catalog)
	if c.JSON {
		return json.NewEncoder(a.out).Encode(list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintf(a.out, "no backups in %s\n", p)
		return err
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	history := ""
	for i := range list {
		l := &list[i]
		if l.History != history {
			history = l.History
			_, _ = fmt.Fprintf(t, "history %s\n", history)
			_, _ = fmt.Fprintln(t, "  VERSION\tOF\tLEADS TO\tSIZE\tDATABASE\tPROOF")
		}
		of, size, raw := "?", "?", "?" // where the manifest can't be read
		if !l.Time.IsZero() {
			of, size, raw = l.Time.Local().Format(time.DateTime), humanize.IBytes(uint64(l.Size)), humanize.IBytes(uint64(l.RawSize))
		}
		_, _ = fmt.Fprintf(t, "  %d\t%s\t%d\t%s\t%s\t%s\n", l.Version, of, l.Reach, size, raw, orProof(l))
	}
	return t.Flush()
}

func orProof(l *web.Backup) string {
	if l.Error != "" {
		return l.Proof + ": " + l.Error
	}
	return l.Proof
}

type backupNowCommand struct {
	hubFlags `embed:""`

	JSON bool `name:"json" help:"Print what became of it in JSON, and nothing else, on standard output."`
}

// Run asks the hub, and waits.
func (c *backupNowCommand) Run(ctx context.Context, a *app) error {
	var asked web.BackupAsked
	if err := c.ask(ctx, http.MethodPost, "/api/backups", nil, &asked); err != nil {
		return err
	}
	bar := newBar(a)
	defer bar.end()
	for {
		var s web.BackupState
		if err := c.ask(ctx, http.MethodGet, "/api/backups", nil, &s); err != nil {
			return err
		}
		if s.Answer >= asked.Asked && s.Last != nil {
			bar.end()
			return c.print(a, s.Last)
		}
		if !s.Running && s.ShipTrouble != "" && s.Answer < asked.Asked && s.Last == nil {
			return fmt.Errorf("the hub can't use the place of its backups, and makes none until it can: %s", s.ShipTrouble)
		}
		bar.show(s.Phase, s.Done, s.Total)
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *backupNowCommand) print(a *app, o *web.BackupOutcome) error {
	if c.JSON {
		if err := json.NewEncoder(a.out).Encode(o); err != nil {
			return err
		}
	}
	switch {
	case o.Error != "":
		return errors.New(o.Error)
	case c.JSON:
	case o.Skipped:
		_, _ = fmt.Fprintf(a.out, "nothing has changed since the good backup of version %d\n", o.Version)
	default:
		_, _ = fmt.Fprintf(a.out, "version %d: %s, %s packed, proven, in %s\n", o.Version, humanize.IBytes(uint64(o.RawSize)),
			humanize.IBytes(uint64(o.Size)), (time.Duration(o.Millis) * time.Millisecond).Round(10*time.Millisecond))
	}
	return nil
}

type backupVerifyCommand struct {
	whereFlags `embed:""`

	Version  *uint64 `arg:"" optional:"" help:"Only the copy of this version; by default everything there is."`
	History  string  `placeholder:"NAME" help:"Only of this history; the beginning of its name is enough."`
	Identity string  `placeholder:"FILE" help:"The key of age, of encrypted backups."`
	JSON     bool    `name:"json" help:"Print a list in JSON, and nothing else, on standard output."`
}

// Run looks at backups, and fails where one is not good.
func (c *backupVerifyCommand) Run(ctx context.Context, a *app) error {
	p, err := c.open(c.DB)
	if err != nil {
		return err
	}
	keys, err := backup.Identities(c.Identity)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	scratch, err := os.MkdirTemp("", "framehub-verify-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	o := backup.VerifyOptions{Place: p, History: c.History, Version: c.Version, Keys: keys, Scratch: scratch}
	bar := newBar(a)
	defer bar.end()
	o.Progress = bar.show
	if !c.JSON {
		o.Told = func(v backup.Verified) {
			bar.clear()
			switch {
			case v.Good:
				_, _ = fmt.Fprintf(a.out, "good      %s\n", v.Name)
			case v.NoKey:
				_, _ = fmt.Fprintf(a.out, "no key    %s: %s\n", v.Name, v.Error)
			default:
				_, _ = fmt.Fprintf(a.out, "NOT GOOD  %s: %s\n", v.Name, v.Error)
			}
		}
	}
	all, err := backup.Verify(ctx, o)
	bar.end()
	if err != nil {
		return err
	}
	if c.JSON {
		if err := json.NewEncoder(a.out).Encode(append([]backup.Verified{}, all...)); err != nil {
			return err
		}
	}
	bad, closed := 0, 0
	for i := range all {
		switch {
		case all[i].NoKey:
			closed++
		case !all[i].Good:
			bad++
		}
	}
	switch {
	case len(all) == 0:
		return fmt.Errorf("there is no such backup in %s", p)
	case bad > 0:
		return fmt.Errorf("%d of %d are not good", bad, len(all))
	case closed > 0:
		return fmt.Errorf("%d of %d can't be read without their key", closed, len(all))
	default:
		return nil
	}
}

type backupPruneCommand struct {
	whereFlags `embed:""`
	keepFlags  `embed:""`

	History string `placeholder:"NAME" help:"The database, by the beginning of one of its histories' names, where a place has several."`
	DryRun  bool   `help:"Only say what would go."`
	JSON    bool   `name:"json" help:"Print a list in JSON, and nothing else, on standard output."`
}

// Run removes what is not to be kept, and says what.
func (c *backupPruneCommand) Run(ctx context.Context, a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	p, err := c.open(c.DB)
	if err != nil {
		return err
	}
	catalog, err := backup.List(ctx, p)
	if err != nil {
		return err
	}
	id, err := catalog.Database(c.History)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	gone, err := backup.Prune(ctx, p, id, c.keep(), time.Now(), c.DryRun)
	if c.JSON {
		return errors.Join(err, json.NewEncoder(a.out).Encode(append([]backup.Removed{}, gone...)))
	}
	total := int64(0)
	for _, g := range gone {
		total += g.Size
		_, _ = fmt.Fprintf(a.out, "%s  %s: %s\n", g.Time.Local().Format(time.DateTime), g.Name, g.Why)
	}
	verb := "removed"
	if c.DryRun {
		verb = "would be removed"
	}
	if len(gone) == 0 {
		_, _ = fmt.Fprintf(a.out, "nothing: all of it is to be kept\n")
		return err
	}
	_, _ = fmt.Fprintf(a.out, "%d files, %s, %s\n", len(gone), humanize.IBytes(uint64(total)), verb)
	return err
}

// childCommand is a process of the backup worker's.
type childCommand struct{}

// Run does what the worker asks on standard input.
func (childCommand) Run(ctx context.Context, a *app) error { return backup.Child(ctx, os.Stdin, a.out) }
