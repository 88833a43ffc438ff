package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"framehub/audit"
	"framehub/backup"
	"framehub/backup/place"
	"framehub/store"
	"framehub/web"
)

// placeFlag says where backups lie.
type placeFlag struct {
	BackupDir string `placeholder:"DIR|s3://BUCKET/PREFIX" help:"Where backups lie; by default the folder backups beside the database."`
}

func (f *placeFlag) open(db string) (place.Place, error) {
	where := f.BackupDir
	if where == "" {
		where = filepath.Join(filepath.Dir(besideDB(db)), "backups")
	}
	p, err := place.Open(where)
	if err != nil {
		return nil, fmt.Errorf("--backup-dir: %w", err)
	}
	return p, nil
}

// keepFlags say which backups are kept.
type keepFlags struct {
	KeepLast    int           `default:"4" placeholder:"N" help:"Keep the newest N copies (${default})."`
	KeepHourly  int           `default:"24" placeholder:"N" help:"Keep the last copy of each of N hours (${default})."`
	KeepDaily   int           `default:"7" placeholder:"N" help:"Keep the last copy of each of N days (${default})."`
	KeepWeekly  int           `default:"4" placeholder:"N" help:"Keep the last copy of each of N weeks (${default})."`
	KeepMonthly int           `default:"12" placeholder:"N" help:"Keep the last copy of each of N months (${default})."`
	KeepLog     time.Duration `default:"168h" placeholder:"TIME" help:"How long any moment can be restored, and not only those of copies (${default})."`
}

func (f *keepFlags) keep() backup.Keep {
	return backup.Keep{Last: f.KeepLast, Hourly: f.KeepHourly, Daily: f.KeepDaily, Weekly: f.KeepWeekly, Monthly: f.KeepMonthly, Log: f.KeepLog}
}

func (f *keepFlags) check() error {
	if min(f.KeepLast, f.KeepHourly, f.KeepDaily, f.KeepWeekly, f.KeepMonthly) < 0 || f.KeepLog < 0 {
		return errors.New("--keep-last, --keep-hourly, --keep-daily, --keep-weekly, --keep-monthly and --keep-log must not be below 0")
	}
	return nil
}

// A size is a number of bytes, as 64MiB.
type size int64

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *size) UnmarshalText(b []byte) error {
	n, err := humanize.ParseBytes(string(b))
	if err != nil || n > 1<<62 {
		return fmt.Errorf("%q is no size like 512MiB", b)
	}
	*s = size(n)
	return nil
}

// backupFlags say how the hub backs its database up.
type backupFlags struct {
	placeFlag `embed:""`
	keepFlags `embed:""`

	BackupEvery     time.Duration `default:"30m" placeholder:"TIME" help:"How often the database is copied (${default}); 0: only when asked, and for each new schema."`
	ShipEvery       time.Duration `default:"10s" placeholder:"TIME" help:"How often what has happened since goes there too (${default}); 0: never."`
	LogMax          size          `default:"4GiB" placeholder:"SIZE" help:"How large the frame log may grow while its entries can't be shipped (${default})."`
	BackupReserve   size          `default:"512MiB" placeholder:"SIZE" help:"A copy is given up before the database's disk has less than this left (${default})."`
	BackupRecipient []string      `placeholder:"age1…|@FILE" help:"Encrypt backups for this key of age; may be said more than once."`
}

func (f *backupFlags) check() error {
	if f.BackupEvery < 0 || f.ShipEvery < 0 {
		return errors.New("--backup-every and --ship-every must not be below 0")
	}
	if _, err := backup.Recipients(f.BackupRecipient); err != nil {
		return fmt.Errorf("--backup-recipient: %w", err)
	}
	return f.keepFlags.check()
}

// backsUp says whether anything is backed up by itself.
func (f *backupFlags) backsUp() bool { return f.BackupEvery > 0 || f.ShipEvery > 0 }

func (s *serveCommand) place() (place.Place, error) { return s.placeFlag.open(s.DB) }

// backups is the worker, for the rest of the program.
type backups struct {
	worker *backup.Worker
	metric *backup.Metrics
	place  place.Place
	db     string
}

func (s *serveCommand) worker(st *store.Store, p place.Place, log *slog.Logger, lines *audit.Log) (*backups, error) {
	switch {
	case s.BackupEvery > 0:
	case s.ShipEvery > 0:
		log.Warn("the database is copied only when somebody asks for it, and for each new schema (--backup-every 0): what is shipped leads on from the last copy, and without one nowhere")
	default:
		log.Warn("nothing is backed up (--backup-every 0 and --ship-every 0): if this machine is lost, so is the world")
	}
	env, err := s.childEnv()
	if err != nil {
		return nil, err
	}
	m := backup.NewMetrics()
	w, err := backup.New(st, backup.Options{
		Place: p, Every: s.BackupEvery, ShipEvery: s.ShipEvery, Keep: s.keep(), Scratch: besideDB(s.DB) + ".backup-scratch",
		Reserve: int64(s.BackupReserve), Recipients: s.BackupRecipient, Program: "framehub " + versionText(), ChildEnv: env, Log: log,
		Done: func(o backup.Outcome) {
			m.Done(&o)
			if o.Skipped {
				return
			}
			r := audit.Record{Code: "done", Reason: fmt.Sprintf("version %d, %s", o.Version, o.Why)}
			if o.Error != "" {
				r.Code, r.Reason = "failed", r.Reason+": "+o.Error
			}
			lines.Add(audit.Backup, r)
		},
	})
	if err != nil {
		return nil, err
	}
	return &backups{w, m, p, s.DB}, nil
}

// into offers the worker to operators.
func (b *backups) into(o *web.Options) {
	o.Backups = b
	o.Metrics = append(o.Metrics, b.metric.Register(b.worker))
}

func (b *backups) run(ctx context.Context) error { return b.worker.Run(ctx) }

// flushTime is how long the end of the program waits for what is left to be shipped.
const flushTime = 10 * time.Second

// flush ships what the last frames have left.
func (b *backups) flush(ctx context.Context, log *slog.Logger) error {
	if b == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if err := b.worker.Flush(ctx); err != nil {
		log.Error("the last entries of the frame log are not shipped: the next start does that", "err", err)
	}
	return nil
}

// onSignal asks for a backup at every SIGUSR1, until ctx ends.
func (b *backups) onSignal(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			b.worker.Ask("SIGUSR1")
		}
	}
}

func (s *serveCommand) announceBackups(a *app) {
	p, err := s.place()
	if err != nil || !s.backsUp() {
		return
	}
	where, _, _ := strings.Cut(p.String(), "?")
	text := fmt.Sprintf("every %s", s.BackupEvery)
	if s.BackupEvery == 0 {
		text = "when asked"
	}
	if s.ShipEvery > 0 {
		text += fmt.Sprintf(", the log every %s", s.ShipEvery)
	}
	_, _ = fmt.Fprintf(a.out, "backups    %s   %s\n", where, text)
}
