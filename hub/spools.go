package hub

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// A session that takes its snapshot slowly has its file for spoolTime, and for the time in
// which it should take it at spoolRate, in bytes a second. It loses it after that if another
// wants the room.
const (
	spoolTime = time.Minute
	spoolRate = 1 << 20

	spoolRetry = 10 * time.Second // until who lost it, or got none, may come again
)

var (
	errTakenSlowly = errors.New("the snapshot was taken too slowly while others waited for its room")
	errNoRoom      = errors.New("snapshots that other sessions take slowly have all the room that there is for them")
)

// spools bounds what snapshots have in files, of all sessions together: however many are
// taken slowly, they fill no disk. One alone may have more, which is what the database holds
// at most.
type spools struct {
	most int64 // bytes

	mu   sync.Mutex // guards the following, and since and disk of each spool
	used int64      // the sum of their disk
	with []*spool   // that have a file, the oldest first
}

// grow gives a spool's file room for so many more bytes. Where there is none, those that had
// their time make some; errNoRoom: not enough. Nobody waits for room, who would hold the
// database's past meanwhile: who gets none ends, so that one always goes on.
func (g *spools) grow(s *spool, bytes int64, now time.Time) error {
	late, err := g.give(s, bytes, now)
	for _, o := range late {
		o.fail(errTakenSlowly)
	}
	return err
}

// give does so, and returns those that are to make room.
func (g *spools) give(s *spool, bytes int64, now time.Time) (late []*spool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.used+bytes > g.most {
		for _, o := range slices.Clone(g.with) {
			if o != s && g.used+bytes > g.most && now.Sub(o.since) > spoolTime+time.Duration(o.disk/spoolRate)*time.Second {
				g.remove(o)
				late = append(late, o)
			}
		}
		if alone := g.used == s.disk; !alone && g.used+bytes > g.most {
			return late, errNoRoom
		}
	}
	if s.disk == 0 {
		s.since, g.with = now, append(g.with, s)
	}
	s.disk += bytes
	g.used += bytes
	return late, nil
}

// free takes back what a spool was given.
func (g *spools) free(s *spool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.remove(s)
}

func (g *spools) remove(s *spool) {
	g.with = slices.DeleteFunc(g.with, func(o *spool) bool { return o == s })
	g.used -= s.disk
	s.disk = 0
}
