package session_test

import (
	"testing"

	"framehub/session"
	"framehub/session/wire"
)

// BenchmarkReplica puts frames of 1000 poses in place in a table of 10,000 rows.
func BenchmarkReplica(b *testing.B) {
	r := session.NewReplica(session.ReplicaOptions{Strict: true})
	if err := r.Hello(saying(whole("entity")), hello(1)); err != nil {
		b.Fatal(err)
	}
	var rows, poses [][]wire.Value
	for i := range 10_000 {
		rows = append(rows, values(i, i%100, 0.5, "name"))
		if i%10 == 0 {
			poses = append(poses, values(i, float64(i)))
		}
	}
	for _, m := range []session.Message{&wire.Snapshot{Version: 1, Blocks: blocks(entities(rows...))}, &wire.SnapshotEnd{Version: 1}} {
		if err := r.Take(m); err != nil {
			b.Fatal(err)
		}
	}
	changed := blocks(block(entity, []int{0, 2}, poses...))
	version := uint64(1)
	b.ReportAllocs()
	for b.Loop() {
		version++
		if err := r.Frame(frame(version, version-1, changed, nil)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
}
