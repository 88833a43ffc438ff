package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"framehub/backup/place"
	"framehub/durable"
	"framehub/store"
)

// RestoreOptions say what is restored, and where to.
type RestoreOptions struct {
	Place   place.Place
	To      Target
	History string         // the beginning of a history's name, where a place has several; "": the newest that has the target
	DB      string         // the database file; its frame log lies beside it
	Force   bool           // what is there is put aside; false: then nothing is done
	Keys    []age.Identity // for encrypted backups

	Into *Namespace // where the database is to be on mvSQLite; nil: in DB. It is built in a folder beside DB first

	Progress func(phase string, done, total int64) // may be nil
}

// A Restored is what a restore has done.
type Restored struct {
	DB       string          `json:"db"`
	History  string          `json:"history"`  // that it came from
	Version  uint64          `json:"version"`  // exactly this
	Time     time.Time       `json:"time"`     // of that version
	Copy     uint64          `json:"copy"`     // the version of the copy
	Replayed uint64          `json:"replayed"` // versions after that
	Contents *store.Contents `json:"contents"`
	OnlyCopy []string        `json:"only_copy"` // what is as it was at the copy's version
	Aside    []string        `json:"aside"`     // the files that were there before, as they are called now
	Notes    []string        `json:"notes"`     // what else should be known
}

// Restore makes a database of backups, at exactly one version, as the beginning of a new
// history. Where it can't give that, it gives nothing: the error says what is missing. A
// hub must not have the database open.
func Restore(ctx context.Context, o RestoreOptions) (res *Restored, err error) {
	defer func() {
		if err != nil {
			res = nil
		}
	}()
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	c, err := List(ctx, o.Place)
	if err != nil {
		return nil, err
	}
	h, err := c.choose(o.History, o.To)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Place, err)
	}
	if err := os.MkdirAll(filepath.Dir(o.DB), 0o750); err != nil {
		return nil, err
	}
	lock, err := store.Hold(o.DB)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if there := existing(o.DB); len(there) > 0 && !o.Force && o.Into == nil {
		return nil, fmt.Errorf("%s is there: --force puts it aside, under another name, and restores", there[0])
	}
	r := &restorer{o: &o, h: h, res: &Restored{DB: o.DB, History: h.Name, OnlyCopy: []string{}, Aside: []string{}, Notes: []string{}}}
	if r.dir, err = makeRoom(o.DB); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	if o.Into != nil {
		return r.res, r.into(ctx)
	}
	if err := r.build(ctx); err != nil {
		return nil, err
	}
	built, err := store.OpenCopy(r.path(), r.schema())
	if err != nil {
		return nil, err
	}
	if err := built.Found(fmt.Sprintf("%s, restored %s", r.what(), time.Now().UTC().Format(time.RFC3339))); err != nil {
		return nil, err
	}
	return r.res, r.put()
}

// existing returns the files that a database would have.
func existing(db string) (there []string) {
	for _, file := range store.Files(db) {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			there = append(there, file)
		}
	}
	return there
}

// room begins the names of folders in which restores build.
const room = ".framehub-restore-"

// makeRoom makes a folder beside a database, and removes those that restores of before
// have left behind, which the lock says have ended.
func makeRoom(db string) (string, error) {
	begin := filepath.Join(filepath.Dir(db), room+filepath.Base(db)+"-")
	old, err := filepath.Glob(strings.NewReplacer("[", `\[`, "*", `\*`, "?", `\?`).Replace(begin) + "*")
	for _, dir := range old {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(filepath.Dir(db), room+filepath.Base(db)+"-")
}

// A restorer is a restore under way.
type restorer struct {
	o   *RestoreOptions
	h   *History
	res *Restored
	dir string

	foreign []string // tables that lack what other programs wrote
}

// path is where the database is built.
func (r *restorer) path() string { return filepath.Join(r.dir, filepath.Base(r.o.DB)) }

// what says what is restored.
func (r *restorer) what() string { return fmt.Sprintf("version %d of %s", r.res.Version, r.h.Name) }

// build builds the database in the folder.
func (r *restorer) build(ctx context.Context) error {
	path := r.path()
	if err := r.buildFrom(ctx, path, r.h.candidates(r.o.To)); err != nil {
		return err
	}
	r.o.Progress("checking", 0, 0)
	var err error
	if r.res.Contents, err = store.ReadContents(ctx, path); err != nil {
		return err
	}
	return r.compare()
}

// buildFrom tries copies, the best first: one that is damaged leaves the work to one
// before it.
func (r *restorer) buildFrom(ctx context.Context, path string, candidates []*CopyFile) error {
	closed := 0 // to the keys that there are
	for _, f := range r.h.Copies {
		if f.Err != nil {
			r.res.Notes = append(r.res.Notes, fmt.Sprintf("the copy of version %d can't be used: %v", f.Version, f.Err))
		}
	}
	for _, f := range candidates {
		err := r.fetch(ctx, path, f.Manifest)
		if errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errOtherKey) {
			f.Err = err
			if errors.Is(err, errOtherKey) {
				closed++
			}
			r.res.Notes = append(r.res.Notes, fmt.Sprintf("the copy of version %d can't be used: %v", f.Version, err))
			_ = os.Remove(path)
			continue
		}
		if err != nil {
			return err
		}
		return r.bring(ctx, path, f)
	}
	if closed > 0 && closed == len(candidates) {
		return errOtherKey
	}
	return r.h.unreachable(r.o.To)
}

