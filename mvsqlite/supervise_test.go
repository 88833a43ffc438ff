package mvsqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"framehub/mvsqlite"
)

// role names, in the environment, what the test binary is in place of tests, and
// countFile where it counts how often it was started.
const (
	role      = "FRAMEHUB_SUPERVISE_TEST_ROLE"
	countFile = "FRAMEHUB_SUPERVISE_TEST_COUNT"
)

func TestMain(m *testing.M) {
	if r := os.Getenv(role); r != "" {
		os.Exit(child(r, started()))
	}
	goleak.VerifyTestMain(m)
}

// started counts the starts.
func started() int {
	data, _ := os.ReadFile(os.Getenv(countFile))
	n, _ := strconv.Atoi(string(data))
	_ = os.WriteFile(os.Getenv(countFile), []byte(strconv.Itoa(n+1)), 0o600)
	return n + 1
}

func child(role string, start int) int {
	if role == "starts slowly" { // no signal is expected yet
		c, err := net.Dial("unix", os.Getenv(countFile)+".gate") //nolint:noctx // it ends with the test
		if err != nil {
			panic(err)
		}
		_, _ = io.ReadAll(c)
	}
	signals := make(chan os.Signal, 8) // of which none is lost
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1)
	ready := func() {
		if err := mvsqlite.Ready(); err != nil {
			panic(err)
		}
		fmt.Println("ready", start) //nolint:forbidigo // a program
	}
	switch role {
	case "done":
		ready()
		return 0
	case "refuses":
		fmt.Fprintln(os.Stderr, "the port is in use")
		return 1
	case "replaced":
		ready()
		return mvsqlite.ExitReplaced
	case "code 7":
		ready()
		<-signals
		return 7
	case "fails once":
		ready()
		if start == 1 {
			return 1
		}
	case "aborts once":
		ready()
		if start == 1 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGABRT)
		}
	case "is killed twice before it is ready":
		if start <= 2 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		ready()
	case "crashes":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "crashes when ready":
		ready()
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "is deaf":
		signal.Ignore(syscall.SIGTERM)
		ready()
		select {}
	case "supervisor":
		_ = os.Setenv("ROLE", "is deaf")
		s := &mvsqlite.Supervisor{Program: os.Args[0], Env: append(os.Environ(), "FRAMEHUB_SUPERVISE_TEST_ROLE=is deaf"), Out: os.Stdout, Err: os.Stderr, Log: slog.Default()}
		_ = s.Run(context.Background())
		return 0
	default:
		ready()
	}
	for sig := range signals {
		if sig == syscall.SIGTERM {
			return 0
		}
		fmt.Println("got", sig) //nolint:forbidigo // a program
	}
	return 0
}

// A supervised is a supervisor that runs.
type supervised struct {
	testing.TB
	s     *mvsqlite.Supervisor
	stop  context.CancelFunc
	out   *bufio.Scanner
	ended chan error
	log   *logged
	count string
}

// logged is a log that can be read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func supervise(t *testing.T, as string, options ...func(*mvsqlite.Supervisor)) *supervised {
	t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &supervised{TB: t, stop: stop, out: bufio.NewScanner(in), ended: make(chan error, 1), log: &logged{}, count: filepath.Join(t.TempDir(), "count")}
	r.s = &mvsqlite.Supervisor{
		Program: self(t), Env: append(os.Environ(), role+"="+as, countFile+"="+r.count),
		Out: out, Err: r.log, Log: slog.New(slog.NewTextHandler(r.log, nil)), Wait: time.Millisecond,
	}
	for _, o := range options {
		o(r.s)
	}
	done := make(chan struct{})
	go func() {
		r.ended <- r.s.Run(ctx)
		_ = out.Close()
		close(done)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		_ = in.Close()
	})
	return r
}

// line returns the child's next line.
func (r *supervised) line() string {
	r.Helper()
	if !r.out.Scan() {
		r.Fatalf("the child says no more: %v, %v\n%s", <-r.ended, r.out.Err(), r.log)
	}
	return r.out.Text()
}

// ready waits for a start to be ready.
func (r *supervised) ready(start int) {
	r.Helper()
	if line, want := r.line(), fmt.Sprintf("ready %d", start); line != want {
		r.Fatalf("%q, want %q", line, want)
	}
}

func (r *supervised) starts() string {
	data, _ := os.ReadFile(r.count)
	return string(data)
}

// end waits for the end.
func (r *supervised) end() error {
	r.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(30 * time.Second):
		r.Fatalf("it did not end\n%s", r.log)
		return nil
	}
}

func TestSuperviseEnds(t *testing.T) {
	for role, want := range map[string]mvsqlite.ExitError{"done": 0, "refuses": 1, "replaced": mvsqlite.ExitReplaced} {
		r := supervise(t, role)
		err := r.end()
		if code, _ := errors.AsType[mvsqlite.ExitError](err); code != want || (want == 0) != (err == nil) {
			t.Errorf("%s: %v, want exit code %d", role, err, want)
		}
		if r.starts() != "1" {
			t.Errorf("%s: %s starts", role, r.starts())
		}
	}
}

