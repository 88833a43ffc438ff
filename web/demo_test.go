package web_test

import (
	"database/sql"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// demo opens the demo, and waits until its visitor has a dot.
func (w *world) demo(b *browser, name string) *tab {
	w.tb.Helper()
	t := b.open(name, "http://"+w.Device+"/", 1280, 800)
	t.until("this visitor has a dot", "framehub.city.at(framehub.me.id)", patience)
	return t
}

// drag drags a dot to a place in the city, as a hand does: with steps between.
func (t *tab) drag(id int64, x, y float64) {
	t.tb.Helper()
	from := eval[point](t, fmt.Sprintf("(({x, y}) => framehub.view.toWindow(x, y))(framehub.city.at(%d))", id))
	to := eval[point](t, fmt.Sprintf("framehub.view.toWindow(%v, %v)", x, y))
	t.do(chromedp.MouseEvent(chromedp.MouseMoved, from.X, from.Y),
		chromedp.MouseEvent(chromedp.MousePressed, from.X, from.Y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	const steps = 12
	for i := 1; i <= steps; i++ {
		part := float64(i) / steps
		t.do(chromedp.MouseEvent(chromedp.MouseMoved, from.X+part*(to.X-from.X), from.Y+part*(to.Y-from.Y), chromedp.ButtonLeft))
	}
	t.do(chromedp.MouseEvent(chromedp.MouseReleased, to.X, to.Y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
}

type point struct{ X, Y float64 }

// sees waits until a tab's copy has a dot at a place, to a metre or so: a pixel is more.
func (t *tab) sees(id int64, x, y float64, within time.Duration) time.Duration {
	t.tb.Helper()
	return t.until(fmt.Sprintf("dot %d is at %v, %v", id, x, y),
		fmt.Sprintf("((p) => Math.hypot(p.x - %v, p.y - %v) < 3)(framehub.city.rows.get(%d))", x, y, id), within)
}

// hasSQL waits until the database has a dot at a place.
func (w *world) hasSQL(db *sql.DB, id int64, x, y float64, zone int64) {
	w.tb.Helper()
	eventually(w.tb, fmt.Sprintf("SQL has dot %d at %v, %v in zone %d", id, x, y, zone), func() bool {
		var east, north float64
		var in sql.NullInt64
		err := db.QueryRowContext(w.tb.Context(), "SELECT x, y, zone FROM entity WHERE id = ?", id).Scan(&east, &north, &in)
		return err == nil && math.Hypot(east-x, north-y) < 3 && in.Int64 == zone
	})
}

// look opens the game database to read only.
func (w *world) look() *sql.DB {
	w.tb.Helper()
	db, err := sql.Open("sqlite3", "file:"+w.Path+"?mode=ro")
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() { _ = db.Close() })
	return db
}

// all returns all dots as SQL has them, as the page writes them down.
func all(t *testing.T, db *sql.DB) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT id, x, y, heading, speed, coalesce(zone, 0), score, owner FROM entity ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var lines []string
	for rows.Next() {
		var id, zone, score int64
		var x, y, heading, speed float64
		var owner string
		if err := rows.Scan(&id, &x, &y, &heading, &speed, &zone, &score, &owner); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%d %.60f %.60f %.60f %.60f %d %d %s", id, x, y, heading, speed, zone, score, owner))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// With all their digits: where they are rounded, JavaScript rounds a tie up, and Go to the even digit.
const allInPage = `[...framehub.city.rows.values()].sort((a, b) => a.id - b.id).map((r) =>
	[r.id, ...[r.x, r.y, r.heading, r.speed].map((v) => v.toFixed(60)), r.zone ?? 0, r.score, r.owner].join(" ")).join("\n")`

// agree waits until the tabs and SQL have the same dots.
func agree(t *testing.T, db *sql.DB, tabs ...*tab) {
	t.Helper()
	eventually(t, "all have the same dots", func() bool {
		want := all(t, db)
		for _, tab := range tabs {
			if eval[string](tab, allInPage) != want {
				return false
			}
		}
		return want != ""
	})
}

const connected = `document.getElementById("state").textContent === "Connected"`

func TestDemo(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t)
	one, two := w.demo(b, "one"), w.demo(b, "two")
	one.until("it sees both dots", "framehub.city.rows.size === 2", patience)
	id := eval[int64](one, "framehub.me.id")

	db := w.look()
	one.drag(id, 700, 300)
	t.Logf("dragged, and seen in the other tab %v after the drag", two.sees(id, 700, 300, time.Second))
	w.hasSQL(db, id, 700, 300, 2)
	two.drag(id, 250, 750)
	one.sees(id, 250, 750, time.Second)
	w.hasSQL(db, id, 250, 750, 3)

	one.do(chromedp.Focus(chromedp.CSS("#city")), chromedp.KeyEvent(kb.Home))
	for range 3 {
		one.do(chromedp.KeyEvent(kb.ArrowRight))
	}
	two.sees(id, 265, 750, time.Second)
	one.until("the dot's place is told in words", `/^Your dot: Station, 26\d metres east/.test(document.getElementById("marked").textContent)`, patience)

	one.do(chromedp.Click(chromedp.CSS("#add")))
	two.until("there are ten more", "framehub.city.rows.size === 12", time.Second)
	moves(two)

	w.Stop()
	for _, tab := range []*tab{one, two} {
		tab.until("it says that it tries again", `/trying again/.test(document.getElementById("state").textContent)`, patience)
	}
	one.drag(id, 500, 900) // nobody sees it yet
	w.Start()
	for _, tab := range []*tab{one, two} {
		tab.until("it is connected again", connected, patience)
	}
	two.sees(id, 500, 900, patience)
	moves(two)

	eval[chromedp.Void](one, "framehub.city.wanderers.step = () => {}") // they stand still
	agree(t, db, one, two)
	one.until("all that it wrote has settled", "framehub.hub.unsettled === 0", patience)
	n := eval[float64](one, "framehub.city.latency")
	t.Logf("from writing to seeing it take %.1f ms, the median of the last 50", n)
	if n <= 0 || n > 1000 {
		t.Error("that can't be")
	}

	one.do(chromedp.Click(chromedp.CSS("#remove")))
	two.until("only its own dot is left", "framehub.city.rows.size === 1", time.Second)
	one.do(chromedp.Click(chromedp.CSS("#place")))
	two.until("the other is back", "framehub.city.rows.size === 2", time.Second)
	agree(t, db, one, two)
}

// moves waits until wandering dots have moved.
func moves(t *tab) {
	t.tb.Helper()
	const places = `JSON.stringify([...framehub.city.rows.values()].map((r) => [r.x, r.y]))`
	eval[chromedp.Void](t, "globalThis.before = "+places)
	t.until("dots wander", "globalThis.before !== "+places, patience)
}

// TestDemoIsKept: a reload is the same visitor, and a dot that somebody has
// removed stays removed, also while it is dragged.
func TestDemoIsKept(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t)
	one, two := w.demo(b, "one"), w.demo(b, "two")
	one.until("it sees both dots", "framehub.city.rows.size === 2", patience)
	me := eval[int64](one, "framehub.me.id")
	one.drag(me, 100, 100)
	two.sees(me, 100, 100, patience)
	one.do(chromedp.Reload())
	one.until("its dot is where it was", fmt.Sprintf("framehub.me.id === %d && framehub.city.at(framehub.me.id)", me), patience)
	one.sees(me, 100, 100, patience)
	one.until("it sees both dots", "framehub.city.rows.size === 2", patience)

	at := eval[point](one, "framehub.view.toWindow(100, 100)")
	one.do(chromedp.MouseEvent(chromedp.MousePressed, at.X, at.Y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	eval[chromedp.Void](two, fmt.Sprintf("void framehub.city.remove([%d])", me))
	one.until("it is gone", "framehub.city.rows.size === 1", patience)
	one.do(chromedp.MouseEvent(chromedp.MouseMoved, at.X+50, at.Y-50, chromedp.ButtonLeft),
		chromedp.MouseEvent(chromedp.MouseReleased, at.X+50, at.Y-50, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	one.until("all that it wrote has settled", "framehub.hub.unsettled === 0", patience)
	if n := eval[int](two, "framehub.city.rows.size"); n != 1 {
		t.Errorf("there are %d dots, not 1", n)
	}
}

// TestDemoSaysRefusals shows the hub's words.
func TestDemoSaysRefusals(t *testing.T) {
	w := newWorld(t)
	one := w.demo(newBrowser(t), "one")
	eval[chromedp.Void](one, `void framehub.hub.write([["insert", "entity", {id: framehub.me.id}]]).catch(() => {})`)
	one.until("the refusal is told", `/refused.*exists/.test(document.getElementById("message").textContent) && !document.getElementById("message").hidden`, patience)
}

// TestDemoLooks takes pictures.
func TestDemoLooks(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t)
	one, two := w.demo(b, "one"), w.demo(b, "two")
	three := w.demo(b, "three")
	for _, tab := range []*tab{one, two, three} {
		tab.until("there is a button", `!document.getElementById("add").disabled`, patience)
		tab.do(chromedp.Click(chromedp.CSS("#add")))
	}
	one.until("there are many", "framehub.city.rows.size === 33", patience)
	one.drag(eval[int64](one, "framehub.me.id"), 420, 560)
	one.until("the figures are there", `document.getElementById("seen").textContent.endsWith("ms") && document.getElementById("trip").textContent.endsWith("ms")`, patience)
	one.shot("demo-light")
	one.fits()
	one.colours("dark")
	one.shot("demo-dark")
	one.do(chromedp.Focus(chromedp.CSS("#city")), chromedp.KeyEvent(kb.ArrowLeft))
	one.shot("demo-dark-keyboard")
	one.colours("light")
	one.size(360, 800)
	one.until("it is as narrow", "innerWidth === 360", patience)
	one.fits()
	one.shot("demo-360")
	eval[chromedp.Void](one, "scrollTo(0, 10000)")
	one.shot("demo-360-below")
	one.size(800, 600)
	one.fits()
	eval[chromedp.Void](one, `void framehub.hub.write([["insert", "entity", {id: framehub.me.id}]]).catch(() => {})`)
	one.until("the refusal is told", `!document.getElementById("message").hidden`, patience)
	one.shot("demo-800-refused")
	one.size(1280, 800)
	w.Stop()
	one.until("it says that it tries again", `/trying again/.test(document.getElementById("state").textContent)`, patience)
	one.shot("demo-gone")
}
