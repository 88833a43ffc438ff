// Command peers measures the hub beside others on the same work, the mesh: N
// devices, each with one entity of four floats that it writes H times a second,
// and all see all. README.md says how it measures; scripts/bench-peers runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// A work is what every peer gets to do.
type work struct {
	devices  int
	hz       float64
	warmUp   time.Duration
	duration time.Duration
}

const (
	mostDevices = 1 << stampBits
	mostWrites  = 1 << (24 - stampBits) // a float32 holds whole numbers up to 2^24
)

func (w *work) check() error {
	switch writes := w.hz * (w.warmUp + w.duration).Seconds(); {
	case w.devices < 1 || w.devices >= mostDevices:
		return fmt.Errorf("--devices is from 1 to %d", mostDevices-1)
	case w.hz <= 0 || w.duration <= 0 || w.warmUp < 0:
		return fmt.Errorf("--hz and --duration are above 0")
	case writes >= mostWrites:
		return fmt.Errorf("a device can write %d times: choose a smaller --hz or --duration", mostWrites-1)
	}
	return nil
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "relay" {
		os.Exit(runRelay(os.Args[2:]))
	}
	os.Exit(run())
}

func run() int {
	var w work
	var places places
	flag.IntVar(&w.devices, "devices", 100, "devices")
	flag.Float64Var(&w.hz, "hz", 20, "writes of each device, and frames or patches, a second")
	flag.DurationVar(&w.warmUp, "warm-up", 3*time.Second, "before anything is measured")
	flag.DurationVar(&w.duration, "duration", 10*time.Second, "measured")
	ceiling := flag.Bool("ceiling", false, "also look for the most devices that each takes")
	names := flag.String("peers", "framehub,colyseus,coder,gws", "who, in this order")
	flag.StringVar(&places.framehub, "framehub", "bin/framehub", "the hub's program")
	flag.StringVar(&places.node, "node", "", "Node's program, 22 or newer")
	flag.StringVar(&places.colyseus, "colyseus", "", "server.mjs, beside its node_modules")
	flag.Parse()
	if err := w.check(); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var results []*result
	for name := range strings.SplitSeq(*names, ",") {
		p, err := newPeer(name, &places)
		if err != nil {
			fmt.Fprintln(os.Stderr, "peers:", err)
			return 2
		}
		r, err := measure(ctx, p, &w)
		if err == nil && *ceiling {
			r.ceiling, err = findCeiling(ctx, p, w)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "peers: %s: %v\n", name, err)
			return 1
		}
		results = append(results, r)
	}
	printTable(os.Stdout, &w, results)
	return 0
}
