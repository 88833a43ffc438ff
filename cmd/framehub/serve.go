package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sync/errgroup"

	"framehub/audit"
	"framehub/edge"
	"framehub/hub"
	"framehub/mvsqlite"
	"framehub/session"
	"framehub/store"
	"framehub/web"
)

type serveCommand struct {
	Config kong.ConfigFlag `placeholder:"FILE" help:"Read flags and the rules of tables from FILE, in TOML."`

	Listen      string `default:"127.0.0.1:8080" placeholder:"ADDR" help:"Where devices connect (${default})."`
	AdminListen string `default:"127.0.0.1:8081" placeholder:"ADDR" help:"Where operators look: the page, metrics (${default}). On other addresses than this machine's it needs TLS."`
	Insecure    bool   `help:"Let devices connect from other machines, although --auth none lets nothing check who they are."`

	authFlags  `embed:""`
	adminFlags `embed:""`

	Edges edgeFlags `embed:""`

	DB            string        `name:"db" default:"data/world.db" placeholder:"FILE" help:"The game database (${default}); its frame log lies beside it. On mvSQLite: mvsqlite://HOST:PORT/NAMESPACE."`
	Schema        string        `placeholder:"FILE" help:"SQL that makes the tables of an empty database."`
	FrameHz       float64       `default:"60" placeholder:"HZ" help:"Frames a second (${default})."`
	SQLTime       time.Duration `name:"sql-time" default:"100ms" help:"How long a statement of SQL through the hub may run, which frames wait for."`
	ClockPatience time.Duration `default:"1s" help:"How long a game server that closes the frames may be silent before the hub's own clock does."`

	MergeEvery   time.Duration `help:"Most that the game database's tables are behind the frame log: 100ms by default, 1s on mvSQLite."`
	Presence     bool          `default:"true" negatable:"" help:"Keep the table framehub_session, of who is here, and the last wills of devices."`
	SnapshotDisk size          `default:"4GiB" placeholder:"SIZE" help:"How much snapshots that devices take slowly may have in files, all together (${default})."`
	Grace        time.Duration `default:"10s" help:"How long a device may be away before it has gone, and its last will runs."`
	NewEpoch     bool          `help:"Begin a new history of a game database whose frame log is lost."`

	backupFlags `embed:""`

	MVSQLite mvsqliteFlags `embed:"" prefix:"mvsqlite-"`

	Demo bool `help:"Serve a page that is a device on the device listener's /."`
}

// Run runs the hub until ctx ends. What is started last is stopped first: the
// hub says goodbye to its sessions, the listeners close, the store closes.
func (s *serveCommand) Run(ctx context.Context, a *app, file *config) error {
	if err := s.check(); err != nil {
		return err
	}
	if mvsqlite.Is(s.DB) && !mvsqlite.Supervised() {
		return s.supervise(ctx, a)
	}
	asked := catch()
	defer asked.release()
	lines := audit.New(a.log)
	place, err := s.place()
	if err != nil {
		return err
	}
	e, err := s.Edges.open(a.log, lines)
	if err != nil {
		return err
	}
	so, ho, err := s.options(file, a.log)
	if err != nil {
		return err
	}
	st, err := store.Open(so)
	if err != nil {
		return s.notOpened(err, file, so)
	}
	s.warnOfSchema(st.Schema(), so.Schema, a.log)
	g, err := s.open(ctx, s.DB, a.log)
	if ctx.Err() != nil { // it is to stop before it is ready, which is no failure
		return replaced(a, st.Close())
	}
	if err != nil {
		return errors.Join(err, st.Close())
	}
	ho.Gate, ho.Bans, ho.Audit = g.Gate, g.bans, lines
	h := hub.New(st, ho)
	if err := h.SetRules(file.rules); err != nil {
		return errors.Join(file.named(err), st.Close())
	}
	if !file.rules.Writable() {
		a.log.Warn("nobody can write: with a configuration file only what a rule allows may be written, and none does", "file", file.path)
	}
	b, err := s.worker(st, place, a.log, lines)
	if err == nil {
		err = s.serve(ctx, a, h, g, e, file, lines, b, asked)
	}
	return replaced(a, errors.Join(err, b.flush(context.WithoutCancel(ctx), a.log), st.Close()))
}

func (s *serveCommand) check() error {
	if s.FrameHz <= 0 || s.FrameHz > 1000 {
		return fmt.Errorf("--frame-hz is %v, it must be above 0 and at most 1000", s.FrameHz)
	}
	if s.SnapshotDisk <= 0 {
		return errors.New("--snapshot-disk must be above 0")
	}
	if s.Grace <= 0 {
		return fmt.Errorf("--grace is %v, it must be above 0", s.Grace)
	}
	if s.SQLTime <= 0 {
		return fmt.Errorf("--sql-time is %v, it must be above 0", s.SQLTime)
	}
	if s.ClockPatience <= 0 {
		return fmt.Errorf("--clock-patience is %v, it must be above 0", s.ClockPatience)
	}
	if err := errors.Join(s.authFlags.check(), s.adminFlags.check(s.AdminListen, s.Edges.AdminTLSCert != ""), s.backupFlags.check()); err != nil {
		return err
	}
	if s.Demo && s.Auth != "none" {
		return fmt.Errorf("--demo has no token to show, and --auth %s asks for one: leave one of them out", s.Auth)
	}
	if s.Auth == "none" && !s.Insecure && !loopback(s.Listen) {
		return fmt.Errorf("--listen %s can be reached from other machines, and nothing checks who connects: use --auth token or jwt, or 127.0.0.1, or --insecure if that is wanted", s.Listen)
	}
	return nil
}