func (r *restorer) fetch(ctx context.Context, path string, m *Manifest) error {
	done := int64(0)
	v := &verifier{place: r.o.Place, keys: r.o.Keys, told: func(n int) {
		done += int64(n)
		r.o.Progress("fetching", done, m.Data.Size)
	}}
	return v.fetch(ctx, m, path)
}

// bring replays entries up to the target.
func (r *restorer) bring(ctx context.Context, path string, f *CopyFile) error {
	to := f.Reach
	if r.o.To.Version != nil {
		to = *r.o.To.Version
	}
	p := &replayer{place: r.o.Place, keys: r.o.Keys, history: r.h, told: func(v uint64) {
		if v%256 == 0 || v == to {
			r.o.Progress("replaying", int64(v-f.Version), int64(to-f.Version))
		}
	}}
	if err := p.replay(ctx, path, f.Manifest, to, r.o.To.Time); err != nil {
		if ctx.Err() == nil && (errors.Is(err, errSegment) || errors.Is(err, fs.ErrNotExist)) {
			return fmt.Errorf("no version after %d can be restored from the copy of %d, but --to %d can: %w", p.reached, f.Version, p.reached, err)
		}
		return err
	}
	if r.o.To.Version != nil && p.reached != to {
		return fmt.Errorf("the entries end at version %d, before %d", p.reached, to)
	}
	if err := r.missing(ctx, p.reached, f.Reach); err != nil {
		return err
	}
	r.foreign = p.foreign
	if len(r.foreign) > 0 {
		r.res.Notes = append(r.res.Notes, fmt.Sprintf("after the copy of version %d was made, other programs wrote, or may have written, to tables that only the hub should write, and what they wrote there is lost: %s", f.Version, strings.Join(r.foreign, ", ")))
	}
	r.res.Version, r.res.Time, r.res.Copy, r.res.Replayed, r.res.OnlyCopy = p.reached, p.at, f.Version, p.reached-f.Version, f.Manifest.OnlyCopy
	return nil
}

// missing tells of versions that are missing behind the one that was reached, which the
// target may mean.
func (r *restorer) missing(ctx context.Context, reached, reach uint64) error {
	if reached < reach || r.h.end() <= reached {
		return nil
	}
	if r.o.To.Time != nil && r.laterThan(ctx, reached+1) {
		return nil
	}
	gaps := strings.Join(r.h.gaps(), ", ")
	if r.o.To.Time != nil {
		return fmt.Errorf("what was at %s can't be told, since no copy leads to the versions %s, which may be from before it: --to %d gives the last version before them",
			r.o.To, gaps, reached)
	}
	if r.o.To.Version == nil {
		r.res.Notes = append(r.res.Notes, fmt.Sprintf("no copy leads to the versions %s", gaps))
	}
	return nil
}

// laterThan says whether a version is known to be from after the time that is wanted, by its
// copy or by its entry, as of a new schema.
func (r *restorer) laterThan(ctx context.Context, version uint64) bool {
	for _, f := range r.h.Copies {
		if f.Version == version && f.Manifest != nil {
			return f.Manifest.Time.After(*r.o.To.Time)
		}
	}
	for _, f := range r.h.Segments {
		if f.From > version || f.To < version {
			continue
		}
		s, err := readSegment(ctx, r.o.Place, f, r.o.Keys)
		if err != nil {
			return false
		}
		facts, err := store.ReadEntryFacts(s.Entries[version-s.From])
		return err == nil && facts.Time.After(*r.o.To.Time)
	}
	return false
}

// compare compares with a copy of the very version, if there is one.
func (r *restorer) compare() error {
	for _, f := range r.h.Copies {
		if f.Version != r.res.Version || !f.Good() {
			continue
		}
		if diff := f.Manifest.Contents.Differences(r.res.Contents, r.foreign...); diff != nil {
			return fmt.Errorf("version %d, restored from the copy of %d, differs from its own copy in %s: please report this", f.Version, r.res.Copy, strings.Join(diff, ", "))
		}
	}
	return nil
}

// schema returns the numbering of the copy that was used.
func (r *restorer) schema() []byte {
	for _, f := range r.h.Copies {
		if f.Version == r.res.Copy {
			return f.Manifest.Schema
		}
	}
	return nil
}

// put puts aside what is there, and what was built in its place.
func (r *restorer) put() error {
	dir, base := filepath.Dir(r.o.DB), filepath.Base(r.o.DB)
	ext := filepath.Ext(base)
	aside := filepath.Join(dir, strings.TrimSuffix(base, ext)+".before-restore-"+time.Now().UTC().Format("20060102T150405.000")+ext)
	was, will := store.Files(r.o.DB), store.Files(aside)
	before, err := os.Stat(r.o.DB)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for i := range was {
		switch err := os.Rename(was[i], will[i]); {
		case err == nil:
			r.res.Aside = append(r.res.Aside, will[i])
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("put aside what is there: %w", err)
		}
	}
	built := store.Files(filepath.Join(r.dir, base))
	if before != nil { // who could read it still can
		if err := os.Chmod(built[0], before.Mode().Perm()); err != nil {
			return err
		}
	}
	for i, file := range slices.Backward(built) { // the log first: a database without its log is refused, a log alone is not taken for one
		if err := os.Rename(file, was[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put the restored database in its place: %w", err)
		}
	}
	return durable.Sync(dir)
}
