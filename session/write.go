package session

import (
	"context"

	"github.com/coder/websocket"
)

// writeLoop writes what there is, all of it in one call to the system, until the
// session ends.
func (s *Session) writeLoop(h Handler) {
	defer s.Drop() // wakes the read loop, when it was the writing that failed
	defer close(s.mute)
	var batch [][]byte
	for {
		select {
		case <-s.wake:
		case <-s.done:
			return
		}
		for {
			if s.bye.Load() != nil {
				s.sayGoodbye(h)
				<-s.done
				return
			}
			batch = h.Next(s.takeControl(batch[:0]))
			if len(batch) == 0 {
				break
			}
			if s.send(batch) != nil {
				return
			}
			clear(batch)
		}
	}
}

// takeControl appends the read loop's answers to dst.
func (s *Session) takeControl(dst [][]byte) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.control) > 0 {
		dst = append(dst, s.control...)
		s.control = nil
		select {
		case s.room <- struct{}{}:
		default:
		}
	}
	return dst
}

// send writes messages, each one WebSocket frame.
func (s *Session) send(batch [][]byte) error {
	s.link.hold()
	bytes := 0
	for _, msg := range batch {
		if err := s.ws.Write(context.Background(), websocket.MessageBinary, msg); err != nil {
			return err
		}
		bytes += len(msg)
	}
	s.stats.MessagesOut.Add(uint64(len(batch)))
	s.stats.BytesOut.Add(uint64(bytes))
	return s.link.release()
}

// sayGoodbye writes what the handler still has, then the goodbye, and gives the
// peer its time to close.
func (s *Session) sayGoodbye(h Handler) {
	var batch [][]byte
	if h != nil {
		batch = h.Next(s.takeControl(nil))
	}
	g := *s.bye.Load()
	if s.send(append(batch, g.Append(nil))) != nil {
		s.Drop()
		return
	}
	s.drainSoon()
}
