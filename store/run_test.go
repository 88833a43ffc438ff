package store_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"framehub/store"
)

// TestRun: Run checkpoints once a second, and by itself when nothing more comes.
func TestRun(t *testing.T) {
	d := openDB(t, tableA)
	d.close()
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(d.opts)
		if err != nil {
			t.Fatal(err)
		}
		run := *d
		run.TB, run.Store = t, s
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		for i := range 20 {
			run.do(put("a", "id n", row(i, i)))
			<-time.After(frameTime)
		}
		if s.Durable() == s.Version() {
			t.Error("checkpointed within a second")
		}
		<-time.After(1100 * time.Millisecond)
		if s.Durable() != s.Version() {
			t.Errorf("durable %d of %d", s.Durable(), s.Version())
		}
		if n := s.Stats().Checkpoints.Load(); n < 2 || n > 6 {
			t.Errorf("%d checkpoints in two seconds", n)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
