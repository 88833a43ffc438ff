package web_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"framehub/audit"
	"framehub/operators"
	"framehub/session/wire"
	"framehub/web"
)

// everyView says of each view by what one sees that what happened in a round has come to it.
var everyView = []struct {
	name, address string
	shows         func(round int) string
}{
	{"sessions", "#/sessions", func(n int) string {
		return fmt.Sprintf(`[...document.querySelectorAll(".grid-row")].some((r) => r.textContent.includes("round %d,"))`, n)
	}},
	{"overview", "#/overview", func(int) string {
		return `document.querySelectorAll(".chart-line").length > 3 && new Set(globalThis.drawn = [...(globalThis.drawn ?? []), document.querySelector(".chart-line").getAttribute("d")].slice(-400)).size > 2`
	}},
	{"data", "#/data/entity", func(n int) string {
		// One click: each begins to load anew.
		return fmt.Sprintf(`([...document.querySelectorAll(".pager button:not([data-clicked])")].filter((b) => b.textContent.includes("came")).forEach((b) => { b.dataset.clicked = ""; b.click(); }),
			document.querySelector("#rows tbody tr:nth-child(%d)")?.cells[0].textContent === "%[1]d")`, n)
	}},
	{"map", "#/map/entity", func(n int) string {
		return fmt.Sprintf(`/^%d rows?, version /.test(document.getElementById("map-figures")?.textContent)`, n)
	}},
	{"backups", "#/backups", func(n int) string {
		return fmt.Sprintf(`document.querySelector("#backup-state .bad")?.textContent.includes("round %d,")`, n)
	}},
	{"log", "#/log", func(n int) string {
		return fmt.Sprintf(`[...document.querySelectorAll("#log li")].some((l) => l.textContent.includes("round %d,"))`, n)
	}},
	{"settings", "#/settings", func(n int) string {
		return fmt.Sprintf(`document.getElementById("rules")?.textContent.includes("round %d,")`, n)
	}},
}

// TestEveryView: wherever one is, the page says that the hub has gone, and when it is back
// shows what happens there; when a login ends it asks for one, and goes on where one was.
func TestEveryView(t *testing.T) {
	accounts, err := operators.Open(t.TempDir() + "/operators.json")
	if err == nil {
		_, err = accounts.Add("ann", operators.Operator, annsPassword)
	}
	if err != nil {
		t.Fatal(err)
	}
	tail := &audit.Tail{}
	log := slog.New(tail.Handler(slog.NewTextHandler(t.Output(), nil)))
	var round atomic.Int64
	w := newWorld(t, with(operators.NewLogins(accounts, operators.Timeouts{})), func(o *web.Options) {
		o.Tail = tail
		o.Rules = func() web.RuleFile {
			return web.RuleFile{Path: "/etc/framehub.toml", Text: fmt.Sprintf("# round %d,\n", round.Load()), Mistakes: []web.Mistake{}, Changed: []string{}, Advice: []string{}}
		}
	})
	next := func() int {
		n := int(round.Add(1))
		w.play(wire.DeviceHello{SubsSet: true, Client: fmt.Sprintf("round %d,", n)}).write(wire.OpPut, int64(n))
		w.backups.mu.Lock()
		w.backups.trouble = fmt.Sprintf("round %d,", n)
		w.backups.mu.Unlock()
		log.Info("a round", "says", fmt.Sprintf("round %d,", n))
		return n
	}
	w.mapped()
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/"+everyView[0].address, 1280, 900)
	page.logIn("ann", annsPassword)
	page.until("one is in", `document.querySelector("#nav a[aria-current]") !== null && !document.body.hasAttribute("data-out")`, patience)
	for _, v := range everyView {
		page.visit(v.address, v.shows(next()))

		w.Stop()
		page.until(v.name+" says that the hub has gone", `document.getElementById("state").textContent === "Gone" && !document.getElementById("trouble").hidden`, patience)
		page.shot("gone-" + v.name)
		page.accessible(v.name + ", while the hub is gone")
		w.Start()
		w.mapped()
		eval[any](page, `(globalThis.drawn = [], 1)`)
		page.until(v.name+" shows what happens since the hub is back", `document.getElementById("state").textContent === "Ready" && document.getElementById("trouble").hidden && `+v.shows(next()), patience)

		if err := accounts.EndLogins("ann"); err != nil {
			t.Fatal(err)
		}
		page.until(v.name+" says that the login has ended", `document.querySelector(".why")?.textContent.startsWith("Your login has ended") && !document.querySelector(".view")`, patience)
		if v.name == everyView[0].name { // it is the same everywhere
			page.accessible("a login that has ended")
		}
		page.fill("ann", annsPassword)
		eval[any](page, `(document.querySelector("form").requestSubmit(), globalThis.drawn = [], 1)`)
		page.until(v.name+" goes on where one was", fmt.Sprintf(`location.hash === %q && %s`, v.address, v.shows(next())), patience)
	}
}

// TestEveryViewFailing: a view whose tables, copies or rules the hub can't read says the
// hub's words, and is whole once it can.
func TestEveryViewFailing(t *testing.T) {
	w := newWorld(t)
	var broken atomic.Bool
	w.admin = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if path := r.URL.Path; broken.Load() && strings.HasPrefix(path, "/api/") && path != "/api/live" && path != "/api/me" {
				http.Error(rw, "the disk is broken", http.StatusInternalServerError)
				return
			}
			next.ServeHTTP(rw, r)
		})
	}
	w.Stop()
	w.Start()
	w.mapped()
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/#/overview", 1280, 900)
	page.excuse("status of 500")
	page.until("it is ready", `document.getElementById("state").textContent === "Ready"`, patience)
	for view, whole := range map[string]string{
		"data": `document.querySelectorAll("#tables a").length > 2`, "map": `document.querySelector(".view-map a, #map") !== null`,
		"backups": `document.querySelector(".view-backups .empty:not([hidden])")`, "settings": `document.getElementById("settings")`,
	} {
		broken.Store(true)
		page.visit("#/"+view, fmt.Sprintf(`document.querySelector(".view-%s")?.textContent.includes("the disk is broken")`, view))
		page.shot("failing-" + view)
		page.accessible(view + ", failing")
		broken.Store(false)
		page.until(view+" is whole again", fmt.Sprintf(`(document.querySelector(".view-%s .failed button")?.click(), !document.querySelector(".view-%[1]s").textContent.includes("the disk is broken") && %s)`, view, whole), patience)
	}
}
