package store

import (
	"time"

	"framehub/store/internal/sqlite"
)

// syncs count what it takes to sync the files of both databases; nil counters count
// nothing, as on mvSQLite, which has no files.
type syncs struct{ game, log *sqlite.Syncs }

func (s *syncs) begin(mvsqlite bool) {
	if !mvsqlite {
		s.game, s.log = sqlite.NewSyncs(), sqlite.NewSyncs()
	}
}

// end is for when all connections are closed.
func (s *syncs) end() {
	s.game.Close()
	s.log.Close()
}

// SyncTimes are how often one of the files was synced (fsync and the like), and how long
// that took. A WAL of the log is synced with each frame, all others by checkpoints.
type SyncTimes struct {
	Database string // "game", or "log": the frame log
	File     string // "database" or "wal"
	Count    uint64
	Total    time.Duration
	AtMost   map[float64]uint64 // by seconds: how many took so long at most
}

// Syncs returns those of all files, none on mvSQLite.
func (s *Store) Syncs() (all []SyncTimes) {
	for name, counter := range map[string]*sqlite.Syncs{"game": s.opts.syncs.game, "log": s.opts.syncs.log} {
		if counter == nil {
			continue
		}
		for file, t := range map[string]sqlite.SyncTimes{"database": counter.Database(), "wal": counter.WAL()} {
			times := SyncTimes{Database: name, File: file, Count: t.Count, Total: t.Total, AtMost: make(map[float64]uint64, len(t.AtMost))}
			for i, n := range t.AtMost {
				times.AtMost[sqlite.SyncBuckets[i].Seconds()] = n
			}
			all = append(all, times)
		}
	}
	return all
}
