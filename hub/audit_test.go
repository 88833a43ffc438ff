package hub_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"framehub/audit"
	"framehub/audit/audittest"
	"framehub/hub"
	"framehub/session/wire"
)

// audited runs f in a bubble with a world whose audit log can be read.
func audited(t *testing.T, f func(*world, *audittest.Output)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &audittest.Output{}
		f(newWorld(t, hub.Options{Audit: audit.New(slog.New(slog.NewTextHandler(l, nil)))}), l)
	})
}

// expectLine fails unless there is one line of an event, with parts.
func (w *world) expectLine(l *audittest.Output, event audit.Event, parts ...string) {
	w.Helper()
	all := l.Lines(event)
	if len(all) != 1 {
		w.Fatalf("%d lines of %s: %q", len(all), event, all)
	}
	for _, part := range parts {
		if !strings.Contains(all[0], part) {
			w.Errorf("%q is not in %s", part, all[0])
		}
	}
}

func TestRefusedWriteIsAudited(t *testing.T) {
	audited(t, func(w *world, l *audittest.Output) {
		p := w.dial(nothing())
		expect[*wire.SnapshotEnd](p)
		p.put(1, 1)
		p.write(wire.OpUpdate, "other", []string{"name", "n"}, wire.TextValue("x"), num(1))
		w.frame()
		w.expectLine(l, audit.WriteRefused, "session="+uuid.UUID(p.Hello.Session).String(), "device="+uuid.UUID(p.Hello.Device).String(),
			"remote=", "code=missing", "transaction 2: ")
	})
}

func TestRefusedWritesAreSampled(t *testing.T) {
	audited(t, func(w *world, l *audittest.Output) {
		p := w.dial(nothing())
		expect[*wire.SnapshotEnd](p)
		for range 60 {
			p.write(wire.OpUpdate, "thing", []string{"id", "a"}, num(9), num(1))
		}
		w.frame()
		if n := len(l.Lines(audit.WriteRefused)); n != 5 {
			w.Errorf("%d lines", n)
		}
		w.pass(time.Second)
		p.write(wire.OpUpdate, "thing", []string{"id", "a"}, num(9), num(1))
		w.frame()
		if all := l.Lines(audit.WriteRefused); len(all) != 6 || !strings.Contains(all[5], "left_out=55") {
			w.Errorf("the last of %d lines is %s", len(all), all[len(all)-1])
		}
	})
}

func TestReplacedSessionIsAudited(t *testing.T) {
	audited(t, func(w *world, l *audittest.Output) {
		old := w.dial(nothing())
		expect[*wire.SnapshotEnd](old)
		hello := nothing()
		hello.Device = old.Hello.Device
		w.dial(hello)
		expect[*wire.Goodbye](old)
		w.pass(5 * time.Second)
		w.expectLine(l, audit.SessionReplaced, "session="+uuid.UUID(old.Hello.Session).String(), "code=4009")
	})
}

func TestEndedSessionIsAudited(t *testing.T) {
	audited(t, func(w *world, l *audittest.Output) {
		p := w.dial(nothing())
		expect[*wire.SnapshotEnd](p)
		if err := p.SendRaw(w.Context(), []byte{0xff, 0xff}); err != nil {
			w.Fatal(err)
		}
		expect[*wire.Goodbye](p)
		w.pass(5 * time.Second)
		w.expectLine(l, audit.SessionEnded, "session="+uuid.UUID(p.Hello.Session).String(), "code=4000")
	})
}

// TestLeavingIsNotAudited: a device that goes, and a hub that stops, are no events.
func TestLeavingIsNotAudited(t *testing.T) {
	audited(t, func(w *world, l *audittest.Output) {
		gone, stays := w.dial(nothing()), w.dial(nothing())
		gone.Close()
		expect[*wire.SnapshotEnd](stays)
		w.hub.Stop()
		for _, event := range []audit.Event{audit.SessionEnded, audit.SessionReplaced} {
			if all := l.Lines(event); len(all) > 0 {
				w.Errorf("%q", all)
			}
		}
	})
}
