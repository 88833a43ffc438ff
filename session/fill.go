package session

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"framehub/session/wire"
)

// maxScratch is the largest buffer that is kept for later messages.
const maxScratch = 64 << 10

var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// readOwn reads all of r, of at most limit bytes, into a slice of just its size.
func readOwn(r io.Reader, limit int) ([]byte, error) {
	buf := scratch.Get().(*[]byte)
	all, err := fill(r, *buf, limit)
	if cap(all) <= maxScratch {
		*buf = all[:0]
		defer scratch.Put(buf)
	}
	if err != nil {
		return nil, err
	}
	return bytes.Clone(all), nil
}

// fill reads all of r, of at most limit bytes, into buf from its start, or into
// a larger one.
func fill(r io.Reader, buf []byte, limit int) ([]byte, error) {
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, max(512, len(buf)))...)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):min(cap(buf), limit+1)]) // the library waits until that is full
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > limit:
			return buf, &wire.Error{Code: wire.CloseTooLarge, Reason: fmt.Sprintf("the message is larger than %d bytes", limit)}
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, err
		}
	}
}

func protocolErrorf(format string, args ...any) *wire.Error {
	return &wire.Error{Code: wire.CloseProtocol, Reason: fmt.Sprintf(format, args...)}
}
