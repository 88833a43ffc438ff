package store_test

import (
	"fmt"
	"testing"
	"time"

	"framehub/session/wire"
	"framehub/store"
)

// TestSettled: numbers are settled exactly as committed, across restarts and
// crashes, however far what is written down of them lags.
func TestSettled(t *testing.T) {
	d := openDB(t, tableA)
	for i := range 200 {
		dev := []store.Device{alice, bob, carol}[i%3]
		ok := d.plain(dev, put("a", "id n", row(i, i)))
		bad := d.plain(dev, insert("a", "id n", row(0, 0)))
		d.now = d.now.Add(time.Duration(i%7) * time.Second / 10)
		switch i % 4 {
		case 0:
			d.frame(ok, bad)
		case 1:
			d.commit(ok, bad)
			d.crash(d.opts.Path)
		case 2:
			d.frame(ok, bad)
			d.reopen()
		default:
			d.commit(ok, bad)
		}
		state, known, err := d.Device(dev)
		if err != nil || !known || state.Settled != d.seq[dev] {
			t.Fatalf("%d: settled %d of %d, %v %v", i, state.Settled, d.seq[dev], known, err)
		}
		last := state.Rejected[len(state.Rejected)-1]
		if last.Seq != bad.w.Seq || last.Code != wire.CodeExists || last.Op != 0 || last.Row != 0 || last.Text == "" {
			t.Fatalf("%d: %+v", i, last)
		}
	}
	if _, known, err := d.Device(store.Device{99}); known || err != nil {
		t.Error("a device that never was is known", err)
	}
}

// TestRejected: refusals are remembered among a device's last 64 numbers.
func TestRejected(t *testing.T) {
	d := openDB(t, tableA)
	want := func(when string, seqs ...uint64) {
		t.Helper()
		state, _, err := d.Device(alice)
		if err != nil || len(state.Rejected) != len(seqs) {
			t.Fatalf("%s: %+v, want %v (%v)", when, state.Rejected, seqs, err)
		}
		for i, s := range seqs {
			if state.Rejected[i].Seq != s {
				t.Errorf("%s: %+v, want %v", when, state.Rejected, seqs)
			}
		}
	}
	d.do(put("a", "id n", row(0, 0)))
	for range 2 { // 2 and 3
		wantRefusal(t, d.try(insert("a", "id", row(0))), wire.CodeExists)
	}
	want("at once", 2, 3)
	for i := range store.Unsettled - 2 {
		d.do(put("a", "id n", row(1, i)))
	}
	want("63 and 62 later", 2, 3)
	d.reopen()
	want("reopened", 2, 3)
	d.do(put("a", "id n", row(1, -1)))
	want("64 later", 3)
	d.crash(d.opts.Path)
	want("after a crash", 3)
	d.do(put("a", "id n", row(1, -2)))
	want("65 later")
	for range 70 { // only refusals
		wantRefusal(t, d.try(insert("a", "id", row(0))), wire.CodeExists)
	}
	state, _, err := d.Device(alice)
	if err != nil || len(state.Rejected) != store.Unsettled || state.Rejected[0].Seq != state.Settled-store.Unsettled+1 {
		t.Errorf("%d refusals of %d, from %d (%v)", len(state.Rejected), state.Settled, state.Rejected[0].Seq, err)
	}
}

// TestRefusedOutcomes: what the hub refuses by itself, by rate or size, settles
// through the log too, in frames without any transaction.
func TestRefusedOutcomes(t *testing.T) {
	d := openDB(t, tableA)
	f, err := d.Begin()
	if err != nil {
		t.Fatal(err)
	}
	refused := []store.Outcome{
		{Device: alice, Rejected: wire.Rejected{Seq: 7, Refusal: *wire.Refuse(wire.CodeRate, "too many")}},
		{Device: bob, Rejected: wire.Rejected{Seq: 1 << 50, Refusal: wire.Refusal{Code: wire.CodeTooLarge, Text: "ünï\x00", Op: 3, Row: 4}}},
	}
	e, err := f.Commit(d.now, refused)
	if err != nil || len(e.Tables) != 0 || len(e.Writers) != 0 {
		t.Fatal(e, err)
	}
	refused[0].Text = "the caller's slice is the caller's"
	d.crash(d.opts.Path)
	for _, o := range []store.Outcome{{Device: alice, Rejected: wire.Rejected{Seq: 7, Refusal: *wire.Refuse(wire.CodeRate, "too many")}}, refused[1]} {
		state, _, err := d.Device(o.Device)
		if err != nil || state.Settled != o.Seq || len(state.Rejected) != 1 || state.Rejected[0] != o.Rejected {
			t.Errorf("%+v, want %+v (%v)", state, o.Rejected, err)
		}
	}
	if e, err := d.Entry(e.Version); err != nil || e.Refused[0].Text != "too many" {
		t.Error(e, err)
	}
}

