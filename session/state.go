package session

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"framehub/session/wire"
)

// skipped is how many numbers of transactions a restored device leaves out: those
// that its process gave out after the state was taken must not be given out again.
const skipped = 1 << 16

// A State is all that a device needs to go on in another process: its identity,
// its copy, and the transactions that have no outcome. It keeps none of the
// device's memory that changes.
type State struct {
	file stateFile
}

// stateFile is a State as it is written, in CBOR. What the protocol has words for
// is a message of it.
type stateFile struct {
	Format  string   `cbor:"format"`
	Device  []byte   `cbor:"device"`
	Epoch   []byte   `cbor:"epoch"`
	Known   bool     `cbor:"known"`   // a hub has settled something
	Seq     uint64   `cbor:"seq"`     // the last number given out
	All     bool     `cbor:"all"`     // every table
	Wanted  []byte   `cbor:"wanted"`  // a hello with the subscriptions; empty: none yet
	Had     []byte   `cbor:"had"`     // a hello with those of the copy, and since
	Schema  []byte   `cbor:"schema"`  // empty: there is no copy
	Rows    [][]byte `cbor:"rows"`    // snapshots
	Names   []byte   `cbor:"names"`   // a schema of the tables and columns that transactions name
	Pending [][]byte `cbor:"pending"` // transactions in the numbers of names; 0: never sent
}

const stateFormat = "framehub device 1"

var errState = errors.New("this is no state of a device")

// MarshalBinary implements [encoding.BinaryMarshaler].
func (s *State) MarshalBinary() ([]byte, error) { return cbor.Marshal(&s.file) }

// UnmarshalBinary implements [encoding.BinaryUnmarshaler].
func (s *State) UnmarshalBinary(data []byte) error {
	var file stateFile
	if err := stateMode.Unmarshal(data, &file); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	if file.Format != stateFormat {
		return fmt.Errorf("%w: its format is %q, not %q", errState, file.Format, stateFormat)
	}
	s.file = file
	return nil
}

var stateMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{MaxArrayElements: math.MaxInt32}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// State returns the device's present state. After Run has returned, it is all
// that the device was; taken beside Run, a hub knows better of what came after.
func (d *Device) State() *State {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := stateFile{Format: stateFormat, Device: d.id, Epoch: d.epoch, Known: d.known, Seq: d.seq, All: d.all}
	list := d.subs
	if list != nil || !d.all {
		for _, c := range d.changes {
			list = c.apply(list)
		}
		f.Wanted = (&wire.DeviceHello{Subs: list, SubsSet: true}).Append(nil)
	}
	d.replica.View(func(c *Copy) {
		f.Had = (&wire.DeviceHello{Subs: c.Subs(), SubsSet: true}).Append(nil)
		if c.Schema != nil {
			f.Schema = c.Schema.Append(nil)
		}
		for _, t := range c.Tables {
			f.Rows = append(f.Rows, t.snapshots()...)
		}
	})
	f.Names, f.Pending = encodePending(d.pending)
	return &State{f}
}

// snapshots returns the table's rows as messages.
func (t *Table) snapshots() (messages [][]byte) {
	const rows = 4096
	columns := make([]int, len(t.Columns))
	for i := range columns {
		columns[i] = i
	}
	for part := range slices.Chunk(t.values, rows*len(columns)) {
		block := wire.AppendBlock(nil, t.Number, columns, nil, wire.Grid{Stride: len(columns), Values: part}, nil)
		messages = append(messages, wire.AppendSnapshot(nil, 0, 0, [][]byte{block}))
	}
	return messages
}

// restore makes the device what a state says. It is called before anything else.
func (d *Device) restore(s *State) error {
	f := &s.file
	d.id, d.epoch, d.known, d.seq = f.Device, f.Epoch, f.Known, f.Seq+skipped
	if d.all = f.All; d.all {
		d.subs = nil
	}
	if len(f.Wanted) > 0 {
		h, err := wire.DecodeDeviceHello(f.Wanted, noLimits)
		if err != nil {
			return fmt.Errorf("restore subscriptions: %w", err)
		}
		d.subs = append([]wire.Sub{}, h.Subs...)
	}
	if err := d.replica.restore(f); err != nil {
		return fmt.Errorf("restore the copy: %w", err)
	}
	var err error
	if d.pending, err = decodePending(f.Names, f.Pending); err != nil {
		return fmt.Errorf("restore transactions: %w", err)
	}
	return nil
}

