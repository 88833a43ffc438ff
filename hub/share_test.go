package hub_test

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"framehub/hub"
	"framehub/session/wire"
)

// TestOneDevicesBytes: what a device has sent and no frame has taken makes its own
// read loop wait, and nobody else's.
func TestOneDevicesBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		hog, other := w.dial(nothing()), w.dial(nothing())
		big := wire.BlobValue(make([]byte, 900<<10))
		done := make(chan struct{})
		go func() { // its connection takes no more at some point
			defer close(done)
			for i := range int64(8) {
				hog.write(wire.OpPut, "thing", []string{"id", "big"}, num(i), big)
			}
		}()
		synctest.Wait()
		other.put(100, 1)
		synctest.Wait()
		if n := w.hub.Pending(); n != 3+1 {
			t.Errorf("%d transactions are in the inbox, not those of 2 MiB, one more, and another's", n)
		}
		for range 4 {
			w.frame()
		}
		<-done
		w.frame()
		if w.scalar(`SELECT count(*) FROM thing`) != 9 {
			t.Error("transactions are lost")
		}
	})
}

// TestPackedBytesCount: what is small on the wire and large in memory counts as
// what it is in memory.
func TestPackedBytesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		p := w.dial(wire.DeviceHello{SubsSet: true, Zstd: true})
		for i := range int64(8) {
			p.seq++
			number, g := w.store.Schema().Table("thing").ID, wire.Grid{Stride: 2, Values: []wire.Value{num(i), wire.BlobValue(make([]byte, 900<<10))}}
			op := wire.AppendOp(nil, wire.OpPut, wire.AppendBlock(nil, number, []int{0, 4}, nil, g, nil))
			msg := wire.AppendWrite(nil, wire.WriteHeader{Seq: p.seq, SchemaVersion: w.store.Schema().Version}, [][]byte{op})
			if err := p.SendRaw(t.Context(), wire.Pack(nil, msg)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := w.hub.Pending(); n != 3 {
			t.Errorf("%d transactions are in the inbox", n)
		}
	})
}

// TestReadShare: a device that sends as fast as it can is read no faster than its
// share, and is neither ended nor refused anything.
func TestReadShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		p := w.dial(wire.DeviceHello{SubsSet: true, Zstd: true})
		const size = wire.DefaultMessageLimit
		msg := binary.BigEndian.AppendUint32([]byte{0x83, byte(wire.TypeClock), 1, 0x5a}, size-8) // a clock's, with more than the hub knows
		msg = wire.Pack(nil, append(msg, make([]byte, size-8)...))
		go func() {
			for p.SendRaw(w.Context(), msg) == nil {
			}
		}()
		answers := 0
		go func() {
			for {
				m, err := p.Next(w.Context())
				if err != nil {
					return
				}
				if _, ok := m.(*wire.Clock); ok {
					answers++
				}
			}
		}()
		<-time.After(time.Second)
		synctest.Wait()
		// A burst of a quarter of a second at 1.6 ms each, and an eighth of a second.
		if answers < 200 || answers > 270 {
			t.Errorf("%d messages were answered in a second", answers)
		}
		p.Drop()
	})
}
