package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"framehub/durable"
)

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "list.json")
	for _, text := range []string{"old and longer", "new"} {
		if err := durable.Replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("the file has %q (%v), not %q", got, err, text)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others than its owner may have it: %v (%v)", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("beside it lies something: %v (%v)", left, err)
	}
}

// TestReplaceFails: what can't be replaced stays as it was, and nothing is left beside it.
func TestReplaceFails(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken") // by a folder that is not empty
	if err := os.MkdirAll(filepath.Join(taken, "inner"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"no folder": filepath.Join(dir, "nowhere", "list.json"), "a folder in its place": taken} {
		t.Run(name, func(t *testing.T) {
			if err := durable.Replace(path, []byte("new")); err == nil {
				t.Error("it says that it has written")
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
				t.Errorf("beside it lies something: %v (%v)", left, err)
			}
		})
	}
}
