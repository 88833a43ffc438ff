package web_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"framehub/rules"
	"framehub/session/wire"
)

// mapped puts rules in force by which the table entity has a map.
func (w *world) mapped() {
	w.tb.Helper()
	set, mistakes := rules.Parse([]byte("[tables.entity]\nscope = \"zone\"\ninsert = \"all\"\nupdate = \"all\"\ndelete = \"all\"\nmap = [\"x\", \"y\"]\n"), nil)
	if err := mistakes.Err(); err != nil {
		w.tb.Fatal(err)
	}
	if err := w.hub.SetRules(set); err != nil {
		w.tb.Fatal(err)
	}
}

// A swarm is rows of the table entity that go round, each on a circle of its own.
type swarm struct {
	schema  *wire.Schema
	table   *wire.SchemaTable
	n       int
	written atomic.Int64
}

// swarm begins to move n rows, so many times a second, until the test ends or stop is
// called. Each time is one transaction of a server.
func (w *world) swarm(n int, hz float64) (s *swarm, stop func()) {
	w.tb.Helper()
	c := w.dial(wire.DeviceHello{SubsSet: true, Role: "server", MaxMessage: 1 << 20})
	s = &swarm{schema: c.Hello.Schema, n: n}
	for i := range s.schema.Tables {
		if s.schema.Tables[i].Name == "entity" {
			s.table = &s.schema.Tables[i]
		}
	}
	ctx, cancel := context.WithCancel(w.tb.Context())
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			if _, err := c.Next(ctx); err != nil {
				return
			}
		}
	}()
	send := func(seq uint64) bool {
		op := wire.AppendOp(nil, wire.OpPut, s.block(float64(seq)/hz, seq == 1))
		return c.Write(ctx, wire.WriteHeader{Seq: seq, SchemaVersion: s.schema.Version}, [][]byte{op}) == nil
	}
	if !send(1) {
		w.tb.Fatal("the swarm could not be written")
	}
	go func() {
		defer func() { done <- struct{}{} }()
		tick := time.NewTicker(time.Duration(float64(time.Second) / hz))
		defer tick.Stop()
		for seq := uint64(2); ; seq++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if !send(seq) {
				return
			}
			s.written.Add(1)
		}
	}()
	return s, sync.OnceFunc(func() {
		cancel()
		<-done
		<-done
	})
}

// block has where the rows are at a time, and at the first their zones.
func (s *swarm) block(seconds float64, first bool) []byte {
	column := map[string]int{}
	for i := range s.table.Columns {
		column[s.table.Columns[i].Name] = i
	}
	numbers, stride := []int{column["id"], column["x"], column["y"]}, 3
	if first {
		numbers, stride = append(numbers, column["zone"]), 4
	}
	at := make([]int, stride)
	for i := range at {
		at[i] = i
	}
	side := int(math.Ceil(math.Sqrt(float64(s.n))))
	g := wire.Grid{Stride: stride, Values: make([]wire.Value, 0, s.n*stride)}
	for i := range s.n {
		col, row := i%side, i/side
		angle := seconds*(0.5+float64(i%7)/7) + float64(i)
		x := float64(float32(10*float64(col) + 4*math.Cos(angle)))
		y := float64(float32(10*float64(row) + 4*math.Sin(angle)))
		g.Values = append(g.Values, wire.IntegerValue(int64(i+1)), wire.RealValue(x), wire.RealValue(y))
		if first {
			g.Values = append(g.Values, wire.IntegerValue(int64(2*row/side)*2+int64(2*col/side)))
		}
	}
	return wire.AppendBlock(nil, s.table.Number, numbers, at, g, nil)
}

