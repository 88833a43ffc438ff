package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"framehub/store"
)

const tableA = `CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER) STRICT`

// closedDB makes a database with a few frames, closed.
func closedDB(t *testing.T, frames int) *testDB {
	t.Helper()
	d := openDB(t, tableA)
	for i := range frames {
		d.do(put("a", "id n", row(i, i)))
	}
	d.close()
	return d
}

func (d *testDB) wantNoOpen(words ...string) {
	d.Helper()
	s, err := store.Open(d.opts)
	wantWords(d, err, words...)
	if err == nil {
		d.Error(s.Close())
	}
}

// TestOpenRefuses: what does not belong together, or is damaged, is refused with
// words that say what to do.
func TestOpenRefuses(t *testing.T) {
	other := closedDB(t, 3)
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		words []string
	}{
		{"log missing", func(t *testing.T, path string) { removeAll(t, logOf(path)) }, []string{"world.frames.db is missing or new", "--new-epoch"}},
		{"log of another", func(t *testing.T, path string) { copyFile(t, logOf(other.opts.Path), logOf(path)) }, []string{"is not that of the game database"}},
		{"database of another", func(t *testing.T, path string) { copyFile(t, other.opts.Path, path) }, []string{"is not that of the game database"}},
		{"database missing", func(t *testing.T, path string) { removeAll(t, path) }, []string{"world.frames.db, that is not that of the game database", "missing or new", "move the log away"}},
		{"log older", func(t *testing.T, path string) { sqlite3(t, logOf(path), `DELETE FROM frame WHERE version > 3`) }, []string{"merged version 6", "ends at 3", "older copy"}},
		{"database older", func(t *testing.T, path string) {
			sqlite3(t, path, `UPDATE _framehub_meta SET value = 2 WHERE key = 'merged'`)
			sqlite3(t, logOf(path), `DELETE FROM frame WHERE version <= 4`)
		}, []string{"merged version 2", "begins at 5", "older copy"}},
		{"devices older", func(t *testing.T, path string) {
			sqlite3(t, path, `UPDATE _framehub_meta SET value = 2 WHERE key = 'devices'`)
			sqlite3(t, logOf(path), `DELETE FROM frame WHERE version <= 4`)
		}, []string{"devices settled up to version 2", "begins at 5", "older copy"}},
		{"entry missing", func(t *testing.T, path string) { sqlite3(t, logOf(path), `DELETE FROM frame WHERE version = 3`) }, []string{"5 entries between 1 and 6", "damaged", "restore a backup"}},
		{"format", func(t *testing.T, path string) {
			sqlite3(t, logOf(path), `UPDATE meta SET value = 99 WHERE key = 'format'`)
		}, []string{"format 99", "use the program that wrote it"}},
		{"log no database", func(t *testing.T, path string) { overwrite(t, logOf(path), 0, bytes.Repeat([]byte("no"), 3000)) }, []string{"world.frames.db", "no SQLite database", "restore a backup"}},
		{"no database", func(t *testing.T, path string) { overwrite(t, path, 0, bytes.Repeat([]byte("no"), 3000)) }, []string{"world.db", "no SQLite database", "restore a backup"}},
		{"log cut", func(t *testing.T, path string) { cut(t, logOf(path), 5000) }, []string{"world.frames.db", "damaged", "restore a backup"}},
		{"database cut", func(t *testing.T, path string) { cut(t, path, 5000) }, []string{"world.db", "damaged", "restore a backup"}},
		{"entry flipped", func(t *testing.T, path string) {
			sqlite3(t, logOf(path), `UPDATE frame SET entry = CAST(substr(entry, 1, 9) || x'55' || substr(entry, 11) AS BLOB) WHERE version = 4`)
		}, []string{"entry 4", "checksum", "restore a backup"}},
		{"entry cut", func(t *testing.T, path string) {
			sqlite3(t, logOf(path), `UPDATE frame SET entry = x'0102' WHERE version = 4`)
		}, []string{"entry 4", "checksum"}},
		{"schema flipped", func(t *testing.T, path string) { sqlite3(t, logOf(path), `UPDATE schema SET doc = x'a0ff'`) }, []string{"schema", "frame log"}},
		{"scope gone", func(*testing.T, string) {}, []string{`"a"`, `"zone"`, "no such column"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := closedDB(t, 5)
			d.opts.Path = copyFiles(t, d.opts.Path, d.opts.Path)
			if c.name == "scope gone" {
				d.opts.Scopes = map[string]string{"a": "zone"}
			}
			c.spoil(t, d.opts.Path)
			d.wantNoOpen(c.words...)
			d.wantNoOpen(c.words...) // trying changes nothing
			if _, err := os.Stat(d.opts.Path); c.name == "database missing" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a start that failed leaves a new database: %v", err)
			}
		})
	}
}

