package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// A fileLock keeps a second hub off the same database. The system lets go of it
// when the process ends, however it ends.
type fileLock struct{ f *os.File }

func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		who, _ := os.ReadFile(path)
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another hub has this database open (process %s): stop it first, or use another --db", strings.TrimSpace(string(who)))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // only tells who it is
	}
	return &fileLock{f}, nil
}

func (l *fileLock) unlock() error { return l.f.Close() }

// Hold keeps every hub off a game database, until it is closed. It fails where one has it
// open.
func Hold(path string) (io.Closer, error) {
	l, err := lockFile((&Options{Path: path}).logPath() + ".lock")
	if err != nil {
		return nil, err
	}
	return l.f, nil
}

// Files returns the files of a game database and its frame log, of which some may be
// missing.
func Files(path string) []string {
	var all []string
	for _, file := range []string{path, (&Options{Path: path}).logPath()} {
		all = append(all, file, file+"-wal", file+"-shm")
	}
	return all
}
