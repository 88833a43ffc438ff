package storetest

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Compile makes a shared library of store/testdata/NAME.c in a folder, with go-sqlite3's
// header and Go's C compiler, and returns its path.
func Compile(dir, name string, flags ...string) (string, error) {
	headers, err := output("go", "list", "-m", "-f", "{{.Dir}}", "github.com/mattn/go-sqlite3")
	if err != nil {
		return "", err
	}
	cc, err := output("go", "env", "CC")
	if err != nil {
		return "", err
	}
	_, here, _, _ := runtime.Caller(0)
	source := filepath.Join(filepath.Dir(filepath.Dir(here)), "testdata", name+".c")
	library := filepath.Join(dir, name+".so")
	args := append([]string{"-std=gnu11", "-O1", "-Wall", "-Wextra", "-shared", "-fPIC", "-I" + headers}, flags...)
	args = append(args, "-o", library, source, "-lpthread")
	if out, err := exec.CommandContext(context.Background(), cc, args...).CombinedOutput(); err != nil { //nolint:gosec // Go's own C compiler
		return "", fmt.Errorf("compile %s: %w\n%s", source, err, out)
	}
	return library, nil
}

func output(program string, args ...string) (string, error) {
	out, err := exec.CommandContext(context.Background(), program, args...).Output() //nolint:gosec // the two above
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
