package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// TestNamedFlagsExist: every flag that a file or a document names is one.
func TestNamedFlagsExist(t *testing.T) {
	_, help, _ := run(t, "serve", "--help")
	known := map[string]bool{}
	for _, name := range regexp.MustCompile(`--([a-z-]+)`).FindAllString(help, -1) {
		known[name] = true
	}
	for name, of := range map[string]string{ // what of a line, and which lines, are flags of the hub
		"deploy/framehub.service": `^(?:ExecStart=|#.*CREDENTIALS).*`,
		"deploy/Dockerfile":       `^(?:CMD|ENTRYPOINT).*`,
		"deploy/compose.yaml":     `^ +- --.*`,
		"deploy/README.md":        "`--[^`]*`",
		"docs/security.md":        "`--[^`]*`",
		"SECURITY.md":             "`--[^`]*`",
	} {
		t.Run(name, func(t *testing.T) {
			found := 0
			for _, line := range regexp.MustCompile("(?m)"+of).FindAllString(project(t, name), -1) {
				for _, flag := range regexp.MustCompile(`--[a-z][a-z-]*`).FindAllString(line, -1) {
					found++
					if !known[flag] {
						t.Errorf("there is no flag %s", flag)
					}
				}
			}
			if found == 0 {
				t.Error("no flag was found")
			}
		})
	}
}

// TestNamedKeysExist starts with every key of the configuration file that
// deploy/README.md names.
func TestNamedKeysExist(t *testing.T) {
	var all strings.Builder
	for _, m := range regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(project(t, "deploy/README.md"), -1) {
		all.WriteString(m[1])
	}
	var keys map[string]any
	if err := toml.Unmarshal([]byte(all.String()), &keys); err != nil || len(keys) < 5 {
		t.Fatalf("%v: %v", err, keys)
	}
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "framehub.toml"), all.String())
	tables := write(t, filepath.Join(dir, "schema.sql"), schema)
	p := start(t, serveArgs(dir, "--config", config, "--schema", tables)...)
	p.out.await(t, `(ws://\S+)`)
}

// TestUnit lets systemd judge the unit: it understands every line, and what is left
// exposed is what a hub needs (2.0 of 10, where a unit without settings has 9.6).
func TestUnit(t *testing.T) {
	analyze := os.Getenv("SYSTEMD_ANALYZE")
	if analyze == "" {
		t.Skip("no systemd-analyze: scripts/setup-test-tools sets SYSTEMD_ANALYZE")
	}
	unit := strings.ReplaceAll(project(t, "deploy/framehub.service"), "/usr/local/bin/framehub", "/bin/true") // which is there
	path := write(t, filepath.Join(t.TempDir(), "framehub.service"), unit)
	for _, args := range [][]string{
		{"verify", "--man=no", path},
		{"security", "--offline=true", "--no-pager", "--threshold=20", path},
	} {
		out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}

// project returns a file of the project.
func project(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
