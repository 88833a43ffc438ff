package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// printTable prints what was measured, a line for each peer.
func printTable(out io.Writer, w *work, results []*result) {
	_, _ = fmt.Fprintf(out, "%d devices, each writes 4 floats at %g Hz, all see all; %g frames or patches a second; %v measured\n",
		w.devices, w.hz, w.hz, w.duration)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "\tserver µs/update\tbytes/update\tage p50 ms\tp99 ms\tdelivered\tlost\tsurvive kill -9\tceiling\tgenerator CPU\tlate p99 ms\t")
	for _, r := range results {
		ceiling := "-"
		if r.ceiling > 0 {
			ceiling = fmt.Sprint(r.ceiling)
		}
		updates := float64(max(r.delivered, 1))
		_, _ = fmt.Fprintf(t, "%s\t%.3f\t%.1f\t%.1f\t%.1f\t%.1f %%\t%d of %d\t%d of %d\t%s\t%.0f %%\t%.1f\t\n",
			peerName(r.peer), float64(r.cpu)/float64(time.Microsecond)/updates, float64(r.received)/updates,
			ms(r.age.ValueAtQuantile(50)), ms(r.age.ValueAtQuantile(99)), 100*updates/float64(r.expected),
			r.lost, r.pairs, r.survived, w.devices, ceiling,
			100*r.generator.Seconds()/r.took.Seconds(), ms(r.late.ValueAtQuantile(99)))
	}
	_ = t.Flush()
}

func ms(µs int64) float64 { return float64(µs) / 1000 }

func peerName(p peer) string {
	switch p := p.(type) {
	case *framehub:
		return "framehub"
	case *colyseus:
		return "colyseus"
	case *relay:
		return "relay, " + p.library
	}
	return "?"
}
