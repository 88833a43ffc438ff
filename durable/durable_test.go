package durable_test

import (
	"errors"
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

// TestCreate: a file takes its place when it is whole, and with Cleanup never does.
func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "page.html")
	for _, tc := range []struct {
		text, want string
		whole      bool
	}{{"half of a p", "", false}, {"a page", "a page", true}, {"half of an", "a page", false}} {
		f, err := durable.Create(path, 0o640)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(tc.text); err != nil {
			t.Fatal(err)
		}
		if tc.whole {
			err = f.Replace()
		}
		if err := errors.Join(err, f.Cleanup()); err != nil { // which has nothing to do after Replace
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); string(got) != tc.want || tc.want != "" && err != nil {
			t.Errorf("the file has %q (%v), not %q", got, err, tc.want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&^0o640 != 0 || info.Mode().Perm()&0o600 != 0o600 {
		t.Errorf("who may have it: %v (%v)", info.Mode(), err)
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
