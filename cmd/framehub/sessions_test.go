package main_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"framehub/session/wire"
	"framehub/web"
)

// TestSessions lists and ends the sessions of a hub that asks for tokens.
func TestSessions(t *testing.T) {
	g := startGuarded(t, "--auth", "token")
	admin := write(t, filepath.Join(t.TempDir(), "admin.token"), g.mint("--user", "root", "--role", "admin")+"\n")
	asAdmin := func(args ...string) []string {
		return append(append([]string{"sessions"}, args...), "--admin-url", g.admin, "--token", "@"+admin)
	}
	if code, out, err := run(t, asAdmin("list")...); code != 0 || out != "no sessions\n" {
		t.Fatalf("exit code %d: %s%s", code, out, err)
	}
	c := g.mustDial(g.mint("--user", "alice"), wire.DeviceHello{})
	id := uuid.UUID(c.Hello.Session).String()
	code, out, err := run(t, asAdmin("list")...)
	if lines := strings.Split(out, "\n"); code != 0 || len(lines) != 3 || !strings.HasPrefix(lines[0], "SESSION ") ||
		!strings.HasPrefix(lines[1], id+"  device  alice  127.0.0.1:") {
		t.Fatalf("exit code %d: %s%s", code, out, err)
	}
	var list []web.Session
	if code, out, err := run(t, asAdmin("list", "--json")...); code != 0 || json.Unmarshal([]byte(out), &list) != nil || len(list) != 1 || list[0].User != "alice" {
		t.Fatalf("exit code %d: %s%s", code, out, err)
	}

	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"without a token":   {[]string{"sessions", "list", "--admin-url", g.admin}, 1, "token is missing"},
		"a device's token":  {[]string{"sessions", "kick", id, "--admin-url", g.admin, "--token", g.mint("--user", "bob")}, 1, "framehub token --role operator"},
		"nobody listens":    {[]string{"sessions", "list", "--admin-url", "http://127.0.0.1:1"}, 1, "no hub answers at --admin-url http://127.0.0.1:1"},
		"not the operators": {[]string{"sessions", "list", "--admin-url", strings.Replace(strings.TrimSuffix(g.url, "/v1/sync"), "ws", "http", 1)}, 1, "404"},
		"no URL":            {[]string{"sessions", "list", "--admin-url", "127.0.0.1:8081"}, 1, "--admin-url"},
		"whom":              {asAdmin("kick"), 2, "<session>"},
		"nobody":            {asAdmin("kick", uuid.NewString()), 1, "there is no session"},
		"no id":             {asAdmin("kick", "../reload"), 1, "no session's id"},
	} {
		t.Run(name, func(t *testing.T) {
			if code, _, err := run(t, tc.args...); code != tc.code || !strings.Contains(err, tc.want) {
				t.Errorf("exit code %d: %s", code, err)
			}
		})
	}

	if code, out, err := run(t, asAdmin("kick", id, "--reason", "good night", "--retry", "8h")...); code != 0 || !strings.Contains(out, "ended "+id+": role device, user alice") {
		t.Fatalf("exit code %d: %s%s", code, out, err)
	}
	for {
		m, err := c.Next(t.Context())
		if err != nil {
			t.Fatalf("there is no goodbye: %v", err)
		}
		if bye, ok := m.(*wire.Goodbye); ok {
			if bye.Code != wire.CloseKicked || bye.Retry != 8*time.Hour || !strings.HasSuffix(bye.Text, "good night") {
				t.Errorf("the goodbye is %+v", bye)
			}
			break
		}
	}
	g.err.await(t, `(event=kick session=`+id+` .*root.*good night)`)
	g.wantNoToken()
}

// TestReloadByOperator changes the rules under a session, which is told its rights.
func TestReloadByOperator(t *testing.T) {
	config := filepath.Join(t.TempDir(), "framehub.toml")
	write(t, config, "[tables.thing]\ninsert = \"none\"\n")
	g := startGuarded(t, "--auth", "token", "--config", config)
	admin := g.mint("--user", "root", "--role", "admin")
	c := g.mustDial(g.mint("--user", "alice"), wire.DeviceHello{})
	reload := func() (int, string) { return post(t, g.admin+"api/reload", admin) }
	write(t, config, "[tables.thing]\ninsert = \"al\"\n")
	if code, body := reload(); code != 422 || !strings.Contains(body, config+":2: ") {
		t.Errorf("with a mistake: %d, %s", code, body)
	}
	write(t, config, "[tables.thing]\ninsert = \"all\"\n")
	if code, body := reload(); code != 200 || !strings.Contains(body, `["table thing"]`) {
		t.Errorf("with a rule: %d, %s", code, body)
	}
	for {
		m, err := c.Next(t.Context())
		if err != nil {
			t.Fatalf("no schema is told: %v", err)
		}
		if s, ok := m.(*wire.Schema); ok {
			if thingOf(s).Rights != wire.RightRead|wire.RightInsert {
				t.Errorf("the schema is %+v", s)
			}
			break
		}
	}
	g.err.await(t, `(event=reload .*code=failed.*root)`)
	g.err.await(t, `(event=reload .*code=done.*root)`)
}
