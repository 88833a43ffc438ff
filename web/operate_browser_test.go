package web_test

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"framehub/audit"
	"framehub/web"
)

// looks takes pictures of a view: light, dark, and as wide as a phone.
func (t *tab) looks(name string) {
	t.tb.Helper()
	t.shot(name + "-light")
	t.fits()
	t.accessible(name)
	t.colours("dark")
	t.accessible(name + ", dark")
	t.shot(name + "-dark")
	t.size(360, 800)
	t.fits()
	t.shot(name + "-360")
	t.colours("light")
	t.size(1280, 800)
}

func TestBackupsView(t *testing.T) {
	w := newWorld(t)
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/#/backups", 1280, 800)
	page.until("it says that there are none", `document.querySelector(".view-backups .empty:not([hidden])")`, patience)
	w.backups.mu.Lock()
	w.backups.copies = someCopies(time.Now())
	w.backups.mu.Unlock()

	eval[any](page, `(document.querySelector(".view-backups .heading button").click(), 1)`)
	eventually(t, "a backup was asked for", func() bool { w.backups.mu.Lock(); defer w.backups.mu.Unlock(); return len(w.backups.why) == 1 })
	page.until("it shows how far that is", `document.querySelector("#backup-state progress")?.value === 2 && document.querySelector(".view-backups .heading button").disabled`, patience)
	w.backups.answer()
	page.until("the copies are listed, newest first", `document.querySelectorAll("#copies tbody tr").length === 5 &&
		document.querySelector("#copies tbody tr td:nth-child(2)").textContent === "4,711"`, patience)
	page.until("what is not good is marked", `document.querySelector('[data-proof="bad"] .proof').textContent.includes("row 12 missing")`, patience)
	page.looks("backups")

	eval[any](page, `(document.querySelector('[aria-label="Verify version 4711"]').click(), 1)`)
	page.until("it is being verified", `document.querySelector("#copies tbody tr .proof").textContent.startsWith("Verifying")`, patience)
	w.backups.looked(false, "the backup is not good: its sum is another")
	page.until("what came of it is told", `document.querySelector("#copies tbody tr .proof").textContent.includes("its sum is another")`, patience)

	eval[any](page, `(document.querySelector('[aria-label="Restore… version 4711"]').click(), 1)`)
	page.until("restoring is explained", `document.querySelector("dialog[open] code").textContent ===
		"framehub restore --backup-dir /var/lib/framehub/backups --history 0a1b2c3d0a1b2c3d-9f8e7d6c9f8e7d6c --db /var/lib/framehub/world.db --to 4711 --force"`, patience)
	page.looks("backups-restore")
	eval[any](page, `(document.querySelector("dialog[open] .buttons button").click(), 1)`)
	page.until("the dialog is gone", `!document.querySelector("dialog")`, patience)

	eval[any](page, `(document.querySelector('[aria-label="Download version 4711"]').click(), 1)`)
	page.until("it asks before a download", `document.querySelector("dialog[open] h2").textContent === "Download this backup?"`, patience)
	eval[any](page, `(document.querySelector("dialog[open] button[value='']").click(), 1)`)
	page.until("and goes nowhere without a yes", `!document.querySelector("dialog")`, patience)
	downloads := page.downloads()
	eval[any](page, `(document.querySelector('[aria-label="Download version 4711"]').click(), 1)`)
	page.click("dialog[open] button[value=yes]", "Download")
	eventually(t, "the file is there", func() bool {
		text, err := os.ReadFile(filepath.Join(downloads, "framehub-0a1b2c3d0a1b2c3d-9f8e7d6c9f8e7d6c-4711.tar"))
		return err == nil && string(text) == "what a copy holds"
	})

	w.backups.mu.Lock()
	w.backups.trouble = "put log-17: no space left on device"
	w.backups.mu.Unlock()
	page.until("trouble is told", `document.querySelector("#backup-state .bad")?.textContent.includes("no space left")`, patience)
}

