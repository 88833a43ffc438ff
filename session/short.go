package session

import (
	"bufio"
	"encoding/binary"
)

// readShort reads a message that is one frame and fits the reader's buffer, as
// nearly all are: the library takes six times as long for those as for their bytes.
// It returns nil, and leaves all to the library, for what is anything else: control
// frames, pieces, what is long, broken, empty or above the limit, and errors.
func readShort(r *bufio.Reader, limit int) []byte {
	const (
		masked    = 0x80
		in16      = 126
		maskBytes = 4
	)
	head, err := r.Peek(2)
	if err != nil || head[0] != finalBinary || head[1]&masked == 0 {
		return nil
	}
	at, n := 2, int(head[1]&^masked)
	switch {
	case n == in16:
		if head, err = r.Peek(4); err != nil {
			return nil
		}
		at, n = 4, int(binary.BigEndian.Uint16(head[2:]))
	case n > in16:
		return nil
	}
	at += maskBytes
	if n == 0 || n > limit || at+n > r.Size() {
		return nil
	}
	frame, err := r.Peek(at + n)
	if err != nil {
		return nil
	}
	msg := make([]byte, n)
	unmask(msg, frame[at:], [maskBytes]byte(frame[at-maskBytes:at]))
	_, _ = r.Discard(at + n) // was peeked at
	return msg
}

// unmask takes a client's mask off (RFC 6455, 5.3).
func unmask(dst, src []byte, key [4]byte) {
	once := binary.LittleEndian.Uint32(key[:])
	twice := uint64(once)<<32 | uint64(once)
	i := 0
	for ; i+8 <= len(dst); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:])^twice)
	}
	for ; i < len(dst); i++ {
		dst[i] = src[i] ^ key[i%4]
	}
}
