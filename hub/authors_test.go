package hub_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"framehub/hub"
	"framehub/session/wire"
)

// deeds is a schema in which rows are also written by triggers and cascades.
const deeds = `
	CREATE TABLE thing(id INTEGER PRIMARY KEY, zone INTEGER, a INTEGER) STRICT;
	CREATE TABLE part(thing INTEGER REFERENCES thing(id) ON DELETE CASCADE, name TEXT, n INTEGER, PRIMARY KEY (thing, name)) STRICT, WITHOUT ROWID;
	CREATE TABLE total(name TEXT PRIMARY KEY, n INTEGER) STRICT;
	INSERT INTO total VALUES ('a', 0);
	CREATE TRIGGER sum AFTER UPDATE OF a ON thing BEGIN UPDATE total SET n = n + new.a WHERE name = 'a'; END;`

// byline is who wrote, by the name that the test has for it, and what.
func (w *world) byline(f *wire.Frame, names map[string]*peer) (all []string) {
	w.Helper()
	for _, a := range f.Authors {
		who := "nobody"
		for name, p := range names {
			if string(p.Hello.Device) == string(a.Device) {
				who = name
			}
		}
		var keys [][]wire.Value
		for i := range a.Keys.Rows() {
			keys = append(keys, a.Keys.Row(i))
		}
		all = append(all, fmt.Sprint(who, " ", a.Seq, " ", w.store.Schema().ByID(a.Table).Name, " ", keys))
	}
	return all
}

func TestAuthors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, deeds, hub.Options{})
		s := w.dial(wire.DeviceHello{Role: "server"})
		d, zone := w.dial(wire.DeviceHello{}), w.dial(server(scoped(1)))
		one, two := w.dial(nothing()), w.dial(nothing())
		names := map[string]*peer{"s": s, "one": one, "two": two}
		for _, p := range []*peer{s, d, zone} {
			await[*wire.SnapshotEnd](p)
		}
		row := []string{"id", "zone", "a"}
		one.write(wire.OpPut, "thing", row, num(1), num(1), num(5))
		synctest.Wait()
		one.write(wire.OpPut, "part", []string{"thing", "name", "n"}, num(1), wire.TextValue("wheel"), num(4))
		synctest.Wait()
		s.write(wire.OpPut, "thing", row, num(300), num(2), num(5))
		synctest.Wait()
		two.write(wire.OpPut, "thing", row, num(1), num(1), num(7)) // with the trigger
		synctest.Wait()
		w.frame()
		w.wantByline(await[*wire.Frame](s), names, "one 1 thing [[1]]", `one 2 part [[1 "wheel"]]`, "s 1 thing [[300]]", "two 1 thing [[1]]", `two 1 total [["a"]]`)
		w.wantByline(await[*wire.Frame](zone), names, "one 1 thing [[1]]", "two 1 thing [[1]]")
		w.wantByline(await[*wire.Frame](d), names)

		two.write(wire.OpDelete, "thing", []string{"id"}, num(1)) // with the cascade
		synctest.Wait()
		s.write(wire.OpPut, "thing", row[:2], num(300), num(1))
		synctest.Wait()
		w.frame()
		w.wantByline(await[*wire.Frame](s), names, "two 2 thing [[1]]", `two 2 part [[1 "wheel"]]`, "s 2 thing [[300]]")
		f := await[*wire.Frame](zone)
		w.wantByline(f, names, "two 2 thing [[1]]", "s 2 thing [[300]]")
		if len(f.Removed) != 1 || len(f.Changed) != 1 {
			w.Errorf("zone 1 is told %+v", f)
		}
		one.write(wire.OpUpdate, "thing", []string{"id", "a"}, num(99), num(1)) // refused: nothing was written
		synctest.Wait()
		two.write(wire.OpPut, "total", []string{"name", "n"}, wire.TextValue("b"), num(1))
		synctest.Wait()
		w.frame()
		w.wantByline(await[*wire.Frame](s), names, `two 3 total [["b"]]`)
	})
}