func TestSuperviseStops(t *testing.T) {
	r := supervise(t, "waits")
	r.ready(1)
	r.stop()
	if err := r.end(); err != nil {
		t.Errorf("stopped: %v", err)
	}
	r = supervise(t, "code 7")
	r.ready(1)
	r.stop()
	if code, _ := errors.AsType[mvsqlite.ExitError](r.end()); code != 7 {
		t.Errorf("stopped, and it failed then: exit code %d, want 7", code)
	}
	if r.starts() != "1" {
		t.Errorf("%s starts", r.starts())
	}
}

func TestSuperviseRestarts(t *testing.T) {
	for role, last := range map[string]int{"fails once": 2, "aborts once": 2, "is killed twice before it is ready": 3} {
		t.Run(role, func(t *testing.T) {
			r := supervise(t, role)
			if last == 2 {
				r.ready(1)
			}
			r.ready(last)
			if !strings.Contains(r.log.String(), "the hub crashed, and is started again") {
				t.Errorf("without words:\n%s", r.log)
			}
			r.stop()
			if err := r.end(); err != nil {
				t.Errorf("then it was stopped: %v", err)
			}
		})
	}
}

func TestSuperviseGivesUp(t *testing.T) {
	for _, role := range []string{"crashes", "crashes when ready"} {
		r := supervise(t, role, func(s *mvsqlite.Supervisor) { s.Tries = 3 })
		if err := r.end(); err == nil || !strings.Contains(err.Error(), "crashed 3 times, one soon after the other, at last with signal: killed: given up") {
			t.Errorf("%s: %v", role, err)
		}
		if r.starts() != "3" {
			t.Errorf("%s: %s starts", role, r.starts())
		}
	}
	// A child that was ready long enough is started again however often.
	r := supervise(t, "crashes when ready", func(s *mvsqlite.Supervisor) { s.Tries, s.Steady = 3, time.Nanosecond })
	for i := range 10 {
		r.ready(i + 1)
	}
	r.stop()
	_ = r.end()
}

func TestSuperviseStopsWhileItWaits(t *testing.T) {
	r := supervise(t, "crashes", func(s *mvsqlite.Supervisor) { s.Wait = time.Hour })
	for deadline := time.After(30 * time.Second); !strings.Contains(r.log.String(), "started again"); {
		select {
		case <-deadline:
			t.Fatal("it did not crash")
		case <-time.Tick(time.Millisecond):
		}
	}
	r.stop()
	if err := r.end(); err != nil {
		t.Errorf("stopped: %v", err)
	}
}

func TestSuperviseKillsTheDeaf(t *testing.T) {
	r := supervise(t, "is deaf", func(s *mvsqlite.Supervisor) { s.StopWait = time.Millisecond })
	r.ready(1)
	r.stop()
	if err := r.end(); err == nil || !strings.Contains(err.Error(), "did not stop as it was asked to: signal: killed") {
		t.Errorf("%v", err)
	}
	if !strings.Contains(r.log.String(), "the hub does not stop") {
		t.Errorf("without words:\n%s", r.log)
	}
}

// TestSupervisePassesSignals: what a hub is asked by signals its supervisor passes on, and
// survives.
func TestSupervisePassesSignals(t *testing.T) {
	r := supervise(t, "waits")
	r.ready(1)
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1} {
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		if line := r.line(); line != "got "+sig.String() {
			t.Errorf("the child says %q", line)
		}
	}
}

// slowly supervises a child that starts and is not ready until it is let.
func slowly(t *testing.T) (r *supervised, let func()) {
	t.Helper()
	count := filepath.Join(t.TempDir(), "count")
	gate, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", count+".gate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gate.Close() })
	r = supervise(t, "starts slowly", func(s *mvsqlite.Supervisor) { s.Env = append(s.Env, countFile+"="+count) })
	starting, err := gate.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = starting.Close() })
	return r, func() { _ = starting.Close() }
}

// TestSignalsBeforeReady: a child that starts would die of signals that it does not expect
// yet. They wait for it.
func TestSignalsBeforeReady(t *testing.T) {
	r, let := slowly(t)
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGHUP} {
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
	}
	let()
	r.ready(1)
	got := []string{r.line(), r.line()}
	slices.Sort(got)
	if !slices.Equal(got, []string{"got hangup", "got user defined signal 1"}) {
		t.Errorf("the child says %q", got)
	}
}

// TestSuperviseStopsBeforeReady: to be stopped is no failure of a child that starts.
func TestSuperviseStopsBeforeReady(t *testing.T) {
	r, _ := slowly(t)
	r.stop()
	if err := r.end(); err != nil {
		t.Errorf("stopped: %v", err)
	}
}

func TestSuperviseNoProgram(t *testing.T) {
	r := supervise(t, "waits", func(s *mvsqlite.Supervisor) { s.Program = "/no/such/program" })
	if err := r.end(); err == nil || !strings.Contains(err.Error(), "start the hub") {
		t.Errorf("%v", err)
	}
}

// TestNoOrphan kills a supervisor, whose child ends with it although it stops for
// nothing: what both write to is closed then.
func TestNoOrphan(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), self(t))
	cmd.Env = append(os.Environ(), role+"=supervisor")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "ready") {
		t.Fatalf("the child says %q", lines.Text())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	rest := make(chan struct{})
	go func() {
		defer close(rest)
		_, _ = io.Copy(io.Discard, out)
	}()
	select {
	case <-rest:
	case <-time.After(20 * time.Second):
		t.Error("the child lives on")
	}
	_ = cmd.Wait()
}
