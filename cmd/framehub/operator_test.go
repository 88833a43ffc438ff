package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framehub/operators"
	"framehub/web"
)

const (
	firstPassword  = "correct horse battery"
	secondPassword = "paper tiger staple"
)

// asOperator returns the arguments of a command about the accounts of a folder.
func asOperator(dir string, args ...string) []string {
	return append([]string{"operator", "--db", filepath.Join(dir, "world.db")}, args...)
}

// mustRun runs a command that must do what it is asked to, and returns what it prints.
func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	code, out, err := run(t, args...)
	if code != 0 {
		t.Fatalf("%v: exit code %d: %s%s", args, code, out, err)
	}
	return out
}

func passwords(t *testing.T) (first, second string) {
	t.Helper()
	dir := t.TempDir()
	return write(t, filepath.Join(dir, "first"), firstPassword+"\r\nthe rest\n"), write(t, filepath.Join(dir, "second"), secondPassword)
}

// TestOperatorInWords runs the commands one after the other, without a hub.
func TestOperatorInWords(t *testing.T) {
	dir := t.TempDir()
	first, second := passwords(t)
	day := time.Now().Format(time.DateOnly)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"list"}, "no accounts in " + filepath.Join(dir, "world.operators.json") + "\n"},
		{[]string{"add", "ann", "--password-file", first}, "ann is an operator now\n"},
		{[]string{"add", "vic", "--role", "viewer", "--password-file", first}, "vic is a viewer now\n"},
		{[]string{"passwd", "vic", "--password-file", second}, "vic has a new password, and no login any more\n"},
		{[]string{"list"}, "NAME  ROLE      MADE        PASSWORD OF\nann   operator  " + day + "  " + day + "\nvic   viewer    " + day + "  " + day + "\n"},
		{[]string{"remove", "vic"}, "vic has no account any more\n"},
		{[]string{"remove", "ann"}, "ann has no account any more\n"},
	} {
		if out := mustRun(t, asOperator(dir, c.args...)...); out != c.want {
			t.Errorf("%v: %q", c.args, out)
		}
	}
	code, out, err := run(t, asOperator(dir, "link", "--role", "viewer", "--admin-url", "https://hub.example/")...)
	secret, ok := strings.CutPrefix(out, "https://hub.example/#/first/")
	if code != 0 || !ok || len(secret) != 27 || !strings.Contains(err, "makes the account of a viewer: once, until ") {
		t.Errorf("exit code %d: %q, %q", code, out, err)
	}
}

// TestOperatorInJSON runs them for programs.
func TestOperatorInJSON(t *testing.T) {
	dir := t.TempDir()
	first, second := passwords(t)
	as := func(to any, args ...string) { t.Helper(); answer(t, to, asOperator(dir, append(args, "--json")...)...) }
	var list []operators.Account
	if as(&list, "list"); list == nil || len(list) != 0 {
		t.Errorf("%+v", list)
	}
	var one operators.Account
	if as(&one, "add", "ann", "--password-file", first); one.Name != "ann" || one.Role != operators.Operator || time.Since(one.Created) > time.Minute {
		t.Errorf("%+v", one)
	}
	as(&one, "add", "vic", "--role", "viewer", "--password-file", first)
	made := one
	if as(&one, "passwd", "vic", "--password-file", second); one.Name != "vic" || one.Created != made.Created || one.Changed.Before(made.Changed) {
		t.Errorf("%+v", one)
	}
	if as(&list, "list"); len(list) != 2 || list[0].Name != "ann" || list[1].Role != operators.Viewer {
		t.Errorf("%+v", list)
	}
	if as(&one, "remove", "vic"); one.Name != "vic" || one.Role != operators.Viewer {
		t.Errorf("%+v", one)
	}
	var link struct {
		URL, Role string
		Expires   time.Time
	}
	if as(&link, "link"); !strings.HasPrefix(link.URL, "http://127.0.0.1:8081/#/first/") || link.Role != "operator" || time.Until(link.Expires) < 59*time.Minute {
		t.Errorf("%+v", link)
	}
}

