package web_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// findChromium returns the path of a Chromium, or skips the test.
func findChromium(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{os.Getenv("CHROME"), "chromium", "chromium-headless-shell", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "no Chromium: set CHROME to the path of one (scripts/install-chromium unpacks one and prints its path)"
	if os.Getenv("CI") == "true" {
		tb.Fatal(missing)
	}
	tb.Skip(missing)
	return ""
}

// A browser is Chromium without a window.
type browser struct {
	tb  testing.TB
	ctx context.Context
}

func newBrowser(tb testing.TB) *browser {
	tb.Helper()
	path := findChromium(tb)
	allocator, free := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(tb.TempDir()),
		chromedp.Flag("disable-component-update", true))...)
	tb.Cleanup(free)
	ctx, cancel := chromedp.NewContext(allocator)
	tb.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			tb.Error("close the browser:", err)
		}
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		tb.Fatal("start the browser:", err)
	}
	return &browser{tb, ctx}
}

// A tab is a page that is open.
type tab struct {
	tb   testing.TB
	name string
	ctx  context.Context

	mu       sync.Mutex
	mistakes []string // guarded by mu: what its console has of errors
	excused  string   // guarded by mu: none is what has this text in it; "": nothing
}

// excuse says that an error with a text in it is none of the page's.
func (t *tab) excuse(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.excused = text
}

// open opens an address in a new tab, of a window with that size. When the test
// ends, the console must hold no errors.
func (b *browser) open(name, url string, width, height int64) *tab {
	b.tb.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.tb.Cleanup(cancel)
	t := &tab{tb: b.tb, name: name, ctx: ctx}
	if err := chromedp.Listen(ctx, t.listen); err != nil {
		b.tb.Fatal(err)
	}
	t.do(chromedp.EmulateViewport(width, height), chromedp.Navigate(url))
	b.tb.Cleanup(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, m := range t.mistakes {
			if t.excused != "" && strings.Contains(m, t.excused) {
				continue
			}
			b.tb.Errorf("%s: the console has: %s", name, m)
		}
	})
	return t
}

// listen takes note of errors. That a stopped hub can't be reached is none of the
// page's, nor that the hub refuses what one has typed, or who has no login any more.
func (t *tab) listen(ev any) {
	var mistake string
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		mistake = ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			mistake += " " + e.Description
		}
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning {
			mistake = fmt.Sprintf("console.%s: %v", ev.Type, ev.Args)
		}
	case *log.EventEntryAdded:
		unreachable := slices.ContainsFunc([]string{"ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE_CHUNKED_ENCODING"},
			func(why string) bool { return strings.Contains(ev.Entry.Text, why) })
		refused := strings.Contains(ev.Entry.Text, "status of 422") || strings.Contains(ev.Entry.Text, "status of 401")
		if (ev.Entry.Level == log.EntryLevelError || ev.Entry.Level == log.EntryLevelWarning) && !unreachable && !refused {
			mistake = fmt.Sprintf("%s: %s %s", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL)
		}
	}
	if mistake != "" {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.mistakes = append(t.mistakes, mistake)
	}
}

func (t *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	t.tb.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, 3*patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.tb.Fatalf("%s: %v", t.name, err)
	}
}

// eval returns what a JavaScript expression gives.
func eval[T any](t *tab, expression string) T {
	t.tb.Helper()
	v, err := chromedp.Run(t.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.tb.Fatalf("%s: %s: %v", t.name, expression, err)
	}
	return v
}

// until waits until a JavaScript expression is true, within a time, and returns
// how long that took. The page itself looks, between its own tasks: chromedp.Poll
// would need a policy that lets pages make code of texts.
func (t *tab) until(what, expression string, within time.Duration) time.Duration {
	t.tb.Helper()
	look := fmt.Sprintf(`new Promise((resolve) => {
		const began = performance.now();
		const look = () => {
			const took = performance.now() - began;
			let holds = false;
			try { holds = %s } catch (e) { if (took > %d) return resolve(e.message) }
			if (holds) resolve(took);
			else if (took > %[2]d) resolve("");
			else setTimeout(look, 5);
		};
		look();
	})`, "("+expression+")", within.Milliseconds())
	awaited := func(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) }
	v, err := chromedp.Run(t.ctx, chromedp.Evaluate[any](look, awaited))
	if err != nil {
		t.tb.Fatalf("%s: %s: %v", t.name, what, err)
	}
	took, ok := v.(float64)
	if !ok {
		t.shot("failed-" + t.name)
		t.tb.Fatalf("%s: within %v not: %s %v", t.name, within, what, v)
	}
	return time.Duration(took * float64(time.Millisecond))
}

// colours sets how a visitor likes pages: light or dark.
func (t *tab) colours(scheme string) {
	t.tb.Helper()
	t.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// downloads lets the page download, into the folder that it returns.
func (t *tab) downloads() string {
	t.tb.Helper()
	dir := t.tb.TempDir()
	t.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{Behavior: cdpbrowser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir})
		return err
	}))
	return dir
}

// size sets the window's size in CSS pixels.
func (t *tab) size(width, height int64) {
	t.tb.Helper()
	t.do(chromedp.EmulateViewport(width, height))
}

// shot takes a picture of the window, into the folder FRAMEHUB_SCREENSHOTS. One that the
// documents have is taken for them too, where FRAMEHUB_PICTURES names their folder. A value
// that is none must not be in it.
func (t *tab) shot(name string) {
	t.tb.Helper()
	dir, documents := os.Getenv("FRAMEHUB_SCREENSHOTS"), os.Getenv("FRAMEHUB_PICTURES")
	if dir == "" {
		dir = t.tb.TempDir()
	}
	if slip := eval[string](t, `document.body.innerText.match(/.*(\bundefined\b|\bNaN\b|\[object ).*/)?.[0] ?? ""`); slip != "" {
		t.tb.Errorf("%s: the page says %q", t.name, slip)
	}
	// Two frames, so that what has just changed is painted.
	painted := `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`
	awaited := func(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) }
	if _, err := chromedp.Run(t.ctx, chromedp.Evaluate[bool](painted, awaited)); err != nil {
		t.tb.Fatal(err)
	}
	picture, err := chromedp.Run(t.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.tb.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		t.tb.Fatal(err)
	}
	document := filepath.Join(documents, name+".webp")
	if _, err := os.Stat(document); documents == "" || err != nil {
		return
	}
	t.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		small, err := chromedp.Call(ctx, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{Format: cdppage.CaptureScreenshotFormatWebp, Quality: new(int64(80))})
		if err != nil {
			return err
		}
		return os.WriteFile(document, small.Data, 0o644)
	}))
}

// fits fails the test where the page is wider than its window.
func (t *tab) fits() {
	t.tb.Helper()
	if over := eval[float64](t, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		t.tb.Errorf("%s: the page is %v pixels wider than its window", t.name, over)
	}
}
