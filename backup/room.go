package backup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"framehub/store"
)

// A copy must never fill the disk that the hub's own files are on: it takes room there
// itself, and while it is read the database's write-ahead log grows by what frames write.
// So it is not begun where it would not fit, and is given up when the disk has too little
// left all the same; what it took is free again then, and it is tried again later.

// errNoRoom is a disk that has too little room for a copy.
var errNoRoom = errors.New("the disk has too little room for a backup")

// roomEvery is how often the disk is looked at while a copy is made.
const roomEvery = 100 * time.Millisecond

// freeOn returns how many bytes the disk of a folder has left for this user.
func freeOn(dir string) (int64, error) {
	var s syscall.Statfs_t
	err := syscall.Statfs(dir, &s)
	return int64(s.Bavail) * int64(s.Bsize), err //nolint:unconvert // which other systems need
}

// noRoom says why there is too little.
func (w *Worker) noRoom(free int64, why string) error {
	return fmt.Errorf("%w: that of %s has %s left, %s, and %s are to stay free (--backup-reserve)",
		errNoRoom, w.o.Scratch, humanize.IBytes(uint64(free)), why, humanize.IBytes(uint64(w.o.Reserve)))
}

// fits says whether a copy of a snapshot has room, packed as well as the last one was.
func (w *Worker) fits(sn *store.Snapshot) error {
	free, err := w.o.Free(w.o.Scratch)
	if err != nil {
		return err
	}
	need := sn.Size
	w.mu.Lock()
	if good := w.state.LastGood; good != nil && good.RawSize > 0 {
		need += int64(float64(sn.Size) / float64(good.RawSize) * float64(good.Size))
	}
	w.mu.Unlock()
	if free >= need+w.o.Reserve {
		return nil
	}
	return w.noRoom(free, fmt.Sprintf("a copy takes %s", humanize.IBytes(uint64(need))))
}

// watched runs what makes a copy, and ends it when the disk has too little room left.
func (w *Worker) watched(ctx context.Context, work func(context.Context) error) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer giveUp(nil)
	watching.Go(func() {
		tick := time.NewTicker(roomEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if free, err := w.o.Free(w.o.Scratch); err == nil && free < w.o.Reserve {
				giveUp(w.noRoom(free, "so this copy was given up"))
				return
			}
		}
	})
	err := work(ctx)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errNoRoom) {
		return cause
	}
	return err
}
