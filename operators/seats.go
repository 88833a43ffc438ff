package operators

import (
	"errors"
	"sync"
)

// How many seats there are, and how many of them one account or token's user may have.
const (
	allSeats = 64
	ownSeats = 16
)

// ErrNoSeat says that too much is open.
var ErrNoSeat = errors.New("too many pages, streams or sessions are open: an account may have 16, all together 64; close some")

// Seats bound what goes on for those who look, each of which costs the hub something
// every second. The zero value has all seats free. Its methods may be called from any
// goroutine.
type Seats struct {
	mu  sync.Mutex // guards the following
	all int
	own map[string]int
}

// Take takes a seat until leave is called, or returns ErrNoSeat. A name of "" is nobody's.
func (s *Seats) Take(name string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= allSeats || name != "" && s.own[name] >= ownSeats {
		return nil, ErrNoSeat
	}
	if s.own == nil {
		s.own = map[string]int{}
	}
	s.all++
	s.own[name]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.own[name]--; s.own[name] == 0 {
			delete(s.own, name)
		}
	}, nil
}
