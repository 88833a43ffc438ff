package backup_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"framehub/backup/place"
	"framehub/store/storetest"
)

// What is full in a round of [TestKill], by turns.
const (
	fullNothing = iota
	fullPlace
	fullChild
	fullDisk
	fullKinds
)

// tellFull tells the test how often writes of a file have failed.
func tellFull(file string, times int) { _, _ = fmt.Fprintf(os.Stdout, "full %s %d.\n", file, times) }

// A crampedPlace is a folder on a disk that is full now and then: files break off.
type crampedPlace struct {
	place.Place
	dir string

	mu  sync.Mutex
	rng *rand.Rand
}

func (f *crampedPlace) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rng.IntN(3) == 0
}

func (f *crampedPlace) half(name string, b []byte) error {
	path := filepath.Join(f.dir, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	f.mu.Lock()
	n := f.rng.IntN(len(b) + 1)
	f.mu.Unlock()
	if err == nil {
		tellFull("backups", 1)
		err = os.WriteFile(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"-ABCDEFGH.partial"), b[:n], 0o600)
	}
	return errors.Join(err, syscall.ENOSPC)
}

func (f *crampedPlace) Put(ctx context.Context, name, file string) error {
	if !f.full() {
		return f.Place.Put(ctx, name, file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return errors.Join(f.half(name, b), os.Remove(file))
}

func (f *crampedPlace) Write(ctx context.Context, name string, b []byte) error {
	if !f.full() {
		return f.Place.Write(ctx, name, b)
	}
	return f.half(name, b)
}

// limitFiles lets the system refuse to write more than so many bytes into a file.
func limitFiles() {
	if n, err := strconv.ParseUint(os.Getenv(hubLimit), 10, 64); err == nil {
		_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})
	}
}

// A crampedDisk is the one that the hub's own files are on, and is full now and then, from
// some write to one of them on: of a frame to the database or the log, or of a copy that is
// made, for some frames.
type crampedDisk struct {
	*storetest.Faults

	rng  *rand.Rand
	file string
	left int // frames that it stays full for
}

// frame commits a frame, or fails to and recovers.
func (d *crampedDisk) frame(w *world) {
	if d.left == 0 {
		d.file, d.left = []string{"world.db", "world.frames", "scratch"}[d.rng.IntN(3)], 1
		if d.file == "scratch" {
			d.left += d.rng.IntN(30)
		}
		d.Set(storetest.FaultPlan{Path: "/" + d.file, Ops: storetest.FaultWrite, Skip: d.rng.IntN(20), Sticky: true, Code: storetest.DiskFull})
	}
	err := w.tryFrame()
	failed := err != nil
	if failed {
		_, err = w.Recover() // while it is full, which it may need no room for
	}
	if d.left--; d.left == 0 {
		if n := d.Clear(); n > 0 {
			tellFull(d.file, n)
		}
	}
	if err != nil {
		_, err = w.Recover()
	}
	if err != nil {
		d.Fatal("recover, now that there is room:", err)
	}
	if failed {
		w.resume()
	}
}
