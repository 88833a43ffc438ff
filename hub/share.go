package hub

import (
	"sync"
	"sync/atomic"
	"time"

	"framehub/rules"
	"framehub/store"
)

const (
	// shareOf is which part a user may have of a frame's time and of a processor's:
	// an eighth.
	shareOf = 8

	// What a device may have done for it before it waits.
	readBurst = 250 * time.Millisecond
	lookBurst = 500 * time.Millisecond

	// What a message costs to read and to decode, about.
	messageCost = 2 * time.Microsecond
	byteCost    = 1500 * time.Nanosecond // of 1,000 bytes

	// A transaction can't be cut in pieces, and while a large one runs all wait. Who
	// sends one now and then is forgiven that much; beyond, what he has taken comes
	// out at one part in 256 of the time, so rare that it is none of others' 99 of
	// 100 writes.
	largeBurst = 100 * time.Millisecond
	largeOf    = 256

	// maxHeld bounds how long transactions wait for their turn. A session that
	// nothing is read from for 30 s would be taken for dead.
	maxHeld = 20 * time.Second
)

// An owner is whose part of what all have together something takes: its user's, so
// that many devices are given no more than one. It is the device's own where there
// are no users, and in a role that is trusted.
type owner struct {
	user   string
	device store.Device // with no user
}

// ownerOf returns the owner of a session on a device.
func (c *client) ownerOf(d store.Device) owner {
	if c.identity.User == "" || rules.Trusted(c.who.Role) {
		return owner{device: d}
	}
	return owner{user: c.identity.User}
}

// A share is what one owner takes of the time that all have together: the frames',
// and the processor's beside the frames. Who takes more than their part waits, and
// nobody else with them. A nil share, of a role that is trusted, has no bounds.
type share struct {
	sessions atomic.Int32 // that have it

	reading debt // of messages: checked and decoded by read loops
	looking debt // of snapshots and pieces of large values

	mu     sync.Mutex // guards the following; of frames
	perRow float64    // what a row takes in the frame, ns, a moving average
	frame  uint64     // the frame that used counts for
	used   time.Duration
	until  time.Time // no transaction runs before
	large  debt      // of transactions that were more than a frame's share
}

// shareFor returns the share of a session.
func (h *Hub) shareFor(c *client) *share {
	if rules.Trusted(c.who.Role) {
		return nil
	}
	s := h.shares.get(c.owner, time.Now())
	s.sessions.Add(1)
	return s
}

// leave takes a session off those that have the share.
func (s *share) leave() {
	if s != nil {
		s.sessions.Add(-1)
	}
}

// Full implements keepable.
func (s *share) Full(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions.Load() == 0 && s.reading.wait(now, shareOf, 0) == 0 && s.looking.wait(now, shareOf, 0) == 0 &&
		s.large.wait(now, largeOf, 0) == 0 && !now.Before(s.until)
}

// held says whether transactions have to wait for a later frame.
func (s *share) held(now time.Time) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.until)
}

// over says whether the share of a frame is used up.
func (s *share) over(frame uint64, interval time.Duration) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frame == frame && s.used >= interval/shareOf
}

// spend counts a transaction that a frame has run.
//
// What is measured has in it what the machine did meanwhile. So it counts for no
// more than 16 times of what the user's rows have taken on average.
func (s *share) spend(frame uint64, interval time.Duration, rows int, start, now time.Time) {
	if s == nil {
		return
	}
	const (
		unknown = float64(10 * time.Microsecond)
		most    = 16
		weight  = 1. / 8 // of the latest
	)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.perRow == 0 {
		s.perRow = unknown
	}
	n := float64(rows + 1)
	each := min(float64(now.Sub(start))/n, most*s.perRow)
	s.perRow += weight * (each - s.perRow)
	if s.frame != frame {
		s.frame, s.used = frame, 0
	}
	took := time.Duration(each * n)
	s.used += took
	if share := interval / shareOf; s.used > share {
		s.large.add(now, largeOf, min(took, s.used-share))
		s.until = now.Add(min(maxHeld, max(shareOf*s.used, s.large.wait(now, largeOf, largeBurst))))
	}
}

// A debt is work that has been done for somebody and that time has not paid off
// yet. Time pays one part in so many of itself.
type debt struct {
	mu   sync.Mutex
	owed time.Duration
	at   time.Time
}

func (d *debt) add(now time.Time, of int64, cost time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pay(now, of)
	d.owed += cost
}

// wait returns how long it is until no more than burst is owed.
func (d *debt) wait(now time.Time, of int64, burst time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pay(now, of)
	return max(0, time.Duration(of)*(d.owed-burst))
}

func (d *debt) pay(now time.Time, of int64) {
	d.owed = max(0, d.owed-now.Sub(d.at)/time.Duration(of))
	d.at = now
}

// read counts a message of so many bytes, and returns how long it has to wait.
func (s *share) read(now time.Time, size int) time.Duration {
	if s == nil {
		return 0
	}
	s.reading.add(now, shareOf, messageCost+time.Duration(size)*byteCost/1000)
	return s.reading.wait(now, shareOf, readBurst)
}

// checked counts the time that it took to check a transaction.
func (s *share) checked(since time.Time) {
	if s != nil {
		now := time.Now()
		s.reading.add(now, shareOf, now.Sub(since))
	}
}

// looked counts the time that it took to read the database.
func (s *share) looked(since time.Time) {
	if s != nil {
		now := time.Now()
		s.looking.add(now, shareOf, now.Sub(since))
	}
}

// mayLook returns how long the database may not be read.
func (s *share) mayLook(now time.Time) time.Duration {
	if s == nil {
		return 0
	}
	return s.looking.wait(now, shareOf, lookBurst)
}
