package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// mostLooks is how many looks at copies a worker remembers.
const mostLooks = 64

// A Look is a look at a copy that somebody has asked for.
type Look struct {
	History string
	Version uint64
	Began   time.Time
	Running bool
	Millis  int64
	Good    bool
	Error   string
}

// ErrLooking is another look that is under way.
var ErrLooking = errors.New("another backup is being verified: wait until that is done")

// Find returns a copy in a worker's place.
func (w *Worker) Find(ctx context.Context, history string, version uint64) (*CopyFile, error) {
	c, err := list(ctx, w.o.Place, history+"/copy-")
	if err != nil {
		return nil, err
	}
	for _, h := range c.Histories {
		for _, f := range h.Copies {
			if h.Name == history && f.Version == version {
				return f, nil
			}
		}
	}
	return nil, fmt.Errorf("there is no copy of version %d of the history %q in %s", version, history, w.o.Place)
}

// Verify begins to look at a copy again, in a child process, as Run does at each that it
// makes. What comes of it is in State.Looks. [ErrLooking]: one at a time.
func (w *Worker) Verify(ctx context.Context, history string, version uint64) error {
	f, err := w.Find(ctx, history, version)
	switch {
	case err != nil:
		return err
	case f.Err != nil:
		return f.Err
	case f.Manifest.Data.Encryption != "":
		return errors.New("the copy is encrypted, and the hub has no key that opens it: use framehub backup verify --identity FILE where that key is")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.state.Looks); n > 0 && w.state.Looks[n-1].Running {
		return ErrLooking
	}
	w.state.Looks = append(w.state.Looks[max(0, len(w.state.Looks)+1-mostLooks):len(w.state.Looks):len(w.state.Looks)],
		Look{History: history, Version: version, Began: time.Now(), Running: true})
	w.look <- f // there is room: none is under way
	return nil
}

// looks looks at copies until ctx ends.
func (w *Worker) looks(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-w.look:
			err := w.lookAt(ctx, f)
			w.update(func(s *State) {
				looks := append([]Look(nil), s.Looks...) // those who were told before have the others
				l := &looks[len(looks)-1]
				l.Running, l.Millis, l.Good = false, time.Since(l.Began).Milliseconds(), err == nil
				if err != nil {
					l.Error = err.Error()
				}
				s.Looks = looks
			})
			if err != nil && ctx.Err() == nil {
				w.o.Log.Error("a backup was verified, as somebody asked", "name", f.Name, "err", err)
			} else if err == nil {
				w.o.Log.Info("a backup was verified, as somebody asked, and is good", "name", f.Name)
			}
		}
	}
}

func (w *Worker) lookAt(ctx context.Context, f *CopyFile) error {
	scratch, err := w.scratch("look")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return err
	}
	_, err = w.run.runIdle(ctx, &job{Prove: &proveJob{Place: w.o.Place.String(), Manifest: f.Name, Scratch: scratch}}, f.Manifest.Raw.Size)
	return errors.Join(err, os.RemoveAll(scratch))
}

// FileName is what a copy's archive is called: see [CopyFile.Archive].
func (f *CopyFile) FileName() string {
	history, _, _ := strings.Cut(f.Name, "/")
	return fmt.Sprintf("framehub-%s-%d.tar", history, f.Version)
}