func TestLogView(t *testing.T) {
	tail := &audit.Tail{}
	log := slog.New(tail.Handler(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})))
	w := newWorld(t, func(o *web.Options) { o.Tail = tail })
	for i := range 40 {
		log.Info("session begins", "session", i, "user", "ada")
		log.Debug("a detail", "n", i)
	}
	log.Warn("a rule is slow without an index", "advice", `max-owned of table "entity" looks at all its rows`)
	log.Error("the hub can't commit, writes are refused", "err", `<b>disk full</b>`)
	audit.New(log).Add(audit.Kick, audit.Record{User: "ada", Remote: "192.0.2.7:5123", Reason: "by operator \"root\""})

	page := newBrowser(t).open("operator", "http://"+w.Admin+"/#/log", 1280, 800)
	const shown = `[...document.querySelectorAll("#log li:not([hidden])")]`
	page.until("all lines are there, the newest on top", shown+`.length === 83 && `+shown+`[0].textContent.includes("kick")`, patience)
	page.until("texts stay texts", `document.querySelector("#log").textContent.includes("<b>disk full</b>") && !document.querySelector("#log li b b")`, patience)
	page.looks("log")
	set := func(query, value string) {
		t.Helper()
		eval[any](page, `(() => { const e = document.querySelector("`+query+`"); e.value = "`+value+`"; e.dispatchEvent(new Event(e.localName === "select" ? "change" : "input")); return 1 })()`)
	}
	set(".tools select", "4")
	page.until("only warnings and errors", shown+`.length === 2`, patience)
	set(".tools select", "-99")
	set(".tools input[type=search]", "User=ADA session=1 -session=19")
	page.until("only what has the words", shown+`.length === 10`, patience)
	set(".tools input[type=search]", "nothing like it")
	page.until("it says that nothing is like that", `!document.querySelector(".view-log .empty").hidden`, patience)
	set(".tools input[type=search]", "")
	eval[any](page, `(document.querySelector(".tools input[type=checkbox]").click(), 1)`)
	page.until("only what is for the audit", shown+`.length === 1`, patience)
	eval[any](page, `(document.querySelector(".tools input[type=checkbox]").click(), document.querySelector(".tools button").click(), 1)`)
	log.Info("while it pauses")
	page.until("a paused log counts what comes", `document.querySelector(".tools button").textContent === "Go on, 1 new" && `+shown+`.length === 83`, patience)
	eval[any](page, `(document.querySelector(".tools button").click(), 1)`)
	page.until("and shows it then", shown+`[0].textContent.includes("while it pauses")`, patience)
	for range 2500 {
		log.Info("many")
	}
	page.until("no more are kept than the hub keeps", shown+`.length === 2000`, patience)
	eval[any](page, `(document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true })), 1)`)
	page.until("a key goes to the search", `document.activeElement?.type === "search"`, patience)
}

func TestSettingsView(t *testing.T) {
	text := "# Rules of the city.\ndb = \"data/world.db\"\n\n[tables.entity]\nread = \"all\"\ninsert = [\"device\"]\n"
	var file atomic.Pointer[web.RuleFile]
	file.Store(&web.RuleFile{Path: "/etc/framehub.toml", Text: text, Mistakes: []web.Mistake{}, Changed: []string{}, Advice: []string{}})
	var refuse atomic.Bool
	w := newWorld(t, func(o *web.Options) {
		o.Settings = []web.Setting{
			{Name: "backup-dir", Value: "s3://(hidden)@bucket?region=eu", From: "file", Help: "Where backups lie; by default the folder backups beside the database."},
			{Name: "demo", Value: "false", From: "default", Help: "Serve a page that is a device on the device listener's /."},
			{Name: "frame-hz", Value: "60", From: "flag", Help: "Frames a second."},
			{Name: "schema", Value: "", From: "default", Help: "SQL that makes the tables of an empty database."},
		}
		o.Rules = func() web.RuleFile { return *file.Load() }
		o.Reload = func() ([]string, error) {
			if refuse.Load() {
				return nil, errors.New("the rules are not reloaded, those before stay in force: /etc/framehub.toml:6: unknown rule \"insrt\"")
			}
			return []string{"table entity"}, nil
		}
	})
	var broken atomic.Bool
	w.admin = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/rules" && broken.Load() {
				http.Error(rw, "the disk is broken", http.StatusInternalServerError)
				return
			}
			next.ServeHTTP(rw, r)
		})
	}
	w.Stop()
	w.Start()
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/#/settings", 1280, 1000)
	page.until("the file is what is in force", `document.querySelector("#rules-state .good") && document.querySelectorAll("#rules li").length === 6`, patience)
	broken.Store(true)
	page.excuse("status of 500")
	page.until("why there are no rules is told", `document.querySelector("#rules-state .bad")?.textContent === "The rules can't be read: the disk is broken"`, patience)
	broken.Store(false)
	page.until("and no longer when they can be read", `document.querySelector("#rules-state .good")`, patience)
	page.until("the configuration is there", `document.querySelectorAll("#settings tbody tr").length === 4`, patience)
	page.shot("settings-light")
	eval[any](page, `(document.getElementById("reload").click(), 1)`)
	page.until("it says what is new", `document.getElementById("reloaded").textContent === "Reloaded: the rules of table entity are new."`, patience)

	file.Store(&web.RuleFile{
		Path: "/etc/framehub.toml", Text: strings.Replace(text, "insert", "insrt", 1), Changed: []string{"table entity"}, Advice: []string{},
		Mistakes: []web.Mistake{{Line: 6, Text: `unknown rule "insrt" of table "entity": did you mean "insert"?`}},
	})
	refuse.Store(true)
	page.until("a mistake is told, at its line", `document.querySelector("#line-6[data-wrong] p").textContent.includes("did you mean")`, patience)
	eval[any](page, `(document.getElementById("reload").click(), 1)`)
	page.until("a reload says why not", `document.getElementById("reloaded").className === "told bad" && document.getElementById("reloaded").textContent.includes("stay in force")`, patience)
	page.size(1280, 1000)
	page.looks("settings-mistake")
	eval[any](page, `(document.querySelectorAll(".tools input[type=checkbox]")[0].click(), 1)`)
	page.until("only what was set", `document.querySelectorAll("#settings tbody tr:not([hidden])").length === 2`, patience)
}
