package store

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// Where commits of the game database are dear (mvsqlite.go), frames don't wait for them:
// what they did to plain tables stays in memory, over what the database has, and a
// second connection merges it beside the frames, about once every
// [Options].MergeEvery. All that reads plain tables looks into memory first.
//
// What only SQL can judge is merged in its frame: that takes the database for the frame
// loop (claim), after the merge that is under way, and commits what is in memory with it.

// maxLag bounds the bytes of entries that the log has and the game database not, with
// which memory grows: at that, frames wait for the merge. Changed by tests alone.
var maxLag = 64 << 20

// pagesPerCommit is how many pages a commit writes, about: mvSQLite ends the process at
// 50,000. Changed by tests alone.
var pagesPerCommit = 20_000

// mergeShare: merging takes at most one in so many parts of the time, so that it does not
// starve the log, which has the same disks.
const mergeShare = 4

// lag is what the frame loop knows of merges beside it.
type lag struct {
	job     *mergeJob // under way, or over and not yet taken note of; nil: none
	began   time.Time // when the last one did
	took    time.Duration
	looked  time.Time // when the frame loop's transaction began
	claimed bool      // that writes: SQL has run in it
	bytes   int       // of entries that are neither merged nor in job
	unnote  int64     // notes that have been taken, and can go: those below it
	pruned  time.Time // when old entries were last dropped

	work sync.WaitGroup

	// The job's while there is one, else the frame loop's.
	conn   *sqlite.Conn // nil: none yet
	sql    mergeStatements
	owner  *sqlite.Stmt
	state  *sqlite.Stmt // reads which version is merged
	writer rowWriter
}

// A mergeJob brings the game database from one version to another.
type mergeJob struct {
	from, to uint64
	tables   []memCopy
	devices  *flush
	unnote   int64
	bytes    int
	rows     int

	done chan struct{} // closed at its end
	took time.Duration // the rest is set then
	err  error
}

// memCopy is rows of a plain table as they were when the job began.
type memCopy struct {
	table *Table
	rows  []*memRow
	of    []*memRow
}

// copyDirty takes what SQL does not have. The rows stay in memory until it does.
func (m *memTable) copyDirty() memCopy {
	c := memCopy{table: m.table, rows: make([]*memRow, len(m.dirty)), of: m.dirty}
	stride := len(m.table.Columns)
	copies, images := make([]memRow, len(m.dirty)), make([]wire.Value, len(m.dirty)*stride)
	for i, row := range m.dirty {
		copies[i] = memRow{image: images[i*stride : (i+1)*stride], there: row.there}
		copy(copies[i].image, row.image)
		c.rows[i] = &copies[i]
		row.dirty, row.merging = false, true
	}
	m.dirty = nil
	return c
}

// mergeBeside begins a merge beside the frames where one is due, and says whether
// anything is left. What SQL has done in the last frame it commits itself.
func (s *Store) mergeBeside(now time.Time) (left bool, err error) {
	if s.broken {
		return false, nil
	}
	if err := errors.Join(s.pruneBeside(now), s.endMerge(false)); err != nil {
		return false, err
	}
	if s.lag.claimed {
		return false, s.commitTx(now)
	}
	if s.version.Load() == s.merged.Load() && !s.devices.pending() && s.lag.unnote == 0 {
		return false, nil
	}
	if s.lag.job == nil && s.lagDue(now) {
		return true, s.beginMerge(now)
	}
	return true, nil
}

func (s *Store) lagDue(now time.Time) bool {
	return s.lag.bytes > maxLag/2 || elapsed(s.lag.began, now, max(s.opts.MergeEvery, mergeShare*s.lag.took))
}

// pruneBeside drops old entries between two frames: in an append that would cost
// the frame.
func (s *Store) pruneBeside(now time.Time) error {
	if !elapsed(s.lag.pruned, now, time.Second/2) {
		return nil
	}
	s.lag.pruned = now
	err := s.log.pruneTo(s.floor(now))
	if err != nil {
		s.broken = true
		return explain(s.log.path, fmt.Errorf("drop old entries of the frame log: %w", err))
	}
	s.recent.floor.Store(s.log.first)
	return nil
}

// beginMerge begins a merge of all that there is.
func (s *Store) beginMerge(now time.Time) error {
	if err := s.openMerger(); err != nil {
		s.broken = true
		return explain(s.opts.Path, fmt.Errorf("open a second connection: %w", err))
	}
	j := &mergeJob{from: s.merged.Load(), to: s.version.Load(), unnote: s.lag.unnote, bytes: s.lag.bytes, done: make(chan struct{})}
	var err error
	if j.devices, err = s.devices.collect(j.to, now); err != nil {
		s.broken = true
		return err
	}
	for _, m := range s.rows.tables {
		if len(m.dirty) > 0 {
			c := m.copyDirty()
			j.tables, j.rows = append(j.tables, c), j.rows+len(c.rows)
		}
	}
	s.lag.job, s.lag.began, s.lag.bytes, s.lag.unnote = j, now, 0, 0
	s.lag.work.Go(func() {
		defer close(j.done)
		start := time.Now()
		j.err = s.lag.run(j, s.mark)
		j.took = time.Since(start)
	})
	return nil
}

// openMerger opens the second connection, if that has not been done.
func (s *Store) openMerger() (err error) {
	l := &s.lag
	if l.conn != nil {
		return nil
	}
	if l.conn, err = s.opts.open(s.opts.Path, "NORMAL", 0); err != nil {
		return err
	}
	if err := errors.Join(l.conn.Config(sqlite.EnableTriggers, false), l.conn.Config(sqlite.EnableForeignKeys, false), l.sql.prepare(l.conn)); err != nil {
		return err
	}
	if l.owner, err = readMark(l.conn, "_framehub_meta"); err != nil {
		return err
	}
	if l.state, err = l.conn.Prepare(`SELECT value FROM _framehub_meta WHERE key = 'merged'`); err != nil {
		return err
	}
	l.writer = rowWriter{conn: l.conn, stmts: newStatements(l.conn)}
	return nil
}

