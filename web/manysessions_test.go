package web_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"framehub/session"
	"framehub/session/wire"
)

// manySessions are how many the page is to show, and manyWriters of them write ten
// times a second.
const (
	manySessions = 2000
	manyWriters  = 50
)

// TestManySessions measures what the list of 2,000 sessions costs a hub, which is a
// process of its own, and the browser. FRAMEHUB names the hub's program: without, it is
// skipped (make bench-admin).
func TestManySessions(t *testing.T) {
	program := os.Getenv("FRAMEHUB")
	if program == "" {
		t.Skip("no FRAMEHUB: make bench-admin builds one and measures")
	}
	h := startHub(t, program)
	h.connect(manySessions)
	const window = 20 * time.Second
	b := newBrowser(t)
	quiet := h.cpu(window)
	page := b.open("operator", "http://"+h.admin+"/", 1280, 900)
	page.until("all are listed", `document.getElementById("count").textContent.replace(",", "") === "2000"`, patience)
	page.watchTasks(`(() => {
		const grid = document.querySelector(".grid");
		grid.scrollTop = (grid.scrollTop + 700) % (grid.scrollHeight - grid.clientHeight);
	})()`)
	busy := page.mainThread()
	watched := h.cpu(window)
	busy = (page.mainThread() - busy) / window.Seconds()
	long, worst := page.longTasks()
	rows := eval[int](page, `document.querySelectorAll(".grid-row").length`)
	page.shot("admin-2000")
	page.do(chromedp.Navigate("about:blank"))
	// What this machine makes of tasks that take a fifth of what is allowed, with all else as before.
	page.watchTasks(`(() => { for (const end = performance.now() + 20; performance.now() < end; ); })()`)
	after := h.cpu(window)
	longIdle, worstIdle := page.longTasks()
	cost := watched - (quiet+after)/2
	t.Logf("%d sessions, %d of them writing 10/s; the hub's CPU, %% of a core: %.1f with nobody looking, %.1f with the list open and scrolled, %.1f with nobody again: the list costs %.1f",
		manySessions, manyWriters, quiet, watched, after, cost)
	t.Logf("in the browser: %d rows are there; the main thread takes %.1f %% of a core; %d tasks took longer than 50 ms, the longest %.0f ms; of tasks that take 20 ms by themselves %d and %.0f ms",
		rows, 100*busy, long, worst, longIdle, worstIdle)
	if cost > 5 {
		t.Errorf("the list costs %.1f %% of a core, at most are 5", cost)
	}
	if worst >= 100 {
		t.Errorf("a task of the page took %.0f ms, less than 100 are allowed; of tasks that take 20 ms by themselves one took %.0f", worst, worstIdle)
	}
}

// watchTasks notes how long tasks of the page take from now on, of which one runs a
// piece of JavaScript ten times a second.
func (t *tab) watchTasks(each string) {
	t.tb.Helper()
	eval[any](t, fmt.Sprintf(`(() => {
		globalThis.tasks = [];
		new PerformanceObserver((list) => tasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: "longtask" });
		setInterval(() => %s, 100);
	})()`, each))
}

// mainThread returns the seconds that the page's main thread has worked, by the
// thread's own clock: what others of the machine take from it does not count.
func (t *tab) mainThread() (seconds float64) {
	t.tb.Helper()
	t.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks})
		if err != nil {
			return err
		}
		got, err := chromedp.Call(ctx, performance.GetMetrics, cdp.Empty{})
		for _, m := range got.Metrics {
			if m.Name == "TaskDuration" {
				seconds = m.Value
			}
		}
		return err
	}))
	return seconds
}

// longTasks returns how many tasks took longer than 50 ms, and how long the longest did.
func (t *tab) longTasks() (n int, worst float64) {
	t.tb.Helper()
	return eval[int](t, `tasks.length`), eval[float64](t, `Math.max(0, ...tasks)`)
}

// A hubProcess is a hub in a process of its own.
type hubProcess struct {
	tb            testing.TB
	device, admin string
	clients       []*session.Client
}

func startHub(tb testing.TB, program string) *hubProcess {
	tb.Helper()
	cmd := exec.CommandContext(context.Background(), program, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--admin-auth", "none",
		"--db", filepath.Join(tb.TempDir(), "world.db"), "--schema", "../examples/city/schema.sql", "--backup-every", "0", "--ship-every", "0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	h := &hubProcess{tb: tb}
	lines := bufio.NewScanner(out)
	for address := regexp.MustCompile(`://([^/]+)/`); (h.device == "" || h.admin == "") && lines.Scan(); {
		m := address.FindStringSubmatch(lines.Text())
		switch {
		case m == nil:
		case strings.HasPrefix(lines.Text(), "devices"):
			h.device = m[1]
		case strings.HasPrefix(lines.Text(), "operators"):
			h.admin = m[1]
		}
	}
	if h.admin == "" {
		tb.Fatal("the hub has not started:", lines.Err())
	}
	return h
}

// connect connects devices, each of which watches a table; some write until the test ends.
func (h *hubProcess) connect(n int) {
	h.tb.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	h.tb.Cleanup(func() {
		stop()
		for _, c := range h.clients {
			c.Drop()
		}
		running.Wait()
	})
	for i := range n {
		hello := wire.DeviceHello{SubsSet: true, Client: "bench", Subs: []wire.Sub{{Name: "building"}}}
		c, err := session.Dial(ctx, "ws://"+h.device, session.ClientOptions{Hello: hello})
		if err != nil {
			h.tb.Fatal(err)
		}
		h.clients = append(h.clients, c)
		running.Go(func() {
			var buf []byte
			for {
				raw, err := c.NextRaw(ctx, buf)
				if err != nil {
					return
				}
				buf = raw.Data
			}
		})
		if i < manyWriters {
			p := &player{Client: c, tb: h.tb}
			running.Go(func() {
				tick := time.NewTicker(100 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						if p.tryWrite(ctx, wire.OpPut, int64(i)) != nil {
							return
						}
					case <-ctx.Done():
						return
					}
				}
			})
		}
	}
}

// cpu returns how much of a core the hub uses during a time, in percent.
func (h *hubProcess) cpu(during time.Duration) float64 {
	h.tb.Helper()
	before, began := h.cpuSeconds(), time.Now()
	<-time.After(during)
	return 100 * (h.cpuSeconds() - before) / time.Since(began).Seconds()
}

func (h *hubProcess) cpuSeconds() float64 {
	h.tb.Helper()
	w := &world{tb: h.tb}
	m := regexp.MustCompile(`(?m)^process_cpu_seconds_total (\S+)$`).FindStringSubmatch(w.get(h.admin, "/metrics").body)
	if m == nil {
		h.tb.Fatal("the hub does not tell its CPU's time")
	}
	seconds, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		h.tb.Fatal(err)
	}
	return seconds
}
