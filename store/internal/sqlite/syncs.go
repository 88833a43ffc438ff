package sqlite

/*
#include "syncs.h"
*/
import "C"

import (
	"net/url"
	"strconv"
	"sync"
	"time"
)

// Syncs counts how often a database's files are synced, and how long that takes: calls
// of fsync and the like, by SQLite, of the connections that [Syncs.Ask] has asked for.
// A nil Syncs counts nothing. It is safe for concurrent use.
type Syncs struct {
	mu    sync.Mutex
	place C.int        // guarded by mu; below 0 once it is closed
	last  [2]SyncTimes // guarded by mu; of a closed one
}

// SyncTimes is what the syncs of one file took.
type SyncTimes struct {
	Count uint64
	Total time.Duration

	// AtMost has for each of SyncBuckets how many took that at most.
	AtMost [C.FH_SYNC_BUCKETS]uint64
}

// SyncBuckets are the ends of the buckets, from 125 µs on twice as long each.
var SyncBuckets = func() (ends [C.FH_SYNC_BUCKETS]time.Duration) {
	for i := range ends {
		ends[i] = 125 * time.Microsecond << i
	}
	return ends
}()

// NewSyncs returns a counter, nil when there are too many.
func NewSyncs() *Syncs {
	place := C.fh_syncs_open()
	if place < 0 {
		return nil
	}
	return &Syncs{place: place}
}

// Ask puts into a DSN's parameters that a connection's syncs are to be counted.
func (s *Syncs) Ask(dsn url.Values) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.place < 0 {
		return
	}
	dsn.Set("vfs", C.GoString(C.fh_syncs_vfs(s.place)))
	dsn.Set("syncs", strconv.Itoa(int(s.place)))
}

// Database and WAL return what was counted of either file.
func (s *Syncs) Database() SyncTimes { return s.of(C.FH_SYNC_DATABASE) }

// WAL is of the write-ahead log.
func (s *Syncs) WAL() SyncTimes { return s.of(C.FH_SYNC_WAL) }

func (s *Syncs) of(file C.int) SyncTimes {
	if s == nil {
		return SyncTimes{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.place < 0 {
		return s.last[file]
	}
	return s.read(file)
}

// read is called with mu held.
func (s *Syncs) read(file C.int) (t SyncTimes) {
	var c C.fh_sync_times
	C.fh_syncs_read(s.place, file, &c)
	t.Count, t.Total = uint64(c.count), time.Duration(c.nanos)
	sum := uint64(0)
	for i, n := range c.buckets {
		sum += uint64(n)
		t.AtMost[i] = sum
	}
	return t
}

// Close ends the counting, once all of its connections are closed.
func (s *Syncs) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.place < 0 {
		return
	}
	for file := range C.int(C.FH_SYNC_FILES) {
		s.last[file] = s.read(file)
	}
	C.fh_syncs_close(s.place)
	s.place = -1
}