func TestOperatorMistakes(t *testing.T) {
	dir := t.TempDir()
	first, _ := passwords(t)
	mustRun(t, asOperator(dir, "add", "ann", "--password-file", first)...)
	mustRun(t, asOperator(dir, "add", "vic", "--role", "viewer", "--password-file", first)...)
	open := write(t, filepath.Join(dir, "open.json"), "{}")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	nobody := write(t, filepath.Join(dir, "empty"), "")
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing to do":       {[]string{}, 2, "expected one of"},
		"no name":             {[]string{"add"}, 2, "<name>"},
		"a role that is none": {[]string{"add", "joe", "--role", "root", "--password-file", first}, 2, `--role must be one of "viewer","operator"`},
		"a role of a link":    {[]string{"link", "--role", "anyone"}, 2, `--role must be one of`},
		"a link to nowhere":   {[]string{"link", "--admin-url", "hub.example"}, 2, "--admin-url hub.example: it must be the page's address"},
		"a name that is none": {[]string{"add", "a b", "--password-file", first}, 1, `"a b" is no name of an account`},
		"one that there is":   {[]string{"add", "ann", "--password-file", first}, 1, `there is an account with that name already: "ann"`},
		"a short password":    {[]string{"add", "joe", "--password-file", write(t, filepath.Join(dir, "short"), "short")}, 1, "at least 12 characters"},
		"no password":         {[]string{"add", "joe", "--password-file", nobody}, 1, "at least 12 characters"},
		"a short new one":     {[]string{"passwd", "ann", "--password-file", nobody}, 1, "at least 12 characters"},
		"no password file":    {[]string{"passwd", "ann", "--password-file", "nowhere"}, 1, "--password-file: open nowhere"},
		"whose password":      {[]string{"passwd", "joe"}, 1, `there is no account with that name: "joe"`},
		"who goes":            {[]string{"remove", "joe"}, 1, `there is no account with that name: "joe"`},
		"the last operator":   {[]string{"remove", "ann"}, 1, "the last account of an operator"},
		"a file for all":      {[]string{"list", "--operators-file", open}, 1, "chmod 600"},
		"a file that is none": {[]string{"list", "--operators-file", write(t, filepath.Join(dir, "text"), "text")}, 1, "is not what framehub writes"},
		"no folder":           {[]string{"list", "--db", filepath.Join(dir, "nowhere", "world.db")}, 1, "there is no folder " + filepath.Join(dir, "nowhere")},
		"no such database":    {[]string{"add", "joe", "--db", filepath.Join(dir, "wrold.db"), "--password-file", first}, 0, "there is no such database yet"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, err := run(t, asOperator(dir, c.args...)...)
			if code != c.code || !strings.Contains(err, c.want) || code == 1 && out != "" {
				t.Errorf("exit code %d: %s%s", code, out, err)
			}
		})
	}
	if out := mustRun(t, asOperator(dir, "list")...); strings.Count(out, "\n") != 3 {
		t.Errorf("a mistake has changed something:\n%s", out)
	}
}

