package store

import (
	"context"
	"errors"
	"sort"
	"sync/atomic"
	"time"

	"framehub/store/internal/sqlite"
)

const (
	checkpointEvery = time.Second // pages written again and again in between are copied once
	checkpointPages = 8192        // or this much WAL: 32 MiB

	// A WAL starts over only when a writer's transaction finds all of it copied as it
	// begins. Under steady load a checkpoint beside the frames never catches the last
	// frames, or is done after the next transaction has begun, so from this size on the
	// frame loop does the small rest itself, between two commits.
	restartPages = 16384
)

// walState is what the checkpointer and the frame loop tell each other.
type walState struct {
	game, log walFile
}

type walFile struct {
	pages   atomic.Int64 // in the WAL, after the frame loop's last commit
	copied  atomic.Int64 // of them in the database, at the last checkpoint
	restart atomic.Bool  // the frame loop is to copy the rest
}

// committed takes note of the WAL's length after a commit of the frame loop.
func (w *walFile) committed(c *sqlite.Conn) {
	pages := int64(c.WALPages())
	if pages < w.pages.Swap(pages) {
		w.copied.Store(0) // it began anew
	}
}

// waiting returns how many pages are not yet in the database.
func (w *walFile) waiting() int64 { return w.pages.Load() - w.copied.Load() }

// runCheckpoints copies both databases' WALs into their files, on connections of
// its own, beside the frames.
func (s *Store) runCheckpoints(ctx context.Context) (err error) {
	c, err := s.newCheckpointer(time.Now())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	const look = 100 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			c.look(now)
		}
	}
}

// A checkpointer owns a connection to each database.
type checkpointer struct {
	s                 *Store
	game, log         *sqlite.Conn
	last              time.Time
	gameDone, logDone uint64 // versions that are all in their files
}

func (s *Store) newCheckpointer(now time.Time) (c *checkpointer, err error) {
	c = &checkpointer{s: s, last: now}
	if c.game, err = s.opts.open(s.opts.Path, "NORMAL", 0); err != nil {
		return nil, explain(s.opts.Path, err)
	}
	if c.log, err = s.opts.open(s.log.path, "NORMAL", 0); err != nil {
		return nil, explain(s.log.path, errors.Join(err, c.close()))
	}
	return c, nil
}

func (c *checkpointer) close() error {
	var err error
	for _, conn := range []*sqlite.Conn{c.game, c.log} {
		if conn != nil {
			err = errors.Join(err, conn.Close())
		}
	}
	return err
}

// look checkpoints what is due.
func (c *checkpointer) look(now time.Time) {
	s := c.s
	if now.Sub(c.last) < checkpointEvery && s.wal.game.waiting() < checkpointPages && s.wal.log.waiting() < checkpointPages {
		return
	}
	c.last = now
	if v := s.version.Load(); v != c.logDone && s.checkpoint(c.log, s.log.path, &s.wal.log) {
		c.logDone = v
	}
	v, devices := s.merged.Load(), s.devices.writtenVersion()
	if v != c.gameDone && s.checkpoint(c.game, s.opts.Path, &s.wal.game) {
		c.gameDone = v
		s.durable.Store(v)
		s.devicesDurable.Store(devices)
	}
}

// checkpoint copies a WAL, and says whether all that was committed when it began
// is durable now: in the file, or where a commit came in between, in a WAL that
// was synced.
func (s *Store) checkpoint(c *sqlite.Conn, path string, w *walFile) bool {
	total, done, err := c.Checkpoint(sqlite.Passive)
	if err != nil {
		if code := sqlite.CodeOf(err) & 0xff; code != sqliteBusy && code != sqliteLocked {
			s.opts.Log.Error("checkpoint", "file", path, "err", explain(path, err))
		}
		return false
	}
	s.stats.Checkpoints.Add(1)
	w.copied.Store(int64(done))
	if total > restartPages { // also where all is copied: the frame loop's next transaction has begun already, maybe
		w.restart.Store(true)
	}
	return total == done
}

// restartWAL copies what is left of a WAL that has grown long, so that the next
// commit begins it anew. The caller holds no transaction on c. That the
// checkpointer is at it too, or fails at it, is for its next look.
func (s *Store) restartWAL(c *sqlite.Conn, path string, w *walFile) {
	w.committed(c)
	if w.restart.CompareAndSwap(true, false) && w.pages.Load() > restartPages {
		s.stats.RestartWaits.Add(1)
		s.checkpoint(c, path, w)
	}
}

// elapsed says whether the time since then has passed; a clock that was set back
// must not make anything wait until it is there again.
func elapsed(then, now time.Time, d time.Duration) bool {
	since := now.Sub(then)
	return since >= d || since < 0
}

// floor returns the version below which the log's entries may go: they are
// durably merged, shipped where that is done, and old or too many.
func (s *Store) floor(now time.Time) uint64 {
	// Looking at sizes and ages in each frame would cost more than the frame.
	if !elapsed(s.floorLooked, now, time.Second) {
		return s.floorNow
	}
	s.floorLooked = now
	safe := min(s.durable.Load(), s.devicesDurable.Load())
	size, sizeErr := s.log.size()
	if s.opts.Ship && size <= s.opts.LogMax {
		safe = min(safe, s.shipped.Load()+1)
	}
	if s.log.first >= safe {
		return s.floorNow
	}
	// Up to two entries go with each append; let what may go run ahead of that.
	const ahead = 240
	last := min(safe, s.log.first+ahead)
	if sizeErr == nil && size > s.opts.LogSize {
		s.floorNow = last
		return last
	}
	young := sort.Search(int(last-s.log.first), func(i int) bool {
		t, err := s.log.timeOf(s.log.first + uint64(i))
		return err != nil || now.Sub(t) <= s.opts.LogAge
	})
	s.floorNow = max(s.floorNow, s.log.first+uint64(young))
	return s.floorNow
}
