package web_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framehub/auth"
	"framehub/session"
	"framehub/session/wire"
)

// TestUsersOfTheSessionsView: where the hub knows who connects, a user is banned and a token
// is revoked by clicks; each ends the sessions that it says, keeps them out, is in the audit
// log, and is lifted by a click.
func TestUsersOfTheSessionsView(t *testing.T) {
	key, _, err := auth.OpenKey(filepath.Join(t.TempDir(), "world.key"), "world")
	if err != nil {
		t.Fatal(err)
	}
	var logged output
	w := newWorld(t, logged.set, with(newOperators(t)))
	w.gate = auth.NewGate(key, nil)
	w.Stop()
	w.Start()
	token := func(user string) string {
		t.Helper()
		text, err := key.Mint(&auth.Identity{User: user, Roles: []string{auth.RoleDevice}, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	refused := func(token, why string) {
		t.Helper()
		c, err := session.Dial(t.Context(), "ws://"+w.Device, session.ClientOptions{Token: token, Hello: wire.DeviceHello{SubsSet: true}})
		if err == nil {
			c.Drop()
			t.Errorf("it is let in, and should be told %q", why)
		} else if !strings.Contains(err.Error(), why) {
			t.Errorf("it is told %q, not %q", err, why)
		}
	}
	ofMallory, lent, ofAda := token("mallory"), token("ada"), token("ada")
	mallory := []*player{w.playAs(ofMallory, wire.DeviceHello{SubsSet: true, Client: "pad 1"}), w.playAs(ofMallory, wire.DeviceHello{SubsSet: true, Client: "pad 2"})}
	thief, ada := w.playAs(lent, wire.DeviceHello{SubsSet: true, Client: "stolen"}), w.playAs(ofAda, wire.DeviceHello{SubsSet: true, Client: "home"})

	page := newBrowser(t).open("operator", "http://"+w.Admin+"/#/sessions", 1280, 800)
	page.logIn("ann", annsPassword)
	page.until("all are listed, with their users", `document.getElementById("count")?.textContent === "4" && [...document.querySelectorAll(".grid-row")].filter((r) => r.textContent.includes("mallory")).length === 2`, patience)
	page.click(".grid-row", "pad 1")
	page.until("it says who that is", `document.querySelector(".session h2")?.textContent === "mallory" && /Token[0-9a-f-]{36}/.test(document.querySelector(".facts").textContent)`, patience)
	page.click(".deeds button", "Ban user")
	page.until("it says what will happen to whom", `document.querySelector("dialog h2").textContent === "Ban the user mallory?" && document.querySelector("dialog").textContent.includes("with whatever device")`, patience)
	page.keys("no cheating")
	page.accessibleInBoth("a ban of a user")
	page.shot("admin-ban-user")
	page.click("dialog button", "Ban the user")
	page.told("The user mallory is banned, which ends 2 sessions.")
	for _, p := range mallory {
		if g := soon(t, p.bye); g.Code != wire.CloseForbidden || !strings.Contains(g.Text, "no cheating") {
			t.Errorf("the goodbye is %+v", g)
		}
	}
	refused(ofMallory, "no cheating")
	refused(token("mallory"), "no cheating")

	page.click(".grid-row", "stolen")
	page.until("it says who that is", `document.querySelector(".session h2")?.textContent === "ada"`, patience)
	page.click(".deeds button", "Revoke token")
	page.until("it says what stays good", `document.querySelector("dialog").textContent.includes("Other tokens of ada stay good")`, patience)
	page.accessibleInBoth("a revocation")
	page.shot("admin-revoke")
	page.click("dialog button", "Revoke the token")
	page.told("The token is revoked, which ends 1 session.")
	if g := soon(t, thief.bye); g.Code != wire.CloseUnauthorized || !strings.Contains(g.Text, "revoked") {
		t.Errorf("the goodbye is %+v", g)
	}
	refused(lent, "revoked")
	page.until("who has another token stays", `document.getElementById("count").textContent === "1" && document.querySelector(".grid-row").textContent.includes("home")`, patience)
	select {
	case g := <-ada.bye:
		t.Errorf("a session with another token has ended: %+v", g)
	default:
	}

	page.click(".heading button", "Bans")
	page.until("both are listed", `document.querySelectorAll(".bans li").length === 2 && document.querySelector(".bans").textContent.includes("Revoked token")`, patience)
	page.accessibleInBoth("the bans")
	page.shot("admin-bans-users")
	page.click(".bans li:first-child button", "Lift")
	page.until("one is left", `document.querySelectorAll(".bans li").length === 1`, patience)
	page.click(".bans button", "Lift")
	page.until("none is left", `document.querySelectorAll(".bans li").length === 0`, patience)
	page.keys("\x1b")
	w.playAs(ofMallory, wire.DeviceHello{SubsSet: true, Client: "pad 1 again"})
	w.playAs(lent, wire.DeviceHello{SubsSet: true, Client: "given back"})
	page.until("they are back", `document.getElementById("count").textContent === "3"`, patience)
	contains(t, logged.String(), "ban", `by operator \"ann\": user mallory, which ends 2 sessions`, "which ends 1 sessions", "unban")
}
