package loadtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dustin/go-humanize"

	"framehub/session"
	"framehub/session/wire"
)

// A ledger is what is known of the money of the profile [Transfers].
type ledger struct {
	run     *run
	first   int64            // the id of the next transfer that nobody has
	opening map[string]int64 // what all accounts had when the load began
	sum     int64            // of all
	tellers []*teller

	seen, wrong atomic.Int64 // sums of all accounts, as copies had them at a version
}

// Balances are what one copy has of all accounts.
type balances struct {
	of  map[string]int64
	sum int64
}

// take takes in what a message changed, all of which is in place.
func (b *balances) take(rows *session.Rows) {
	column := rows.Table.Column("balance")
	for _, row := range rows.Changed {
		owner, balance := row.Values[0].Bytes(), row.Values[column].Int64()
		b.sum += balance - b.of[owner]
		b.of[owner] = balance
	}
	for _, key := range rows.Removed {
		b.sum -= b.of[key[0].Bytes()]
		delete(b.of, key[0].Bytes())
	}
}

// check looks at the sum that a copy has at a version. Money is only moved: it is always
// the same.
func (l *ledger) check(who string, b *balances, version uint64) {
	l.seen.Add(1)
	if b.sum != l.sum && l.wrong.Add(1) == 1 {
		l.run.fail("%s has %d on all accounts at version %d, there were %d", who, b.sum, version, l.sum)
	}
}

// audit compares what SQL has, or a copy, with what became of all transfers. It returns how
// many that were acknowledged are not there.
func (l *ledger) audit(tables map[string]map[string][]wire.Value) (lost int64) {
	want, open := maps.Clone(l.opening), 0
	for _, t := range l.tellers {
		t.mu.Lock()
		for i, m := range t.moves {
			there := t.there(i, tables[transfers])
			switch {
			case m.state == unknown:
				open++
			case m.state == refused && there:
				l.run.fail("transfer %d was refused, and is there", t.first+int64(i))
			case m.state == committed && !there:
				lost++
			}
			if m.state == committed {
				want[accountOf(int64(t.number))] -= m.amount
				want[accountOf(m.payee)] += m.amount
			}
		}
		t.mu.Unlock()
	}
	l.balance(tables[accounts], want, open == 0)
	return lost
}

// there says whether a transfer is in the table as it was sent.
func (t *teller) there(i int, table map[string][]wire.Value) bool {
	id := wire.IntegerValue(t.first + int64(i))
	row := table[keyOf([]wire.Value{id})]
	m := t.moves[i]
	for c, want := range session.Values(id, accountOf(int64(t.number)), accountOf(m.payee), m.amount) {
		if row == nil || row[c] != want {
			return false
		}
	}
	return true
}

// balance compares the balances with those that the acknowledged transfers make of the ones
// when the load began: one that was done twice, or in part, shows in them.
func (l *ledger) balance(table map[string][]wire.Value, want map[string]int64, known bool) {
	var sum int64
	var differ []string
	for _, row := range table {
		owner, balance := row[0].Bytes(), row[1].Int64()
		sum += balance
		if known && balance != want[owner] {
			differ = append(differ, fmt.Sprintf("%s has %d, it must be %d", owner, balance, want[owner]))
		}
	}
	if sum != l.sum {
		l.run.fail("all accounts have %d at the end, there were %d", sum, l.sum)
	}
	if len(differ) > 0 {
		slices.Sort(differ)
		l.run.fail("%d balances are not what the acknowledged transfers make of them: %s", len(differ), strings.Join(differ[:min(len(differ), 3)], "; "))
	}
}

// tablesOf returns a copy's tables as a picture has them.
func tablesOf(view viewer, names ...string) map[string]map[string][]wire.Value {
	tables := map[string]map[string][]wire.Value{}
	view.View(func(c *session.Copy) {
		for _, name := range names {
			tables[name] = map[string][]wire.Value{}
			for row := range c.Table(name).Rows() {
				tables[name][keyOf(row.Key())] = slices.Clone(row.Values)
			}
		}
	})
	return tables
}

// A TransferReport is what came of a run's transfers.
type TransferReport struct {
	Accounts  int              `json:"accounts"`
	Sum       int64            `json:"sum"`        // of all balances, always
	Seen      int64            `json:"sums_seen"`  // versions of all copies in which balances had changed
	Wrong     int64            `json:"sums_wrong"` // of them, those with another sum
	Refused   map[string]int64 `json:"refused"`    // by their codes
	Conflicts int64            `json:"conflicts"`  // of them, those for what another device had done: conflict and stale
}

// transfers sums up what became of transfers, nil where there were none.
func (r *run) transfers() *TransferReport {
	l := r.ledger
	if l == nil {
		return nil
	}
	p := &TransferReport{Accounts: len(l.opening), Sum: l.sum, Seen: l.seen.Load(), Wrong: l.wrong.Load(), Refused: map[string]int64{}}
	r.mu.Lock()
	defer r.mu.Unlock()
	for code, n := range r.refusals {
		p.Refused[string(code)] = n
	}
	p.Conflicts = r.refusals[wire.CodeConflict] + r.refusals[wire.CodeStale]
	return p
}

func (p *TransferReport) String() string {
	return fmt.Sprintf("%s on %d accounts, the same in %s of %s sums that copies had", humanize.Comma(p.Sum), p.Accounts,
		humanize.Comma(p.Seen-p.Wrong), humanize.Comma(p.Seen))
}
