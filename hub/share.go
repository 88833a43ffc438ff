package hub

import (
	"sync"
	"time"

	"framehub/rules"
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

	// maxHeld bounds how long transactions wait for their turn. A session that
	// nothing is read from for 30 s would be taken for dead.
	maxHeld = 20 * time.Second
)

// A share is what one user takes of what all have together: the frames' time, and
// the processor's beside the frames. Who takes more than their part waits, and
// nobody else with them. A nil share, of a role that is trusted, has no bounds.
type share struct {
	reading debt // of messages: checked and decoded by read loops
	looking debt // of snapshots and pieces of large values

	mu     sync.Mutex // guards the following; of frames
	perRow float64    // what a row takes in the frame, ns, a moving average
	frame  uint64     // the frame that used counts for
	used   time.Duration
	until  time.Time // no transaction runs before
}

// shareFor returns the share of a session.
func (h *Hub) shareFor(c *client) *share {
	if rules.Trusted(c.who.Role) {
		return nil
	}
	whose := c.identity.User
	if whose == "" {
		whose = string(c.device.id[:])
	}
	return h.shares.get(whose, time.Now())
}

// Full implements keepable.
func (s *share) Full(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading.wait(now, 0) == 0 && s.looking.wait(now, 0) == 0 && !now.Before(s.until)
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
	s.used += time.Duration(each * n)
	s.until = now.Add(hold(s.used, interval))
}

// hold returns how long a user waits who has taken so much of one frame. One
// transaction can't be cut in pieces, and while it runs all wait. So what takes
// twice as much comes a sixteenth as often: what others would notice is rare
// enough to be none of their 99 of 100.
func hold(used, interval time.Duration) time.Duration {
	over := float64(used) * shareOf / float64(interval)
	if over <= 1 {
		return 0
	}
	return time.Duration(min(float64(used)*shareOf*over*over*over, float64(maxHeld)))
}

// A debt is work that has been done for somebody and that time has not paid off
// yet. Time pays an eighth of itself.
type debt struct {
	mu   sync.Mutex
	owed time.Duration
	at   time.Time
}

func (d *debt) add(now time.Time, cost time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pay(now)
	d.owed += cost
}

// wait returns how long it is until no more than burst is owed.
func (d *debt) wait(now time.Time, burst time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pay(now)
	return max(0, shareOf*(d.owed-burst))
}

func (d *debt) pay(now time.Time) {
	d.owed = max(0, d.owed-now.Sub(d.at)/shareOf)
	d.at = now
}

// read counts a message of so many bytes, and returns how long it has to wait.
func (s *share) read(now time.Time, size int) time.Duration {
	if s == nil {
		return 0
	}
	s.reading.add(now, messageCost+time.Duration(size)*byteCost/1000)
	return s.reading.wait(now, readBurst)
}

// checked counts the time that it took to check a transaction.
func (s *share) checked(since time.Time) {
	if s != nil {
		now := time.Now()
		s.reading.add(now, now.Sub(since))
	}
}

// looked counts the time that it took to read the database.
func (s *share) looked(since time.Time) {
	if s != nil {
		now := time.Now()
		s.looking.add(now, now.Sub(since))
	}
}

// mayLook returns how long the database may not be read.
func (s *share) mayLook(now time.Time) time.Duration {
	if s == nil {
		return 0
	}
	return s.looking.wait(now, lookBurst)
}
