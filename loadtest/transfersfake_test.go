package loadtest_test

import (
	"strings"
	"testing"
	"time"

	"framehub/loadtest"
	"framehub/session/wire"
)

func (b *fakeBank) options() loadtest.Options {
	return loadtest.Options{
		URL: b.url, Unchecked: true, Profile: loadtest.Transfers, Devices: 3, Observers: 1, Hz: 20, Duration: 500 * time.Millisecond, Patience: 2 * time.Second,
	}
}

// What a hub does wrong with money is found, by the fifth transfer of thirty.
func TestBrokenPromisesAboutMoney(t *testing.T) {
	fifth := func(f func(*deal)) func(*deal) {
		return func(d *deal) {
			if d.number == 5 && d.times == 1 {
				f(d)
			}
		}
	}
	for name, tc := range map[string]struct {
		wrong func(*deal)
		want  string // "": it is as promised
		lost  int64
	}{
		"none":                   {nil, "", 0},
		"one is not done":        {fifth(func(d *deal) { d.row, d.take, d.give = nil, 0, 0 }), "2 balances are not what", 1},
		"one is not noted":       {fifth(func(d *deal) { d.row = nil }), "1 rows are not as", 1},
		"one is another":         {fifth(func(d *deal) { d.row[3] = wire.IntegerValue(d.take + 1) }), "1 rows are not as", 1},
		"one is done twice":      {fifth(func(d *deal) { d.take, d.give = 2*d.take, 2*d.give }), "2 balances are not what", 0},
		"one is done in part":    {fifth(func(d *deal) { d.give = 0 }), "on all accounts at version", 0},
		"a refused one is done":  {fifth(func(d *deal) { d.rejected = true }), "was refused, and is there", 0},
		"one copy is told more":  {fifth(func(d *deal) { d.aside = 1 }), "1000001 on all accounts at version", 0},
		"one is sent and undone": {fifth(func(d *deal) { d.take, d.give = 0, 0 }), "2 balances are not what", 0},
		"the connection is cut, and what it had sent is done again": {fifth(func(d *deal) { d.cut = true }), "2 balances are not what", 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := startBank(t)
			b.wrong = tc.wrong
			r, err := loadtest.Run(t.Context(), b.options())
			if err != nil {
				t.Fatal(err)
			}
			if r.Sent != 30 || r.Acked+r.Refused != 30 || r.Acked < 5 || r.OK != (tc.want == "") || tc.want != "" && !mentions(r, tc.want) || r.Lost != tc.lost {
				t.Errorf("%d transfers came; the report says\n%s", b.deals, text(t, r))
			}
		})
	}
}

// TestTransferThatIsSentAgain: what was under way when the connection was lost is done once where the
// hub knows of it.
func TestTransferThatIsSentAgain(t *testing.T) {
	b := startBank(t)
	b.wrong = func(d *deal) {
		if d.number == 5 && d.times == 1 { // it did not come to the hub
			d.row, d.take, d.give, d.cut = nil, 0, 0, true
		}
	}
	r, err := loadtest.Run(t.Context(), b.options())
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK || r.Lost != 0 || r.Recovery.Lost != 1 || r.Recovery.Resent < 1 || r.Transfers.Wrong != 0 {
		t.Errorf("%+v\n%s", r.Recovery, text(t, r))
	}
}

// Where accounts can't be opened nothing is loaded, and it is said why.
func TestAccountsThatAreNotOpened(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*fakeBank)
		want   string
	}{
		"refused": {func(b *fakeBank) {
			b.refuse = func(*fakeSession, *wire.Write) *wire.Refusal {
				return &wire.Refusal{Code: wire.CodeForbidden, Text: "not yours"}
			}
		}, "open accounts: forbidden: not yours"},
		"a poor bank": {func(b *fakeBank) { b.balances["bank"] = 50 }, "open accounts: constraint"},
		"no answer": {func(b *fakeBank) {
			b.onWrite = func(*fakeSession, *wire.Write) error { return nil }
		}, "open accounts: the hub does not answer"},
		"no connection any more": {func(b *fakeBank) {
			b.onWrite = func(s *fakeSession, _ *wire.Write) error { s.Drop(); return nil }
		}, "open accounts: "},
		"no server": {func(b *fakeBank) {
			b.open = func(s *fakeSession, _ *wire.DeviceHello, answer *wire.HubHello) {
				answer.Schema = bankSchema()
				s.out = append(s.out, answer.Append(nil), (&wire.SnapshotEnd{Refused: &wire.Refusal{Code: wire.CodeForbidden, Text: "not for you"}}).Append(nil))
			}
		}, "a session of the role server: forbidden: not for you"},
		"other tables": {func(b *fakeBank) { b.open = nil }, "the tables account and transfer"},
	} {
		t.Run(name, func(t *testing.T) {
			b := startBank(t)
			tc.change(b)
			r, err := loadtest.Run(t.Context(), b.options())
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "context") {
				t.Errorf("the error is %v, the report %+v", err, r)
			}
		})
	}
}
