package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// passes says whether a peer has kept up: an age below three frames at the 99th
// percentile, no last write lost, and 97 in 100 of the updates delivered.
func (r *result) passes(w *work) bool {
	frame := time.Duration(float64(time.Second) / w.hz)
	return r.lost == 0 && r.age.ValueAtQuantile(99) < 3*frame.Microseconds() && float64(r.delivered) >= 0.97*float64(r.expected)
}

// findCeiling returns the most devices with which a peer passes, to a sixteenth:
// it doubles their number until one fails and then bisects.
func findCeiling(ctx context.Context, p peer, w work) (int, error) {
	w.warmUp, w.duration = 2*time.Second, 5*time.Second
	good, bad := 0, mostDevices
	for w.devices = 64; bad-good > max(good, 1)/16; {
		r, err := measure(ctx, p, &w)
		if ctx.Err() != nil {
			return good, ctx.Err()
		}
		ok := err == nil && r.passes(&w) // a session that the server ends is a failure too
		fmt.Fprintf(os.Stderr, "peers: ceiling: %d devices: %t\n", w.devices, ok)
		if ok {
			good = w.devices
		} else {
			bad = w.devices
		}
		if w.devices = 2 * good; w.devices >= bad || good == 0 {
			w.devices = (good + bad) / 2
		}
	}
	return good, nil
}