var noLimits = wire.Limits{
	Message: math.MaxInt32, Rows: math.MaxInt32, Ops: math.MaxInt32, Subs: math.MaxInt32, Scopes: math.MaxInt32,
}

func (r *Replica) restore(f *stateFile) error {
	if len(f.Schema) == 0 {
		return nil
	}
	schema, err := wire.DecodeSchema(f.Schema, noLimits)
	if err != nil {
		return err
	}
	had, err := wire.DecodeDeviceHello(f.Had, noLimits)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.setSchema(&schema); err != nil {
		return err
	}
	r.copy.Epoch = f.Epoch
	for _, s := range had.Subs {
		r.copy.subs = append(r.copy.subs, r.bind(s))
		r.copy.Version = max(r.copy.Version, s.Since)
	}
	r.bindTables()
	for _, msg := range f.Rows {
		if err := r.restoreRows(msg); err != nil {
			return err
		}
	}
	return nil
}

func (r *Replica) restoreRows(msg []byte) error {
	s, err := wire.DecodeSnapshot(msg, noLimits)
	if err != nil {
		return err
	}
	for i := range s.Blocks {
		b := &s.Blocks[i]
		t, err := r.tableOf(b)
		if t == nil || len(b.Columns) != len(t.Columns) {
			return errors.Join(errState, err)
		}
		for row := range b.N {
			at, ok := t.find(b, row)
			if !ok {
				at = t.add()
			}
			t.set(at, b, row)
		}
	}
	return nil
}

// encodePending returns transactions as messages, and the names behind the
// numbers in them.
func encodePending(pending []*pendingTx) (names []byte, messages [][]byte) {
	schema := &wire.Schema{}
	for _, p := range pending {
		ops := make([][]byte, len(p.tx.ops))
		for i := range p.tx.ops {
			o := &p.tx.ops[i]
			table, columns := number(schema, o)
			ops[i] = wire.AppendOp(nil, o.kind, wire.AppendBlock(nil, table, columns, nil, o.rows, nil))
		}
		h := wire.WriteHeader{Seq: p.seq, Base: p.tx.base, BaseSet: p.tx.baseSet}
		messages = append(messages, wire.AppendWrite(nil, h, ops))
	}
	return schema.Append(nil), messages
}

// number returns the numbers of an op's table and columns, new ones where the
// schema does not have them.
func number(s *wire.Schema, o *txOp) (table int, columns []int) {
	table = slices.IndexFunc(s.Tables, func(t wire.SchemaTable) bool { return t.Name == o.table })
	if table < 0 {
		table = len(s.Tables)
		s.Tables = append(s.Tables, wire.SchemaTable{Number: table, Name: o.table, Scope: -1})
	}
	t := &s.Tables[table]
	for _, name := range o.columns {
		c := slices.IndexFunc(t.Columns, func(c wire.SchemaColumn) bool { return c.Name == name })
		if c < 0 {
			c = len(t.Columns)
			t.Columns = append(t.Columns, wire.SchemaColumn{Name: name})
		}
		columns = append(columns, c)
	}
	return table, columns
}

func decodePending(names []byte, messages [][]byte) (pending []*pendingTx, err error) {
	if len(messages) == 0 {
		return nil, nil
	}
	schema, err := wire.DecodeSchema(names, noLimits)
	if err != nil {
		return nil, err
	}
	for _, msg := range messages {
		w, err := wire.DecodeWrite(msg, noLimits)
		if err != nil {
			return nil, err
		}
		tx := &Tx{base: w.Base, baseSet: w.BaseSet}
		for i := range w.Ops {
			if err := tx.restore(&schema, &w.Ops[i]); err != nil {
				return nil, err
			}
		}
		pending = append(pending, &pendingTx{tx: tx, seq: w.Seq})
	}
	return pending, nil
}

func (t *Tx) restore(s *wire.Schema, o *wire.Op) error {
	if o.Block.Table >= len(s.Tables) {
		return errState
	}
	table := &s.Tables[o.Block.Table]
	columns := make([]string, len(o.Block.Columns))
	for i, c := range o.Block.Columns {
		if c >= len(table.Columns) {
			return errState
		}
		columns[i] = table.Columns[c].Name
	}
	rows := o.Block.Grid()
	for i := range rows.Values {
		rows.Values[i] = rows.Values[i].Clone()
	}
	t.ops = append(t.ops, txOp{kind: o.Kind, table: table.Name, columns: columns, rows: rows})
	return nil
}
