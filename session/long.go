package session

import (
	"bufio"
	"encoding/binary"
	"io"
)

const (
	// firstPart of a long message is room that a peer gets for having announced it.
	firstPart = 16 << 10

	// growth is how much more room it gets for what it has sent.
	growth = 32
)

// readLong reads a message that is one frame and does not fit the reader's buffer:
// past that, into a slice of just its size. The library does not tell the size, so that
// a message of 256 KiB was copied three times. It returns nil, and leaves all to the
// library, for what [readShort] leaves to it.
func (s *Session) readLong() ([]byte, error) {
	head, n := longHead(s.in)
	if n == 0 || n > uint64(s.limits.Message) {
		return nil, nil
	}
	key := [4]byte(head[len(head)-4:])
	_, _ = s.in.Discard(len(head)) // was peeked at
	msg, err := s.readPayload(int(n))
	unmask(msg, msg, key)
	return msg, err
}

// longHead returns the head of a frame that is a message, down to its mask, and how many
// bytes follow; 0 where it is none, or its length needs no bytes of its own.
func longHead(r *bufio.Reader) (head []byte, n uint64) {
	const (
		masked    = 0x80
		in16      = 126
		in64      = 127
		maskBytes = 4
	)
	head, err := r.Peek(2)
	if err != nil || head[0] != finalBinary {
		return nil, 0
	}
	switch head[1] {
	case masked | in16:
		if head, err = r.Peek(4 + maskBytes); err == nil {
			n = uint64(binary.BigEndian.Uint16(head[2:]))
		}
	case masked | in64:
		if head, err = r.Peek(10 + maskBytes); err == nil {
			n = binary.BigEndian.Uint64(head[2:])
		}
	}
	return head, n
}

// readPayload reads n bytes. What is left of them after an error is to be drained.
func (s *Session) readPayload(n int) ([]byte, error) {
	s.rest = io.LimitReader(s.in, int64(n))
	var msg []byte
	for size := min(n, firstPart); ; size = min(n, growth*size) {
		part := make([]byte, size)
		had := copy(part, msg)
		msg = part
		if _, err := io.ReadFull(s.rest, part[had:]); err != nil {
			return nil, err
		}
		if size == n {
			s.rest = nil
			return msg, nil
		}
	}
}
