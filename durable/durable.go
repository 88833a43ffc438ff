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
	if err := renameio.WriteFile(path, contents, 0o600, renameio.WithTempDir(filepath.Dir(path))); err != nil {
		return err
	}
	return Sync(filepath.Dir(path))
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
