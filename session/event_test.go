package session_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"framehub/session"
	"framehub/session/wire"
)

func shout(name string) *wire.SendEvent {
	return &wire.SendEvent{To: wire.ToRole("server"), Name: name, Value: wire.One(wire.IntegerValue(1))}
}

// readEvent reads an event that the device sends.
func (p *peer) readEvent() string {
	p.t.Helper()
	e, err := wire.DecodeSendEvent(p.read(), wire.Limits{})
	if err != nil {
		p.t.Fatal(err)
	}
	return e.Name
}

func TestDeviceHearsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var heard []string
		f.run(t, session.DeviceOptions{
			OnEvent:        func(e *wire.Event) { heard = append(heard, fmt.Sprint(e.Version, e.Name, e.Value.Values)) },
			OnEventRefused: func(name string, why *wire.Refusal) { heard = append(heard, fmt.Sprint(name, why)) },
			OnFrame:        func(version uint64) { heard = append(heard, fmt.Sprint("frame", version)) },
		})
		p := f.accept(t)
		p.start(known(10, 0))
		p.send(
			frame(11, 10, nil, nil),
			&wire.Event{From: make([]byte, 16), Version: 11, Name: "chat", Value: wire.One(wire.TextValue("hei"))},
			&wire.Event{Name: "shot", Refused: wire.Refuse(wire.CodeRate, "slowly")},
		)
		synctest.Wait()
		if want := []string{"frame11", `11chat["hei"]`, "shotrate: slowly"}; !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
	})
}

// An event follows the transactions that were submitted before it, also those
// that wait for room.
func TestDeviceSendsEventsInTheirPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, _ := f.run(t, session.DeviceOptions{})
		p := f.accept(t)
		h := known(10, 0)
		h.Limits.Unsettled = 1
		p.start(h)
		synctest.Wait()
		submit := func(id int64) {
			if err := d.Submit(new(session.Tx).Put("entity", []string{"id"}, session.Values(id)), nil); err != nil {
				t.Fatal(err)
			}
		}
		say := func(name string) {
			if err := d.SendEvent(shout(name)); err != nil {
				t.Fatal(err)
			}
		}
		say("before")
		submit(1)
		say("between")
		submit(2)
		say("after")
		if got := p.readEvent(); got != "before" {
			t.Errorf("the first is %q", got)
		}
		first := p.readWrite()
		if got := p.readEvent(); got != "between" {
			t.Errorf("after the first transaction comes %q", got)
		}
		p.send(&wire.Settled{Version: 11, Committed: []uint64{first.Seq}})
		second := p.readWrite()
		if got := p.readEvent(); second.Seq <= first.Seq || got != "after" {
			t.Errorf("after transaction %d comes %q", second.Seq, got)
		}
		p.send(&wire.Settled{Version: 12, Committed: []uint64{second.Seq}})
	})
}

// An event is sent now or never.
func TestDeviceLosesEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, _ := f.run(t, session.DeviceOptions{})
		if err := d.SendEvent(shout("early")); !errors.Is(err, session.ErrEventLost) {
			t.Errorf("before a connection: %v", err)
		}
		p := f.accept(t)
		h := known(10, 0)
		h.Limits.Unsettled = 1
		p.start(h)
		synctest.Wait()
		for id := range int64(2) { // the second one waits, and with it what comes after
			if err := d.Submit(new(session.Tx).Put("entity", []string{"id"}, session.Values(id)), nil); err != nil {
				t.Fatal(err)
			}
		}
		sent := 0
		for d.SendEvent(shout("many")) == nil {
			sent++
		}
		if sent != 256 {
			t.Errorf("%d events wait", sent)
		}
		p.drop()
		p = f.accept(t)
		p.start(resuming(10, 0))
		p.readWrite()
		p.readWrite()
		synctest.Wait()
		p.quiet()
	})
}

func TestEventsThatNoHubTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d, _ := f.run(t, session.DeviceOptions{})
		p := f.accept(t)
		p.start(known(10, 0))
		synctest.Wait()
		for name, change := range map[string]func(e *wire.SendEvent){
			"no name":                   func(e *wire.SendEvent) { e.Name = "" },
			"a name that is too long":   func(e *wire.SendEvent) { e.Name = strings.Repeat("x", 65) },
			"a name that is no text":    func(e *wire.SendEvent) { e.Name = "\xff" },
			"a name with a line break":  func(e *wire.SendEvent) { e.Name = "a\nb" },
			"a device of three bytes":   func(e *wire.SendEvent) { e.To = wire.ToDevice([]byte{1, 2, 3}) },
			"an undefined scope":        func(e *wire.SendEvent) { e.To = wire.ToScope("entity", wire.UndefinedValue()) },
			"an undefined value":        func(e *wire.SendEvent) { e.Value = wire.One(wire.UndefinedValue()) },
			"too many values":           func(e *wire.SendEvent) { e.Value = wire.List(make([]wire.Value, 65)...) },
			"two values without a list": func(e *wire.SendEvent) { e.Value = wire.Payload{Values: make([]wire.Value, 2)} },
		} {
			e := shout("chat")
			change(e)
			if err := d.SendEvent(e); err == nil || errors.Is(err, session.ErrEventLost) {
				t.Errorf("%s: %v", name, err)
			}
		}
		synctest.Wait()
		p.quiet()
	})
}
