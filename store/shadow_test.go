package store_test

import (
	"context"
	"math/rand/v2"

	"framehub/session/wire"
	"framehub/store"
)

// A shadow runs every transaction a second time, op by op beside the store, in a
// reference of its own, and compares the rows that a guard is shown with what it
// has at that moment, and what is counted. Now and then the guard refuses.
type shadow struct {
	ref     *reference
	random  *rand.Rand
	ops     map[*wire.Write][]testOp
	refused map[*wire.Write]bool
	owners  map[store.Device]string

	frame   *store.Frame
	running *wire.Write
	done    int    // ops of it that have run here
	watched uint64 // a bit for each kind
	asked   int
}

func newShadow(d *testDB, seed uint64) *shadow {
	s := &shadow{ref: newReference(d), random: rand.New(rand.NewPCG(seed, 9)), ops: map[*wire.Write][]testOp{}, refused: map[*wire.Write]bool{}, owners: map[store.Device]string{}}
	d.apply = s.apply
	return s
}

func (s *shadow) apply(f *store.Frame, tx written) (*wire.Refusal, error) {
	s.frame, s.running, s.done, s.watched = f, tx.w, 0, s.random.Uint64()
	var g store.Guard = s
	if s.random.IntN(4) == 0 {
		g = nil
	}
	s.own(f, tx.dev)
	if err := s.ref.exec(`BEGIN`); err != nil {
		s.ref.Fatal(err)
	}
	refusal, err := f.Apply(tx.dev, tx.w, g)
	end := `ROLLBACK`
	if refusal == nil && err == nil {
		s.upTo(len(s.ops[tx.w]))
		end = `COMMIT`
	}
	if err := s.ref.exec(end); err != nil {
		s.ref.Fatal(err)
	}
	return refusal, err
}

// own lets somebody say that a device is theirs.
func (s *shadow) own(f *store.Frame, dev store.Device) {
	s.ref.Helper()
	user := []string{"", "", "u", "v", "w"}[s.random.IntN(5)]
	theirs, err := f.Own(dev, user)
	if err != nil {
		s.ref.Fatal(err)
	}
	if s.owners[dev] == "" {
		s.owners[dev] = user
	}
	if theirs != (s.owners[dev] == user) {
		s.ref.Errorf("device %x: that it is %q's is %v, it is %q's", dev, user, theirs, s.owners[dev])
	}
}

// upTo runs the ops before op, which the store has let through.
func (s *shadow) upTo(op int) {
	s.ref.Helper()
	for ; s.done < op; s.done++ {
		if err := s.ref.ops(s.ops[s.running][s.done : s.done+1]); err != nil {
			s.ref.Fatalf("op %d, which the store has run: %v", s.done, err)
		}
	}
}

func (s *shadow) Watches(_ *store.Table, kind wire.OpKind) bool { return s.watched&(1<<kind) != 0 }

func (s *shadow) Check(t *store.Table, kind wire.OpKind, b *wire.Block, before []store.BeforeRow) *wire.Refusal {
	at := 0
	for &s.running.Ops[at].Block != b {
		at++
	}
	s.upTo(at)
	s.asked++
	op := s.ops[s.running][at]
	if op.kind != kind || op.table != t.Name || len(before) != len(op.rows) {
		s.ref.Fatalf("op %d of kind %d on table %q is shown as %d rows of kind %d on %q", at, op.kind, op.table, len(before), kind, t.Name)
	}
	for i, r := range op.rows {
		if want, got := s.row(t, op, r), literals(before[i]); want != got {
			s.ref.Errorf("op %d %v, row %d: the guard is shown %q, the reference has %q", at, op, i, got, want)
		}
	}
	if len(op.rows) > 0 && s.random.IntN(4) == 0 {
		s.count(t, 0, op.rows[0][0])
		if t.Name == "flat" {
			s.count(t, t.Column("c"), pick(random{s.random}, "a", "b", "d", "12"))
		}
	}
	if s.random.IntN(20) > 0 {
		return nil
	}
	s.refused[s.running] = true
	return wire.Refuse(wire.CodeForbidden, "by chance")
}

// count compares how many rows have a value in a column.
func (s *shadow) count(t *store.Table, column int, v any) {
	s.ref.Helper()
	got, err := s.frame.Count(t, column, value(v))
	if err != nil {
		s.ref.Fatal(err)
	}
	var want int64
	query := "SELECT count(*) FROM " + t.Name + " WHERE " + t.Columns[column].Name + " IS ? COLLATE BINARY"
	if err := s.ref.conn.QueryRowContext(context.Background(), query, v).Scan(&want); err != nil {
		s.ref.Fatal(err)
	}
	if got != want {
		s.ref.Errorf("%d rows of %q with %v are counted, the reference has %d", got, t.Name, v, want)
	}
}

// row reads the row that an op's row is about, "" where there is none.
func (s *shadow) row(t *store.Table, op testOp, row []any) string {
	s.ref.Helper()
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	o := s.ref.rowOp(op, row)
	got, err := s.ref.values(rowOp{table: o.table, where: o.where, key: o.key, names: names})
	if err != nil {
		s.ref.Fatal(err)
	}
	if got == nil {
		return ""
	}
	values := make([]wire.Value, len(names))
	for i := range names {
		values[i] = value(got[i+1])
	}
	return literals(values)
}