func TestMapView(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t)
	page := b.open("operator", "http://"+w.Admin+"/#/map", 1280, 900)
	page.until("it says that there is none, and what to do", `document.querySelector(".view-map .empty code").textContent.includes("map = ")`, patience)
	eval[any](page, `(globalThis.asked = fetch, globalThis.fetch = () => Promise.reject(new TypeError("no network")), location.hash = "#/map/nowhere", 1)`)
	page.until("it says that it can't ask, and offers to ask again", `document.querySelector(".view-map .failed .bad") && document.querySelector(".view-map .failed button").textContent === "Try again"`, patience)
	eval[any](page, `(globalThis.fetch = asked, document.querySelector(".view-map .failed button").click(), 1)`)
	page.until("it has asked again", `document.querySelector(".view-map .empty") && !document.querySelector(".view-map .failed")`, patience)
	w.mapped()
	_, stop := w.swarm(500, 20)
	defer stop()
	eval[any](page, `(location.hash = "#/map/entity", 1)`)
	page.until("all rows are there", `document.getElementById("map-figures").textContent.startsWith("500 rows, version ")`, patience)
	page.until("they move", `/ [1-9][0-9]* frames\/s, [1-9][0-9]* painted\/s$/.test(document.getElementById("map-figures").textContent)`, patience)
	page.until("the scopes are there", `[...document.querySelectorAll(".scopes button")].map((b) => b.textContent).join(" ").startsWith("All 0")`, patience)
	if colours := eval[float64](page, `(() => {
		const canvas = document.getElementById("map");
		const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
		const seen = new Map();
		for (let i = 0; i < data.length; i += 4) { const c = data[i] << 16 | data[i + 1] << 8 | data[i + 2]; seen.set(c, (seen.get(c) ?? 0) + 1); }
		return [...seen.values()].filter((n) => n > 300).length;
	})()`); colours < 5 { // the ground, and a colour for each of four scopes
		t.Errorf("the canvas has %v colours", colours)
	}
	page.looks("map")

	page.click(".scopes button:nth-child(3)", "")
	page.until("one scope alone is seen", `/^1[0-9]{2} rows/.test(document.getElementById("map-figures").textContent) && location.hash === "#/map/entity?scope=1"`, patience)
	page.shot("map-scope")
	eventually(t, "the hub sends that one alone", func() bool {
		n := 0
		for _, s := range w.hub.Sessions() {
			if s.Role == "observer" {
				n++
			}
		}
		return n == 1
	})
	page.click(".scopes button:first-child", "")
	page.until("all are seen again", `document.getElementById("map-figures").textContent.startsWith("500 rows")`, patience)

	stop()
	eval[any](page, `(() => {
		const canvas = document.getElementById("map"), box = canvas.getBoundingClientRect();
		for (let x = 20; x < box.width && document.getElementById("map-card").hidden; x += 8) for (let y = 20; y < box.height && document.getElementById("map-card").hidden; y += 8)
			for (const type of ["pointerdown", "pointerup"]) canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, clientX: box.left + x, clientY: box.top + y, bubbles: true }));
	})()`)
	page.until("a point that is clicked tells of its row", `!document.getElementById("map-card").hidden && document.getElementById("map-card").textContent.includes("zone")`, patience)
	page.shot("map-card")
	page.click("#map-card a", "")
	page.until("its row is a click away", `document.querySelector(".panel[open] h2").textContent.startsWith("entity ")`, patience)
	eventually(t, "nobody observes where nobody looks", func() bool {
		for _, s := range w.hub.Sessions() {
			if s.Role == "observer" {
				return false
			}
		}
		return true
	})
}

// awaited returns what a promise of JavaScript's gives.
func awaited[T any](t *tab, expression string) T {
	t.tb.Helper()
	v, err := chromedp.Run(t.ctx, chromedp.Evaluate[T](expression, func(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) }))
	if err != nil {
		t.tb.Fatalf("%s: %v", t.name, err)
	}
	return v
}

// BenchmarkMap measures how many frames a second the map paints with 10,000 rows that
// move: each has another picture.
func BenchmarkMap(b *testing.B) {
	w := newWorld(b)
	w.mapped()
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			s, stop := w.swarm(n, 40)
			defer stop()
			page := newBrowser(b).open(fmt.Sprint(n), "http://"+w.Admin+"/#/map/entity", 1280, 900)
			page.until("all rows are there", fmt.Sprintf(`document.getElementById("map-figures").textContent.startsWith("%s rows")`, map[int]string{1000: "1,000", 10_000: "10,000"}[n]), patience)
			for b.Loop() {
				seconds := 10
				before, began := s.written.Load(), time.Now()
				m := awaited[map[string]float64](page, fmt.Sprintf(`(async () => {
					const { hub, chart } = globalThis.framehubMap;
					let frames = 0, pictures = 0, last = -1, longest = 0, at = performance.now();
					const tasks = [];
					const watch = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((e) => e.duration)));
					watch.observe({ type: "longtask" });
					const off = hub.on("frame", () => frames++);
					const spent = { receive: 0, paint: 0 };
					const timed = (of, name, as) => {
						const f = of[name];
						of[name] = function (...args) {
							const from = performance.now();
							try { return f.apply(this, args); } finally { spent[as] += performance.now() - from; }
						};
					};
					timed(hub.link.handler, "received", "receive");
					timed(chart, "paint", "paint");
					const painted = chart.painted, began = performance.now();
					while (performance.now() - began < %d) {
						await new Promise(requestAnimationFrame);
						if (hub.version !== last) (pictures++, (last = hub.version));
						longest = Math.max(longest, performance.now() - at);
						at = performance.now();
					}
					off();
					watch.disconnect();
					const seconds = (performance.now() - began) / 1000;
					delete chart.paint;
					return { receive: spent.receive / frames, paint: spent.paint / (chart.painted - painted), frames: frames / seconds, painted: (chart.painted - painted) / seconds, pictures: pictures / seconds, longest, tasks: tasks.length };
				})()`, 1000*seconds))
				b.ReportMetric(m["pictures"], "pictures/s")
				b.ReportMetric(m["painted"], "painted/s")
				b.ReportMetric(m["frames"], "frames/s")
				b.ReportMetric(m["receive"], "receive-ms/frame")
				b.ReportMetric(m["paint"], "paint-ms/picture")
				b.ReportMetric(m["longest"], "longest-ms")
				b.ReportMetric(m["tasks"], "long-tasks")
				b.ReportMetric(float64(s.written.Load()-before)/time.Since(began).Seconds(), "written/s")
			}
		})
	}
}
