package session

import (
	"sync/atomic"
	"time"
)

// A Tap is given each message of a session as it went over the connection: out says
// that it was sent to the peer. It is called by both loops, must not wait, and must not
// change the bytes, which it may keep.
type Tap func(out bool, msg []byte)

// SetTap gives the session's messages to t from now on, until it is given another;
// nil takes them from nobody.
func (s *Session) SetTap(t Tap) {
	if t == nil {
		s.tap.Store(nil)
		return
	}
	s.tap.Store(&t)
}

// tapped shows messages to the tap, if there is one.
func (s *Session) tapped(out bool, msgs ...[]byte) {
	t := s.tap.Load()
	if t == nil {
		return
	}
	for _, m := range msgs {
		(*t)(out, m)
	}
}

// RoundTrip returns how long the last ping that was answered took, from just before
// it was written until its pong was read; 0: none was answered yet.
func (s *Session) RoundTrip() time.Duration { return time.Duration(s.trip.last.Load()) }

// A roundTrip measures pings, of which one is under way at a time: one that is sent
// before the last was answered measures nothing.
type roundTrip struct {
	sent atomic.Pointer[time.Time] // when the ping under way was; nil: none is
	last atomic.Int64              // ns
}

func (r *roundTrip) begins(now time.Time) { r.sent.CompareAndSwap(nil, &now) }

// ends is told of each pong, also of those that answer nothing.
func (r *roundTrip) ends(now time.Time) {
	if sent := r.sent.Swap(nil); sent != nil {
		r.last.Store(max(1, int64(now.Sub(*sent))))
	}
}
