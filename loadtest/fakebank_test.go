package loadtest_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"framehub/session"
	"framehub/session/wire"
)

// A fakeBank is a fakeHub with accounts and transfers, which moves money as the example city's
// triggers do, one transaction a version, but for what a test has it do wrong.
type fakeBank struct {
	*fakeHub
	wrong  func(*deal)                                       // is shown each transfer of the load; nil: none is wrong
	refuse func(s *fakeSession, w *wire.Write) *wire.Refusal // nil: what the accounts do not allow alone

	mu       sync.Mutex // guards the following
	version  uint64
	balances map[string]int64
	since    map[string]uint64      // by owner: the version that last changed the balance
	moves    map[int64][]wire.Value // the transfers' rows
	watching map[*fakeSession]bool  // sessions; whether they see transfers, too
	settled  map[string]uint64      // by device
	dealt    map[int64]int          // by transfer: how often it came
	deals    int                    // transfers of the load
}

// A deal is what becomes of a transfer.
type deal struct {
	number     int          // from 1
	times      int          // that it has come
	row        []wire.Value // id, payer, payee, amount, note; nil: it is not there
	take, give int64        // from the payer, to the payee
	rejected   bool         // so the payer is told
	aside      int64        // what the payer alone is told too much of one account
	cut        bool         // the payer's connection ends before it is told, and the hub forgets that it has settled
}

const (
	bankAccounts  = 1 // tables, by number
	bankTransfers = 2
	bankMoney     = 1_000_000
)

func startBank(tb testing.TB) *fakeBank {
	tb.Helper()
	b := &fakeBank{
		version: 7, balances: map[string]int64{"bank": bankMoney}, since: map[string]uint64{}, moves: map[int64][]wire.Value{},
		watching: map[*fakeSession]bool{}, settled: map[string]uint64{}, dealt: map[int64]int{},
	}
	b.fakeHub = startFake(tb, b.write)
	b.open = b.greet
	return b
}

func bankSchema() *wire.Schema {
	return &wire.Schema{Version: 1, Tables: []wire.SchemaTable{
		fakeTable(bankAccounts, "account", "owner TEXT", "balance INTEGER"),
		fakeTable(bankTransfers, "transfer", "id INTEGER", "payer TEXT", "payee TEXT", "amount INTEGER", "note TEXT"),
	}}
}

// greet answers a hello with all that the session sees, also where the device comes back.
func (b *fakeBank) greet(s *fakeSession, hello *wire.DeviceHello, answer *wire.HubHello) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.device = string(answer.Device)
	if hello.Device != nil {
		s.device, answer.Device = string(hello.Device), hello.Device
	}
	answer.Schema, answer.Version = bankSchema(), b.version
	answer.Settled, answer.SettledKnown = b.settled[s.device], true
	owners := make([]string, 0, len(b.balances))
	for owner := range b.balances {
		owners = append(owners, owner)
	}
	blocks := []wire.Block{b.accounts(owners, "", 0)}
	if !hello.SubsSet && len(b.moves) > 0 {
		var all [][]wire.Value
		for _, row := range b.moves {
			all = append(all, row)
		}
		blocks = append(blocks, rowsOf(bankTransfers, all))
	}
	b.watching[s] = !hello.SubsSet
	for _, m := range []session.Message{answer, &wire.Snapshot{Version: b.version, Blocks: blocks}, &wire.SnapshotEnd{Version: b.version}} {
		s.out = append(s.out, m.Append(nil))
	}
}

// accounts returns the rows of owners; one of them has more than that.
func (b *fakeBank) accounts(owners []string, one string, more int64) wire.Block {
	var rows [][]wire.Value
	for _, owner := range slices.Sorted(slices.Values(owners)) {
		balance := b.balances[owner]
		if owner == one {
			balance += more
		}
		rows = append(rows, session.Values(owner, balance))
	}
	return rowsOf(bankAccounts, rows)
}

func rowsOf(table int, rows [][]wire.Value) wire.Block {
	columns := make([]int, len(rows[0]))
	for i := range columns {
		columns[i] = i
	}
	block, err := wire.DecodeBlock(wire.AppendBlock(nil, table, columns, nil, wire.Grid{Stride: len(columns), Values: slices.Concat(rows...)}, nil), len(rows))
	if err != nil {
		panic(err) // it is ours
	}
	return block
}

