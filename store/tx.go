package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"framehub/session/wire"
	"framehub/store/internal/sqlite"
)

// openTx is the game database's transaction: one frame's, or several not yet
// merged.
type openTx struct {
	begun  bool
	frames int
	rows   int       // that SQL changed; those of plain tables that it has not been given are rows' own
	since  time.Time // of the first frame in it

	ahead     int           // rows of plain tables that SQL has been given before the merge
	aheadTook time.Duration // what that took
}

// fixedStatements are those of every frame.
type fixedStatements struct {
	mergeStatements
	savepoint, rollbackTo, release *sqlite.Stmt
	cookie, foreign, taken         *sqlite.Stmt
	sequences                      *sqlite.Stmt // nil: no table is AUTOINCREMENT
}

// mergeStatements are those of every merge.
type mergeStatements struct {
	begin, commit, merged, device, devices, unnote *sqlite.Stmt
	partial, whole                                 *sqlite.Stmt // mark a merge of several commits, and take the mark away
}

func (m *mergeStatements) prepare(c *sqlite.Conn) error {
	for _, p := range []struct {
		to  **sqlite.Stmt
		sql string
	}{
		{&m.begin, `BEGIN IMMEDIATE`},
		{&m.commit, `COMMIT`},
		{&m.merged, `UPDATE _framehub_meta SET value = ?1 WHERE key = 'merged'`},
		{&m.device, `INSERT INTO _framehub_device VALUES (?1, ?2, ?3, ?4, ?5)
			ON CONFLICT(id) DO UPDATE SET settled = excluded.settled, refused = excluded.refused, seen = excluded.seen, owner = excluded.owner`},
		{&m.devices, `UPDATE _framehub_meta SET value = ?1 WHERE key = 'devices'`},
		{&m.unnote, `DELETE FROM _framehub_change WHERE id < ?1`}, // the last stays: see changeTable
		{&m.partial, `INSERT OR REPLACE INTO _framehub_meta VALUES ('partial', ?1)`},
		{&m.whole, `DELETE FROM _framehub_meta WHERE key = 'partial'`},
	} {
		var err error
		if *p.to, err = c.Prepare(p.sql); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) prepareFixed() error {
	for _, p := range []struct {
		to  **sqlite.Stmt
		sql string
	}{
		{&s.sql.savepoint, `SAVEPOINT t`},
		{&s.sql.rollbackTo, `ROLLBACK TO t`},
		{&s.sql.release, `RELEASE t`},
		{&s.sql.taken, `INSERT INTO _framehub_meta VALUES ('taken', ?1) ON CONFLICT(key) DO UPDATE SET value = excluded.value`},
		{&s.sql.cookie, `PRAGMA schema_version`},
		{&s.sql.foreign, `PRAGMA data_version`},
	} {
		var err error
		if *p.to, err = s.w.Prepare(p.sql); err != nil {
			return err
		}
	}
	return errors.Join(s.sql.prepare(s.w), s.prepareSequences())
}

// prepareSequences looks for what only some databases have.
func (s *Store) prepareSequences() error {
	s.virtualTables = false
	if s.sql.sequences != nil {
		s.sql.sequences.Close()
		s.sql.sequences = nil
	}
	return s.w.Query(`SELECT name = 'sqlite_sequence', rootpage = 0 FROM sqlite_schema WHERE type = 'table'`, nil,
		func(row []driver.Value) (err error) {
			if row[0] == int64(1) {
				s.sql.sequences, err = s.w.Prepare(`SELECT name, seq FROM sqlite_sequence`)
			}
			s.virtualTables = s.virtualTables || row[1] == int64(1)
			return err
		})
}

// beginTx begins the game database's transaction if none is open.
func (s *Store) beginTx() error {
	if s.open.begun {
		return nil
	}
	if err := s.sql.begin.Run(); err != nil {
		return explain(s.opts.Path, busy(err))
	}
	s.open, s.lag.looked = openTx{begun: true}, time.Now()
	err := s.distrust()
	if err == nil && s.owner != nil {
		err = s.mark.check(s.owner)
	}
	if err != nil {
		s.open = openTx{}
		return errors.Join(err, s.w.Exec(`ROLLBACK`))
	}
	cookie, _, err := s.sql.cookie.Fetch(nil, 1, 64)
	s.sql.cookie.Reset()
	switch {
	case err != nil:
	case cookie[0].Int64() != s.Schema().cookie.Load():
		err = ErrSchemaChanged
	default:
		return nil
	}
	s.open = openTx{}
	return errors.Join(err, s.w.Exec(`ROLLBACK`))
}

// busy says of an error in beginning a transaction that it is another program's lock.
func busy(err error) error {
	if sqlite.CodeOf(err)&0xff == sqliteBusy {
		return ErrBusy
	}
	return fmt.Errorf("begin a transaction in the game database: %w", err)
}

// commitTx commits the game database's transaction: its tables are then at the
// last version, and say so.
func (s *Store) commitTx(now time.Time) error {
	if !s.open.begun {
		return nil
	}
	version := s.version.Load()
	start := time.Now()
	var flushed *flush
	rows := s.open.rows + s.open.ahead + s.rows.unwritten()
	err := s.flush()
	if err == nil && (version != s.merged.Load() || s.devices.pending()) {
		if flushed, err = s.devices.collect(version, now); err == nil {
			err = flushed.write(&s.sql.mergeStatements)
		}
		if err == nil {
			err = s.sql.merged.RunWith(wire.IntegerValue(int64(version)))
		}
	}
	if err == nil && s.opts.MVSQLite {
		err = s.sql.whole.Run()
	}
	if err == nil && s.taken != s.takenMerged {
		err = s.sql.taken.RunWith(wire.IntegerValue(s.taken))
	}
	if err == nil {
		err = s.sql.commit.Run()
	}
	if err != nil {
		s.broken = true
		return explain(s.opts.Path, fmt.Errorf("merge version %d into the game database: %w", version, err))
	}
	took := time.Since(start) + s.open.aheadTook
	s.cost.learn(rows, took)
	s.open, s.lag.claimed = openTx{}, false
	s.takenMerged = s.taken
	s.stats.Merges.Add(1)
	s.stats.MergeNanos.Add(uint64(took))
	if s.opts.MVSQLite {
		s.lag.bytes = 0
		s.durablyMerged(version, flushed)
		s.pinSchema()
		return nil
	}
	s.merged.Store(version)
	s.devices.flushed(flushed)
	s.restartWAL(s.w, s.opts.Path, &s.wal.game)
	s.pinSchema()
	return nil
}

// Merge commits the frames since the last merge to the game database where that
// is cheap, due, or asked for, and says whether any are left. It is for after a
// frame's version has been told, and for moments without one.
func (s *Store) Merge(now time.Time, idle bool) (left bool, err error) {
	if s.frame != nil {
		return false, errUnderWay
	}
	if s.opts.MVSQLite {
		return s.mergeBeside(now)
	}
	if s.broken || !s.open.begun {
		return false, nil
	}
	if s.open.frames > 0 && !idle && !s.mergeNow(now) {
		return true, s.prepareMerge()
	}
	defer s.cost.rest(0)
	return false, s.commitTx(now)
}

// prepareMerge does some of the work of a large merge in the time that is left
// until the next frame, which all of it at once would hold up.
func (s *Store) prepareMerge() error {
	start := time.Now()
	defer func() { s.cost.rest(time.Since(start)) }()
	budget := s.cost.idle / 2
	if s.cost.estimate(s.rows.unwritten()) <= budget {
		return nil
	}
	if err := s.flushAhead(start.Add(budget)); err != nil {
		s.broken = true
		return explain(s.opts.Path, err)
	}
	return nil
}

// mergeNow says whether to merge after this frame: it is due, other programs write
// too, or it is cheap, by the budget and beside the time from one frame to the next. A hub that runs frame
// after frame gets more done when several are merged at once.
func (s *Store) mergeNow(now time.Time) bool {
	const share = 8 // of a frame's time
	if s.beside > 0 {
		return true
	}
	cheap := s.opts.MergeBudget
	if s.cost.interval > 0 {
		cheap = min(cheap, s.cost.interval/share)
	}
	return s.cost.estimate(s.open.rows+s.open.ahead+s.rows.unwritten()) <= cheap || elapsed(s.open.since, now, s.opts.MergeEvery)
}

// mergeCost learns what a merge costs by the row, and how frames follow each other.
type mergeCost struct {
	perRow   float64       // ns, a moving average
	interval time.Duration // between frames, the same
	last     time.Time     // of a frame

	idle   time.Duration // that the store has between frames, a moving average
	rested time.Time     // since when it has nothing to do
	spent  time.Duration // of the time before that, on a merge to come
}

// rest takes note that the store has nothing more to do until the next frame, and
// how long it has had nothing to do but a merge to come.
func (m *mergeCost) rest(spent time.Duration) { m.rested, m.spent = time.Now(), spent }

// resume takes note that a frame begins.
func (m *mergeCost) resume() {
	if m.rested.IsZero() {
		return
	}
	const most = 100 * time.Millisecond
	m.idle += (min(time.Since(m.rested)+m.spent, most) - m.idle) / 8
	m.rested = time.Time{}
}

// frame takes note of a frame's time.
func (m *mergeCost) frame(now time.Time) {
	since := now.Sub(m.last)
	first := m.last.IsZero()
	m.last = now
	switch {
	case first || since < 0: // nothing to learn from a clock that was set
	case m.interval == 0:
		m.interval = since
	default:
		m.interval += (min(since, time.Second) - m.interval) / 8
	}
}

func (m *mergeCost) learn(rows int, took time.Duration) {
	if rows == 0 {
		return
	}
	const weight = 0.1 // of the latest, in the moving average
	now := float64(took) / float64(rows)
	if m.perRow == 0 {
		m.perRow = now
	}
	m.perRow += weight * (now - m.perRow)
}

func (m *mergeCost) estimate(rows int) time.Duration { return time.Duration(m.perRow * float64(rows)) }