func (w *world) wantByline(f *wire.Frame, names map[string]*peer, want ...string) {
	w.Helper()
	if got := w.byline(f, names); !slices.Equal(got, want) {
		w.Errorf("version %d is by\n%q, want\n%q", f.Version, got, want)
	}
}

// Devices get the same bytes whether or not a server watches too.
func TestAuthorsAreForServersAlone(t *testing.T) {
	bubble(t, func(w *world) {
		d := w.dial(watching(wire.Sub{Name: "thing"}))
		for _, role := range []string{"observer", "editor", "admin"} {
			w.dial(wire.DeviceHello{Role: role, SubsSet: true, Subs: []wire.Sub{{Name: "thing"}}})
		}
		w.dial(server(wire.Sub{Name: "thing"}))
		expect[*wire.SnapshotEnd](d)
		d.put(1, 1)
		w.frame()
		raw, err := d.NextRaw(w.Context(), nil)
		for err == nil && raw.Type != wire.TypeFrame {
			raw, err = d.NextRaw(w.Context(), nil)
		}
		if err != nil {
			w.Fatal(err)
		}
		f, err := wire.DecodeFrame(raw.Data, wire.Limits{})
		if again := f.Append(nil); err != nil || string(again) != string(raw.Data) || len(f.Authors) > 0 {
			w.Errorf("the device's frame is %x, %v", raw.Data, err)
		}
	})
}

// A server that is behind is told the authors of all that was merged; where they
// don't fit a message, in several.
func TestAuthorsOfMergedFrames(t *testing.T) {
	bubble(t, func(w *world) {
		hello := server(wire.Sub{Name: "thing"})
		hello.MaxMessage = 1 << 10
		s := w.dial(hello)
		writers := []*peer{w.dial(nothing()), w.dial(nothing()), w.dial(nothing())}
		expect[*wire.SnapshotEnd](s)
		const frames, rows = 60, 300
		sent := map[string]bool{}
		for i := range int64(frames) {
			for n, p := range writers {
				g := wire.Grid{Stride: 2}
				for row := range int64(rows) {
					g.Values = append(g.Values, num(1000*int64(n)+row), num(i+1))
				}
				t := w.store.Schema().Table("thing")
				p.seq++
				block := wire.AppendBlock(nil, t.ID, []int{0, 2}, nil, g, nil)
				h := wire.WriteHeader{Seq: p.seq, SchemaVersion: w.store.Schema().Version}
				if err := p.Write(w.Context(), h, [][]byte{wire.AppendOp(nil, wire.OpPut, block)}); err != nil {
					w.Fatal(err)
				}
				for row := range rows {
					sent[fmt.Sprintf("%x %d %d", p.Hello.Device, p.seq, 1000*n+row)] = true
				}
			}
			w.frame()
		}
		last, parts, merged := map[string]uint64{}, 0, false
		for version := uint64(0); version < w.hub.Version(); {
			f := expect[*wire.Frame](s)
			if size := len(f.Append(nil)); size > hello.MaxMessage {
				w.Fatalf("a message of %d bytes", size)
			}
			for _, a := range f.Authors {
				who := string(a.Device)
				if a.Seq < last[who] {
					w.Errorf("transaction %d of %x comes after %d", a.Seq, a.Device, last[who])
				}
				last[who] = a.Seq
				for i := range a.Keys.Rows() {
					deed := fmt.Sprintf("%x %d %d", a.Device, a.Seq, a.Keys.Row(i)[0].Int64())
					if !sent[deed] {
						w.Fatalf("told of %s, twice or of nobody", deed)
					}
					delete(sent, deed)
				}
			}
			parts++
			if !f.More {
				version = f.Version
				merged = merged || f.Version > f.Previous+1
			}
		}
		if len(sent) > 0 || !merged {
			w.Errorf("%d deeds were not told of, merged: %t, in %d messages", len(sent), merged, parts)
		}
	})
}