// TestEviction: more devices than memory keeps come and go; what is known of
// them stays.
func TestEviction(t *testing.T) {
	restore := store.KeepDevices(50)
	defer restore()
	d := openDB(t, tableA)
	dev := func(i int) store.Device { return store.Device{9, byte(i), byte(i >> 8)} }
	for round := range 3 {
		for i := range 300 {
			d.now = d.now.Add(time.Second / 20)
			r := []written{d.plain(dev(i), put("a", "id n", row(i, round)))}
			if i%3 == 0 {
				r = append(r, d.plain(dev(i), insert("a", "id", row(i))))
			}
			d.frame(r...)
		}
		if round == 1 {
			d.crash(d.opts.Path)
		}
		if n := store.DevicesKept(d.Store); n > 150 {
			t.Errorf("%d devices are in memory", n)
		}
		for i := range 300 {
			state, ok, err := d.Device(dev(i))
			rejected := 0
			if i%3 == 0 {
				rejected = round + 1
			}
			if !ok || err != nil || state.Settled != d.seq[dev(i)] || len(state.Rejected) != rejected {
				t.Fatalf("round %d, device %d: %+v, settled %d (%v)", round, i, state, d.seq[dev(i)], err)
			}
		}
	}
}

// TestLookAgain: what was looked up holds until memory may have lost the device, and
// is then looked up anew; in between, what it settles shows.
func TestLookAgain(t *testing.T) {
	restore := store.KeepDevices(50)
	defer restore()
	d := openDB(t, tableA)
	dev := func(i int) store.Device { return store.Device{9, byte(i)} }
	lookUp := func(dev store.Device) store.DeviceLook {
		t.Helper()
		l, err := d.LookUp(dev)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	d.frame(d.plain(dev(1), put("a", "id n", row(1, 1))))
	known, stranger := lookUp(dev(1)), lookUp(dev(99))
	if l, ok := d.LookAgain(dev(99), stranger); !ok || l.Known {
		t.Errorf("a device that has settled nothing: %+v, %v", l, ok)
	}
	d.frame(d.plain(dev(1), put("a", "id n", row(1, 2))))
	if l, ok := d.LookAgain(dev(1), known); !ok || l.Settled != d.seq[dev(1)] {
		t.Errorf("a device that has settled more: %+v, %v, want %d", l, ok, d.seq[dev(1)])
	}
	for i := 2; i < 99; i++ {
		d.now = d.now.Add(time.Second / 20)
		d.frame(d.plain(dev(i), put("a", "id n", row(i, 1))))
	}
	for _, l := range []store.DeviceLook{known, stranger} {
		if is, ok := d.LookAgain(store.Device{8}, l); ok {
			t.Errorf("after evictions %+v is still good, as %+v", l, is)
		}
	}
	if l, ok := d.LookAgain(dev(1), lookUp(dev(1))); !ok || l.Settled != d.seq[dev(1)] {
		t.Errorf("looked up anew: %+v, %v, want %d", l, ok, d.seq[dev(1)])
	}
}

// TestForgotten: a device not seen for long is forgotten at a start.
func TestForgotten(t *testing.T) {
	d := openDB(t, tableA)
	d.do(put("a", "id n", row(1, 1)))
	d.now = d.now.Add(time.Hour)
	d.frame(d.plain(bob, put("a", "id n", row(2, 1))))
	d.opts.DeviceAge = time.Since(epochStart) - 30*time.Minute
	d.reopen()
	for dev, want := range map[store.Device]bool{alice: false, bob: true} {
		if _, ok, err := d.Device(dev); ok != want || err != nil {
			t.Errorf("device %c: known is %v (%v)", dev[0], ok, err)
		}
	}
}

// TestDeviceReaders: devices are looked up beside the frames, by any goroutine.
func TestDeviceReaders(t *testing.T) {
	restore := store.KeepDevices(5)
	defer restore()
	d := openDB(t, tableA)
	stop, failed := make(chan struct{}), make(chan error, 4)
	for range 4 {
		go func() {
			var before uint64
			for {
				select {
				case <-stop:
					failed <- nil
					return
				default:
				}
				state, _, err := d.Device(alice)
				if err == nil && state.Settled < before {
					err = fmt.Errorf("settled %d, then %d", before, state.Settled)
				}
				if before = state.Settled; err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	for i := range 30 {
		d.now = d.now.Add(time.Second)
		d.frame(d.plain(alice, put("a", "id n", row(i, i))))
		for j := range 8 {
			d.frame(d.plain(store.Device{7, byte(i), byte(j)}, put("a", "id n", row(j, i))))
		}
	}
	close(stop)
	for range 4 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}
