package store

import (
	"errors"
	"fmt"

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
	var advice string
	switch sqlite.CodeOf(err) & 0xff {
	case sqliteFull:
		advice = "the disk is full: free some space, the hub goes on by itself"
	case sqliteReadOnly:
		advice = "the file, its folder or the disk is read-only, or belongs to another user: the hub must be able to write both"
	case sqliteBusy, sqliteLocked:
		advice = "another program holds its lock: close that program, or end its transaction"
	case sqliteCorrupt, sqliteNotADB:
		advice = "the file is damaged, or is no SQLite database: look with `sqlite3 FILE 'PRAGMA integrity_check'`, and restore a backup"
	case sqliteCantOpen, sqlitePerm:
		advice = "the file can't be opened: look at its folder, and whose it is"
	case sqliteIOErr:
		advice = "the disk reports an error, or on mvSQLite the cluster: look at the system's log, or mvstore's"
	case sqliteNoMem:
		advice = "there is no memory left"
	default:
		return err
	}
	return &advisedError{path, err, advice}
}
