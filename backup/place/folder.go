package place

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"framehub/durable"
)

// A folder has a file for each blob.
type folder struct{ dir string }

// partial ends the names of files that are being written.
const partial = ".partial"

// String implements [Place].
func (f *folder) String() string { return f.dir }

func (f *folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// List implements [Place].
func (f *folder) List(ctx context.Context, prefix string) (blobs []Blob, err error) {
	err = filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // the folder itself, or what was removed meanwhile
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		rel, err := filepath.Rel(f.dir, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		switch {
		case d.IsDir() && name != "." && !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/"):
			return fs.SkipDir
		case !d.Type().IsRegular() || strings.HasSuffix(name, partial) || !strings.HasPrefix(name, prefix):
			return nil
		}
		info, err := d.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
		blobs = append(blobs, Blob{Name: name, Size: info.Size(), Time: info.ModTime()})
		return nil
	})
	slices.SortFunc(blobs, func(a, b Blob) int { return cmp.Compare(a.Name, b.Name) })
	return blobs, err
}

// Open implements [Place].
func (f *folder) Open(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(f.path(name))
}

// Put implements [Place]. On the same file system nothing is copied.
func (f *folder) Put(ctx context.Context, name, file string) (err error) {
	defer func() {
		if e := os.Remove(file); err == nil && !errors.Is(e, fs.ErrNotExist) {
			err = e
		}
	}()
	part, err := f.part(name)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	if os.Rename(file, part) == nil {
		if err := durable.Sync(part); err != nil {
			return err
		}
		return f.settle(part, name)
	}
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // it was only read
	if err := fill(ctx, part, from); err != nil {
		return err
	}
	return f.settle(part, name)
}

// Write implements [Place].
func (f *folder) Write(ctx context.Context, name string, b []byte) (err error) {
	part, err := f.part(name)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	if err := fill(ctx, part, bytes.NewReader(b)); err != nil {
		return err
	}
	return f.settle(part, name)
}

// part returns a name for a file that is being written, in a folder that is there.
func (f *folder) part(name string) (string, error) {
	path := f.path(name)
	if err := f.makeDir(filepath.Dir(path)); err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"-"+rand.Text()[:8]+partial), nil
}

// makeDir makes a folder and those above it, durable.
func (f *folder) makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if err := durable.Sync(filepath.Dir(at)); err != nil {
			return err
		}
		if at == f.dir || filepath.Dir(at) == at {
			return nil
		}
	}
}

// fill writes a file whole and durable.
func fill(ctx context.Context, path string, r io.Reader) (err error) {
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if _, err := io.Copy(&durable.Pieces{File: to}, UntilDone(ctx, r)); err != nil {
		return err
	}
	return to.Sync()
}

// settle gives a file that is whole its name.
func (f *folder) settle(part, name string) error {
	path := f.path(name)
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return durable.Sync(filepath.Dir(path))
}

// Remove implements [Place]. A folder that is empty then goes, too.
func (f *folder) Remove(_ context.Context, name string) error {
	path := f.path(name)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for dir := filepath.Dir(path); dir != f.dir && strings.HasPrefix(dir, f.dir) && os.Remove(dir) == nil; {
		dir = filepath.Dir(dir) // until one is not empty
	}
	return nil
}
