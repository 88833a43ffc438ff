package mvsqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A Supervisor runs a program as its child, and starts it again after a crash. It
// opens no database itself. The child ends with the supervisor, whatever ends that.
type Supervisor struct {
	Program string
	Args    []string // without the program's name
	Env     []string
	Out     io.Writer // the child's standard output
	Err     io.Writer // the child's standard error
	Log     *slog.Logger

	Tries    int           // crashes one soon after the other before it gives up; default 8
	Steady   time.Duration // a child that was ready for so long crashes not soon; default 30 s
	StopWait time.Duration // how long a child may take to stop before it is killed; default 30 s
	Wait     time.Duration // before the child is started again: at first so long, later up to 60 times that; default 500 ms
}

// ExitReplaced is the exit code of a child that another hub has replaced. It is not
// started again, or the two would take the database from each other for ever.
const ExitReplaced = 76

// An ExitError is a child's exit code that is passed on.
type ExitError int

func (e ExitError) Error() string { return fmt.Sprintf("the hub ended with exit code %d", int(e)) }

// Run runs the child until it ends by itself, or ctx ends, which is passed on as
// SIGTERM; SIGHUP and SIGUSR1 are passed on too, when the child is Ready. It returns nil for a child that ended well, an
// ExitError for one that has said in words why it can't run or stop, and words of its
// own for one that crashes over and over.
//
// A crash is an end by a signal, exit code 2, which is how a Go program ends when C
// code aborts, or any other but 0 and ExitReplaced after the child was Ready.
func (s *Supervisor) Run(ctx context.Context) error {
	// The kernel ends the child with the thread that has started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 8) // a second kind that comes at once is not lost
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)

	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = cmp.Or(s.Wait, 500*time.Millisecond)
	wait.Multiplier, wait.MaxInterval = 2, 60*wait.InitialInterval
	for soon := 0; ; {
		run := s.run(ctx, signals)
		switch {
		case run.err != nil:
			return run.err
		case ctx.Err() != nil || !run.crashed():
			return run.result()
		}
		if run.ready > 0 && run.ready >= cmp.Or(s.Steady, 30*time.Second) {
			wait.Reset()
			soon = 0
		}
		if soon++; soon >= cmp.Or(s.Tries, 8) {
			return fmt.Errorf("the hub has crashed %d times, one soon after the other, at last with %s: given up. What it said is above", soon, run.state)
		}
		pause := wait.NextBackOff()
		s.Log.Error("the hub crashed, and is started again: the frame log has all that was acknowledged",
			"ended", run.state, "was_ready_for", run.ready.Round(time.Millisecond), "again_after", pause.Round(time.Millisecond))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// A run is a child that has ended.
type run struct {
	err   error // it could not be started
	state *os.ProcessState
	ready time.Duration // how long it was ready; 0: never
}

func (r *run) crashed() bool {
	code := r.state.ExitCode() // -1: a signal
	return code < 0 || code == 2 || code != 0 && code != ExitReplaced && r.ready > 0
}

// stopped says whether SIGTERM has ended a child that did not take it yet.
func (r *run) stopped() bool {
	status, ok := r.state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGTERM
}

func (r *run) result() error {
	switch code := r.state.ExitCode(); {
	case code == 0:
		return nil
	case code > 0:
		return ExitError(code)
	case r.stopped():
		return nil
	default:
		return fmt.Errorf("the hub did not stop as it was asked to: %s", r.state)
	}
}

// run runs the child once.
func (s *Supervisor) run(ctx context.Context, signals <-chan os.Signal) (r run) {
	in, out, err := os.Pipe()
	if err != nil {
		return run{err: fmt.Errorf("start the hub: %w", err)}
	}
	defer func() { _ = in.Close() }()
	cmd := exec.Command(s.Program, s.Args...) //nolint:gosec,noctx // itself; it is asked to stop, and killed below
	cmd.Env = append(s.Env, supervisedKey+"=3")
	cmd.Stdout, cmd.Stderr = s.Out, s.Err
	cmd.ExtraFiles = []*os.File{out}
	cmd.SysProcAttr = endWithParent()
	err = cmd.Start()
	_ = out.Close()
	if err != nil {
		return run{err: fmt.Errorf("start the hub: %w", err)}
	}
	began := make(chan time.Time, 1) // closed, and without a time by a child that ends before it is ready
	go func() {
		defer close(began)
		if n, _ := in.Read(make([]byte, 1)); n == 1 {
			began <- time.Now()
		}
	}()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	at, err := s.attend(ctx, cmd.Process, signals, began, ended)
	if !at.IsZero() {
		r.ready = max(1, time.Since(at))
	}
	r.state = cmd.ProcessState
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		r.err = fmt.Errorf("run the hub: %w", err)
	}
	return r
}

// attend passes signals on until the child has ended, and returns when it was ready; the
// zero time: never. Until it is ready, signals would end it, and wait.
func (s *Supervisor) attend(ctx context.Context, child *os.Process, signals <-chan os.Signal, began <-chan time.Time, ended <-chan error) (ready time.Time, err error) {
	stop := ctx.Done()
	var late <-chan time.Time
	var held []os.Signal
	for {
		select {
		case err := <-ended:
			if began != nil {
				ready = <-began
			}
			return ready, err
		case ready = <-began:
			for _, sig := range held {
				_ = child.Signal(sig) // one that has ended instead takes none
			}
			began, held = nil, nil
		case sig := <-signals:
			switch {
			case began == nil:
				_ = child.Signal(sig)
			case !slices.Contains(held, sig):
				held = append(held, sig)
			}
		case <-stop:
			_ = child.Signal(syscall.SIGTERM)
			stop, late = nil, time.After(cmp.Or(s.StopWait, 30*time.Second))
		case <-late:
			s.Log.Error("the hub does not stop, as where a call of mvSQLite hangs, and is killed: the frame log has all that was acknowledged")
			_ = child.Kill()
		}
	}
}

// Ready tells the supervisor, once, that this process does what it is for. Without a
// supervisor it does nothing.
func Ready() error {
	if !Supervised() {
		return nil
	}
	f := os.NewFile(3, "supervisor")
	_, err := f.Write([]byte{1})
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("tell the supervisor: %w", err)
	}
	return nil
}
