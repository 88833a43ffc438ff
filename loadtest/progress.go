package loadtest

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/dustin/go-humanize"
)

const (
	printEvery = 5 * time.Second
	paintEvery = 200 * time.Millisecond // a bar on a terminal
)

// watch shows how far the run is, of a load that takes so long, until the
// function that it returns is called.
func (r *run) watch(length time.Duration) (stop func()) {
	if r.opts.Progress == nil {
		return func() {}
	}
	every, show := printEvery, r.printLine
	if r.opts.Terminal {
		every, show = paintEvery, r.bar(length)
	}
	done := make(chan struct{})
	var showing sync.WaitGroup
	showing.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				show(time.Since(r.base)-r.start, false)
			case <-done:
				show(length, true)
				return
			}
		}
	})
	return func() {
		close(done)
		showing.Wait()
	}
}

func (r *run) printLine(at time.Duration, last bool) {
	if !last {
		_, _ = fmt.Fprintf(r.opts.Progress, "%3.0f s  %s\n", at.Seconds(), r.figures())
	}
}

// bar returns what paints a bar that is as wide as the load is long.
func (r *run) bar(length time.Duration) func(at time.Duration, last bool) {
	bar := progressbar.NewOptions64(max(1, length.Milliseconds()),
		progressbar.OptionSetWriter(r.opts.Progress), progressbar.OptionSetWidth(20),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(), progressbar.OptionClearOnFinish(), progressbar.OptionUseANSICodes(true),
		progressbar.OptionThrottle(paintEvery/2)) // one painting a tick, not one for each call
	return func(at time.Duration, last bool) {
		if last {
			_ = bar.Finish()
			return
		}
		bar.Describe(r.figures())
		_ = bar.Set64(min(at.Milliseconds(), bar.GetMax64()-1))
	}
}

// figures tells in a line how the run fares.
func (r *run) figures() string {
	s := fmt.Sprintf("%d connected, %s sent, %s acknowledged", r.connected(), humanize.Comma(r.sent.Load()), humanize.Comma(r.acked.Load()))
	if n := r.refused.Load(); n > 0 {
		s += fmt.Sprintf(", %s refused", humanize.Comma(n))
	}
	if n := r.calls.heard.Load(); n > 0 {
		s += fmt.Sprintf(", %s events heard", humanize.Comma(n))
	}
	if q := r.ages.quantiles(); q != nil {
		s += fmt.Sprintf(", seen p50 %.1f p99 %.1f ms", q.P50, q.P99)
	}
	return s
}
