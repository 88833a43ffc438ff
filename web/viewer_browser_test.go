package web_test

import (
	"fmt"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/web"
)

// TestViewer: who may only look finds every control that acts switched off, with the
// reason, and the listener refuses what a page asks for all the same.
func TestViewer(t *testing.T) {
	file := web.RuleFile{Path: "/etc/framehub.toml", Text: "[tables.entity]\n", Mistakes: []web.Mistake{}, Changed: []string{}, Advice: []string{}}
	w := newWorld(t, with(newOperators(t)), func(o *web.Options) {
		o.Rules = func() web.RuleFile { return file }
		o.Reload = func() ([]string, error) { t.Error("the rules are reloaded"); return nil, nil }
	})
	p := w.play(wire.DeviceHello{SubsSet: true, Client: "pad 7"})
	w.backups.mu.Lock()
	w.backups.copies = someCopies(time.Now())
	w.backups.mu.Unlock()
	ann := w.login("ann", annsPassword)
	if a := ann.post("/api/bans", `{"kind": "user", "name": "mallory", "seconds": 3600}`); a.code != 200 {
		t.Fatalf("a ban: %d: %s", a.code, a.body)
	}
	page := newBrowser(t).open("viewer", "http://"+w.Admin+"/#/sessions", 1280, 800)
	page.logIn("vic", vicsPassword)
	page.until("the session is listed", `document.getElementById("count")?.textContent === "1"`, patience)
	page.off("#notice-all")
	page.click(".grid-row", "pad 7")
	page.off(".deeds button", "Notice", "Kick", "Ban device")
	page.shot("viewer")
	page.accessibleInBoth("a session, for a viewer")
	page.click(".heading button", "Bans")
	page.until("the ban is listed", `document.querySelector(".bans").textContent.includes("mallory")`, patience)
	page.off(".bans li button", "Lift")
	page.keys("\x1b")

	page.visit("#/backups", `document.querySelectorAll("#copies tbody tr").length === 5`)
	page.off(".view-backups .heading button", "Back up now")
	page.off("#copies tbody button", "Verify", "Download")
	page.visit("#/settings", `document.getElementById("reload")`)
	page.off("#reload", "Reload")
	page.visit("#/data/setting", `document.querySelectorAll("#tables a").length > 3`)
	if eval[bool](page, `document.getElementById("tables").textContent.includes("_")`) {
		t.Error("a viewer sees tables that devices don't see")
	}
	page.off("#new-row")
	page.off("#tables .sql")
	page.visit("#/log", `document.querySelector(".view-log")`)
	page.visit("#/overview", `document.querySelectorAll(".chart").length > 0`)

	page.excuse("403") // which are refused below
	for _, path := range []string{"/api/reload", "/api/backups", "/api/sessions/" + sessionID(t, w) + "/kick", "/api/sql", "/api/bans"} {
		if code := awaited[int](page, fmt.Sprintf(`fetch(%q, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" }).then((a) => a.status)`, path)); code != 403 {
			t.Errorf("POST %s as a viewer: %d", path, code)
		}
	}
	select {
	case g := <-p.bye:
		t.Errorf("the session has ended: %+v", g)
	default:
	}
	w.backups.mu.Lock()
	defer w.backups.mu.Unlock()
	if len(w.backups.why) > 0 {
		t.Errorf("backups were asked for: %q", w.backups.why)
	}
}

func sessionID(tb testing.TB, w *world) string {
	tb.Helper()
	all := w.hub.Sessions()
	if len(all) != 1 {
		tb.Fatalf("there are %d sessions", len(all))
	}
	return fmt.Sprint(all[0].ID)
}

// visit goes to a view, and waits for it.
func (t *tab) visit(address, there string) {
	t.tb.Helper()
	eval[any](t, fmt.Sprintf(`(location.hash = %q, 1)`, address))
	t.until(address+" is there", there, patience)
}

// off fails the test where a control that is found by a selector and its words is not
// switched off, with the reason, or does something when it is clicked all the same.
func (t *tab) off(selector string, words ...string) {
	t.tb.Helper()
	if words == nil {
		words = []string{""}
	}
	for _, text := range words {
		t.until(fmt.Sprintf("%s %q is off, and says why", selector, text), fmt.Sprintf(`(() => {
			const all = [...document.querySelectorAll(%q)].filter((el) => el.textContent.includes(%q));
			all.forEach((el) => el.click());
			return all.length > 0 && all.every((el) => el.getAttribute("aria-disabled") === "true" && el.title.includes("vic is a viewer"));
		})()`, selector, text), patience)
		if eval[bool](t, `document.querySelector("dialog[open] form button.danger, dialog[open] button[value=yes]") !== null`) {
			t.tb.Errorf("%s %q opens a dialog that acts", selector, text)
		}
	}
}
