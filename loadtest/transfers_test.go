package loadtest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"framehub/examples/city"
	"framehub/loadtest"
	"framehub/session"
)

func (h *testHub) transfers() loadtest.Options {
	return loadtest.Options{
		URL: h.url, DB: h.db, AdminURL: h.admin, Profile: loadtest.Transfers, Devices: 4, Observers: 2, Hz: 20, Duration: 2 * time.Second, Patience: 20 * time.Second,
	}
}

// TestTransfers: money is moved and never made; what another device was faster with is
// refused, and no loss. A second run goes on with the accounts as they are.
func TestTransfers(t *testing.T) {
	h := startHub(t, city.Schema)
	for range 2 {
		r := h.run(h.transfers())
		m := r.Transfers
		if !r.OK || m == nil || r.Lost+r.Duplicated+r.Reordered+r.Unsettled != 0 || r.Sent != 160 || r.Sent != r.Acked+r.Refused || r.Acked == 0 {
			t.Fatalf("the report says\n%s", text(t, r))
		}
		if m.Accounts != 7 || m.Sum != 1_001_000 || m.Seen == 0 || m.Wrong != 0 || m.Conflicts == 0 || m.Conflicts > r.Refused {
			t.Errorf("%+v", m)
		}
		var refused int64
		for code, n := range m.Refused {
			refused += n
			if !slices.Contains([]string{"conflict", "constraint", "stale"}, code) {
				t.Errorf("%d are refused as %s", n, code)
			}
		}
		if refused != r.Refused || r.Age == nil || r.Age.P50 <= 0 {
			t.Errorf("%+v, %d refused, %+v", m, r.Refused, r.Age)
		}
		if got := text(t, r); !strings.Contains(got, "refused as conflict: ") || !strings.Contains(got, "1,001,000 on 7 accounts") || !strings.Contains(got, "6 copies are what SQL has") {
			t.Errorf("the report says\n%s", got)
		}
	}
	if got := h.scalar(`SELECT sum(balance) FROM account`); got != "1001000" {
		t.Errorf("SQL has %s in all", got)
	}
}

// Where there is no database, a copy is looked at instead.
func TestTransfersUnchecked(t *testing.T) {
	h := startHub(t, city.Schema)
	o := h.transfers()
	o.DB, o.Unchecked, o.Duration = "", true, time.Second
	if r := h.run(o); !r.OK || r.Lost != 0 || r.Transfers.Seen == 0 {
		t.Errorf("the report says\n%s", text(t, r))
	}
}

// Money that is made, and transfers that are lost, half done or done twice, are found.
func TestTransfersThatAreWrong(t *testing.T) {
	const last = `(SELECT max(id) FROM transfer)`
	for name, tc := range map[string]struct{ query, want string }{
		"money is made":  {`UPDATE account SET balance = balance + 1 WHERE owner = 'bank'`, "all accounts have 1001001 at the end, there were 1001000"},
		"one is lost":    {`DELETE FROM transfer WHERE id = ` + last, "1 rows are not as"},
		"one is another": {`DROP TRIGGER transfer_is_final; UPDATE transfer SET amount = amount + 1 WHERE id = ` + last, "1 rows are not as"},
		"one is done twice": {`UPDATE account SET balance = balance + CASE owner WHEN 'load 1' THEN 5 ELSE -5 END WHERE owner IN ('load 1', 'bank')`,
			"2 balances are not what"},
	} {
		t.Run(name, func(t *testing.T) {
			h := startHub(t, city.Schema)
			o := h.transfers()
			o.Duration = 500 * time.Millisecond
			o = o.Planting(func(int, func(int, func(*session.Copy))) { h.exec(tc.query) })
			if r := h.run(o); r.OK || !mentions(r, tc.want) {
				t.Errorf("the report says\n%s", text(t, r))
			}
		})
	}
}

// A version in which there is more money than before is seen by everyone when it comes, also
// if it is gone at the end.
func TestMoneyThatIsThereForAWhile(t *testing.T) {
	h := startHub(t, city.Schema)
	o := h.transfers()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for h.scalar(`SELECT count(*) FROM transfer WHERE note <> 'opening'`) == "0" {
			<-time.After(10 * time.Millisecond)
		}
		h.exec(`UPDATE account SET balance = balance + 1 WHERE owner = 'bank'`)
		moved := h.scalar(`SELECT count(*) FROM transfer`)
		for h.scalar(`SELECT count(*) FROM transfer`) == moved {
			<-time.After(10 * time.Millisecond)
		}
		h.exec(`UPDATE account SET balance = balance - 1 WHERE owner = 'bank'`)
	}()
	r := h.run(o)
	<-done
	if m := r.Transfers; r.OK || m.Wrong < 6 || m.Wrong == m.Seen || !mentions(r, "1001001 on all accounts at version") || !*r.Converged || r.Lost != 0 {
		t.Errorf("%+v\n%s", m, text(t, r))
	}
}

func TestTransfersWithoutAccounts(t *testing.T) {
	h := startHub(t, schema)
	if _, err := loadtest.Run(t.Context(), h.transfers()); err == nil || !strings.Contains(err.Error(), `"account"`) {
		t.Errorf("the error is %v", err)
	}
}
