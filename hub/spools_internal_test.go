package hub

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestSpools: files of snapshots have a bound together; who asks for more than there is gets
// none, unless it is alone; and those that had their time make room.
func TestSpools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := &spools{most: 11 << 20}
		one := func() *spool { return newSpool(func() {}, all) }
		fill := func(s *spool, messages int) error {
			for range messages {
				if err := s.put(make([]byte, 1<<20)); err != nil {
					return err
				}
			}
			return nil
		}
		a, b, c := one(), one(), one()
		if err := errors.Join(fill(a, 6), fill(b, 6)); err != nil { // of which the first waits in memory
			t.Fatal(err)
		}
		if err := fill(b, 1); !errors.Is(err, errNoRoom) {
			t.Fatalf("above the bound: %v", err)
		}
		b.discard()
		time.Sleep(spoolTime + 6*time.Second) //nolint:forbidigo // in a bubble, where it takes none
		if err := fill(c, 10); err != nil {
			t.Fatalf("there is room of one that had its time: %v", err)
		}
		if _, _, _, err := a.take(); !errors.Is(err, errTakenSlowly) {
			t.Errorf("who had its time is told: %v", err)
		}
		if err := fill(a, 1); !errors.Is(err, errTakenSlowly) {
			t.Errorf("who had its time goes on: %v", err)
		}
		a.end(nil)
		if _, _, _, err := a.take(); err == nil {
			t.Error("who had its time came to its end")
		}
		a.discard()
		if err := fill(c, 5); err != nil {
			t.Errorf("one alone: %v", err)
		}
		for range 15 {
			if msg, _, _, err := c.take(); err != nil || len(msg) != 1<<20 {
				t.Fatalf("of what was put comes %d bytes, %v", len(msg), err)
			}
		}
		c.discard()
		if all.used != 0 || len(all.with) != 0 {
			t.Errorf("at the end %d bytes of %d spools are left", all.used, len(all.with))
		}
	})
}
