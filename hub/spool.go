package hub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// spoolMemory is how much of a snapshot waits for its session in memory; the
// rest waits in a temporary file.
const spoolMemory = 1 << 20

// A spool holds the messages of a snapshot between the goroutine that reads the
// database, which must not wait for the session, and the session's write loop.
type spool struct {
	wake  func()    // tells the session that there is more
	all   *spools   // give its file room
	disk  int64     // bytes of it; guarded by all.mu, as is
	since time.Time // when it got its first

	mu            sync.Mutex // guards the following
	version       uint64
	first         [][]byte // kept in memory, before those in the file
	bytes         int
	file          *os.File
	written, read int64
	ended         bool
	err           error
}

func newSpool(wake func(), all *spools) *spool { return &spool{wake: wake, all: all} }

// begin sets the version that is being read.
func (s *spool) begin(version uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
}

// put adds a message.
func (s *spool) put(msg []byte) error {
	if s.remember(msg) {
		s.wake()
		return nil
	}
	record := append(binary.LittleEndian.AppendUint32(nil, uint32(len(msg))), msg...)
	if err := s.all.grow(s, int64(len(record)), time.Now()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	if s.err != nil {
		return s.err
	}
	if s.file == nil {
		f, err := os.CreateTemp("", "framehub-snapshot-*")
		if err != nil {
			return fmt.Errorf("spool a snapshot: %w", err)
		}
		s.file = f
		_ = os.Remove(f.Name()) // it goes with the descriptor, also when the hub is killed
	}
	n, err := s.file.WriteAt(record, s.written)
	s.written += int64(n)
	if err != nil {
		return fmt.Errorf("spool a snapshot: %w", err)
	}
	return nil
}

// remember keeps a message in memory, if there is room and nothing before it is in the file.
func (s *spool) remember(msg []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil || s.bytes+len(msg) > spoolMemory {
		return false
	}
	s.first = append(s.first, msg)
	s.bytes += len(msg)
	return true
}

// end says that there is no more, or why not.
func (s *spool) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.err == nil {
		s.err = err
	}
	s.wake()
}

// fail ends it, whoever puts and takes, and frees the file.
func (s *spool) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.discard()
	s.wake()
}

// take returns the next message; nil: none yet, or, with done, none any more,
// and the version of them all.
func (s *spool) take() (msg []byte, version uint64, done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return nil, 0, false, s.err
	case len(s.first) > 0:
		msg, s.first = s.first[0], s.first[1:]
		return msg, 0, false, nil
	case s.read < s.written:
		msg, err = s.next()
		return msg, 0, false, err
	default:
		return nil, s.version, s.ended, nil
	}
}

func (s *spool) next() ([]byte, error) {
	var head [4]byte
	if _, err := s.file.ReadAt(head[:], s.read); err != nil {
		return nil, fmt.Errorf("read a spooled snapshot: %w", err)
	}
	msg := make([]byte, binary.LittleEndian.Uint32(head[:]))
	if _, err := s.file.ReadAt(msg, s.read+int64(len(head))); err != nil {
		return nil, fmt.Errorf("read a spooled snapshot: %w", err)
	}
	s.read += int64(len(head) + len(msg))
	return msg, nil
}

// discard frees the file. Nothing is put or taken any more.
func (s *spool) discard() {
	s.all.free(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = nil
	if s.file != nil {
		if err := s.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			s.err = err
		}
		s.file = nil
	}
}
