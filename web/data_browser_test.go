package web_test

import (
	"fmt"
	"testing"

	"framehub/session/wire"
)

// cars writes so many rows of the table entity, by a device.
func (w *world) cars(n int) {
	w.tb.Helper()
	for at := range n {
		body := fmt.Sprintf(`{"what":"insert","key":[%d],"values":{"zone":%d,"x":%d.5,"y":%d.25,"owner":"player-%d"}}`, at+1, at%4, at*3, at*2, at%7)
		if a := w.post("/api/tables/entity/rows", body); a.code != 200 {
			w.tb.Fatal(a.code, a.body)
		}
	}
}

// set types into a field, as somebody would.
func (t *tab) set(query, value string) {
	t.tb.Helper()
	t.until("there is "+query, fmt.Sprintf(`document.querySelector(%q)`, query), patience)
	eval[any](t, fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		e.focus();
		e.value = %q;
		for (const kind of ["input", "change"]) e.dispatchEvent(new Event(kind, { bubbles: true }));
		return 1;
	})()`, query, value))
}

func TestDataView(t *testing.T) {
	w := newWorld(t)
	w.cars(120)
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/#/data/entity", 1280, 900)
	const shown = `[...document.querySelectorAll("#rows tbody tr")]`
	page.until("a page of rows is there", shown+`.length === 50 && `+shown+`[0].cells[0].textContent === "1"`, patience)
	page.until("the tables are listed", `[...document.querySelectorAll("#tables a")].some((a) => a.textContent.startsWith("building"))`, patience)
	page.looks("data")
	page.click(".rules summary", "")
	page.until("the rules are told", `document.querySelectorAll(".rights tbody tr").length === 5`, patience)
	page.click(".rules summary", "")

	eval[any](page, `([...document.querySelectorAll(".pager button")].find((b) => b.textContent === "Last").click(), 1)`)
	page.until("the last page is there", shown+`.at(-1).cells[0].textContent === "120" && location.hash === "#/data/entity?last="`, patience)
	page.set(".tools input[type=search]", "zone=3 owner~player-1")
	eval[any](page, `(document.querySelector(".view-data form.tools").requestSubmit(), 1)`)
	page.until("only rows like that are there", shown+`.length > 0 && `+shown+`.every((r) => r.textContent.includes("player-1")) && location.hash.includes("filter=")`, patience)
	page.excuse("400")
	page.set(".tools input[type=search]", "colour=red")
	eval[any](page, `(document.querySelector(".view-data form.tools").requestSubmit(), 1)`)
	page.until("what is no filter is told", `document.getElementById("filter-trouble").textContent.includes('no column "colour"')`, patience)
	page.set(".tools input[type=search]", "")
	eval[any](page, `(document.querySelector(".view-data form.tools").requestSubmit(), 1)`)
	page.until("all rows are back", shown+`.length === 50 && document.getElementById("filter-trouble").hidden`, patience)

	// What devices write is seen in the rows, tinted.
	c := w.dial(wire.DeviceHello{SubsSet: true, Role: "server"})
	sql := func(text string) {
		t.Helper()
		if err := c.SQL(t.Context(), &wire.SQL{ID: 1, Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	sql("UPDATE entity SET score = 4711 WHERE id = 2")
	page.until("a change is seen, and tinted", shown+`[1].textContent.includes("4711") && `+shown+`[1].querySelectorAll("[data-changed]").length === 1`, patience)
	page.shot("data-changed")
	sql("DELETE FROM entity WHERE id = 3")
	page.until("a row that went is struck out", shown+`[2].hasAttribute("data-gone")`, patience)
	sql("INSERT INTO entity(id) VALUES (900)")
	page.until("that one came is told", `[...document.querySelectorAll(".pager button")].some((b) => !b.hidden && b.textContent === "1 came: reload")`, patience)
}

func TestRowPanel(t *testing.T) {
	w := newWorld(t)
	w.cars(3)
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/#/data/entity", 1280, 900)
	page.click("#rows tbody tr a", "")
	page.until("its values and its past are there", `document.getElementById("value-owner").value === "player-0" && document.querySelectorAll(".past li").length === 1 &&
		document.querySelector(".past .by").textContent.startsWith("by operator")`, patience)
	page.set("#value-score", "77")
	page.set("#value-owner", "ada's")
	page.looks("data-row")
	page.click(".panel form button.main", "")
	page.until("it asks first", `document.querySelector(".dialog h2").textContent === "Change row 1 of entity?" && document.querySelector(".dialog").textContent.includes("score: NULL → 77; owner: player-0 → ada's")`, patience)
	page.click(".dialog button[value=yes]", "")
	page.until("it was done, and is in its past", `document.querySelector(".panel .told.good") && document.querySelectorAll(".past li").length === 2`, patience)
	page.until("the table has it", `document.querySelector("#rows tbody tr").textContent.includes("ada's")`, patience)

	page.excuse("422")
	page.set("#value-score", "x")
	page.click(".panel form button.main", "")
	page.until("what is no number is told", `document.querySelector(".panel .told.bad").textContent === "score: “x” is no whole number"`, patience)
	page.click(".panel form button.danger", "")
	page.until("it asks before it deletes", `document.querySelector(".dialog h2").textContent === "Delete row 1 of entity?"`, patience)
	page.click(".dialog button[value=yes]", "")
	page.until("it is gone, and its past says so", `document.querySelector(".past li").dataset.what === "deleted"`, patience)
	page.click(".panel .close", "")

	page.click("#new-row", "")
	page.set("#value-id", "500")
	page.click(".panel form button.main", "")
	page.click(".dialog button[value=yes]", "")
	page.until("there is a new row", `[...document.querySelectorAll("#rows tbody tr")].some((r) => r.cells[0].textContent === "500")`, patience)
	page.click(".panel .close", "")

	eval[any](page, `(location.hash = "#/data/building", 1)`)
	page.until("another table is there", `document.querySelector(".view-data h1")?.textContent === "building"`, patience)
	page.click("#new-row", "")
	page.set("#value-id", "99")
	page.set("#value-zone", "99")
	page.set("#value-kind", "castle")
	page.set("#value-x", "1")
	page.set("#value-y", "1")
	page.click(".panel form button.main", "")
	page.click(".dialog button[value=yes]", "")
	page.until("SQL has its say", `document.querySelector(".panel .told.bad").textContent.includes("CHECK")`, patience)
	page.shot("data-refused")
}

func TestSQLBox(t *testing.T) {
	w := newWorld(t)
	w.cars(20)
	page := newBrowser(t).open("operator", "http://"+w.Admin+"/#/data?sql", 1280, 900)
	page.set("#sql", "SELECT zone, count(*) AS cars, max(x), NULL AS none, x'00ff' AS raw FROM entity GROUP BY zone")
	page.click("#run", "")
	page.until("the result is there", `document.querySelectorAll("#result tbody tr").length === 4 && document.querySelector("#result th:nth-child(2)").textContent === "cars"`, patience)
	page.looks("data-sql")
	page.excuse("422")
	page.set("#sql", "DELETE FROM entity")
	page.click("#run", "")
	page.until("what would write is refused", `document.getElementById("sql-says").textContent.includes("only reads")`, patience)
	page.set("#sql", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT count(*) FROM n, (SELECT 1 FROM entity)")
	page.click("#run", "")
	page.until("it runs", `document.querySelector(".sqlbox button[type=button]").disabled === false`, patience)
	page.click(".sqlbox button[type=button]", "")
	page.until("it is stopped", `document.getElementById("sql-says").textContent === "Stopped."`, patience)
}

// logIn logs in on a page that asks for it.
func (t *tab) logIn(name, password string) {
	t.tb.Helper()
	t.excuse("401") // which the page has met before
	t.until("it asks who one is", `document.querySelector("input[name=username]")`, patience)
	t.set("input[name=username]", name)
	t.set("input[name=password]", password)
	t.click(".access form button.main", "")
}
