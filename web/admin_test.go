package web_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"framehub/operators"
	"framehub/session/wire"
)

func TestAdminPage(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t)
	page := b.open("operator", "http://"+w.Admin+"/", 1280, 800)
	page.until("it says that there is no session", `!document.getElementById("empty").hidden && document.querySelector(".grid").hidden`, patience)
	page.until("it is ready", `document.getElementById("state").textContent === "Ready"`, patience)
	page.shot("admin-empty")

	one := w.demo(b, "device")
	w.dial(wire.DeviceHello{Role: "observer", SubsSet: true})
	eval[any](one, `framehub.city.add(10).then(() => 1, () => 0), 1`)
	page.until("both sessions are listed", `document.querySelectorAll(".grid-row").length === 2`, patience)
	page.until("what a session writes is counted", `/[1-9]/.test(document.querySelector(".grid-row .c-done").textContent)`, patience)
	page.until("rows are counted", `/[1-9]/.test(document.getElementById("rows").textContent)`, patience)
	page.until("frame times are there", `document.getElementById("p99").textContent.endsWith("ms")`, patience)
	eval[any](page, `(globalThis.kept = document.querySelector(".grid-row"), 1)`)
	page.until("it was painted again", `document.getElementById("version").textContent !== (globalThis.was ??= document.getElementById("version").textContent)`, patience)
	if !eval[bool](page, `globalThis.kept === document.querySelector(".grid-row")`) {
		t.Error("rows are made anew each second")
	}
	page.shot("admin-light")
	page.fits()
	page.colours("dark")
	page.shot("admin-dark")
	page.colours("light")
	eval[any](page, `(document.getElementById("theme").click(), 1)`)
	page.until("it is dark because one has said so", `getComputedStyle(document.body).backgroundColor === "rgb(17, 17, 19)"`, patience)
	eval[any](page, `(document.getElementById("theme").click(), 1)`)
	page.until("it is light again", `getComputedStyle(document.body).backgroundColor === "rgb(255, 255, 255)"`, patience)
	for _, width := range []int64{1000, 800, 360} {
		page.size(width, 800)
		page.fits()
	}
	page.shot("admin-360")
	page.size(1280, 800)

	w.Stop()
	page.until("it says that the hub is gone", `document.getElementById("state").textContent === "Gone" && !document.getElementById("trouble").hidden`, patience)
	page.shot("admin-gone")
	w.Start()
	page.until("it is ready again", `document.getElementById("state").textContent === "Ready" && document.getElementById("trouble").hidden`, patience)
}

