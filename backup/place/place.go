// Package place keeps blobs where backups lie: in a folder, or in a bucket of a service
// that speaks S3. A blob is there whole or not at all.
//
// Start reading at [Open].
package place

import (
	"context"
	"io"
	"strings"
	"time"
)

// A Place keeps blobs by names with slashes. Its methods may be called at the same time.
type Place interface {
	// List returns the blobs whose names begin with prefix, by name.
	List(ctx context.Context, prefix string) ([]Blob, error)
	// Open reads a blob from its beginning. [io/fs.ErrNotExist]: there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Put makes a local file a blob, in place of the one of that name, durable when it
	// returns. The file is gone then, also after an error.
	Put(ctx context.Context, name, file string) error
	// Write makes bytes a blob, as Put does.
	Write(ctx context.Context, name string, b []byte) error
	// Remove removes a blob; that there is none is no error.
	Remove(ctx context.Context, name string) error
	// String names the place as [Open] takes it.
	String() string
}

// A Blob is one in a list.
type Blob struct {
	Name string
	Size int64
	Time time.Time // when it was written, by the place's clock
}

// Open opens a folder, which is made when something is first put there, or
// s3://BUCKET/PREFIX. It does not ask whether the bucket is there.
func Open(where string) (Place, error) {
	if strings.HasPrefix(where, "s3://") {
		return openBucket(where)
	}
	return &folder{strings.TrimPrefix(where, "file://")}, nil
}
