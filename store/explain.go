package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"framehub/store/internal/sqlite"
)

// ErrGone is a version that the frame log no longer has.
var ErrGone = errors.New("the frame log no longer has that version")

// An advisedError is a failure of a database with what a person can do about it.
type advisedError struct {
	path   string
	err    error
	advice string
}

// Error names the file, the failure and the advice.
func (e *advisedError) Error() string { return fmt.Sprintf("%s: %v (%s)", e.path, e.err, e.advice) }

// Unwrap returns the failure.
func (e *advisedError) Unwrap() error { return e.err }

// explain adds to a failure of a database what a person can do about it, once.
func explain(path string, err error) error {
	if _, ok := errors.AsType[*advisedError](err); ok || err == nil {
		return err
	}
	if _, ok := errors.AsType[*NamespaceError](err); ok {
		return err
	}
	advice := cmp.Or(adviceOf(sqlite.CodeOf(err)), adviceOfSystem(err))
	if advice == "" {
		return err
	}
	return &advisedError{path, err, advice}
}

const (
	adviceFull     = "the disk is full: free some space, the hub goes on by itself"
	adviceReadOnly = "the file, its folder or the disk is read-only, or belongs to another user: the hub must be able to write both"
)

// adviceOfSystem is what to do about an error of the system's; "": nobody knows.
func adviceOfSystem(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return adviceReadOnly
	case errors.Is(err, syscall.ENOSPC):
		return adviceFull
	case errors.Is(err, syscall.ENOTDIR):
		return "a part of that path is a file, and no folder: use another --db"
	default:
		return ""
	}
}

// adviceOf is what to do about an error of SQLite's; "": nobody knows.
func adviceOf(code int) string {
	switch code & 0xff {
	case sqliteFull:
		return adviceFull
	case sqliteReadOnly:
		return adviceReadOnly
	case sqliteBusy, sqliteLocked:
		return "another program holds its lock: close that program, or end its transaction"
	case sqliteCorrupt, sqliteNotADB:
		return "the file is damaged, or is no SQLite database: look with `sqlite3 FILE 'PRAGMA integrity_check'`, and restore a backup"
	case sqliteCantOpen, sqlitePerm:
		return "the file can't be opened: look at its folder, and whose it is"
	case sqliteIOErr:
		return "the disk reports an error, or on mvSQLite the cluster: look at the system's log, or mvstore's"
	case sqliteNoMem:
		return "there is no memory left"
	default:
		return ""
	}
}
