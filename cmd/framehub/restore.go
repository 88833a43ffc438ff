package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/schollz/progressbar/v3"

	"framehub/backup"
	"framehub/mvsqlite"
	"framehub/store"
)

type restoreCommand struct {
	BackupDir string `placeholder:"DIR|s3://BUCKET/PREFIX" help:"Where the backups lie; by default the folder backups beside the database."`
	DB        string `name:"db" default:"data/world.db" placeholder:"FILE" help:"The database to make (${default}). No hub may have it open. On mvSQLite: mvsqlite://HOST:PORT/NAMESPACE, which must be empty."`
	To        string `required:"" placeholder:"latest|VERSION|TIME" help:"The moment: latest, a version, or a time like 2026-01-31T18:00:00Z or \"2026-01-31 18:00:00\"."`
	History   string `placeholder:"NAME" help:"The history, as backup list prints it, where there are several; the beginning of its name is enough."`
	Identity  string `placeholder:"FILE" help:"The key of age, of encrypted backups."`
	Force     bool   `help:"Put aside a database that is there, under another name."`
	JSON      bool   `name:"json" help:"Print what was done in JSON, and nothing else, on standard output."`

	MVSQLite mvsqliteFlags `embed:"" prefix:"mvsqlite-"`
}

// Run restores, and says what there is now.
func (c *restoreCommand) Run(ctx context.Context, a *app) error {
	to, err := backup.ParseTarget(c.To)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	p, err := (&placeFlag{c.BackupDir}).open(c.DB)
	if err != nil {
		return err
	}
	keys, err := backup.Identities(c.Identity)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	bar := newBar(a)
	o := backup.RestoreOptions{Place: p, To: to, History: c.History, DB: c.DB, Force: c.Force, Keys: keys, Progress: bar.show}
	if mvsqlite.Is(c.DB) {
		o.DB = besideDB(c.DB) + ".db"
		if o.Into, err = c.into(ctx); err != nil {
			return err
		}
	}
	r, err := backup.Restore(ctx, o)
	bar.end()
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(a.out).Encode(r)
	}
	return c.print(a, r)
}

// into returns the database on mvSQLite that is to be made.
func (c *restoreCommand) into(ctx context.Context) (*backup.Namespace, error) {
	cluster, _, env, err := c.MVSQLite.prepare(ctx, c.DB)
	if err != nil {
		return nil, err
	}
	return &backup.Namespace{Address: c.DB, Name: cluster.Namespace, Env: env}, nil
}

func (c *restoreCommand) print(a *app, r *backup.Restored) error {
	tables, rows := 0, uint64(0)
	for _, t := range r.Contents.Tables {
		if t.Name != store.SessionTable && !strings.HasPrefix(t.Name, "_framehub_") { // the hub's own
			tables, rows = tables+1, rows+t.Rows
		}
	}
	_, _ = fmt.Fprintf(a.out, "%s is version %d of %s, of %s\n", r.DB, r.Version, r.History, r.Time.Local().Format("2006-01-02 15:04:05.000 MST"))
	_, _ = fmt.Fprintf(a.out, "from the copy of version %d, brought on by %d: %s, %s\n", r.Copy, r.Replayed, english.Plural(tables, "table", ""), english.Plural(int(rows), "row", ""))
	if r.Replayed > 0 {
		_, _ = fmt.Fprintf(a.out, "as in the copy, for the log does not have it:\n")
		for _, text := range r.OnlyCopy {
			_, _ = fmt.Fprintf(a.out, "  %s\n", text)
		}
	}
	for _, file := range r.Aside {
		if strings.HasSuffix(file, "-wal") || strings.HasSuffix(file, "-shm") {
			continue // which belong to others
		}
		_, _ = fmt.Fprintf(a.out, "what was there is now %s\n", file)
	}
	for _, text := range r.Notes {
		_, _ = fmt.Fprintf(a.out, "note: %s\n", text)
	}
	_, err := fmt.Fprintf(a.out, "start a hub on it: its versions begin anew, and every device takes all of it\n")
	return err
}

// A bar shows on a terminal how far something is; elsewhere it shows nothing.
type bar struct {
	a     *app
	on    bool
	phase string
	bar   *progressbar.ProgressBar
}

func newBar(a *app) *bar { return &bar{a: a, on: terminal(a.err)} }

// show shows a phase and how much of it is done; a total of 0 is not known.
func (b *bar) show(phase string, done, total int64) {
	if !b.on || phase == "" {
		return
	}
	if phase != b.phase || b.bar == nil {
		b.clear()
		b.phase = phase
		most := total
		if most <= 0 {
			most = -1
		}
		b.bar = progressbar.NewOptions64(most, progressbar.OptionSetWriter(b.a.err), progressbar.OptionSetWidth(30), progressbar.OptionSetDescription(phase),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionClearOnFinish(), progressbar.OptionUseANSICodes(true), progressbar.OptionThrottle(100*time.Millisecond))
	}
	_ = b.bar.Set64(done) // what can't be painted is no harm
}

// clear takes the bar away until there is something to show again.
func (b *bar) clear() {
	if b.bar != nil {
		_ = b.bar.Finish() // the same
	}
	b.bar = nil
}

// end takes the bar away for good.
func (b *bar) end() {
	b.clear()
	b.on = false
}