// write is a transaction: its own version.
func (b *fakeBank) write(s *fakeSession, w *wire.Write) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version++
	if why := b.why(s, w); why != nil {
		b.tell(s, nil, nil, 0)
		b.settle(s, w, why)
		return nil
	}
	d := &deal{}
	var owners []string
	var rows [][]wire.Value
	for i := range w.Ops {
		block := &w.Ops[i].Block
		for n := range block.N {
			switch row := block.Row(nil, n); {
			case w.Ops[i].Kind != wire.OpInsert:
			case block.Table == bankAccounts:
				b.balances[row[0].Bytes()] = 0
				owners = append(owners, row[0].Bytes())
			default:
				d = b.deal(row)
				owners = append(owners, row[1].Bytes(), row[2].Bytes())
				if d.row != nil {
					rows = append(rows, d.row)
				}
			}
		}
	}
	slices.Sort(owners)
	owners = slices.Compact(owners)
	for _, owner := range owners {
		b.since[owner] = b.version
	}
	b.tell(s, owners, rows, d.aside)
	switch {
	case d.cut:
		s.Drop()
	case d.rejected:
		b.settle(s, w, &wire.Refusal{Code: wire.CodeConstraint, Text: "there is not enough"})
	default:
		b.settle(s, w, nil)
	}
	return nil
}

// why returns why a transaction is refused, nil where it is not.
func (b *fakeBank) why(s *fakeSession, w *wire.Write) *wire.Refusal {
	if b.refuse != nil {
		if why := b.refuse(s, w); why != nil {
			return why
		}
	}
	for i := range w.Ops {
		op := &w.Ops[i]
		row := op.Block.Row(nil, 0)
		switch {
		case op.Kind == wire.OpExpect && w.BaseSet && b.since[row[0].Bytes()] > w.Base:
			return &wire.Refusal{Code: wire.CodeStale, Text: "it has changed since"}
		case op.Kind == wire.OpExpect && len(row) > 1 && row[1].Int64() != b.balances[row[0].Bytes()]:
			return &wire.Refusal{Code: wire.CodeConflict, Text: "it is not as expected"}
		case op.Kind == wire.OpInsert && op.Block.Table == bankTransfers && b.balances[row[1].Bytes()] < row[3].Int64():
			return &wire.Refusal{Code: wire.CodeConstraint, Text: "there is not enough"}
		}
	}
	return nil
}

// deal moves the money of a transfer.
func (b *fakeBank) deal(row []wire.Value) *deal {
	id := row[0].Int64()
	b.dealt[id]++
	d := &deal{row: row, take: row[3].Int64(), give: row[3].Int64(), times: b.dealt[id]}
	if row[1].Bytes() != "bank" {
		if d.times == 1 {
			b.deals++
		}
		if d.number = b.deals; b.wrong != nil {
			b.wrong(d)
		}
	}
	b.balances[row[1].Bytes()] -= d.take
	b.balances[row[2].Bytes()] += d.give
	if d.row != nil {
		b.moves[id] = d.row
	}
	return d
}

// tell sends everybody a version, and one of them more than there is.
func (b *fakeBank) tell(one *fakeSession, owners []string, rows [][]wire.Value, aside int64) {
	for s, all := range b.watching {
		f := wire.Frame{Version: b.version, Previous: b.version - 1, Time: time.Now(), All: true}
		if len(owners) > 0 {
			more := int64(0)
			if s == one {
				more = aside
			}
			f.Changed = append(f.Changed, b.accounts(owners, owners[0], more))
		}
		if all && len(rows) > 0 {
			f.Changed = append(f.Changed, rowsOf(bankTransfers, rows))
		}
		s.say(&f)
	}
}

func (b *fakeBank) settle(s *fakeSession, w *wire.Write, why *wire.Refusal) {
	b.settled[s.device] = w.Seq
	m := &wire.Settled{Version: b.version, Committed: []uint64{w.Seq}}
	if why != nil {
		m.Committed, m.Rejected = nil, []wire.Rejected{{Seq: w.Seq, Refusal: *why}}
	}
	s.say(m)
}
