package sqlite_test

import (
	"net/url"
	"path/filepath"
	"testing"

	"framehub/store/internal/sqlite"
)

// counted opens a database whose syncs are counted.
func counted(tb testing.TB, s *sqlite.Syncs, path string) *sqlite.Conn {
	tb.Helper()
	dsn := url.Values{"_mutex": {"no"}}
	s.Ask(dsn)
	c, err := sqlite.Open("file:" + path + "?" + dsn.Encode())
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.Exec(`PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS t(a)`); err != nil {
		tb.Fatal(err)
	}
	return c
}

func exec(tb testing.TB, c *sqlite.Conn, query string) {
	tb.Helper()
	if err := c.Exec(query); err != nil {
		tb.Fatal(err)
	}
}

// TestSyncs: a commit with synchronous=FULL syncs the WAL once, one with NORMAL does not,
// and a checkpoint syncs the WAL and then the database.
func TestSyncs(t *testing.T) {
	s := sqlite.NewSyncs()
	defer s.Close()
	c := counted(t, s, filepath.Join(t.TempDir(), "a b.db"))
	exec(t, c, `INSERT INTO t VALUES (0)`)
	wal, database := s.WAL(), s.Database()
	for range 10 {
		exec(t, c, `INSERT INTO t VALUES (1)`)
	}
	if got := s.WAL(); got.Count != wal.Count+10 || got.Total <= wal.Total || got.AtMost[len(got.AtMost)-1] > got.Count {
		t.Errorf("after 10 commits %+v, before them %+v", got, wal)
	}
	exec(t, c, `PRAGMA synchronous = NORMAL`)
	wal = s.WAL()
	for range 10 {
		exec(t, c, `INSERT INTO t VALUES (2)`)
	}
	if got := s.WAL(); got != wal || s.Database() != database {
		t.Errorf("after 10 commits with NORMAL %+v, before them %+v", got, wal)
	}
	if _, _, err := c.Checkpoint(sqlite.Truncate); err != nil {
		t.Fatal(err)
	}
	if got := s.WAL(); got.Count == wal.Count || s.Database().Count != database.Count+1 {
		t.Errorf("after a checkpoint %+v and %+v, before it %+v and %+v", got, s.Database(), wal, database)
	}
	last := s.WAL()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if got := s.WAL(); got.Count < last.Count {
		t.Errorf("closed, it has %+v, before %+v", got, last)
	}
}

// TestSyncsApart: two counters count what is their own, what asks for none is not counted,
// and a number that nobody was given is none.
func TestSyncsApart(t *testing.T) {
	one, two := sqlite.NewSyncs(), sqlite.NewSyncs()
	defer one.Close()
	defer two.Close()
	dir := t.TempDir()
	a, b := counted(t, one, filepath.Join(dir, "a.db")), counted(t, two, filepath.Join(dir, "b.db"))
	na, nb := one.WAL().Count, two.WAL().Count
	exec(t, a, `INSERT INTO t VALUES (1)`)
	exec(t, open(t, `CREATE TABLE t(a)`), `INSERT INTO t VALUES (1)`)
	exec(t, b, `ATTACH 'file:`+filepath.Join(dir, "c.db")+`?syncs=999999999999' AS c; CREATE TABLE c.t(a); DETACH c`)
	if one.WAL().Count != na+1 || two.WAL().Count != nb {
		t.Errorf("%d and %d syncs more, want 1 and none", one.WAL().Count-na, two.WAL().Count-nb)
	}
	for _, c := range []*sqlite.Conn{a, b} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	var none *sqlite.Syncs
	if none.Close(); none.WAL().Count != 0 {
		t.Error("no counter counts")
	}
}
