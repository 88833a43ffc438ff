package web_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/web"
)

// TestHistory: all of it at first, then what is new, each second.
func TestHistory(t *testing.T) {
	w := newWorld(t)
	c := w.dial(wire.DeviceHello{SubsSet: true})
	put(t, c)
	next := news[web.Series](w, "history:1")
	all := next()
	frames, in := 0.0, 0.0 // which may be read in the second before its frame
	for first := true; frames == 0 || in == 0; first = false {
		if !all.First && first || all.Step != 1 {
			t.Fatalf("it begins with %+v", all)
		}
		for _, s := range all.Samples {
			frames, in = frames+s.Frames, in+s.In
			if s.Frames > 0 && (s.P50 == nil || *s.P99 < *s.P50 || s.Commit == nil) {
				t.Errorf("the second of the frame is %+v", s)
			}
		}
		if all = next(); all.First {
			t.Errorf("it begins twice")
		}
	}
	var answered web.Series
	if a := w.get(w.Admin, "/api/history?step=10"); a.code != 200 || json.Unmarshal([]byte(a.body), &answered) != nil || answered.Step != 10 {
		t.Errorf("%d: %s", a.code, a.body)
	}
	for _, path := range []string{"/api/history?step=2", "/api/live?topic=history:x"} {
		if a := w.get(w.Admin, path); a.code != 400 || !strings.Contains(a.body, "steps of 1 and of 10 seconds") {
			t.Errorf("%s: %d: %s", path, a.code, a.body)
		}
	}
}

// TestWarnings: what somebody should look at is told in words.
func TestWarnings(t *testing.T) {
	w := newWorld(t)
	p := w.play(wire.DeviceHello{SubsSet: true})
	for id := range int64(5) {
		p.write(wire.OpPut, id)
	}
	for range 10 {
		p.write(wire.OpInsert, 1) // which is there
	}
	w.backups.mu.Lock()
	w.backups.health = web.BackupHealth{Failed: "the disk is full", Unshipped: time.Now().Add(-time.Hour), Gap: "7-9"}
	w.backups.mu.Unlock()
	eventually(t, "all is told", func() bool {
		all := strings.Join(status(t, w).Warnings, "\n")
		for _, words := range []string{"10 of the last 15 transactions were refused", "The last backup failed: the disk is full", "has not been shipped for 1h0m", "Of the versions 7-9"} {
			if !strings.Contains(all, words) {
				return false
			}
		}
		return true
	})
	if s := status(t, w); s.Sizes.Database == 0 || s.Sizes.Log == 0 || s.FrameMS < 16 || s.FrameMS > 17 {
		t.Errorf("the status is %+v", s)
	}
}

// TestOverview shows a hub at work, and what is wrong with it in words.
func TestOverview(t *testing.T) {
	w := newWorld(t)
	w.backups.mu.Lock()
	w.backups.health.LastGood = time.Now().Add(-12 * time.Minute)
	w.backups.mu.Unlock()
	b := newBrowser(t)
	one := w.demo(b, "device")
	eval[any](one, `framehub.city.add(10).then(() => 1, () => 0), 1`)
	page := b.open("operator", "http://"+w.Admin+"/#/overview", 1280, 1000)
	page.until("its charts have lines", `document.querySelectorAll("#charts figure").length === 9 &&
		document.querySelector("#charts .chart-line").getAttribute("d").split("L").length > 8`, patience)
	page.until("charts say what they show", `document.querySelector("#charts svg").getAttribute("aria-label").startsWith("Frame time: ")`, patience)
	page.until("facts are there", `document.querySelector(".now").textContent.includes("12 min")`, patience)
	page.until("the p99 is told as a part of what a frame has", `/^[\d.]+ ms: \d+ % of a frame's 16.7 ms$/.test(document.querySelector(".now dd").textContent) &&
		[...document.querySelectorAll(".budget")].filter((bar) => bar.getAttribute("aria-valuenow") > 0 && bar.firstChild.offsetWidth > 0 && bar.firstChild.offsetWidth <= bar.offsetWidth).length === 2`, patience)
	// A tenth of the minute that is shown: the newest sample, which is told without its time, is nowhere near.
	eval[any](page, `(() => { const box = document.querySelector("#charts svg").getBoundingClientRect();
		document.querySelector("#charts svg").dispatchEvent(new PointerEvent("pointermove", { clientX: box.right - box.width / 10, clientY: box.top + 40 })); })()`)
	page.until("the pointer's value is told", `/\d\d:\d\d:\d\d$/.test(document.querySelector("#charts .chart-keys").textContent)`, patience)
	page.accessibleInBoth("the overview")
	page.shot("admin-overview")
	page.colours("dark")
	page.shot("admin-overview-dark")
	page.colours("light")
	page.fits()
	page.size(360, 800)
	page.fits()
	page.accessible("the overview on a phone")
	page.shot("admin-overview-360")
	page.size(1280, 1000)
	page.click(".ranges button", "An hour")
	page.until("an hour is shown", `document.querySelector('.ranges [aria-pressed="true"]').textContent === "An hour" && document.querySelector("#charts .chart-line").getAttribute("d") !== ""`, patience)
	w.backups.mu.Lock()
	w.backups.health.Failed = "the disk is full"
	w.backups.mu.Unlock()
	page.until("it says what is wrong", `document.querySelector("#words[data-warns]")?.textContent.includes("The last backup failed: the disk is full") && !document.getElementById("warns").hidden`, patience)
	page.shot("admin-overview-warns")
	eval[any](page, fmt.Sprintf(`(location.hash = %q, 1)`, "#/sessions"))
	page.until("the sessions are shown", `document.querySelectorAll(".grid-row").length === 1`, patience)
}