func overwrite(t *testing.T, path string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(b, at)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func TestNewEpoch(t *testing.T) {
	d := closedDB(t, 5)
	d.open()
	old := d.Epoch()
	d.close()
	removeAll(t, logOf(d.opts.Path))
	d.opts.NewEpoch = true
	d.open()
	if bytes.Equal(old, d.Epoch()) || d.Version() != 1 {
		t.Errorf("epoch %x, was %x; version %d", d.Epoch(), old, d.Version())
	}
	if state, ok, err := d.Device(alice); state.Settled != 5 || !ok || err != nil {
		t.Errorf("%+v %v %v: numbers rise across epochs", state, ok, err)
	}
	if got := len(d.contents()["a"]); got != 5 {
		t.Errorf("%d rows", got)
	}
	d.do(put("a", "id n", row(9, 9)))
	now := d.Epoch()
	d.reopen() // the wish for a new history is for a log that is lost
	if !bytes.Equal(now, d.Epoch()) {
		t.Error("each start makes a new history")
	}
}

func TestSecondHub(t *testing.T) {
	d := openDB(t, tableA)
	d.wantNoOpen("another hub", fmt.Sprint("process ", os.Getpid()))
	d.do(put("a", "id n", row(1, 1)))
	d.reopen()
}

func TestMissingFolder(t *testing.T) {
	d := openDB(t, tableA, func(o *store.Options) { o.Path = filepath.Join(filepath.Dir(o.Path), "new", "er", "world.db") })
	d.do(put("a", "id n", row(1, 1)))
	d.close()
	d.opts.Path = d.opts.Path + "/world.db"
	d.wantNoOpen(d.opts.Path, "not a directory", "a file, and no folder")
}

// TestPrivate: what the store makes is its user's alone, and what somebody has allowed
// stays.
func TestPrivate(t *testing.T) {
	d := openDB(t, tableA)
	d.do(put("a", "id n", row(1, 1)))
	want := func(mode os.FileMode) {
		t.Helper()
		for _, file := range store.Files(d.opts.Path) {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != mode {
				t.Errorf("%s has mode %v", file, info.Mode())
			}
		}
	}
	want(0o600)
	d.close()
	if err := errors.Join(os.Chmod(d.opts.Path, 0o640), os.Chmod(logOf(d.opts.Path), 0o640)); err != nil {
		t.Fatal(err)
	}
	d.open()
	d.do(put("a", "id n", row(2, 2)))
	want(0o640)
}

// TestReadOnly opens as a user who may read only.
func TestReadOnly(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can be another user")
	}
	for name, spoil := range map[string]func(path string) error{
		"database": func(path string) error { return os.Chmod(path, 0o444) },
		"log":      func(path string) error { return os.Chmod(logOf(path), 0o444) },
		"folder": func(path string) error {
			removeAll(t, path+"-wal", logOf(path)+"-wal")
			return os.Chmod(filepath.Dir(path), 0o555)
		},
		"lock": func(path string) error { return os.Chmod(logOf(path)+".lock", 0o444) },
	} {
		t.Run(name, func(t *testing.T) {
			d := closedDB(t, 2)
			dir, err := os.MkdirTemp("", "framehub-readonly") //nolint:usetesting // one that others may enter
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.RemoveAll(dir) }()
			path := filepath.Join(dir, "world.db")
			copyFile(t, d.opts.Path, path)
			copyFile(t, logOf(d.opts.Path), logOf(path))
			copyFile(t, logOf(d.opts.Path)+".lock", logOf(path)+".lock")
			if name == "folder" {
				removeAll(t, logOf(path)+".lock")
			}
			err = filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error { return errors.Join(err, os.Chown(p, 65534, 65534)) })
			if err = errors.Join(err, spoil(path)); err != nil {
				t.Fatal(err)
			}
			wantWords(t, openAsNobody(t, path), map[string][]string{
				"database": {"read-only"}, "log": {"read-only"},
				"folder": {path + ": open " + logOf(path) + ".lock: permission denied", "must be able to write both"}, "lock": {"permission denied", "must be able to write both"},
			}[name]...)
		})
	}
}

// openAsNobody opens a store in a process of another user.
func openAsNobody(t *testing.T, path string) error {
	t.Helper()
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "framehub-program") //nolint:usetesting // one that others may enter
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "program")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(program, b, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), childRole+"=open", childPath+"="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.New(string(out))
	}
	return nil
}

// childOpen opens a store, and says why it can't.
func childOpen() int {
	s, err := store.Open(store.Options{Path: os.Getenv(childPath), Schema: tableA, Log: quiet})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = s.Close()
	return 0
}

// TestBusy: another program that holds the write lock delays a frame, no more.
func TestBusy(t *testing.T) {
	d := openDB(t, tableA)
	other := d.otherProgram(`BEGIN IMMEDIATE; INSERT INTO a VALUES (77, 7)`)
	for range 3 {
		if _, err := d.Begin(); !errors.Is(err, store.ErrBusy) {
			t.Fatal(err)
		}
		if e, err := d.Recover(); e != nil || err != nil {
			t.Error("nothing has failed:", e, err)
		}
	}
	other(`ROLLBACK`)
	d.do(put("a", "id n", row(1, 1)))
	d.wantRows("a", row(1, 1))
	// The log's lock is nobody's business; who holds it makes frames fail.
	d.close()
	d.open()
}

// TestSchemaChanged: a schema that changes under the hub ends its frames.
func TestSchemaChanged(t *testing.T) {
	d := openDB(t, tableA)
	d.do(put("a", "id n", row(1, 1)))
	d.otherProgram(`ALTER TABLE a ADD COLUMN late TEXT`)
	for range 2 {
		if _, err := d.Begin(); !errors.Is(err, store.ErrSchemaChanged) {
			t.Fatal(err)
		}
		if left, err := d.Merge(d.now, true); left || err != nil {
			t.Error(left, err)
		}
	}
	d.reopen()
	d.do(put("a", "id late", row(1, "x")))
	d.wantRows("a", row(1, 1, "x"))
}

// otherProgram is another connection, as an SQL writer has one. It runs sql, and
// what the function it returns is given.
func (d *testDB) otherProgram(query string) func(query string) {
	d.Helper()
	db, err := sql.Open("sqlite3", "file:"+d.opts.Path)
	if err != nil {
		d.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	d.Cleanup(func() { _ = db.Close() })
	exec := func(query string) {
		d.Helper()
		for q := range strings.SplitSeq(query, "; ") {
			if _, err := db.ExecContext(d.Context(), q); err != nil {
				d.Fatal(query, err)
			}
		}
	}
	exec(query)
	return exec
}
