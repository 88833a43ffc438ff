//go:build !linux

package durable

import "os"

// drain writes what a file has so far to its disk, and waits for that.
func drain(f *os.File) error { return f.Sync() }