// TestOperatorBesideAHub changes accounts while a hub runs, which sees it at once.
func TestOperatorBesideAHub(t *testing.T) {
	g := startGuarded(t)
	first, second := passwords(t)
	login := func(name, password string) (code int, cookies []string) {
		t.Helper()
		code, header := postJSON(t, g.admin+"api/login", web.Credentials{Name: name, Password: password})
		for _, c := range (&http.Response{Header: header}).Cookies() {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
		return code, []string{"Cookie", strings.Join(cookies, "; ")}
	}
	looks := func(cookies []string) int {
		t.Helper()
		code, _, _ := get(t, trusting(t, nil), g.admin+"api/status", cookies...)
		return code
	}
	do := func(args ...string) string { t.Helper(); return mustRun(t, asOperator(g.dir, args...)...) }
	link := do("link", "--admin-url", g.admin)
	do("add", "ann", "--password-file", first)
	do("add", "vic", "--role", "viewer", "--password-file", first)
	code, ann := login("ann", firstPassword)
	if code != 200 || looks(ann) != 200 {
		t.Fatalf("an account that was just made: %d", code)
	}
	_, vic := login("vic", firstPassword)
	if do("passwd", "ann", "--password-file", second); looks(ann) != 401 {
		t.Error("a login outlives its password")
	}
	if code, _ := login("ann", firstPassword); code != 403 {
		t.Errorf("the password before: %d", code)
	}
	if code, _ := login("ann", secondPassword); code != 200 {
		t.Errorf("the new password: %d", code)
	}
	if do("remove", "vic"); looks(vic) != 401 {
		t.Error("a login outlives its account")
	}
	_, secret, _ := strings.Cut(strings.TrimSpace(link), "#/first/")
	for _, want := range []int{200, 403} { // once
		if code, _ := postJSON(t, g.admin+"api/accounts", web.NewAccount{Link: secret, Name: "joe", Password: firstPassword}); code != want {
			t.Errorf("the link: %d, not %d", code, want)
		}
	}
	if out := do("list"); !strings.Contains(out, "joe   operator") || strings.Contains(out, "vic") {
		t.Error(out)
	}
}

// TestAdminBehindAProxy: the page has the name that the hub was given, its first link
// leads there, and the hub believes the proxy that it was told about whose tries they are.
func TestAdminBehindAProxy(t *testing.T) {
	g := startGuarded(t, "--admin-host", "hub.example", "--trusted-proxy", "127.0.0.1")
	secret := g.out.await(t, `account +https://hub\.example/#/first/([A-Z0-9]+) `)
	as := func(host, from string) func(*http.Request) {
		return func(r *http.Request) { r.Host = host; r.Header.Set("X-Forwarded-For", from) }
	}
	account := web.NewAccount{Link: secret, Name: "ann", Password: firstPassword}
	if code, _ := postJSON(t, g.admin+"api/accounts", account, as("evil.example", "203.0.113.7")); code != 421 {
		t.Errorf("under another name: %d", code)
	}
	if code, header := postJSON(t, g.admin+"api/accounts", account, as("hub.example", "203.0.113.7")); code != 200 || !strings.Contains(header.Get("Set-Cookie"), "; Secure;") {
		t.Errorf("%d: %v", code, header)
	}
	g.err.await(t, `(event=account user=ann remote=203\.0\.113\.7 )`)
	guess := web.Credentials{Name: "eve", Password: "wrong"}
	for i := range 11 { // in one /64
		code, _ := postJSON(t, g.admin+"api/login", guess, as("hub.example", fmt.Sprintf("2001:db8::%x", i)))
		if want := map[bool]int{false: 403, true: 429}[i == 10]; code != want {
			t.Errorf("try %d: %d", i, code)
		}
	}
	if code, _ := postJSON(t, g.admin+"api/login", guess, as("hub.example", "203.0.113.8")); code != 403 {
		t.Errorf("somebody else: %d", code)
	}
}

func postJSON(t *testing.T, url string, body any, set ...func(*http.Request)) (code int, header http.Header) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range set {
		f(r)
	}
	resp, err := trusting(t, nil).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header
}

// TestAdminHostile: what is made up about where one comes from counts for nothing, a slow
// request does not go on, and the name of a copy leads to copies alone.
func TestAdminHostile(t *testing.T) {
	g := startGuarded(t)
	guess := web.Credentials{Name: "eve", Password: "wrong"}
	for i := range 11 {
		code, _ := postJSON(t, g.admin+"api/login", guess, func(r *http.Request) {
			r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
			r.Header.Set("Forwarded", fmt.Sprintf("for=203.0.113.%d", i))
			r.Header.Set("X-Real-IP", fmt.Sprintf("203.0.113.%d", i))
		})
		if want := map[bool]int{false: 403, true: 429}[i == 10]; code != want {
			t.Errorf("try %d: %d", i, code)
		}
	}
	token := g.mint("--user", "root", "--role", "operator")
	for _, history := range []string{"..", "../..", "%2e%2e%2f%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "a%2f..%2f..", "%2fetc"} {
		code, body, _ := get(t, trusting(t, nil), g.admin+"api/backups/copies/"+history+"/1/archive", "Authorization", "Bearer "+token)
		if code != 404 && code != 400 {
			t.Errorf("%s: %d: %s", history, code, body)
		}
	}
	u, err := url.Parse(g.admin)
	if err != nil {
		t.Fatal(err)
	}
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	began := time.Now()
	_, _ = fmt.Fprintf(c, "POST /api/login HTTP/1.1\r\nHost: %s\r\nContent-Length: 4000\r\n\r\n{", u.Host)
	_ = c.SetReadDeadline(began.Add(25 * time.Second))
	if _, err := io.Copy(io.Discard, c); err != nil || time.Since(began) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