// loopback says whether an address to listen on can be reached from this machine only.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// options returns those of the store and the hub, as far as flags say.
func (s *serveCommand) options(file *config, log *slog.Logger) (o store.Options, h hub.Options, err error) {
	h = hub.Options{FrameHz: s.FrameHz, SnapshotDisk: int64(s.SnapshotDisk), ClockPatience: s.ClockPatience, SQL: store.StatementLimits{Time: s.SQLTime}, Grace: s.Grace, Log: log}
	o = store.Options{
		Path: s.DB, Scopes: file.rules.Scopes(), Alone: file.rules.Alone(), MergeEvery: s.MergeEvery,
		MergeBudget: time.Duration(float64(time.Second) / s.FrameHz / 10), Presence: s.Presence, NewEpoch: s.NewEpoch, Log: log,
		Ship: s.ShipEvery > 0, LogMax: int64(s.LogMax), PinSchemas: s.backsUp(),
		Check: func(schema *store.Schema) error { return s.checkSchema(schema, file, log) },
	}
	if s.Schema != "" {
		sql, err := os.ReadFile(s.Schema)
		if err != nil {
			return o, h, fmt.Errorf("--schema: %w", err)
		}
		o.Schema = string(sql)
	}
	if mvsqlite.Is(s.DB) {
		err = s.onMVSQLite(&o, &h)
	}
	return o, h, err
}

func (s *serveCommand) serve(ctx context.Context, a *app, h *hub.Hub, g *gate, e *edges, file *config, lines *audit.Log, b *backups, asked *signals) error {
	o := web.Options{
		Session: session.Options{Origins: s.Edges.Origin},
		Demo:    s.Demo, Remote: s.Insecure || !loopback(s.Listen), Version: versionText(), Log: a.log, Audit: lines, Bans: g.bans,
		Tail: a.tail, Settings: settings(a.parsed),
	}
	if err := s.openAdmin(g, &o); err != nil {
		return fmt.Errorf("--admin-auth login: %w", err)
	}
	r := &reloader{edges: e, file: file, hub: h, log: a.log}
	o.Reload, o.Rules = r.reload, r.ruleFile
	b.into(&o)
	admin, err := web.Admin(h, o)
	if err != nil {
		return err
	}
	devices, operators, err := e.listen(ctx, s, web.Device(h, o), admin)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	s.announce(a, devices, operators)
	if err := s.announceAccount(a.out, o.Operators, operators); err != nil {
		a.log.Error("no link for the first account", "err", err)
	}
	if err := mvsqlite.Ready(); err != nil {
		a.log.Error("ready, and nobody to tell", "err", err)
	}
	for _, run := range g.beside {
		group.Go(func() error { run(ctx, a.log); return nil })
	}
	group.Go(func() error { r.onHangup(ctx, asked.reload, lines); return nil })
	group.Go(func() error { b.onSignal(ctx, asked.backup); return nil })
	group.Go(func() error { return b.run(ctx) })
	group.Go(devices.Serve)
	group.Go(operators.Serve)
	group.Go(func() error {
		err := h.Run(ctx) // ends after ctx, when every session is gone
		return errors.Join(err, devices.Close(), operators.Close())
	})
	group.Go(func() error { lines.Run(ctx); return nil })
	group.Go(func() error {
		<-ctx.Done()
		a.log.Info("stopping: a last frame, and goodbye to every session")
		return nil
	})
	return group.Wait()
}

func (s *serveCommand) announce(a *app, devices, operators *edge.Server) {
	_, _ = fmt.Fprintf(a.out, "devices    %s://%s/v1/sync\n", scheme("ws", devices), devices.Addr())
	if s.Demo {
		_, _ = fmt.Fprintf(a.out, "demo       %s://%s/   open it twice and drag a dot\n", scheme("http", devices), devices.Addr())
	}
	if s.Auth == "token" {
		_, _ = fmt.Fprintf(a.out, "tokens     framehub token --user NAME --key-file %s\n", keyFile(s.KeyFile, s.DB))
	}
	_, _ = fmt.Fprintf(a.out, "operators  %s://%s/   metrics: /metrics\n", scheme("http", operators), operators.Addr())
	s.announceBackups(a)
	if mvsqlite.Is(s.DB) {
		_, _ = fmt.Fprintf(a.out, "database   %s\n", s.DB)
		return
	}
	_, _ = fmt.Fprintf(a.out, "database   %s   look with: sqlite3 -readonly %s\n", s.DB, s.DB)
}
