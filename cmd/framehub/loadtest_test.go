package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// build builds the program: an embedded hub is a second process of it.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "framehub")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// execute runs the program and returns what it printed and its exit code.
func execute(ctx context.Context, t *testing.T, program string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, err strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &err
	if e := cmd.Run(); e != nil {
		if exit, ok := errors.AsType[*exec.ExitError](e); !ok || !exit.Exited() {
			t.Fatalf("%v: %v\n%s", args, e, &err)
		}
	}
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

func TestLoadtest(t *testing.T) {
	program := build(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	t.Run("an embedded hub, for people", func(t *testing.T) {
		code, out, stderr := execute(ctx, t, program, "loadtest", "--hub", "embedded", "--devices", "5", "--duration", "1s")
		if code != 0 || !strings.Contains(out, "5 copies are what SQL has") {
			t.Errorf("exit code %d:\n%s%s", code, out, stderr)
		}
	})
	t.Run("an embedded hub, for programs", func(t *testing.T) {
		code, out, stderr := execute(ctx, t, program, "loadtest", "--hub", "embedded", "--devices", "5", "--duration", "1s", "--json")
		var report struct {
			Acked     int
			Converged *bool
			Hub       *struct{}
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || report.Acked != 100 || report.Converged == nil || report.Hub == nil {
			t.Errorf("exit code %d, %v:\n%s%s", code, err, out, stderr)
		}
	})
	t.Run("a hub that is killed", func(t *testing.T) {
		code, out, stderr := execute(ctx, t, program, "loadtest", "--hub", "embedded", "--kill", "--kills", "2", "--devices", "6", "--observers", "1",
			"--duration", "5s", "--gate", "lost=0,live_max<30s,kills=2", "--json")
		var report struct {
			Acked, Sent int
			Converged   *bool
			Recovery    struct{ Kills, Reconnects, Resumed, Snapshots int }
			Hub         struct {
				CPU float64 `json:"cpu_s"`
			}
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || report.Acked != 600 || report.Converged == nil || report.Hub.CPU <= 0 {
			t.Errorf("exit code %d, %v:\n%s%s", code, err, out, stderr)
		}
		if b := report.Recovery; b.Kills != 2 || b.Reconnects < 12 || b.Resumed+b.Snapshots != b.Reconnects {
			t.Errorf("%+v", b)
		}
	})
	t.Run("money, while the hub is killed", func(t *testing.T) {
		code, out, stderr := execute(ctx, t, program, "loadtest", "--hub", "embedded", "--profile", "transfers", "--kill", "--devices", "6", "--observers", "1",
			"--hz", "5", "--duration", "3s", "--gate", "lost=0,kills=1", "--json")
		var report struct {
			Sent, Acked, Refused int
			Transfers            struct{ Sum, SumsSeen, SumsWrong int }
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || report.Sent != 90 || report.Acked+report.Refused != 90 || report.Transfers.Sum != 1_001_000 {
			t.Errorf("exit code %d, %v:\n%s%s", code, err, out, stderr)
		}
	})
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no hub":       {[]string{"--url", "ws://127.0.0.1:1/v1/sync"}, 1, "127.0.0.1:1"},
		"no trace":     {[]string{"--trace", "/nowhere.csv"}, 1, "/nowhere.csv"},
		"no devices":   {[]string{"--devices", "0"}, 2, "--devices"},
		"no profile":   {[]string{"--profile", "zoo"}, 2, "profile"},
		"no such flag": {[]string{"--devils", "5"}, 2, "--devils"},
		"two hubs":     {[]string{"--hub", "embedded", "--db", "x.db"}, 2, "of its own"},
		"a kill":       {[]string{"--kill", "--url", "ws://127.0.0.1:1/v1/sync"}, 2, "--hub embedded"},
		"all flaky":    {[]string{"--profile", "flaky", "--flaky-share", "1"}, 2, "not all"},
		"no kills":     {[]string{"--kill", "--kills", "0", "--hub", "embedded"}, 2, "--kills"},
		"hub":          {[]string{"--hub", "borrowed"}, 2, "embedded"},
		"no folder":    {[]string{"--html", "/nowhere/report.html"}, 1, "in the folder /nowhere: no such file or directory"},
		"a folder":     {[]string{"--html", os.TempDir()}, 1, "is a folder"},
		"no token":     {[]string{"--token", "@/nowhere"}, 1, "--token: open /nowhere"},
		"no admin":     {[]string{"--admin-token", "@/nowhere"}, 1, "--admin-token: open /nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, stderr := execute(ctx, t, program, append([]string{"loadtest"}, tc.args...)...)
			if code != tc.code || !strings.Contains(stderr, tc.want) || out != "" {
				t.Errorf("exit code %d, %q on standard output, and\n%s", code, out, stderr)
			}
		})
	}
}

// TestLoadtestInterrupted: who ends a load with Ctrl-C gets the reports of what there was,
// and the embedded hub goes.
func TestLoadtestInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	folder := t.TempDir()
	file := filepath.Join(folder, "report.html")
	t.Setenv("TMPDIR", folder) // of the embedded hub's database
	cmd := exec.CommandContext(ctx, build(t), "loadtest", "--hub", "embedded", "--devices", "5", "--duration", "1h", "--json", "--html", file)
	var out strings.Builder
	cmd.Stdout = &out
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	for lines := bufio.NewScanner(progress); lines.Scan(); {
		told.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "acknowledged") { // it is under way
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	var report struct {
		Sent, Acked     int
		OK, Interrupted bool
		Duration        float64 `json:"duration_s"`
	}
	if e := json.Unmarshal([]byte(out.String()), &report); err != nil || e != nil || !report.OK || !report.Interrupted || report.Acked == 0 || report.Sent != report.Acked || report.Duration > 60 {
		t.Errorf("%v, %v: %+v\n%s%s", err, e, report, &told, &out)
	}
	page, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(page), "interrupted: ") || !strings.Contains(string(page), "</html>") {
		t.Errorf("the page: %v\n%s", err, page)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("%v, %v is left, want the page alone", left, err)
	}
}

// TestLoadtestPage: a page is there when it is whole, whatever came of the run, and what was
// there before stays when there is none.
func TestLoadtestPage(t *testing.T) {
	program := build(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	folder := t.TempDir()
	file := filepath.Join(folder, "report.html")
	if err := os.WriteFile(file, []byte("of yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, stderr := execute(ctx, t, program, "loadtest", "--url", "ws://127.0.0.1:1/v1/sync", "--html", file); code != 1 {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
	if was, err := os.ReadFile(file); err != nil || string(was) != "of yesterday" {
		t.Errorf("the page of before is %q, %v", was, err)
	}
	code, out, stderr := execute(ctx, t, program, "loadtest", "--hub", "embedded", "--devices", "5", "--duration", "1s", "--gate", "age_p99<1us", "--html", file)
	page, err := os.ReadFile(file)
	if code != 1 || err != nil || !strings.Contains(string(page), "not passed") || !strings.Contains(out, "NOT PASSED") {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out, stderr)
	}
	code, out, stderr = execute(ctx, t, program, "loadtest", "--hub", "embedded", "--find-ceiling", "devices", "--devices", "4", "--duration", "1s", "--repeats", "1", "--gate", "sent<150", "--html", file)
	// Whether the load test was the limit is the machine's business.
	if page, err = os.ReadFile(file); code == 2 || err != nil || !strings.Contains(string(page), "The search") || !strings.Contains(out, "ceiling") {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out, stderr)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("%v, %v is left, want the page alone", left, err)
	}
}