// TestAdminPageInTrouble gives the page answers that a hub seldom has.
func TestAdminPageInTrouble(t *testing.T) {
	w := newWorld(t)
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/", 1280, 800)
	page.until("it is ready", `document.getElementById("state").textContent === "Ready"`, patience)
	eval[any](page, `(async () => {
		const status = await (await fetch("/api/status")).json();
		const session = (i) => ({
			n: i, id: "s" + i, device: "01a204d7-d5ed-7c24-87d2-" + String(i).padStart(12, "0"), role: i % 3 ? "device" : "server",
			user: i % 2 ? "player " + i : "", client: "godot 4.6, a long name of a program", round_trip_us: 317 * i, behind: i % 4 === 1 ? 12 * i : 0, queued: 0,
			remote: "[2001:db8::1f:" + i + "]:" + (40000 + i), since: new Date(Date.now() - 1e7 * i).toISOString(), silent_ms: 100 * i,
			state: i % 4 === 1 ? "catching_up" : "live", messages_in: 1e6 * i, messages_out: 3e6 * i, bytes_in: 5e8 * i, bytes_out: 2e9 * i,
			committed: 31 * i, refused: i % 7 ? 0 : i, subs: [{ table: "entity", scopes: ["1", "2"], more: i }, { table: "building", whole: true }],
		});
		const came = Array.from({ length: 800 }, (_, i) => session(i));
		const trouble = "commit frame 4711: the disk has been full for 12 s: <b>writes are refused</b>";
		const told = { status: { ...status, ready: false, trouble, sessions: 800, version: 123456789 },
			sessions: { now: status.now, version: 123456789, first: true, came, figures: [] } };
		globalThis.EventSource = class extends EventTarget {
			timer = setInterval(() => Object.entries(told).forEach(([topic, v]) =>
				this.dispatchEvent(new MessageEvent(topic, { data: JSON.stringify(v) }))), 200);
			close() { clearInterval(this.timer); }
		};
		document.dispatchEvent(new Event("visibilitychange")); // the page opens its stream anew
	})()`)
	page.until("the trouble is told in words, as text", `document.getElementById("trouble").textContent.includes("disk has been full") &&
		!document.getElementById("trouble").hidden && !document.querySelector("#trouble b")`, patience)
	page.until("all are counted", `document.getElementById("count").textContent === "800" && document.querySelector(".grid").getAttribute("aria-rowcount") === "801"`, patience)
	if n := eval[int](page, `document.querySelectorAll(".grid-row").length`); n < 5 || n > 60 {
		t.Errorf("%d rows are there for those in sight", n)
	}
	page.until("those behind are marked", `document.querySelectorAll('[data-state="catching_up"]').length > 1`, patience)
	page.shot("admin-trouble")
	page.fits()
	page.size(360, 800)
	page.fits()
	page.until("no state is cut", `document.querySelectorAll('[data-state="catching_up"] .c-state').length > 0 &&
		[...document.querySelectorAll(".c-state")].every((cell) => cell.scrollWidth <= cell.clientWidth)`, patience)
	eval[any](page, `(scrollTo(0, 500), 1)`)
	page.shot("admin-trouble-360")
}

// TestAdminPageKeys goes where one types.
func TestAdminPageKeys(t *testing.T) {
	w := newWorld(t)
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/#/nowhere/%", 800, 600)
	const shown = `document.querySelector("#nav a[aria-current]")?.textContent === "Sessions" && document.title === "Sessions · Framehub"`
	page.until("an address that is none leads to the first view", shown, patience)
	eval[any](page, `["g", "s"].forEach((key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })))`)
	page.until("keys go to a view", `location.hash === "#/sessions" && `+shown, patience)
	if !eval[bool](page, `(document.getElementById("skip").click(), document.activeElement.id === "main")`) {
		t.Error("the link to the content does not lead there")
	}
}

// TestAdminPageHidden has no stream where nobody looks.
func TestAdminPageHidden(t *testing.T) {
	var asked atomic.Int64
	w := newWorld(t)
	w.admin = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/live" {
				asked.Add(1)
				defer asked.Add(-1)
			}
			next.ServeHTTP(rw, r)
		})
	}
	w.Stop()
	w.Start()
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/", 1280, 800)
	page.until("it is ready", `document.getElementById("state").textContent === "Ready"`, patience)
	eventually(t, "there is one stream", func() bool { return asked.Load() == 1 })
	eval[any](page, `(Object.defineProperty(document, "hidden", { value: true, configurable: true }), document.dispatchEvent(new Event("visibilitychange")))`)
	eventually(t, "there is none", func() bool { return asked.Load() == 0 })
	eval[any](page, `(delete document.hidden, document.dispatchEvent(new Event("visibilitychange")))`)
	eventually(t, "there is one again", func() bool { return asked.Load() == 1 })
}

