package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"framehub/backup"
	main "framehub/cmd/framehub"
	"framehub/web"
)

func askJSON(t *testing.T, to any, method, url string) {
	t.Helper()
	if code, body, _ := ask(t, trusting(t, nil), method, url); code != 200 || json.Unmarshal([]byte(body), to) != nil {
		t.Fatalf("%s %s: %d: %s", method, url, code, body)
	}
}

// TestOperateBackups verifies a copy over the admin API, takes one along as an archive, and
// restores from that.
func TestOperateBackups(t *testing.T) {
	dir := t.TempDir()
	p := start(t, serveArgs(dir, "--schema", write(t, filepath.Join(dir, "schema.sql"), schema))...)
	api := p.out.await(t, `operators +(http://\S+?)/`) + "/api/backups"
	var list web.BackupList
	until(t, func() bool { // the one of the start
		askJSON(t, &list, "GET", api+"/copies")
		return len(list.Copies) > 0 && list.Copies[0].Proof == "good"
	})
	one := list.Copies[0]
	if list.DB != filepath.Join(dir, "world.db") || list.Place != filepath.Join(dir, "backups") || one.Proven.IsZero() {
		t.Errorf("%+v", list)
	}
	at := fmt.Sprintf("%s/copies/%s/%d", api, one.History, one.Version)
	var s web.BackupState
	looked := func() web.BackupLook {
		t.Helper()
		askJSON(t, &s, "POST", at+"/verify")
		until(t, func() bool {
			s = web.BackupState{}
			askJSON(t, &s, "GET", api)
			return !s.Looks[len(s.Looks)-1].Running
		})
		return s.Looks[len(s.Looks)-1]
	}
	if l := looked(); !l.Good || l.Error != "" || l.Version != one.Version {
		t.Errorf("%+v", l)
	}

	code, archive, _ := ask(t, trusting(t, nil), "GET", at+"/archive")
	if code != 200 {
		t.Fatal(code, archive)
	}
	away := filepath.Join(dir, "away")
	if err := os.Mkdir(away, 0o755); err != nil {
		t.Fatal(err)
	}
	untar := exec.CommandContext(t.Context(), "tar", "-x", "-C", away, "-f", write(t, filepath.Join(dir, "copy.tar"), archive))
	if out, err := untar.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var r backup.Restored
	answer(t, &r, "restore", "--backup-dir", away, "--to", "latest", "--db", filepath.Join(dir, "again.db"), "--json")
	if r.Version != one.Version || r.Replayed != 0 {
		t.Errorf("%+v", r)
	}

	data, err := filepath.Glob(filepath.Join(dir, "backups", one.History, "*.db.zst"))
	if err != nil || len(data) != 1 {
		t.Fatal(data, err)
	}
	b, err := os.ReadFile(data[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	write(t, data[0], string(b))
	if l := looked(); l.Good || !strings.Contains(l.Error, "not good") {
		t.Errorf("a bit was turned: %+v", l)
	}
	if code, body, _ := ask(t, trusting(t, nil), "POST", fmt.Sprintf("%s/copies/%s/99/verify", api, one.History)); code != 409 || !strings.Contains(body, "no copy of version 99") {
		t.Errorf("%d %s", code, body)
	}
	if code := p.end(); code != 0 {
		t.Errorf("the hub ended with %d: %s", code, p.err)
	}
	p.err.await(t, `(code=verify reason="by an operator)`)
}

// TestOperateEncryptedBackups says that the hub can't read what it writes.
func TestOperateEncryptedBackups(t *testing.T) {
	dir := t.TempDir()
	p := start(t, serveArgs(dir, "--schema", write(t, filepath.Join(dir, "schema.sql"), schema),
		"--backup-recipient", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")...)
	api := p.out.await(t, `operators +(http://\S+?)/`) + "/api/backups"
	var list web.BackupList
	until(t, func() bool {
		askJSON(t, &list, "GET", api+"/copies")
		return len(list.Copies) > 0
	})
	one := list.Copies[0]
	if code, body, _ := ask(t, trusting(t, nil), "POST", fmt.Sprintf("%s/copies/%s/%d/verify", api, one.History, one.Version)); code != 409 || !one.Encrypted || !strings.Contains(body, "--identity FILE") {
		t.Errorf("%d %s %+v", code, body, one)
	}
}

// TestOperateSettings: where a setting comes from, and no secrets in it.
func TestOperateSettings(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "framehub.toml"), `grace = "3s"
origin = ["game.example", "https://a:b@c.example"]
[tables.thing]
insert = ["device"]
`)
	t.Setenv("FRAMEHUB_CLOCK_PATIENCE", "2s")
	t.Setenv("FRAMEHUB_GRACE", "4s")
	p := start(t, serveArgs(dir, "--schema", write(t, filepath.Join(dir, "schema.sql"), schema), "--config", file, "--frame-hz", "50")...)
	admin := p.out.await(t, `operators +(http://\S+?)/`)
	var all []web.Setting
	askJSON(t, &all, "GET", admin+"/api/settings")
	got := map[string][2]string{}
	for _, s := range all {
		if got[s.Name] = [2]string{s.Value, s.From}; s.Help == "" {
			t.Errorf("--%s says nothing", s.Name)
		}
	}
	for name, want := range map[string][2]string{
		"frame-hz": {"50", "flag"}, "grace": {"4s", "environment"}, "clock-patience": {"2s", "environment"}, "demo": {"false", "default"},
		"origin": {"game.example, https://(hidden)@c.example", "file"}, "log-level": {"INFO", "default"}, "config": {file, "flag"}, "schema": {filepath.Join(dir, "schema.sql"), "flag"},
	} {
		if got[name] != want {
			t.Errorf("%s is %q, not %q", name, got[name], want)
		}
	}

	var rules web.RuleFile
	askJSON(t, &rules, "GET", admin+"/api/rules")
	if rules.Path != file || len(rules.Mistakes)+len(rules.Changed) > 0 || !strings.Contains(rules.Text, "(hidden)@c.example") || strings.Contains(rules.Text, "a:b") {
		t.Errorf("%+v", rules)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"a change":        {"[tables.thing]\ninsert = \"all\"", `"changed":["table thing"]`},
		"no TOML":         {"tables", `"line":1,"text":"this is no TOML`},
		"an unknown rule": {"[tables.thing]\ninsrt = \"all\"", `{"line":2,"text":"unknown rule \"insrt\" of table \"thing\": did you mean \"insert\"?"}`},
		"no such column":  {"[tables.thing]\nowner = \"user\"", `"line":2,"text":"owner: table \"thing\" has no column`},
		"another scope":   {"[tables.thing]\nscope = \"zone\"", `they change only when the hub starts anew`},
		"an index":        {"[tables.thing]\nowner = \"a\"\nmax-owned = 3", `the rule is for the user's name`},
	} {
		write(t, file, tc.text)
		if _, body, _ := ask(t, trusting(t, nil), "GET", admin+"/api/rules"); !strings.Contains(body, tc.want) {
			t.Errorf("%s: %s", name, body)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, body, _ := ask(t, trusting(t, nil), "GET", admin+"/api/rules"); !strings.Contains(body, "no such file") {
		t.Error(body)
	}
	post(t, admin+"/api/reload", "")
	var lines web.LogLines
	if askJSON(t, &lines, "GET", admin+"/api/log"); len(lines.Lines) == 0 || !strings.Contains(lines.Lines[len(lines.Lines)-1].Message, "reload") {
		t.Errorf("%+v", lines)
	}
}

func TestWithoutSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"data/world.db":         "data/world.db",
		"https://u:p@h/x":       "https://(hidden)@h/x",
		"https://u:p%40@h/x":    "https://(hidden)@h/x",
		"https://tok@h":         "https://(hidden)@h",
		"https://h/x?key=1&b=2": "https://h/x?key=(hidden)&b=(hidden)",
		"s3://b/p?endpoint=https://u:p@minio&region=eu": "s3://b/p?endpoint=https://(hidden)@minio&region=eu",
		"mvsqlite://h:1/n?admin=h:2":                    "mvsqlite://h:1/n?admin=h:2",
		"a = \"https://u:p@h\" # https://x:y@z":         "a = \"https://(hidden)@h\" # https://(hidden)@z",
		"https://%zz:p@h":                               "(hidden)",
		"AGE-SECRET-KEY-1ABC0":                          "(hidden)",
	} {
		if got := main.WithoutSecrets(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
