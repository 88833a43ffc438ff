package mvsqlite_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"framehub/mvsqlite"
)

// compile compiles C to an empty library, or what flags say.
func compile(t *testing.T, out string, flags ...string) string {
	t.Helper()
	cc, err := exec.CommandContext(t.Context(), "go", "env", "CC").Output()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-fPIC", "-o", out, "-x", "c", "/dev/null"}, flags...)
	if !slices.Contains(flags, "-c") {
		args = append(args, "-shared")
	}
	if text, err := exec.CommandContext(t.Context(), strings.TrimSpace(string(cc)), args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func self(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("LD_PRELOAD: this is not Linux")
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheckProgram(t *testing.T) {
	program := self(t)
	err := mvsqlite.CheckProgram(program)
	if !errors.Is(err, mvsqlite.ErrBuild) || !strings.Contains(err.Error(), "make build-mvsqlite") || !strings.Contains(err.Error(), program) {
		t.Errorf("a program without libsqlite3: %v", err)
	}
	// A library of that name is all that the loader looks at.
	dir := t.TempDir()
	compile(t, filepath.Join(dir, "libsqlite3.so"), "-Wl,-soname,libsqlite3.so.0")
	linked := compile(t, filepath.Join(dir, "program"), "-Wl,--no-as-needed", "-L"+dir, "-lsqlite3")
	if err := mvsqlite.CheckProgram(linked); err != nil {
		t.Errorf("one with it: %v", err)
	}
	if err := mvsqlite.CheckProgram(filepath.Join(dir, "none")); !errors.Is(err, mvsqlite.ErrBuild) {
		t.Errorf("no program: %v", err)
	}
}

func TestFindLibrary(t *testing.T) {
	program, dir := self(t), t.TempDir()
	lib := compile(t, filepath.Join(dir, mvsqlite.LibraryName))
	for name, c := range map[string]struct{ named, program, preload, want, words string }{
		"named":                  {named: lib, program: program, want: lib},
		"beside the program":     {program: copyFile(t, program, filepath.Join(dir, "framehub")), want: lib},
		"preloaded already":      {program: program, preload: "/else/where.so " + lib, want: lib},
		"named, and missing":     {named: filepath.Join(dir, "none.so"), program: program, words: "none.so: no such file"},
		"named, and no library":  {named: writeFile(t, filepath.Join(dir, "text"), "hello"), program: program, words: "no library that can be preloaded"},
		"named, with a space":    {named: compile(t, filepath.Join(dir, "a b.so")), program: program, words: "no path with a space or a colon"},
		"of another machine":     {named: otherMachine(t, lib), program: program, words: "for this machine"},
		"an object, no library":  {named: compile(t, filepath.Join(dir, "x.o"), "-c"), program: program, words: "no library"},
		"nowhere":                {program: program, words: "looked for"},
		"nowhere, where from":    {program: program, words: "https://github.com/losfair/mvsqlite/releases"},
		"nowhere, what to do":    {program: program, words: "--mvsqlite-lib"},
		"nowhere, all the paths": {program: program, words: filepath.Join(filepath.Dir(program), mvsqlite.LibraryName)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("LD_PRELOAD", c.preload)
			got, err := mvsqlite.FindLibrary(c.named, c.program)
			if c.words == "" && (err != nil || got != c.want) {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
			if c.words != "" && (err == nil || !strings.Contains(err.Error(), c.words)) {
				t.Errorf("%s, %v; want %q", got, err, c.words)
			}
		})
	}
}

// otherMachine returns a copy of a library whose header names another machine.
func otherMachine(t *testing.T, lib string) string {
	t.Helper()
	data, err := os.ReadFile(lib)
	if err != nil {
		t.Fatal(err)
	}
	data[18], data[19] = 8, 0 // MIPS, where the header has its e_machine
	return writeFile(t, lib+".mips", string(data))
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func copyFile(t *testing.T, from, to string) string {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, to, string(data))
}

func TestEnviron(t *testing.T) {
	c, err := mvsqlite.Parse("mvsqlite://a:7000,b:7000/world")
	if err != nil {
		t.Fatal(err)
	}
	const plane, size, chunk = "MVSQLITE_DATA_PLANE=http://a:7000,http://b:7000", "MVSQLITE_SECTOR_SIZE=8192", "MVSQLITE_WRITE_CHUNK_SIZE=64"
	for name, c2 := range map[string]struct{ base, want []string }{
		"an empty one":          {nil, []string{plane, size, chunk, "LD_PRELOAD=/l.so"}},
		"what is set stays":     {[]string{"A=1", "MVSQLITE_SECTOR_SIZE=4096"}, []string{"A=1", "MVSQLITE_SECTOR_SIZE=4096", plane, chunk, "LD_PRELOAD=/l.so"}},
		"other libraries too":   {[]string{"LD_PRELOAD=/x.so:/y.so"}, []string{plane, size, chunk, "LD_PRELOAD=/l.so:/x.so:/y.so"}},
		"it is there already":   {[]string{"LD_PRELOAD=/x.so /l.so"}, []string{"LD_PRELOAD=/x.so /l.so", plane, size, chunk}},
		"the same data planes":  {[]string{plane}, []string{plane, size, chunk, "LD_PRELOAD=/l.so"}},
		"an empty LD_PRELOAD":   {[]string{"LD_PRELOAD="}, []string{plane, size, chunk, "LD_PRELOAD=/l.so"}},
		"an empty chunk stays":  {[]string{"MVSQLITE_WRITE_CHUNK_SIZE="}, []string{"MVSQLITE_WRITE_CHUNK_SIZE=", plane, size, "LD_PRELOAD=/l.so"}},
		"the last value counts": {[]string{"LD_PRELOAD=/x.so", "LD_PRELOAD=/y.so"}, []string{plane, size, chunk, "LD_PRELOAD=/l.so:/y.so"}},
	} {
		got, err := c.Environ(c2.base, "/l.so")
		if err != nil || !slices.Equal(got, c2.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c2.want)
		}
	}
	if env, err := c.Environ([]string{"MVSQLITE_DATA_PLANE=http://c:7000"}, "/l.so"); err == nil || !strings.Contains(err.Error(), "take one of them away") {
		t.Errorf("another cluster in the environment: %q, %v", env, err)
	}
}

// TestNothingPreloaded: of a program with setuid or capabilities the loader takes LD_PRELOAD
// away, so that the program doesn't find it.
func TestNothingPreloaded(t *testing.T) {
	t.Setenv("LD_PRELOAD", "")
	if err := mvsqlite.CheckPreloaded(); err == nil || !strings.Contains(err.Error(), "has not loaded mvSQLite's library") || !strings.Contains(err.Error(), "getcap") {
		t.Errorf("%v", err)
	}
}
