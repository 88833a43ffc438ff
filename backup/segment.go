package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"filippo.io/age"
	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"

	"framehub/backup/place"
)

// A Segment is entries of the frame log, of versions that follow each other.
type Segment struct {
	_         struct{} `cbor:",toarray"`
	Format    int
	ID, Epoch []byte
	From, To  uint64
	NewSchema bool   // it begins with a new schema, so that only a copy of From or later leads on
	Before    []byte // the sum of the segment that ends before From; nil: there is none, or one was lost

	Entries [][]byte

	sum []byte // of its bytes in the place
}

const (
	segmentBytes = 16 << 20 // of entries, after which another segment begins
	maxSegment   = 1 << 30  // an entry alone can be large
)

// segmentZstd compresses segments. One is shipped every few seconds as long as the hub runs, and what it
// costs to set an encoder up anew is more than most segments are.
var segmentZstd = sync.OnceValue(func() *zstd.Encoder {
	const window = 256 << 10 // a larger one finds little more in the rows of frames, and takes its memory for good
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(true),
		zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(window))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
})

var (
	errSegment  = errors.New("the segment is damaged")
	segmentCBOR = func() cbor.DecMode {
		mode, err := cbor.DecOptions{MaxArrayElements: 1 << 30}.DecMode()
		if err != nil {
			panic(err) // the options are constants
		}
		return mode
	}()
)

// encode returns the segment as it lies in a place: compressed, encrypted where there are
// recipients, and the SHA-256 of that.
func (s *Segment) encode(to []age.Recipient) ([]byte, error) {
	plain, err := cbor.Marshal(s)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := seal(&b, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(segmentZstd().EncodeAll(plain, nil)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b.Bytes())
	s.sum = sum[:]
	return append(b.Bytes(), sum[:]...), nil
}

func decodeSegment(b []byte, keys []age.Identity, encrypted bool) (*Segment, error) {
	end := len(b) - sha256.Size
	if end < 0 {
		return nil, errSegment
	}
	sum := sha256.Sum256(b[:end])
	if !bytes.Equal(sum[:], b[end:]) {
		return nil, errSegment
	}
	r, err := newUnpacker(bytes.NewReader(b[:end]), keys, encrypted)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	plain, err := io.ReadAll(io.LimitReader(r, 2*maxSegment))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	s := &Segment{sum: sum[:]}
	if err := segmentCBOR.Unmarshal(plain, s); err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	if s.Format != Format {
		return nil, fmt.Errorf("the segment has format %d, this program knows %d", s.Format, Format)
	}
	if s.To < s.From || uint64(len(s.Entries)) != s.To-s.From+1 {
		return nil, errSegment
	}
	return s, nil
}

// readSegment reads a segment, which must say what its name says.
func readSegment(ctx context.Context, p place.Place, f *SegmentFile, keys []age.Identity) (*Segment, error) {
	b, err := readAll(ctx, p, f.Name, maxSegment)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	s, err := decodeSegment(b, keys, f.encrypted)
	if err == nil && segmentName(historyName(s.ID, s.Epoch), s, f.encrypted) != f.Name {
		err = errors.New("the segment is another one")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	return s, nil
}

// follows says whether a segment continues another one of the same history.
func (s *Segment) follows(before *Segment) error {
	if before == nil || s.Before == nil || s.From != before.To+1 {
		return nil
	}
	if !bytes.Equal(s.Before, before.sum) {
		return fmt.Errorf("the segments up to version %d and from %d on are of two different pasts: a database was put back to an older state, and went on under the same name",
			before.To, s.From)
	}
	return nil
}

// Level is how hard zstd compresses: about as its own level 3.
const level = zstd.SpeedDefault
