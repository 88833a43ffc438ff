package web_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"framehub/session"
	"framehub/session/wire"
)

// keys types into what has the focus.
func (t *tab) keys(text string) {
	t.tb.Helper()
	t.do(chromedp.KeyEvent(text))
}

// click clicks the first element that a selector means and that has a text.
func (t *tab) click(selector, text string) {
	t.tb.Helper()
	found := fmt.Sprintf(`[...document.querySelectorAll(%q)].find((el) => el.textContent.includes(%q) && !el.disabled)`, selector, text)
	t.until("there is "+selector+" "+text, found+` !== undefined`, patience)
	eval[any](t, found+`.click()`)
}

// told returns what the page says of the last deed.
func (t *tab) told(words string) {
	t.tb.Helper()
	t.until("it says: "+words, fmt.Sprintf(`document.getElementById("said")?.hidden === false && document.getElementById("said").textContent.includes(%q)`, words), patience)
}

// A player is a device that a test plays, which reads what it is sent.
type player struct {
	*session.Client
	tb     testing.TB
	seq    uint64
	events chan *wire.Event
	bye    chan *wire.Goodbye
}

// play connects a player.
func (w *world) play(hello wire.DeviceHello) *player { return w.playAs("", hello) }

// playAs connects a player with a token.
func (w *world) playAs(token string, hello wire.DeviceHello) *player {
	p := &player{Client: w.dialAs(token, hello), tb: w.tb, events: make(chan *wire.Event, 16), bye: make(chan *wire.Goodbye, 1)}
	ctx := w.tb.Context()
	go func() {
		for {
			m, err := p.Next(ctx)
			if err != nil {
				return
			}
			switch m := m.(type) {
			case *wire.Event:
				p.events <- m
			case *wire.Goodbye:
				p.bye <- m
				p.Close()
				return
			}
		}
	}()
	return p
}

// write sends a transaction of one entity.
func (p *player) write(kind wire.OpKind, id int64) {
	p.tb.Helper()
	if err := p.tryWrite(p.tb.Context(), kind, id); err != nil {
		p.tb.Fatal(err)
	}
}

func (p *player) tryWrite(ctx context.Context, kind wire.OpKind, id int64) error {
	p.seq++
	tables := p.Hello.Schema.Tables
	table := tables[slices.IndexFunc(tables, func(t wire.SchemaTable) bool { return t.Name == "entity" })]
	block := wire.AppendBlock(nil, table.Number, []int{0, 1, 2}, nil, wire.Grid{Stride: 3, Values: []wire.Value{
		wire.IntegerValue(id), wire.RealValue(float64(p.seq)), wire.RealValue(2),
	}}, nil)
	h := wire.WriteHeader{Seq: p.seq, SchemaVersion: p.Hello.Schema.Version}
	return p.Write(ctx, h, [][]byte{wire.AppendOp(nil, kind, block)})
}

// soon returns what comes on a channel, which it must.
func soon[T any](tb testing.TB, c <-chan T) T {
	tb.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		tb.Fatal("it does not come")
		panic("unreachable")
	}
}

// TestSessionsView finds sessions, opens one, sees what it does, and acts.
func TestSessionsView(t *testing.T) {
	w := newWorld(t)
	first := w.play(wire.DeviceHello{SubsSet: true, Client: "pad 7", Subs: []wire.Sub{{Name: "entity"}}})
	for range 30 {
		w.play(wire.DeviceHello{SubsSet: true, Role: "observer", Client: "spectator"})
	}
	device := uuid.UUID(first.Hello.Device).String()
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/", 1280, 800)
	page.until("all are counted", `document.getElementById("count").textContent === "31"`, patience)

	eval[any](page, `document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true, cancelable: true }))`)
	page.until("the search has the focus", `document.activeElement.id === "search"`, patience)
	page.keys("role:device pad")
	page.until("it is found", `document.getElementById("count").textContent === "1 of 31"`, patience)
	page.keys(" lag>")
	page.until("a mistake is told", `document.getElementById("mistake").textContent.includes("followed by a number")`, patience)
	page.keys("\x1b")
	page.until("Esc clears it", `document.getElementById("count").textContent === "31" && document.getElementById("mistake").textContent === ""`, patience)
	page.keys("nobody-is-called-this")
	page.until("nobody is meant", `!document.getElementById("empty").hidden`, patience)
	page.shot("admin-sessions-none")
	page.keys("\x1b")
	page.click(".grid-head button", "Session")
	page.click(".grid-head button", "Session")
	page.until("it is sorted", `document.querySelector("[aria-sort]").getAttribute("aria-sort") === "descending"`, patience)
	page.click(".grid-head button", "Since")
	page.click(".grid-head button", "Since")
	page.until("the oldest is first", `document.querySelector('[aria-rowindex="2"].grid-row .c-client').textContent.includes("pad 7")`, patience)

	eval[any](page, `document.querySelector(".grid").focus()`)
	eval[any](page, `["ArrowDown", "ArrowDown", "ArrowUp", "Enter"].forEach((key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })))`)
	page.until("the keyboard opens it", fmt.Sprintf(`!document.getElementById("panel").hidden && document.getElementById("panel").textContent.includes(%q) && location.hash.startsWith("#/sessions/")`, device), patience)
	page.session(first)
	page.deeds(w, first, device)
	page.keys("\x1b")
	page.until("Esc closes it", `document.getElementById("panel").hidden && location.hash === "#/sessions"`, patience)
}

