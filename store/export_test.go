package store

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"
	"time"
)

// RestartPages is from what length on the frame loop copies the rest of a WAL.
const RestartPages = restartPages

// RecentEntries is how many entries are kept in memory.
const RecentEntries = recentEntries

// RecentBytes is how many bytes of entries are kept in memory, about.
const RecentBytes = recentBytes

// Checkpointer is what Run runs, to be driven by hand.
type Checkpointer struct{ c *checkpointer }

// NewCheckpointer opens one.
func NewCheckpointer(s *Store, now time.Time) (*Checkpointer, error) {
	c, err := s.newCheckpointer(now)
	return &Checkpointer{c}, err
}

// Look checkpoints what is due.
func (c *Checkpointer) Look(now time.Time) { c.c.look(now) }

// Close closes its connections.
func (c *Checkpointer) Close() error { return c.c.close() }

// WALPages returns the lengths of both WALs at the last commits.
func WALPages(s *Store) (game, log int64) { return s.wal.game.pages.Load(), s.wal.log.pages.Load() }

// CommitUnknown is [Frame.Commit] with an append whose outcome stays unknown:
// it took place, or it did not.
func CommitUnknown(f *Frame, now time.Time, there bool) error {
	s, e := f.s, f.entry
	e.Version, e.Time = s.version.Load()+1, now
	b, err := s.complete(e)
	if err == nil && there {
		err = s.log.append(e.Version, e.Time.UnixMicro(), b, 0, 0)
	}
	s.frame, s.broken, s.limbo, s.limboBytes = nil, true, e, b
	return err
}

// IsPlain says whether transactions on a table run in memory.
func IsPlain(t *Table) bool { return t.plain != nil }

// KeepRows lets memory keep so many rows of plain tables, until restore.
func KeepRows(n int) (restore func()) {
	was := maxRowsKept
	maxRowsKept = n
	return func() { maxRowsKept = was }
}

// CountTexts lets memory count so many texts of a column, until restore.
func CountTexts(n int) (restore func()) {
	was := maxCounted
	maxCounted = n
	return func() { maxCounted = was }
}

// LogSizeNow returns the bytes that the log takes.
func LogSizeNow(s *Store) (int64, error) { return s.log.size() }

// KeepDevices lets memory keep so many devices, until restore.
func KeepDevices(n int) (restore func()) {
	was := maxDevicesKept
	maxDevicesKept = n
	return func() { maxDevicesKept = was }
}

// DevicesKept returns how many devices are in memory.
func DevicesKept(s *Store) int {
	s.devices.mu.Lock()
	defer s.devices.mu.Unlock()
	return len(s.devices.known)
}

// LoggedEntry reads an entry from the log, whatever memory has.
func LoggedEntry(s *Store, version uint64) (*Entry, error) {
	b, _, err := s.log.read(version)
	if err != nil {
		return nil, err
	}
	return decodeEntry(version, []byte(b), s.Schema())
}

// LoggedBytes returns an entry's bytes, without the checksum.
func LoggedBytes(s *Store, version uint64) ([]byte, error) {
	b, _, err := s.log.read(version)
	return []byte(b[:len(b)-crc32.Size]), err
}

// DecodeEntry decodes an entry's bytes, which need no checksum.
func DecodeEntry(b []byte, now *Schema) (*Entry, error) {
	return decodeEntry(1, binary.LittleEndian.AppendUint32(slices.Clip(b), crc32.Checksum(b, castagnoli)), now)
}

// EncodeEntry encodes an entry, without the checksum.
func EncodeEntry(e *Entry) ([]byte, error) {
	for _, c := range e.Tables {
		c.Odd = true
	}
	b, err := new(entryEncoder).encode(e)
	return b[:max(0, len(b)-crc32.Size)], err
}

// RowsUnwritten returns how many rows of plain tables SQL does not have yet.
func RowsUnwritten(s *Store) int { return s.rows.unwritten() }

// ExpectLargeMerge makes the store believe that the merge to come takes longer
// than it has idle time, and that it has much of that.
func ExpectLargeMerge(s *Store) { s.cost.idle, s.cost.perRow = time.Hour, float64(time.Hour) }

// SeeTriggers makes the store's own connection see the hub's triggers again.
func SeeTriggers(s *Store) error { return s.w.Exec("PRAGMA writable_schema = RESET") }

// Unwatch takes the triggers away by which other programs' writes are found.
func Unwatch(s *Store) error {
	now, err := s.triggersNow()
	if err != nil {
		return err
	}
	if err := SeeTriggers(s); err != nil {
		return err
	}
	for _, all := range now {
		for _, t := range all {
			if err := s.w.Exec("DROP TRIGGER " + t.name); err != nil {
				return err
			}
		}
	}
	cookie, err := s.schemaCookie()
	s.Schema().cookie.Store(cookie)
	return err
}

// NoteAtMost makes the store tell so few rows, and bytes of them, of other programs one
// by one, until the test ends.
func NoteAtMost(tb testing.TB, rows, bytes int) {
	tb.Helper()
	wasRows, wasBytes := maxNoted, maxNotedSize
	maxNoted, maxNotedSize = rows, bytes
	tb.Cleanup(func() { maxNoted, maxNotedSize = wasRows, wasBytes })
}

// Break has the store take itself for broken, as after a failure.
func Break(s *Store) { s.broken = true }

// EndMerge waits for the merge beside the frames, and takes note of it.
func EndMerge(s *Store) error { return s.endMerge(true) }

// CommitAtMost lets merges beside the frames, and loads, write so many pages in a commit, about, until
// the test ends.
func CommitAtMost(tb testing.TB, pages int) {
	tb.Helper()
	was := pagesPerCommit
	pagesPerCommit = pages
	tb.Cleanup(func() { pagesPerCommit = was })
}

// Abandon closes what a process that ends would: nothing is merged, nothing rolled back
// in so many words.
func Abandon(s *Store) {
	s.lag.work.Wait()
	s.broken = true
	_ = s.Close()
}

// LagAtMost makes so many bytes the most that merges may be behind, until the test ends.
func LagAtMost(tb testing.TB, bytes int) {
	tb.Helper()
	was := maxLag
	maxLag = bytes
	tb.Cleanup(func() { maxLag = was })
}
