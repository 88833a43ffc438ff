package store_test

import (
	"testing"

	"framehub/store"
)

// syncsOf returns what was counted of a file.
func (d *testDB) syncsOf(database, file string) store.SyncTimes {
	d.Helper()
	for _, t := range d.Syncs() {
		if t.Database == database && t.File == file {
			return t
		}
	}
	d.Fatalf("nothing is counted of the %s of %s", file, database)
	return store.SyncTimes{}
}

// TestSyncs: a frame costs one sync, of the frame log's WAL; merging it costs none.
func TestSyncs(t *testing.T) {
	d := openDB(t, `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT`)
	d.do(insert("a", "id n", row(1, 1)))
	d.merge()
	log, wal, file := d.syncsOf("log", "wal"), d.syncsOf("game", "wal"), d.syncsOf("game", "database")
	for i := range 20 {
		d.do(put("a", "id n", row(1, i)))
		d.merge()
	}
	if got := d.syncsOf("log", "wal"); got.Count != log.Count+20 || got.Total <= log.Total {
		t.Errorf("after 20 frames %+v, before them %+v", got, log)
	}
	if w, f := d.syncsOf("game", "wal"), d.syncsOf("game", "database"); w.Count != wal.Count || f.Count != file.Count {
		t.Errorf("20 merges have synced the game database's WAL %d times, its file %d times", w.Count-wal.Count, f.Count-file.Count)
	}
}
