package backup_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"framehub/backup"
)

// plainPath is in the environment of child processes, once plain has built what it names.
const plainPath = "FRAMEHUB_BACKUP_TEST_PLAIN"

// plain returns this test program without the race detector, as a child process: with it, one
// takes some times longer to start and minutes to pack what it packs in a second. Tests whose
// children have it nevertheless say so.
func plain(tb testing.TB) []string {
	tb.Helper()
	path, err := buildPlain()
	if err != nil {
		tb.Fatal(err)
	}
	return []string{path, backup.ChildCommand}
}

var buildPlain = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(plainPath); path != "" { // of the process that started this one
		return path, nil
	}
	if b, ok := debug.ReadBuildInfo(); !ok || !slices.Contains(b.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return os.Executable()
	}
	dir, err := os.MkdirTemp("", "framehub-backup-test")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "plain.test")
	if err := os.Setenv(plainPath, path); err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "test", "-c", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

// removePlain removes what this process has built.
func removePlain() {
	if path := os.Getenv(plainPath); path != "" {
		_ = os.RemoveAll(filepath.Dir(path))
	}
}
