package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"framehub/backup"
	"framehub/backup/place/placetest"
	"framehub/web"
)

// TestBackupDocument runs the commands of docs/backup.md, as somebody would who follows it.
func TestBackupDocument(t *testing.T) {
	for _, program := range []string{"bash", "curl", "sqlite3"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip("there is no", program)
		}
	}
	text, err := os.ReadFile("../../docs/backup.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("set -euxo pipefail\ntrap 'kill -9 $HUB 2>/dev/null || true' EXIT\n")
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		script.WriteString(block[1])
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "schema.sql"), "CREATE TABLE player(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;")
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	program := write(t, filepath.Join(bin, "framehub"), fmt.Sprintf("#!/bin/sh\n%s=1 exec %q \"$@\"\n", childArgs, os.Args[0]))
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	devices, operators := freePort(t), freePort(t)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(script.String(), "127.0.0.1:8081", operators))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "FRAMEHUB_LISTEN="+devices, "FRAMEHUB_ADMIN_LISTEN="+operators, "FRAMEHUB_ADMIN_URL=http://"+operators)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"proven, in", "LEADS TO", "\nalice\nbob\ncarol\n", "what was there is now", "\n3\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not there:\n%s", want, out)
		}
	}
}

func freePort(tb testing.TB) string {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestBackupCommands: each command with --json says what it did, and fails where it should,
// in a folder and in a bucket.
func TestBackupCommands(t *testing.T) {
	t.Run("folder", func(t *testing.T) { backupCommands(t, filepath.Join(t.TempDir(), "place")) })
	t.Run("bucket", func(t *testing.T) {
		url, _ := placetest.Bucket(t)
		backupCommands(t, url)
	})
}

func backupCommands(t *testing.T, where string) {
	t.Helper()
	dir := t.TempDir()
	p := start(t, serveArgs(dir, "--auth", "token", "--schema", write(t, filepath.Join(dir, "schema.sql"), schema), "--backup-dir", where, "--ship-every", "50ms", "--backup-every", "1h")...)
	admin := p.out.await(t, `operators +(http://\S+?)/`)
	if shown := p.out.await(t, `backups +(\S+)`); shown != strings.SplitN(where, "?", 2)[0] {
		t.Errorf("it says that backups lie in %s", shown)
	}
	insert := func(id int) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "sqlite3", "-cmd", ".timeout 5000", filepath.Join(dir, "world.db"), fmt.Sprintf("INSERT INTO thing VALUES (%d, 1, 1)", id)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	insert(1)
	until(t, func() bool { return strings.Contains(metricsOf(t, admin), "\nframehub_version 2\n") })
	var outcome web.BackupOutcome
	answer(t, &outcome, "backup", "now", "--admin-url", admin, "--json")
	if !outcome.Good || outcome.Version != 2 {
		t.Errorf("%+v", outcome)
	}
	insert(2)
	until(t, func() bool {
		return strings.Contains(metricsOf(t, admin), "\nframehub_backup_shipped_version 3\n")
	})
	var list []struct {
		Version, Reach uint64
		Proof          string
	}
	answer(t, &list, "backup", "list", "--backup-dir", where, "--json")
	if n := len(list); n == 0 || list[n-1].Version != 2 || list[n-1].Reach != 3 || list[n-1].Proof != "good" {
		t.Errorf("%+v", list)
	}
	var verified []backup.Verified
	answer(t, &verified, "backup", "verify", "--backup-dir", where, "--json")
	if len(verified) < 2 {
		t.Errorf("%+v", verified)
	}
	var removed []backup.Removed
	answer(t, &removed, "backup", "prune", "--backup-dir", where, "--dry-run", "--json", "--keep-last", "1", "--keep-hourly", "0", "--keep-daily", "0", "--keep-weekly", "0", "--keep-monthly", "0")
	to := filepath.Join(dir, "restored", "world.db")
	var r backup.Restored
	answer(t, &r, "restore", "--backup-dir", where, "--to", "latest", "--db", to, "--json")
	if r.Version != 3 || r.Replayed != 1 {
		t.Errorf("%+v", r)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"restore", "--backup-dir", where, "--to", "latest", "--db", to}, "--force"},
		{[]string{"restore", "--backup-dir", where, "--to", "latest", "--db", filepath.Join(dir, "world.db"), "--force"}, "another hub has this database open"},
		{[]string{"restore", "--backup-dir", where, "--to", "99", "--db", filepath.Join(dir, "no.db")}, "this history ends at version 3"},
		{[]string{"restore", "--backup-dir", where, "--to", "soon", "--db", filepath.Join(dir, "no.db")}, "no moment"},
		{[]string{"restore", "--backup-dir", filepath.Join(dir, "nothing"), "--to", "latest", "--db", filepath.Join(dir, "no.db")}, "there is no backup"},
		{[]string{"backup", "verify", "99", "--backup-dir", where}, "no such backup"},
		{[]string{"backup", "now", "--admin-url", "http://127.0.0.1:1"}, "no hub answers"},
	} {
		if code, out, err := run(t, c.args...); code != 1 || !strings.Contains(err, c.want) || out != "" {
			t.Errorf("%v: %d, %q, %q", c.args, code, out, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "no.db")); err == nil {
		t.Error("a restore that was refused has left a database")
	}
	noKey(t, dir, filepath.Dir(to))
	insert(3)
	until(t, func() bool {
		return strings.Contains(metricsOf(t, admin), "\nframehub_backup_shipped_version 4\n")
	})
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		answer(t, &list, "backup", "list", "--backup-dir", where, "--json")
		last := list[len(list)-1]
		return last.Version == 4 && last.Proof == "good"
	})
	answer(t, &outcome, "backup", "now", "--admin-url", admin, "--json")
	if !outcome.Good || !outcome.Skipped || outcome.Version != 4 || outcome.Size == 0 {
		t.Errorf("nothing has changed, and it says %+v", outcome)
	}
	if code := p.end(); code != 0 {
		t.Errorf("the hub ended with %d: %s", code, p.err)
	}
}

// noKey sees to it that nothing of a hub's key came out of its backups.
func noKey(t *testing.T, dir, restored string) {
	t.Helper()
	const name = "world.key"
	key, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(restored, "*"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(f) == name || bytes.Contains(b, key) {
			t.Errorf("%s has the key of the hub that was backed up", f)
		}
	}
}

// answer runs a command that must go well, and reads its JSON.
func answer(t *testing.T, to any, args ...string) {
	t.Helper()
	code, out, err := run(t, args...)
	if code != 0 {
		t.Fatalf("%v: %d: %s", args, code, err)
	}
	if err := json.Unmarshal([]byte(out), to); err != nil {
		t.Fatalf("%v: %v in %q", args, err, out)
	}
}

func until(t *testing.T, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(30 * time.Second); !is(); {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal("waited in vain")
		}
	}
}

// TestNoBackups: a hub that backs nothing up warns, and says so to who asks.
func TestNoBackups(t *testing.T) {
	dir := t.TempDir()
	p := start(t, serveArgs(dir, "--schema", write(t, filepath.Join(dir, "schema.sql"), schema), "--backup-every", "0", "--ship-every", "0")...)
	p.err.await(t, `(nothing is backed up)`)
	admin := p.out.await(t, `operators +(http://\S+?)/`)
	p.out.await(t, `(database )`)
	if strings.Contains(p.out.String(), "backups ") {
		t.Errorf("it says: %s", p.out)
	}
	var outcome web.BackupOutcome
	answer(t, &outcome, "backup", "now", "--admin-url", admin, "--json") // by hand all the same
	if !outcome.Good {
		t.Errorf("%+v", outcome)
	}
}
