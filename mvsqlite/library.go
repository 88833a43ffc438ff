package mvsqlite

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// LibraryName is the file of mvSQLite's releases that is preloaded.
const LibraryName = "libmvsqlite_preload.so"

// ErrBuild is a program that mvSQLite's library can't be put under.
var ErrBuild = errors.New("this framehub can't use mvSQLite")

// CheckProgram returns an ErrBuild unless the program uses a libsqlite3 that it loads
// as it starts: only that can be preloaded.
func CheckProgram(program string) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%w: its library is preloaded as Linux does it, and this is %s. Run the hub on Linux", ErrBuild, runtime.GOOS)
	}
	file, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBuild, program, err)
	}
	defer func() { _ = file.Close() }()
	libraries, err := file.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBuild, program, err)
	}
	if !slices.ContainsFunc(libraries, func(name string) bool { return strings.HasPrefix(name, "libsqlite3.so") }) {
		return fmt.Errorf("%w: %s has SQLite within it, and mvSQLite's library goes under a libsqlite3 that is loaded as the program starts. "+
			"Build the other one, with `make build-mvsqlite`, and run bin/framehub-mvsqlite", ErrBuild, program)
	}
	return nil
}

// FindLibrary returns the path of mvSQLite's library: the one that is named, or the
// first of the usual places.
func FindLibrary(named, program string) (string, error) {
	if named != "" {
		path, err := filepath.Abs(named)
		if err != nil {
			return "", fmt.Errorf("--mvsqlite-lib: %w", err)
		}
		if err := checkLibrary(path, program); err != nil {
			return "", fmt.Errorf("--mvsqlite-lib: %w", err)
		}
		return path, nil
	}
	places := usualPlaces(program)
	for _, path := range places {
		if _, err := os.Stat(path); err == nil {
			return path, checkLibrary(path, program)
		}
	}
	return "", fmt.Errorf("mvSQLite's library is missing; looked for\n  %s\nGet %s from https://github.com/losfair/mvsqlite/releases and put it there, or say where it is with --mvsqlite-lib",
		strings.Join(places, "\n  "), LibraryName)
}

func usualPlaces(program string) []string {
	var places []string
	for _, path := range preloaded(os.Getenv("LD_PRELOAD")) {
		if filepath.Base(path) == LibraryName && filepath.IsAbs(path) {
			places = append(places, path)
		}
	}
	for _, dir := range []string{filepath.Dir(program), "/usr/local/lib", "/usr/local/lib/mvsqlite", "/opt/mvsqlite", "/opt/mvsqlite/lib", "/usr/lib"} {
		places = append(places, filepath.Join(dir, LibraryName))
	}
	return places
}

// preloaded splits the value of LD_PRELOAD.
func preloaded(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ':' || r == ' ' })
}

// checkLibrary refuses what the loader would only warn of, and leave out.
func checkLibrary(path, program string) error {
	if len(preloaded(path)) != 1 {
		return fmt.Errorf("%s: the loader takes no path with a space or a colon in it: put the library elsewhere", path)
	}
	lib, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s is no library that can be preloaded: %w", path, err)
	}
	defer func() { _ = lib.Close() }()
	if lib.Type != elf.ET_DYN {
		return fmt.Errorf("%s is no library: it is an %v", path, lib.Type)
	}
	self, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	defer func() { _ = self.Close() }()
	if lib.Machine != self.Machine {
		return fmt.Errorf("%s is for %v, and this program for %v: get or build one for this machine", path, lib.Machine, self.Machine)
	}
	return nil
}

// CheckPreloaded says, in the child, whether the loader has loaded the library.
func CheckPreloaded() error {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("look for mvSQLite's library: %w", err)
	}
	const notInto = "the loader does not preload into programs with setuid or capabilities (getcap)"
	libraries := preloaded(os.Getenv("LD_PRELOAD"))
	if len(libraries) == 0 {
		return fmt.Errorf("the loader has not loaded mvSQLite's library, LD_PRELOAD is empty: %s", notInto)
	}
	for _, path := range libraries {
		if file, err := filepath.EvalSymlinks(path); err == nil && strings.Contains(string(maps), file) {
			continue
		}
		return fmt.Errorf("the loader has not loaded %s: what it says is above; %s", path, notInto)
	}
	return nil
}
