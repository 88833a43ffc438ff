package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"framehub/store/internal/sqlite"
)

const (
	checkpointEvery = time.Second // pages written again and again in between are copied once
	checkpointPages = 8192        // or this much WAL: 32 MiB

	// A WAL starts over only when a writer finds all of it copied. Under steady
	// load a checkpoint beside the frames never catches the last frames, so from
	// this size on the frame loop does the small rest itself, between two commits.
	restartPages = 16384
)

// walState is what the checkpointer and the frame loop tell each other.
type walState struct {
	game, log walFile
}

type walFile struct {
	restart atomic.Bool // the frame loop is to copy the rest
}

// runCheckpoints copies both databases' WALs into their files, on connections of
// its own, beside the frames.
func (s *Store) runCheckpoints(ctx context.Context) (err error) {
	game, err := openConn(s.opts.Path, "NORMAL", 0)
	if err != nil {
		return explain(s.opts.Path, err)
	}
	defer func() { err = errors.Join(err, game.Close()) }()
	log, err := openConn(s.log.path, "NORMAL", 0)
	if err != nil {
		return explain(s.log.path, err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()

	const look = 100 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	last := time.Now()
	var gameDone, logDone uint64 // versions seen at the last checkpoints
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if time.Since(last) < checkpointEvery && walPages(s.opts.Path) < checkpointPages && walPages(s.log.path) < checkpointPages {
			continue
		}
		last = time.Now()
		if v := s.version.Load(); v != logDone {
			logDone = v
			s.checkpoint(log, s.log.path, &s.wal.log)
		}
		if v := s.merged.Load(); v != gameDone {
			gameDone = v
			written := s.devices.writtenVersion()
			if s.checkpoint(game, s.opts.Path, &s.wal.game) {
				s.durable.Store(v)
				s.devicesDurable.Store(written)
			}
		}
	}
}

// checkpoint copies a WAL, and says whether all that was committed when it began
// is in the file now.
func (s *Store) checkpoint(c *sqlite.Conn, path string, w *walFile) bool {
	total, done, err := c.Checkpoint(sqlite.Passive)
	if err != nil {
		if code := sqlite.CodeOf(err) & 0xff; code != sqliteBusy && code != sqliteLocked {
			s.opts.Log.Error("checkpoint", "file", path, "err", explain(path, err))
		}
		return false
	}
	s.stats.Checkpoints.Add(1)
	if total > restartPages && total != done {
		w.restart.Store(true)
	}
	return total == done
}

// restartWAL copies what is left of a WAL that has grown long, so that the next
// commit begins it anew. The caller holds no transaction on c. That the
// checkpointer is at it too, or fails at it, is for its next look.
func (s *Store) restartWAL(c *sqlite.Conn, path string, w *walFile) {
	if w.restart.CompareAndSwap(true, false) {
		s.stats.RestartWaits.Add(1)
		s.checkpoint(c, path, w)
	}
}

// walPages returns about how many pages a database's WAL file has.
func walPages(path string) int64 {
	const page = 4096
	return fileSize(path+"-wal") / page
}

// floor returns the version below which the log's entries may go: they are
// durably merged, and old or too many.
func (s *Store) floor(now time.Time) uint64 {
	// Looking at sizes and ages in each frame would cost more than the frame.
	if now.Sub(s.floorLooked) < time.Second {
		return s.floorNow
	}
	s.floorLooked = now
	safe := min(s.durable.Load(), s.devicesDurable.Load())
	if s.log.first >= safe {
		return s.floorNow
	}
	// Up to two entries go with each append; let what may go run ahead of that.
	const ahead = 240
	last := min(safe, s.log.first+ahead)
	if size, err := s.log.size(); err == nil && size > s.opts.LogSize {
		s.floorNow = last
	} else if t, err := s.log.timeOf(last); err == nil && now.Sub(t) > s.opts.LogAge {
		s.floorNow = last
	}
	return s.floorNow
}