// TestAdminPageLogin makes the first account, logs out and in, changes the password,
// and comes back where one was when a login ends.
func TestAdminPageLogin(t *testing.T) {
	accounts, err := operators.Open(filepath.Join(t.TempDir(), "operators.json"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, with(operators.NewLogins(accounts, operators.Timeouts{})))
	b := newBrowser(t)
	page := b.open("operator", "http://"+w.Admin+"/", 1280, 800)
	page.until("it says how the first account is made", `document.querySelector(".card h1")?.textContent === "No account yet"`, patience)
	page.shot("admin-no-account")
	secret, _, err := accounts.FirstLink()
	if err != nil {
		t.Fatal(err)
	}
	page.do(chromedp.Navigate("http://" + w.Admin + "/#/first/" + secret))
	page.until("it asks for an account", `document.querySelectorAll(".card input").length === 3`, patience)
	if in := eval[string](page, `location.href + JSON.stringify(history.state)`); strings.Contains(in, secret) {
		t.Errorf("the secret stays in the address: %s", in)
	}
	page.fill("ann", "too short", "too short")
	page.shot("admin-first-account")
	eval[any](page, `(document.querySelector("form").noValidate = true, document.querySelector("form").requestSubmit(), 1)`)
	page.until("it says what is wrong", `document.querySelector(".wrong").textContent.includes("at least 12 characters")`, patience)
	page.fill("ann", annsPassword, annsPassword+"!")
	eval[any](page, `(document.querySelector("form").requestSubmit(), 1)`)
	page.until("it says that they differ", `document.querySelector(".wrong").textContent === "The two passwords are not the same."`, patience)
	page.fill("ann", annsPassword, annsPassword)
	eval[any](page, `(document.querySelector("form").requestSubmit(), 1)`)
	const inside = `!document.body.hasAttribute("data-out") && document.getElementById("account").textContent === "ann" && document.querySelector("#nav a[aria-current]")`
	page.until("one is in", inside, patience)
	page.until("it is ready", `document.getElementById("state").textContent === "Ready"`, patience)

	eval[any](page, `(document.getElementById("account").click(), 1)`)
	page.shot("admin-account")
	page.press("Change password")
	page.fill("ann", annsPassword, vicsPassword, vicsPassword)
	page.shot("admin-password")
	eval[any](page, `(document.querySelector("dialog form").requestSubmit(), 1)`)
	page.until("the password is changed", `!document.querySelector("dialog")`, patience)

	eval[any](page, `(location.hash = "#/sessions?q=x", 1)`)
	page.until("one is somewhere", `location.hash === "#/sessions?q=x" && document.querySelector("#count")`, patience)
	if err := accounts.EndLogins("ann"); err != nil {
		t.Fatal(err)
	}
	page.until("it says that the login has ended", `document.querySelector(".why")?.textContent.startsWith("Your login has ended")`, patience)
	page.until("nothing of the hub is shown", `document.getElementById("strip").offsetParent === null && !document.querySelector("#main table")`, patience)
	page.shot("admin-login-ended")
	page.fits()
	page.size(360, 800)
	page.fits()
	page.shot("admin-login-360")
	page.size(1280, 800)
	page.fill("ann", vicsPassword)
	eval[any](page, `(document.querySelector("form").requestSubmit(), 1)`)
	page.until("one is in again, where one was", inside+` && location.hash === "#/sessions?q=x"`, patience)

	elsewhere := w.login("ann", vicsPassword)
	eval[any](page, `(document.getElementById("account").click(), 1)`)
	page.press("Log out everywhere")
	page.until("one is out everywhere", `document.querySelector(".why")?.textContent === "You have logged out everywhere."`, patience)
	if a := elsewhere.look("/api/sessions"); a.code != 401 {
		t.Errorf("another login goes on: %d", a.code)
	}
	page.fill("ann", vicsPassword)
	eval[any](page, `(document.querySelector("form").requestSubmit(), 1)`)
	page.until("one is in once more", inside, patience)

	eval[any](page, `(document.getElementById("account").click(), 1)`)
	page.press("Log out")
	page.until("one is out", `document.querySelector(".why")?.textContent === "You have logged out."`, patience)
	page.colours("dark")
	page.shot("admin-login-dark")
}

// fill types into the fields that are shown, in their order.
func (t *tab) fill(texts ...string) {
	t.tb.Helper()
	eval[any](t, fmt.Sprintf(`(() => {
		const fields = (document.querySelector("dialog") ?? document).querySelectorAll("form input");
		%s.forEach((text, i) => { fields[i].value = text; });
	})()`, jsonOf(texts)))
}

// press clicks the button with a label.
func (t *tab) press(label string) {
	t.tb.Helper()
	t.until("there is "+label, fmt.Sprintf(`(() => {
		const found = [...document.querySelectorAll("button")].find((b) => b.textContent === %q && b.offsetParent !== null);
		found?.click();
		return found !== undefined;
	})()`, label), patience)
}