// run does the job, and does it again where it meets a conflict: with another program
// that has written the same pages, or with nobody.
func (l *lag) run(j *mergeJob, m mark) (err error) {
	const tries = 8
	for try := range tries {
		err = l.try(j, m)
		if err == nil {
			return nil
		}
		if !l.conn.AutoCommit() {
			err = errors.Join(err, l.conn.Exec(`ROLLBACK`))
		}
		if !isBusy(err) {
			break
		}
		time.Sleep(5 * time.Millisecond << try)
	}
	return fmt.Errorf("merge version %d: %w", j.to, err)
}

func (l *lag) try(j *mergeJob, m mark) error {
	if err := l.sql.begin.Run(); err != nil {
		return err
	}
	if err := m.check(l.owner); err != nil {
		return err
	}
	row, _, err := l.state.Fetch(nil, 1, 1<<16)
	l.state.Reset()
	switch {
	case err != nil:
		return err
	case len(row) == 0 || uint64(row[0].Int64()) != j.from && uint64(row[0].Int64()) != j.to:
		return fmt.Errorf("%w: the database is at another version than this hub has merged", ErrFenced)
	case uint64(row[0].Int64()) == j.to && j.from != j.to: // a conflict that was none
		return l.conn.Exec(`ROLLBACK`)
	}
	if err := l.write(j); err != nil {
		return err
	}
	return l.sql.commit.Run()
}

// write writes all of it into the open transaction, which it commits and begins again
// where that would become too large: rows may then be newer than the version that
// the database says it has, as they may be for who replays the log over them. A mark
// says so to who copies it.
func (l *lag) write(j *mergeJob) error {
	pages := 0
	for _, c := range j.tables {
		var failed error
		err := l.writer.put(c.table, c.rows, func(part []*memRow) bool {
			if pages += len(part) * (1 + len(c.table.indexed)); pages > pagesPerCommit {
				pages = 0
				failed = l.split(j)
			}
			return failed == nil
		})
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	if err := j.devices.write(&l.sql); err != nil {
		return err
	}
	if j.unnote > 0 {
		if err := l.sql.unnote.RunWith(wire.IntegerValue(j.unnote)); err != nil {
			return err
		}
	}
	return errors.Join(l.sql.whole.Run(), l.sql.merged.RunWith(wire.IntegerValue(int64(j.to))))
}

// split commits what there is of a merge, marks it as a part, and begins the next.
func (l *lag) split(j *mergeJob) error {
	if err := l.sql.partial.RunWith(wire.IntegerValue(int64(j.to))); err != nil {
		return err
	}
	if err := l.sql.commit.Run(); err != nil {
		return err
	}
	return l.sql.begin.Run()
}

// endMerge takes note of a merge that is over; with wait, it waits for that.
func (s *Store) endMerge(wait bool) error {
	j := s.lag.job
	if j == nil {
		return nil
	}
	if !wait {
		select {
		case <-j.done:
		default:
			return nil
		}
	}
	<-j.done
	s.lag.job = nil
	if j.err != nil {
		s.broken = true
		return explain(s.opts.Path, j.err)
	}
	for _, c := range j.tables {
		for _, row := range c.of {
			row.merging = false
		}
	}
	s.lag.took = j.took
	s.durablyMerged(j.to, j.devices)
	s.stats.Merges.Add(1)
	s.stats.MergeNanos.Add(uint64(j.took))
	s.pinSchema()
	return s.lookAnew()
}

// durablyMerged takes note of a commit of the game database where that is durable.
func (s *Store) durablyMerged(version uint64, f *flush) {
	s.merged.Store(version)
	s.devices.flushed(f)
	s.durable.Store(version)
	s.devicesDurable.Store(s.devices.writtenVersion())
}

// lookAnew ends the frame loop's transaction, if nothing has been written in it, so that
// the next sees what others have committed.
func (s *Store) lookAnew() error {
	if !s.open.begun || s.lag.claimed {
		return nil
	}
	s.open = openTx{}
	return s.w.Exec(`ROLLBACK`)
}

// lookOften does so every MergeEvery, for what other programs may have done.
func (s *Store) lookOften() error {
	if time.Since(s.lag.looked) < s.opts.MergeEvery {
		return nil
	}
	return s.lookAnew()
}

// catchBreath is what comes before a frame: it waits for the merge where memory
// has grown to its bound.
func (s *Store) catchBreath() error {
	if err := s.endMerge(false); err != nil {
		return err
	}
	for s.lag.bytes > maxLag {
		if s.lag.job == nil {
			if err := s.beginMerge(time.Now()); err != nil {
				return err
			}
		}
		if err := s.endMerge(true); err != nil {
			return err
		}
	}
	return s.lookOften()
}

// claim takes the game database for SQL in this frame: no merge is under way, and the
// transaction sees all that was merged.
func (s *Store) claim() error {
	if !s.opts.MVSQLite || s.lag.claimed {
		return nil
	}
	if err := s.endMerge(true); err != nil {
		return err
	}
	if err := s.beginTx(); err != nil {
		return err
	}
	s.lag.claimed = true
	return nil
}

// endLag waits for the merge that is under way, whatever comes of it, and ends all
// that belongs to it: the log has it.
func (s *Store) endLag() error {
	s.lag.work.Wait()
	err := s.endMerge(true)
	s.lag.claimed = false
	if s.lag.conn != nil {
		err = errors.Join(err, s.lag.conn.Close())
		s.lag.conn = nil
	}
	return err
}
