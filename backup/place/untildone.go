package place

import (
	"context"
	"io"
)

// UntilDone returns a reader of what r has, which fails with the context's error once that
// has ended.
func UntilDone(ctx context.Context, r io.Reader) io.Reader { return &untilDone{ctx, r} }

type untilDone struct {
	ctx context.Context //nolint:containedctx // it is the reader's whole life
	r   io.Reader
}

// Read implements [io.Reader].
func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
