package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"
	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"framehub/audit"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

type cli struct {
	Serve    serveCommand       `cmd:"" help:"Run the hub."`
	Loadtest loadtestCommand    `cmd:"" help:"Load a hub with many devices, check it, and report."`
	Token    tokenCommand       `cmd:"" help:"Print a token, with which a device or a server connects."`
	Operator operatorCommand    `cmd:"" help:"Change who may use the operators' page."`
	Sessions sessionsCommand    `cmd:"" help:"List the sessions of a hub that runs, or end one."`
	Check    checkConfigCommand `cmd:"" name:"check-config" help:"Say what is wrong in a configuration file."`
	Backup   backupCommand      `cmd:"" help:"List, make, verify or prune backups."`
	Restore  restoreCommand     `cmd:"" help:"Restore a database from backups, to any version or time."`
	Child    childCommand       `cmd:"" name:"backup-child" hidden:""`
	Migrate  migrateCommand     `cmd:"" help:"Change a database's tables by numbered SQL files, each once."`
	Version  versionCommand     `cmd:"" help:"Print the program's version."`

	LogLevel slog.Level `default:"info" placeholder:"LEVEL" help:"Least severe messages to log: debug, info, warn or error (${default})."`
}

// An app is what a command needs of the program around it.
type app struct {
	out, err io.Writer
	log      *slog.Logger
	tail     *audit.Tail   // the last lines of log
	args     []string      // after the program's name
	parsed   *kong.Context // the same, as they were understood
}

// exitError is an exit that needs no more words.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Run runs the program with the arguments after its name until it is done or ctx
// ends, and returns its exit code: 0 done, 1 it failed, 2 wrong usage.
func Run(ctx context.Context, args []string, out, err io.Writer) int {
	var c cli
	file := &config{}
	parser, e := kong.New(&c,
		kong.Name("framehub"),
		kong.Description("Framehub keeps devices and one SQL database in step, frame by frame."),
		kong.UsageOnError(),
		kong.DefaultEnvars("FRAMEHUB"),
		kong.Configuration(file.load),
		kong.Bind(file),
		kong.Writers(out, err),
		kong.Exit(func(code int) { panic(exitError(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if e != nil {
		return report(err, e)
	}
	file.keys = serveKeys(parser.Model)
	return run(ctx, parser, &c, args, out, err)
}

// run parses and runs a command. Help ends the program through kong's exit, from
// deep inside the parser.
func run(ctx context.Context, parser *kong.Kong, c *cli, args []string, out, err io.Writer) (code int) {
	defer func() {
		if r := recover(); r != nil {
			exit, ok := r.(exitError)
			if !ok {
				panic(r)
			}
			code = int(exit)
		}
	}()
	parsed, e := parser.Parse(args)
	if e != nil {
		_, _ = fmt.Fprintf(err, "framehub: %v\n", e)
		if p, ok := errors.AsType[*kong.ParseError](e); ok && p.Context != nil && !ofFile(e) {
			_, _ = fmt.Fprintf(err, "Run \"%s --help\" for what there is.\n", commandOf(p.Context))
		}
		return exitUsage
	}
	lines := audit.NewQueue(err)
	defer lines.Close()
	tail := &audit.Tail{}
	text := tint.NewTextHandler(lines, &tint.Options{Level: c.LogLevel, TimeFormat: "15:04:05.000", NoColor: !terminal(err)})
	a := &app{out: out, err: err, args: args, parsed: parsed, tail: tail, log: slog.New(tail.Handler(text))}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return report(lines, parsed.Run(a))
}

// ofFile says whether an error is about a file, to which help would say nothing.
func ofFile(err error) bool {
	_, content := errors.AsType[*fileError](err)
	_, path := errors.AsType[*fs.PathError](err)
	return content || path
}

// commandOf returns the command that was begun, as one types it.
func commandOf(c *kong.Context) string {
	if node := c.Selected(); node != nil {
		return "framehub " + node.Path()
	}
	return "framehub"
}

// terminal says whether w is a terminal, where colours help.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func report(w io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	_, _ = fmt.Fprintf(w, "framehub: %v\n", err)
	return exitFailed
}
