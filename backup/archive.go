package backup

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"time"

	"framehub/backup/place"
)

// tarBlock is what everything in an archive is rounded up to.
const tarBlock = 512

// ArchiveSize is the size of what Archive writes, in bytes.
func (f *CopyFile) ArchiveSize() int64 {
	const header, end = tarBlock, 2 * tarBlock
	round := func(n int64) int64 { return (n + tarBlock - 1) / tarBlock * tarBlock }
	return header + round(f.blob.Size) + header + round(f.Manifest.Data.Size) + end
}

// Archive writes a copy as a tar archive: unpacked in a folder, it is a place of backups,
// from which framehub restore restores that version. The manifest must be there.
func (w *Worker) Archive(ctx context.Context, f *CopyFile, to io.Writer) error {
	if f.Err != nil {
		return f.Err
	}
	t := tar.NewWriter(to)
	for _, one := range []struct {
		name string
		size int64
	}{{f.Manifest.Data.Name, f.Manifest.Data.Size}, {f.Name, f.blob.Size}} {
		if err := w.archive(ctx, t, one.name, one.size, f.Manifest.Made); err != nil {
			return err
		}
	}
	return t.Close()
}

func (w *Worker) archive(ctx context.Context, t *tar.Writer, name string, size int64, made time.Time) (err error) {
	r, err := w.o.Place.Open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	h := &tar.Header{Format: tar.FormatGNU, Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: made.Truncate(time.Second)}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(t, place.UntilDone(ctx, r))
	return err
}