// session looks at what the session that is open does.
func (t *tab) session(p *player) {
	t.tb.Helper()
	p.write(wire.OpPut, 1)
	p.write(wire.OpInsert, 1)
	t.until("its transactions are listed", `document.querySelectorAll("#transactions li").length === 2 &&
		document.querySelector("#transactions [data-refused]").textContent.includes("exists") && document.getElementById("transactions").textContent.includes("put 1 row of entity")`, patience)
	t.until("its messages are listed", `document.querySelectorAll("#messages li").length > 2 && document.getElementById("messages").textContent.includes("[5, 1, ")`, patience)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(30 * time.Millisecond); ; {
			select {
			case <-tick.C:
				p.write(wire.OpPut, 2)
			case <-stop:
				tick.Stop()
				return
			}
		}
	}()
	defer func() { close(stop); <-done }()
	t.until("its charts have values", `document.querySelectorAll(".session .chart-line").length === 6 && document.querySelector(".session .chart-line").getAttribute("d").split("L").length > 3`, patience)
	t.until("its round trip is known", `document.querySelector(".facts").textContent.includes(" ms")`, patience)
	t.accessibleInBoth("a session")
	t.shot("admin-session")
	t.colours("dark")
	t.shot("admin-session-dark")
	t.colours("light")
	t.fits()
	t.size(360, 800)
	t.fits()
	t.shot("admin-session-360")
	eval[any](t, `document.getElementById("messages").scrollIntoView({ block: "end" })`)
	t.shot("admin-session-360-messages")
	t.size(1280, 800)
	eval[any](t, `document.getElementById("messages").scrollIntoView({ block: "end" })`)
	t.shot("admin-session-messages")
	t.click(".session button", "Pause")
	before := eval[string](t, `document.getElementById("messages").firstElementChild.textContent`)
	t.until("a pause holds them", `/[1-9]\d* not shown/.test(document.querySelector(".subheading .count").textContent)`, patience)
	if after := eval[string](t, `document.getElementById("messages").firstElementChild.textContent`); before != after {
		t.tb.Error("while it pauses, messages come")
	}
}

// deeds does to the session that is open all that one can, the worst last.
func (t *tab) deeds(w *world, p *player, device string) {
	t.tb.Helper()
	t.click(".deeds button", "Notice")
	t.until("it asks for words", `document.activeElement.closest("dialog input") !== null`, patience)
	t.keys("back at 8")
	t.shot("admin-notice")
	t.keys("\r")
	t.told("The notice is on its way")
	if e := soon(t.tb, p.events); e.Value.Values[0].Bytes() != "back at 8" {
		t.tb.Errorf("the notice is %+v", e)
	}
	t.click(".heading button", "Notice to all")
	t.until("it says to how many", `document.querySelector("dialog").textContent.includes("all 31 sessions")`, patience)
	t.keys("to all\r")
	t.told("to 31 sessions")
	if e := soon(t.tb, p.events); e.Value.Values[0].Bytes() != "to all" {
		t.tb.Errorf("the notice is %+v", e)
	}
	t.click(".deeds button", "Kick")
	t.keys("\x1b")
	t.until("Esc kicks nobody", `document.querySelector("dialog") === null`, patience)
	if w.hub.SessionCount() != 31 {
		t.tb.Error("a session ended without being asked for")
	}
	t.click(".deeds button", "Ban device")
	t.until("it says what will happen to whom", fmt.Sprintf(`document.querySelector("dialog").textContent.includes(%q) && document.querySelector("dialog").textContent.includes("holds over restarts")`, device), patience)
	t.accessibleInBoth("a ban")
	t.shot("admin-ban")
	t.click("dialog button", "Ban the device")
	t.told("is banned, which ends 1 session.")
	if g := soon(t.tb, p.bye); g.Code != wire.CloseForbidden || !strings.Contains(g.Text, "banned until") {
		t.tb.Errorf("the goodbye is %+v", g)
	}
	t.until("it has ended", `document.querySelector(".session .chip").textContent === "Ended" && document.querySelector(".deeds [data-live]").disabled`, patience)
	t.click(".heading button", "Bans")
	t.until("it is listed", fmt.Sprintf(`document.querySelector(".bans").textContent.includes(%q)`, device), patience)
	t.shot("admin-bans")
	t.click(".bans button", "Lift")
	t.told("no longer banned")
	t.keys("\x1b")
	again := w.play(wire.DeviceHello{SubsSet: true, Device: p.Hello.Device})
	t.until("it is back", `document.getElementById("count").textContent === "31"`, patience)
	eval[any](t, fmt.Sprintf(`(location.hash = "#/sessions/%s", 1)`, uuid.UUID(again.Hello.Session)))
	t.until("its address opens it", fmt.Sprintf(`document.querySelector(".session h2")?.textContent === %q`, device), patience)
	t.click(".deeds button", "Kick")
	t.click("dialog button", "Kick")
	t.told("has been ended")
	if g := soon(t.tb, again.bye); g.Code != wire.CloseKicked {
		t.tb.Errorf("the goodbye is %+v", g)
	}
}

// TestSessionsViewGone: an address of a session that is there no more says so, and the
// rest of the page goes on.
func TestSessionsViewGone(t *testing.T) {
	w := newWorld(t)
	w.dial(wire.DeviceHello{SubsSet: true})
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/#/sessions/"+uuid.NewString(), 1280, 800)
	page.until("it says so", `document.querySelector(".session .note")?.textContent.includes("there is no session")`, patience)
	page.until("the list is there", `document.getElementById("count").textContent === "1"`, patience)
	page.until("it is ready", `document.getElementById("state").textContent === "Ready"`, patience)
}
