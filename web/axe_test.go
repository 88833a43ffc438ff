package web_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// axe returns axe-core's script, or skips the test.
func axe(tb testing.TB) string {
	tb.Helper()
	script, err := os.ReadFile(os.Getenv("AXE"))
	if err == nil {
		return string(script)
	}
	const missing = "no axe-core: set AXE to its axe.min.js (scripts/setup-test-tools axe gets one)"
	if os.Getenv("CI") == "true" {
		tb.Fatal(missing)
	}
	tb.Skip(missing)
	return ""
}

// accessible fails the test where axe-core finds what keeps people from using what
// the page shows now: faults that it calls serious or critical, of WCAG 2.2 A and AA
// and of good practice. It skips the rest of the test where there is no axe-core.
func (t *tab) accessible(what string) {
	t.tb.Helper()
	if faults := t.faults(); len(faults) > 0 {
		t.shot("faults-" + strings.NewReplacer(" ", "-", ",", "").Replace(what))
		t.tb.Errorf("%s: %d faults:\n%s", what, len(faults), strings.Join(faults, "\n"))
	}
}

// faults returns what axe-core finds.
func (t *tab) faults() []string {
	t.tb.Helper()
	look := axe(t.tb) + `;
		(async () => {
			const ending = document.getAnimations().filter((a) => a.effect.getComputedTiming().iterations < Infinity);
			await Promise.all(ending.map((a) => a.finished.catch(() => {}))); // a colour on its way is none
			const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
			return violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) =>
				v.id + " (" + v.impact + "): " + v.help + "\n" +
				v.nodes.slice(0, 3).map((n) => "    " + n.html.slice(0, 200) + "\n    " + n.any.concat(n.all, n.none).map((c) => c.message).join("; ")).join("\n"));
		})()`
	awaited := func(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) }
	faults, err := chromedp.Run(t.ctx, chromedp.Evaluate[[]string](look, awaited))
	if err != nil {
		t.tb.Fatalf("axe-core: %v", err)
	}
	return faults
}

// accessibleInBoth is accessible in light and in dark colours.
func (t *tab) accessibleInBoth(what string) {
	t.tb.Helper()
	for _, scheme := range []string{"dark", "light"} {
		t.colours(scheme)
		t.accessible(what + ", " + scheme)
	}
}

// TestAccessible looks at the demo, and at every view of the operators' page, in light
// and dark and at a phone's width.
func TestAccessible(t *testing.T) {
	axe(t)
	w := newWorld(t)
	b := newBrowser(t)
	demo := w.demo(b, "device")
	demo.accessibleInBoth("the demo")
	page := b.open("operator", "http://"+w.Admin+"/", 1280, 800)
	page.until("a session is listed", `document.querySelectorAll(".grid-row").length === 1`, patience)
	page.accessibleInBoth("the sessions")
	for _, view := range eval[[]string](page, `[...document.querySelectorAll("#nav a")].map((a) => a.hash.slice(2))`) {
		eval[any](page, fmt.Sprintf(`(location.hash = "#/%s", 1)`, view))
		page.until("the view "+view+" is there", fmt.Sprintf(`document.querySelector(".view-%s")?.childElementCount > 0 && document.querySelector("#nav a[aria-current]").hash === "#/%[1]s"`, view), patience)
		page.size(1280, 800)
		page.accessibleInBoth("the view " + view)
		page.size(360, 800)
		page.accessible("the view " + view + " on a phone")
	}
	eval[any](page, `(document.getElementById("main").append(document.createElement("button")), 1)`)
	if faults := page.faults(); len(faults) != 1 || !strings.Contains(faults[0], "button-name") {
		t.Errorf("of a button without a name it says: %q", faults)
	}
}
