package wire

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is what RFC 8878, section 3.1.1.1.2, asks every decoder to take.
const maxWindow = 8 << 20

// The codecs keep a set of states each, one per core; their EncodeAll and
// DecodeAll may be called at the same time, and start no goroutines.
var (
	encoder = must(zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true)))
	decoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeAllCapLimit(true)))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Pack appends msg as a packed message. The caller keeps the smaller of both.
func Pack(dst, msg []byte) []byte {
	dst = appendUint(appendArray(dst, 3), uint64(TypePacked))
	dst = appendUint(dst, uint64(len(msg)))
	// The head of the byte string is as long as its length asks for, which is
	// known only afterwards: the bytes are made behind the longest, then moved.
	const longest = 9
	at := len(dst)
	all := encoder.EncodeAll(msg, append(dst, make([]byte, longest)...))
	return append(appendHead(all[:at], majorBytes, uint64(len(all)-at-longest)), all[at+longest:]...)
}

// Unpack returns the message inside a packed one, of at most limit bytes, and
// never makes more than that for it. A packed message inside a packed one is
// refused.
func Unpack(msg []byte, limit int) ([]byte, error) {
	f := open(msg, Limits{Message: limit}.orDefaults(), TypePacked)
	size := f.uint("the size of a packed message", MaxVersion)
	data := f.bytes("a packed message")
	if size > uint64(limit) {
		f.fail(&Error{CloseTooLarge, fmt.Sprintf("the message has %d bytes when unpacked, the most is %d", size, limit)})
	}
	f.fail(checkContentSize(data, size))
	if err := f.close(); err != nil {
		return nil, err
	}
	inner, err := decoder.DecodeAll(data, make([]byte, 0, size))
	if err != nil && !errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return nil, protocolErrorf("a packed message can't be unpacked: %s", err)
	}
	if err != nil || uint64(len(inner)) != size {
		return nil, errPackedSize
	}
	if t, err := TypeOf(inner); err != nil {
		return nil, err
	} else if t == TypePacked {
		return nil, protocolErrorf("a packed message holds a packed message")
	}
	return inner, nil
}

var errPackedSize = &Error{CloseProtocol, "a packed message unpacks to another size than it says"}

// checkContentSize refuses a size that the compressed data itself denies, before
// anything is made for it.
func checkContentSize(data []byte, size uint64) error {
	var h zstd.Header
	if err := h.Decode(data); err != nil {
		return protocolErrorf("a packed message is not zstd: %s", err)
	}
	if h.HasFCS && h.FrameContentSize > size {
		return errPackedSize
	}
	return nil
}
