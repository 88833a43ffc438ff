package web_test

import (
	"testing"

	"framehub/session/wire"
)

func TestAdminPage(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t)
	page := b.open("operator", "http://"+w.Admin+"/", 1280, 800)
	page.until("it says that there is no session", `!document.getElementById("empty").hidden && document.getElementById("table").hidden`, patience)
	page.until("it is ready", `document.getElementById("state").textContent === "Ready"`, patience)
	page.shot("admin-empty")

	one := w.demo(b, "device")
	w.dial(wire.DeviceHello{Role: "observer", SubsSet: true})
	eval[any](one, `framehub.city.add(10).then(() => 1, () => 0), 1`)
	page.until("both sessions are listed", `document.querySelectorAll("#sessions tr").length === 2`, patience)
	page.until("what a session writes is counted", `/[1-9]/.test(document.querySelector("#sessions tr:first-child td:nth-child(6)").textContent)`, patience)
	page.until("rows are counted", `/[1-9]/.test(document.getElementById("rows").textContent)`, patience)
	page.until("frame times are there", `document.getElementById("p99").textContent.endsWith("ms")`, patience)
	eval[any](page, `(globalThis.kept = document.querySelector("#sessions tr"), 1)`)
	page.until("it was painted again", `document.getElementById("version").textContent !== (globalThis.was ??= document.getElementById("version").textContent)`, patience)
	if !eval[bool](page, `globalThis.kept === document.querySelector("#sessions tr")`) {
		t.Error("rows are made anew each second")
	}
	page.shot("admin-light")
	page.fits()
	page.colours("dark")
	page.shot("admin-dark")
	page.colours("light")
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
