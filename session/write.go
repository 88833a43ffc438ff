package session

import (
	"encoding/binary"
	"math"
	"sync"
	"time"
)

const (
	// flushAt bounds what is put together to be written in one call.
	flushAt = 256 << 10

	// finalBinary, finalPing and finalPong begin WebSocket frames that are a whole
	// message (RFC 6455, 5.2).
	finalBinary = 0x80 | 0x2
	finalPing   = 0x80 | 0x9
	finalPong   = 0x80 | 0xa
)

// frames are buffers that a write is put together in. A session has one while it
// writes, and none while it is idle.
var frames = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// writeLoop writes what there is, all of it in one call to the system, until the
// session ends.
func (s *Session) writeLoop(h Handler) {
	defer close(s.mute)
	if s.failed = s.writeAll(h); s.failed != nil {
		s.Drop() // wakes the read loop
	}
}

func (s *Session) writeAll(h Handler) error {
	var batch [][]byte
	var control []byte
	// One channel to wait for, since to wait for two takes twice as long.
	for range s.wake {
		for !s.over.Load() {
			if s.bye.Load() != nil {
				return s.sayGoodbye(h)
			}
			control, batch = s.takeControl(control[:0], batch[:0])
			batch = h.Next(batch)
			if len(control)+len(batch) == 0 {
				break
			}
			if err := s.send(control, batch); err != nil {
				return err
			}
			clear(batch)
		}
		if s.over.Load() {
			break
		}
	}
	return nil
}

// takeControl appends pings and pongs, as frames, to control, and the read loop's
// answers to batch.
func (s *Session) takeControl(control []byte, batch [][]byte) ([]byte, [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pong) > 0 {
		control = append(control, s.pong...)
		s.pong = s.pong[:0]
	}
	if s.ping {
		control = append(control, finalPing, 0)
		s.ping = false
		s.trip.begins(time.Now())
	}
	if len(s.answers) > 0 {
		batch = append(batch, s.answers...)
		s.answers = nil
		select {
		case s.room <- struct{}{}:
		default:
		}
	}
	return control, batch
}

// send writes control frames and messages, each one WebSocket frame. The
// library's own way takes three locks and two calls to the system for a message.
func (s *Session) send(control []byte, batch [][]byte) error {
	buf := frames.Get().(*[]byte)
	all, bytes := append((*buf)[:0], control...), 0
	var err error
	for _, msg := range batch {
		all = appendFrame(all, finalBinary, msg)
		bytes += len(msg)
		if len(all) >= flushAt {
			if _, err = s.link.Write(all); err != nil {
				break
			}
			all = all[:0]
		}
	}
	if len(all) > 0 && err == nil {
		_, err = s.link.Write(all)
	}
	if cap(all) <= flushAt {
		*buf = all
		frames.Put(buf)
	}
	if err == nil {
		s.stats.MessagesOut.Add(uint64(len(batch)))
		s.stats.BytesOut.Add(uint64(bytes))
		s.tapped(true, batch...)
	}
	return err
}

// appendFrame appends a WebSocket frame of a server: unmasked, and all of its message.
func appendFrame(dst []byte, first byte, payload []byte) []byte {
	const in16, in64 = 126, 127
	dst = append(dst, first)
	switch n := len(payload); {
	case n < in16:
		dst = append(dst, byte(n))
	case n <= math.MaxUint16:
		dst = binary.BigEndian.AppendUint16(append(dst, in16), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, in64), uint64(n))
	}
	return append(dst, payload...)
}

// sayGoodbye writes what the handler still has, then the goodbye, and gives the
// peer its time to close.
func (s *Session) sayGoodbye(h Handler) error {
	control, batch := s.takeControl(nil, nil)
	if h != nil {
		batch = h.Next(batch)
	}
	g := *s.bye.Load()
	if err := s.send(control, append(batch, g.Append(nil))); err != nil {
		return err
	}
	s.drainSoon()
	return nil
}
