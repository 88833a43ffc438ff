package web_test

import (
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"framehub/loadtest"
)

// loadtestPage makes the page of a load of the world: of a trace whose name would be more
// than a name in a page that did not escape it.
func (w *world) loadtestPage() (path string) {
	w.tb.Helper()
	folder := w.tb.TempDir()
	trace := filepath.Join(folder, `<img src=x onerror="window.hacked = 1">.csv`)
	rows := "t,id,x,y,heading,speed\n"
	for _, at := range []string{"0.0", "0.5", "1.0", "1.5", "2.0", "2.5"} {
		rows += at + ",1,10,10,90,5\n" + at + ",2,20,20,90,5\n"
	}
	if err := os.WriteFile(trace, []byte(rows), 0o600); err != nil {
		w.tb.Fatal(err)
	}
	gates, err := loadtest.ParseGates("lost=0,age_p99<1us")
	if err != nil {
		w.tb.Fatal(err)
	}
	report, err := loadtest.Run(w.tb.Context(), loadtest.Options{
		URL: "ws://" + w.Device + "/v1/sync", DB: w.Path, AdminURL: "http://" + w.Admin, Trace: trace, Observers: 2, Gates: gates, Patience: time.Minute,
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	path = filepath.Join(folder, "report.html")
	f, err := os.Create(path)
	if err != nil {
		w.tb.Fatal(err)
	}
	if err := report.HTML(f); err != nil {
		w.tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		w.tb.Fatal(err)
	}
	return path
}

// asks returns what a tab asks the network for from now on.
func (t *tab) asks() func() []string {
	t.tb.Helper()
	var mu sync.Mutex
	var urls []string
	if err := chromedp.Listen(t.ctx, func(ev any) {
		if e, ok := ev.(*network.EventRequestWillBeSent); ok {
			mu.Lock()
			defer mu.Unlock()
			urls = append(urls, e.Request.URL)
		}
	}); err != nil {
		t.tb.Fatal(err)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return urls
	}
}

// TestLoadtestPage opens the page that the load test writes: it needs nothing but itself,
// fits a phone, tells its values to who points at it, and keeps names what they are.
func TestLoadtestPage(t *testing.T) {
	findChromium(t)
	address := (&url.URL{Scheme: "file", Path: newWorld(t).loadtestPage()}).String()
	page := newBrowser(t).open("loadtest", "about:blank", 1280, 900)
	asked := page.asks()
	page.do(chromedp.Navigate(address))
	if urls := asked(); len(urls) != 1 || urls[0] != address {
		t.Errorf("it asks for %q", urls)
	}
	if got := eval[bool](page, "'hacked' in window || document.images.length > 0"); got {
		t.Error("a name has become more than a name")
	}
	for _, scheme := range []string{"light", "dark"} {
		page.colours(scheme)
		for name, width := range map[string]int64{"desk": 1280, "phone": 360} {
			page.size(width, 900)
			page.fits()
			page.shot("loadtest-" + scheme + "-" + name)
		}
	}
	eval[any](page, `(() => {
		const plot = document.querySelector("figure[data-group=time] .plot");
		plot.scrollIntoView({ block: "center" });
		const { left, width, top } = plot.getBoundingClientRect();
		plot.dispatchEvent(new PointerEvent("pointermove", { clientX: left + width, clientY: top + 5, bubbles: true }));
	})()`)
	page.until("charts over time tell their values", `(() => {
		const told = Array.from(document.querySelectorAll("figure[data-group=time] output"), (o) => o.textContent);
		return told.length > 8 && told.every((text) => /\d|–/.test(text)) && told.some((text) => / ms$/.test(text));
	})()`, patience)
	page.shot("loadtest-pointed-at")
	page.accessibleInBoth("the load test's page")
}
