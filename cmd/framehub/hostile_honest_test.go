package main_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"framehub/session"
)

// An honest device writes one number after the other, and watches its row.
type honest struct {
	device  *session.Device
	quiet   context.CancelFunc // ends the writing
	written chan struct{}      // closed when it has ended
	leave   func()             // ends the session

	mu    sync.Mutex // guards the following
	next  *sync.Cond // beats or err has changed
	beats int        // that were committed
	err   error
}

func newHonest(t *testing.T, w *hostileWorld) *honest {
	t.Helper()
	d, err := session.NewDevice(session.DeviceOptions{
		URL: w.url(), Client: session.ClientOptions{Token: w.tokens["alice"]}, Strict: true,
		OnDown: func(err error, _ time.Duration) { t.Errorf("the honest device was thrown out: %v", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	writing, quiet := context.WithCancel(ctx)
	h := &honest{device: d, quiet: quiet, written: make(chan struct{})}
	h.next = sync.NewCond(&h.mu)
	var running sync.WaitGroup
	h.leave = func() { cancel(); running.Wait() }
	running.Go(func() {
		if err := d.Run(ctx); err != nil && ctx.Err() == nil {
			h.fail(err)
		}
	})
	running.Go(func() {
		defer close(h.written)
		for n := 1; writing.Err() == nil; n++ {
			h.beat(ctx, n)
		}
	})
	t.Cleanup(h.leave)
	return h
}

// beat writes a number, and waits until it is committed.
func (h *honest) beat(ctx context.Context, n int) {
	told := make(chan error, 1)
	tx := new(session.Tx).Put("beat", []string{"id", "n"}, session.Values(1, n))
	if err := h.device.Submit(tx, func(o session.Outcome) { told <- o.Err }); err != nil {
		h.fail(err)
		return
	}
	var err error
	select {
	case err = <-told:
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(20 * time.Second):
		err = errors.New("nothing became of it in 20 seconds")
	}
	if err != nil && ctx.Err() == nil {
		h.fail(fmt.Errorf("write number %d: %w", n, err))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.beats = n
	}
	h.next.Broadcast()
}

func (h *honest) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = errors.Join(h.err, err)
	h.next.Broadcast()
}

// await waits for a write that began after the call.
func (h *honest) await(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for began := h.beats; h.beats < began+2 && h.err == nil; h.next.Wait() {
	}
	if h.err != nil {
		t.Fatalf("the honest device: %v", h.err)
	}
}

// stop ends the writing, and the session once the device's own copy has the last
// number, which it returns.
func (h *honest) stop(t *testing.T) int {
	t.Helper()
	defer h.leave()
	h.quiet()
	<-h.written
	h.mu.Lock()
	defer h.mu.Unlock()
	want := map[string]bool{fmt.Sprintf("1 %d", h.beats): true}
	for end := time.Now().Add(10 * time.Second); ; <-time.After(20 * time.Millisecond) {
		have := awaitRows(h.device, "beat", 1)
		if maps.Equal(have, want) {
			return h.beats
		}
		if time.Now().After(end) {
			t.Fatalf("the honest device's copy has %v, want %v", have, want)
		}
	}
}
