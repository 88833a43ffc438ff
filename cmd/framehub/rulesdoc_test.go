package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"framehub/rules"
)

var tomlBlock = regexp.MustCompile("(?ms)^ *```toml\n(.*?)^ *```")

// Every example of the documentation is one that check-config takes, and every
// rule is documented.
func TestRulesAreDocumented(t *testing.T) {
	for file, least := range map[string]int{"../../docs/rules.md": 8, "../../README.md": 1} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks := tomlBlock.FindAllStringSubmatch(string(text), -1)
		if len(blocks) < least {
			t.Errorf("%s has %d examples", file, len(blocks))
		}
		for _, b := range blocks {
			path := write(t, filepath.Join(t.TempDir(), "framehub.toml"), b[1])
			if code, out, err := run(t, "check-config", "--config", path); code != 0 {
				t.Errorf("%s:\n%s\n%s%s", file, b[1], out, err)
			}
		}
	}
	export := "../../godot/addons/framehub/export/"
	if code, out, err := run(t, "check-config", "--config", export+"assets.toml", "--schema", export+"assets.sql"); code != 0 {
		t.Errorf("the rules of exports don't fit their tables:\n%s%s", out, err)
	}
	text, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range rules.Names() {
		parts := strings.Split(name, ".")
		if rule := parts[len(parts)-1]; !regexp.MustCompile(`(?m)(^|\.|` + "`" + `)` + rule + `(\.| = |` + "`" + `)`).Match(text) {
			t.Errorf("docs/rules.md does not mention the rule %s", name)
		}
	}
}
