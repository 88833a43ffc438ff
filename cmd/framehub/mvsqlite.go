package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"framehub/hub"
	"framehub/mvsqlite"
	"framehub/store"
)

type mvsqliteFlags struct {
	Lib    string `placeholder:"FILE" help:"mvSQLite's library to preload; by default looked for in the usual places."`
	Create bool   `help:"Make the namespaces that are missing, through the admin API that --db tells with ?admin=HOST:PORT."`
}

// prepare returns the cluster of an address, mvSQLite's library, and the environment of a
// child process under it.
func (f *mvsqliteFlags) prepare(ctx context.Context, db string) (c *mvsqlite.Cluster, library string, env []string, err error) {
	if c, err = mvsqlite.Parse(db); err != nil {
		return nil, "", nil, fmt.Errorf("--db: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, "", nil, err
	}
	if err := mvsqlite.CheckProgram(program); err != nil {
		return nil, "", nil, err
	}
	if library, err = mvsqlite.FindLibrary(f.Lib, program); err != nil {
		return nil, "", nil, err
	}
	if err := c.Prepare(ctx, f.Create); err != nil {
		return nil, "", nil, err
	}
	env, err = c.Environ(os.Environ(), library)
	return c, library, env, err
}

// supervise runs the hub in a child process, under mvSQLite's library.
func (s *serveCommand) supervise(ctx context.Context, a *app) error {
	c, library, env, err := s.MVSQLite.prepare(ctx, s.DB)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	a.log.Info("the hub runs under mvSQLite's library", "library", library, "namespaces", c.Namespaces())
	err = (&mvsqlite.Supervisor{Program: program, Args: a.args, Env: env, Out: a.out, Err: a.err, Log: a.log}).Run(ctx)
	if code, ok := errors.AsType[mvsqlite.ExitError](err); ok {
		return exitError(code)
	}
	return err
}

// childEnv returns the environment of the hub's own child processes that open files; nil:
// this process's.
func (s *serveCommand) childEnv() ([]string, error) {
	if !mvsqlite.Is(s.DB) {
		return nil, nil
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	library, err := mvsqlite.FindLibrary(s.MVSQLite.Lib, program)
	return mvsqlite.Plain(os.Environ(), library), err
}

// onMVSQLite sets up the hub where it is that child.
func (s *serveCommand) onMVSQLite(o *store.Options, h *hub.Options) error {
	c, err := mvsqlite.Parse(s.DB)
	if err != nil {
		return fmt.Errorf("--db: %w", err)
	}
	if err := mvsqlite.CheckPreloaded(); err != nil {
		return err
	}
	o.Path, o.MVSQLite, h.Watchdog = c.Namespace, true, time.Second
	return nil
}

// missing says, where a namespace is missing, how to make it.
func (s *serveCommand) missing(err error) error {
	e, ok := errors.AsType[*store.NamespaceError](err)
	if !ok {
		return err
	}
	c, bad := mvsqlite.Parse(s.DB)
	if bad != nil {
		return err
	}
	return c.Missing(e.Name)
}

// replaced is the exit of a hub that another one has replaced.
func replaced(a *app, err error) error {
	if !errors.Is(err, store.ErrFenced) || !mvsqlite.Supervised() {
		return err
	}
	_, _ = fmt.Fprintf(a.err, "framehub: %v\n", err)
	return exitError(mvsqlite.ExitReplaced)
}

// besideDB returns the name, without its end, of a file that lies beside the database;
// on mvSQLite, in the folder data.
func besideDB(db string) string {
	if c, err := mvsqlite.Parse(db); err == nil {
		return filepath.Join("data", c.Namespace)
	}
	return trimDB(db)
}

// onlyFiles refuses a database on mvSQLite, for what works with files alone.
func onlyFiles(command, db, instead string) error {
	if !mvsqlite.Is(db) {
		return nil
	}
	return fmt.Errorf("%s works on a file, and %s is on mvSQLite: %s", command, db, instead)
}
