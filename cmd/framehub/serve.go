package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sync/errgroup"

	"framehub/hub"
	"framehub/store"
	"framehub/web"
)

type serveCommand struct {
	Config kong.ConfigFlag `placeholder:"FILE" help:"Read flags and the rules of tables from FILE, in TOML."`

	Listen      string `default:"127.0.0.1:8080" placeholder:"ADDR" help:"Where devices connect."`
	AdminListen string `default:"127.0.0.1:8081" placeholder:"ADDR" help:"Where operators look: the page, metrics. This machine only."`
	Insecure    bool   `help:"Let devices connect from other machines, although --auth none lets nothing check who they are."`

	authFlags `embed:""`

	DB         string        `name:"db" default:"data/world.db" placeholder:"FILE" help:"The game database; its frame log lies beside it."`
	Schema     string        `placeholder:"FILE" help:"SQL that makes the tables of an empty database."`
	FrameHz    float64       `default:"60" placeholder:"HZ" help:"Frames a second."`
	MergeEvery time.Duration `default:"100ms" help:"Most that the game database's tables are behind the frame log."`
	NewEpoch   bool          `help:"Begin a new history of a game database whose frame log is lost."`

	Demo bool `help:"Serve a page that is a device on the device listener's /."`
}

// Run runs the hub until ctx ends. What is started last is stopped first: the
// hub says goodbye to its sessions, the listeners close, the store closes.
func (s *serveCommand) Run(ctx context.Context, a *app, file *config) error {
	if err := s.check(); err != nil {
		return err
	}
	st, err := s.openStore(file, a.log)
	if err != nil {
		return err
	}
	if err := s.checkSchema(st.Schema(), a.log); err != nil {
		return errors.Join(err, st.Close())
	}
	g, err := s.open(ctx, s.DB, a.log)
	if err != nil {
		return errors.Join(err, st.Close())
	}
	h := hub.New(st, hub.Options{FrameHz: s.FrameHz, Gate: g.Gate, Log: a.log})
	if err := h.SetRules(file.rules); err != nil {
		return errors.Join(file.named(err), st.Close())
	}
	if !file.rules.Writable() {
		a.log.Warn("nobody can write: with a configuration file only what a rule allows may be written, and none does", "file", file.path)
	}
	err = s.serve(ctx, a, h, g, file)
	return errors.Join(err, st.Close())
}

// checkSchema refuses a database in which devices could see nothing, and warns of
// tables that they can't see although nothing marks them as private.
func (s *serveCommand) checkSchema(schema *store.Schema, log *slog.Logger) error {
	synced, others := 0, 0
	for _, t := range schema.Tables {
		switch {
		case t.Synced:
			synced++
		case !strings.HasPrefix(t.Name, "_"):
			others++
			log.Warn("devices don't see this table: it has no primary key that tells its rows apart, or is part of a virtual one", "table", t.Name)
		}
	}
	switch {
	case synced > 0:
		return nil
	case others > 0:
		return fmt.Errorf("no table of %s has a primary key: declare PRIMARY KEY columns, by which devices tell rows apart", s.DB)
	default:
		return fmt.Errorf("%s has no tables that devices can see: make some with --schema FILE, or name another --db", s.DB)
	}
}

func (s *serveCommand) check() error {
	if s.FrameHz <= 0 || s.FrameHz > 1000 {
		return fmt.Errorf("--frame-hz is %v, it must be above 0 and at most 1000", s.FrameHz)
	}
	if err := s.authFlags.check(); err != nil {
		return err
	}
	if s.Demo && s.Auth != "none" {
		return fmt.Errorf("--demo has no token to show, and --auth %s asks for one: leave one of them out", s.Auth)
	}
	if s.Auth == "none" && !s.Insecure && !loopback(s.Listen) {
		return fmt.Errorf("--listen %s can be reached from other machines, and nothing checks who connects: use --auth token or jwt, or 127.0.0.1, or --insecure if that is wanted", s.Listen)
	}
	if !loopback(s.AdminListen) {
		return fmt.Errorf("--admin-listen %s can be reached from other machines, and the page has no login yet: use 127.0.0.1", s.AdminListen)
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

func (s *serveCommand) openStore(file *config, log *slog.Logger) (*store.Store, error) {
	o := store.Options{
		Path: s.DB, Scopes: file.rules.Scopes(), MergeEvery: s.MergeEvery,
		MergeBudget: time.Duration(float64(time.Second) / s.FrameHz / 10), NewEpoch: s.NewEpoch, Log: log,
	}
	if s.Schema != "" {
		sql, err := os.ReadFile(s.Schema)
		if err != nil {
			return nil, fmt.Errorf("--schema: %w", err)
		}
		o.Schema = string(sql)
	}
	return store.Open(o)
}

func (s *serveCommand) serve(ctx context.Context, a *app, h *hub.Hub, g *gate, file *config) error {
	o := web.Options{Demo: s.Demo, Remote: s.Insecure || !loopback(s.Listen), Version: versionText(), Log: a.log}
	admin, err := web.Admin(h, o)
	if err != nil {
		return err
	}
	devices, err := listen(ctx, s.Listen, web.Device(h, o))
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	operators, err := listen(ctx, s.AdminListen, admin)
	if err != nil {
		return errors.Join(fmt.Errorf("--admin-listen: %w", err), devices.close())
	}
	told := hangups()
	defer signal.Stop(told)
	s.announce(a, devices, operators)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(devices.serve)
	group.Go(operators.serve)
	for _, run := range g.beside {
		group.Go(func() error { run(ctx, a.log); return nil })
	}
	group.Go(func() error { return file.reloads(ctx, told, h, a.log) })
	group.Go(func() error {
		err := h.Run(ctx) // ends after ctx, when every session is gone
		return errors.Join(err, devices.close(), operators.close())
	})
	return group.Wait()
}

func (s *serveCommand) announce(a *app, devices, operators *listener) {
	_, _ = fmt.Fprintf(a.out, "devices    ws://%s/v1/sync\n", devices.addr())
	if s.Demo {
		_, _ = fmt.Fprintf(a.out, "demo       http://%s/   open it twice and drag a dot\n", devices.addr())
	}
	if s.Auth == "token" {
		_, _ = fmt.Fprintf(a.out, "tokens     framehub token --user NAME --key-file %s\n", keyFile(s.KeyFile, s.DB))
	}
	_, _ = fmt.Fprintf(a.out, "operators  http://%s/   metrics: /metrics\n", operators.addr())
	_, _ = fmt.Fprintf(a.out, "database   %s   look with: sqlite3 -readonly %s\n", s.DB, s.DB)
}

// A listener is an HTTP server on its address.
type listener struct {
	server *http.Server
	l      net.Listener
}

func listen(ctx context.Context, addr string, h http.Handler) (*listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &listener{l: l, server: &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}}, nil
}

func (l *listener) addr() string { return l.l.Addr().String() }

func (l *listener) serve() error {
	if err := l.server.Serve(l.l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (l *listener) close() error { return l.server.Close() }
