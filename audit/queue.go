package audit

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	maxQueued = 1 << 20 // bytes of lines that wait

	// farewell is how long Close gives what still waits.
	farewell = 2 * time.Second
)

// A Queue stands between a log and where it is written, so that who logs never
// waits: not for a disk, nor for a pipe that nobody reads. Lines keep their order.
// What comes while the queue is full is left out and counted.
type Queue struct {
	to   io.Writer
	more chan struct{} // has one place; there is something to write
	done chan struct{} // closed when all has been written after Close

	mu      sync.Mutex // guards the following
	lines   []byte
	leftOut int
	closed  bool
}

// NewQueue returns a queue that writes to another writer, from a goroutine that
// Close ends.
func NewQueue(to io.Writer) *Queue {
	q := &Queue{to: to, more: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// Write implements io.Writer: it takes a line, or counts it as left out.
func (q *Queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed: // the program ends
	case len(q.lines)+len(line) > maxQueued:
		q.leftOut++
	default:
		q.lines = append(q.lines, line...)
	}
	q.wake()
	return len(line), nil
}

func (q *Queue) wake() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// Close waits until what the queue has is written, two seconds at most, and says
// whether it is. Who does not take it keeps a goroutine that nothing can end, until
// the program does.
func (q *Queue) Close() bool {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
	select {
	case <-q.done:
		return true
	case <-time.After(farewell):
		return false
	}
}

func (q *Queue) run() {
	defer close(q.done)
	var spare []byte
	for range q.more {
		for {
			lines, over := q.take(spare)
			if over {
				return
			}
			spare = lines
			if len(lines) == 0 {
				break
			}
			_, _ = q.to.Write(lines) // there is nowhere else to say that it failed
		}
	}
}

// take takes what there is to write, with how many lines were left out after it,
// and leaves spare for what comes. over: there is nothing, and nothing will come.
func (q *Queue) take(spare []byte) (lines []byte, over bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	lines, q.lines = q.lines, spare[:0]
	if q.leftOut > 0 {
		lines = fmt.Appendf(lines, "%s WRN lines left out, the log is not taken as fast as it is written left_out=%d\n", time.Now().Format("15:04:05.000"), q.leftOut)
		q.leftOut = 0
	}
	return lines, q.closed && len(lines) == 0
}
