// Package durable changes files so that a crash or the loss of power leaves what was
// there or what is to be, and nothing else.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Replace gives a file new contents, readable by its owner alone. When it returns nil
// they are on the disk, under their name; after an error or a crash the file has the
// old contents, or the new ones.
func Replace(path string, contents []byte) error {
	const mode = 0o600
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	if _, err := f.Write(contents); err != nil {
		return errors.Join(err, f.Cleanup())
	}
	return f.Replace()
}

// A File takes the place of another when it is whole: by Replace, or not at all, by Cleanup.
type File struct {
	*renameio.PendingFile
	path string
}

// Create makes a file beside its path, with the permissions of the one that is there, or
// else those of mode that the umask leaves.
func Create(path string, mode os.FileMode) (*File, error) {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(mode), renameio.WithExistingPermissions())
	if err != nil {
		return nil, err
	}
	return &File{f, path}, nil
}

// Replace closes the file and puts it in its place; where it can't, it is removed. When it
// returns nil it is on the disk, under its name.
func (f *File) Replace() error {
	if err := f.CloseAtomicallyReplace(); err != nil {
		return errors.Join(err, f.Cleanup())
	}
	return Sync(filepath.Dir(f.path))
}

// Sync writes a file to the disk; of a folder, which files it has by which names.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s to the disk: %w", path, err)
	}
	return nil
}
